"""The images of an epoch, from one training split or several."""

from dataclasses import replace

import pytest
import torch

from vitrm.data.dataset import Split
from vitrm.training.batches import draw_batches


@pytest.mark.parametrize(("asked", "found"), [(0, [200, 3]), (64, [63, 1]), (1, [1, 1]), (1000, [200, 3])])
def test_epoch_images_are_shared_out_by_size_and_each_split_has_one_at_least(small_run, asked, found):
    splits = [Split(torch.zeros(n, 1, 2, 2, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)) for n in (200, 3)]
    batches = draw_batches(splits, replace(small_run.train, epoch_images=asked), torch.Generator().manual_seed(0))
    assert [sum(len(index) for part, index in batches if part is split) for split in splits] == found
