"""Augmentation: what each option does to the pixels and to the targets, and that off means unchanged."""

from dataclasses import replace

import pytest
import torch

from vitrm.augment import augment, mix, random_affine, random_crop
from vitrm.config import TrainConfig

OFF = TrainConfig(crop_pad=0, flip=False, affine=0.0, randaugment_ops=0, mixup_alpha=0.0, cutmix_alpha=0.0)


def _images(batch=32, channels=3, size=8):
    return torch.randint(1, 256, (batch, channels, size, size), dtype=torch.uint8)


def _copies(batch=64, channels=3, size=16):
    """One image, many times: differences after augmentation can only come from the draws."""
    return _images(1, channels, size).expand(batch, -1, -1, -1).clone()


def _different(images):
    return len({image.numpy().tobytes() for image in images})


def test_everything_off_leaves_pixels_and_labels_as_they_are():
    images, labels = _images(), torch.arange(32) % 10
    assert torch.equal(augment(images, OFF), images)
    mixed, targets = mix(images.float(), labels, 10, OFF)
    assert torch.equal(mixed, images.float())
    assert targets is labels


def test_a_crop_is_a_window_of_the_zero_padded_image():
    images = _images(batch=40)
    windows = torch.nn.functional.pad(images, [2] * 4).unfold(2, 8, 1).unfold(3, 8, 1)  # (B, C, 5, 5, 8, 8)
    found = set()
    for crop, window in zip(random_crop(images, 2), windows, strict=True):
        matches = (window == crop[:, None, None]).all(dim=(0, 3, 4)).nonzero().tolist()
        assert len(matches) == 1
        found.add(tuple(matches[0]))
    assert len(found) > 15  # 40 draws from 25 offsets hit 20 of them on average


def test_crop_reaches_every_offset_and_the_corners():
    image = torch.zeros(1, 1, 3, 3, dtype=torch.uint8)
    image[0, 0, 1, 1] = 9
    crops = random_crop(image.expand(400, -1, -1, -1), 1)
    positions = {tuple(crop[0].nonzero()[0].tolist()) for crop in crops}
    assert positions == {(row, column) for row in range(3) for column in range(3)}


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    images = _images(batch=400)
    flipped = augment(images, replace(OFF, flip=True))
    mirrored = (flipped == images.flip(-1)).all(dim=(1, 2, 3))
    kept = (flipped == images).all(dim=(1, 2, 3))
    assert bool((mirrored ^ kept).all())
    assert 150 < int(mirrored.sum()) < 250  # five standard deviations around 200


@pytest.mark.parametrize("channels", [1, 3])
def test_randaugment_draws_for_every_image_of_its_own(channels):
    images = _copies(channels=channels)
    changed = augment(images, replace(OFF, randaugment_ops=2, randaugment_magnitude=9))
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    assert _different(changed) > 16


@pytest.mark.parametrize("options", [{"crop_pad": 4}, {"affine": 0.2}])
def test_crop_and_affine_draw_for_every_image_of_their_own(options):
    assert _different(augment(_copies(), replace(OFF, **options))) > 32


def test_affine_of_strength_zero_changes_nothing():
    images = _images()
    assert torch.equal(random_affine(images, 0.0), images)


def test_affine_repeats_the_edges_so_that_a_plain_image_stays_plain():
    images = torch.full((20, 1, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(random_affine(images, 0.5), images)


def test_affine_keeps_to_its_strength():
    image = torch.zeros(1, 1, 21, 21)
    image[0, 0, 10, 10] = 255
    moved = random_affine(image.to(torch.uint8).expand(200, -1, -1, -1), 0.1)  # at most a tenth of 10.5 pixels
    rows, columns = moved[:, 0].nonzero()[:, 1:].unbind(1)
    assert int((rows - 10).abs().max()) <= 2
    assert int((columns - 10).abs().max()) <= 2


def test_the_same_seed_augments_a_batch_the_same_way():
    config = TrainConfig(affine=0.1)
    images, labels = _images(), torch.arange(32) % 10
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        pixels = augment(images, config)
        results.append((pixels, *mix(pixels.float(), labels, 10, config)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def _colour_coded(batch=6, size=8):
    """Image i is filled with 10^i, so that a mixture of two shows its shares; its label is i."""
    values = 10.0 ** torch.arange(batch, dtype=torch.float64)
    return values[:, None, None, None].expand(-1, 1, size, size).clone(), torch.arange(batch)


def test_mixup_targets_are_the_shares_of_the_pixels():
    images, labels = _colour_coded()
    seen = set()
    for _ in range(20):
        mixed, targets = mix(images, labels, 6, replace(OFF, mixup_alpha=1.0))
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(6).double())
        # The pixel value of a mixture is its targets' mean of the values of its two images.
        torch.testing.assert_close(mixed[:, 0, 0, 0], targets @ images[:, 0, 0, 0])
        assert bool((mixed == mixed[:, :, :1, :1]).all())
        seen.add(round(float(targets.max(dim=1).values.min()), 6))
    assert len(seen) > 10


def test_cutmix_targets_are_the_shares_of_the_pixels():
    images, labels = _colour_coded()
    for _ in range(40):
        mixed, targets = mix(images, labels, 6, replace(OFF, cutmix_alpha=1.0))
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(6).double())
        counted = torch.stack([(mixed == value).double().mean(dim=(1, 2, 3)) for value in images[:, 0, 0, 0]], dim=1)
        torch.testing.assert_close(targets, counted)


def test_cutmix_pastes_one_rectangle():
    images, labels = _colour_coded(batch=2)
    for _ in range(20):
        mixed, _ = mix(images, labels, 2, replace(OFF, cutmix_alpha=1.0))
        foreign = mixed[0, 0] != images[0, 0]
        rows, columns = foreign.any(dim=1), foreign.any(dim=0)
        assert bool((foreign == rows[:, None] & columns[None]).all())


def test_cutmix_leaves_the_batch_it_was_given_alone():
    images, labels = _colour_coded()
    before = images.clone()
    for _ in range(10):
        mix(images, labels, 6, replace(OFF, mixup_alpha=1.0, cutmix_alpha=1.0))
    assert torch.equal(images, before)


def test_both_mixtures_get_their_turn_at_even_odds():
    images, labels = _colour_coded()
    config = replace(OFF, mixup_alpha=1.0, cutmix_alpha=1.0)
    uniform = [bool((m == m[:, :, :1, :1]).all()) for m in (mix(images, labels, 6, config)[0] for _ in range(200))]
    assert 65 < sum(uniform) < 150  # Mixup always keeps a plain image plain; CutMix rarely does


def test_a_single_image_is_mixed_with_itself():
    images, labels = _colour_coded(batch=1)
    mixed, targets = mix(images, labels, 6, replace(OFF, mixup_alpha=0.2, cutmix_alpha=1.0))
    assert torch.equal(mixed, images)
    assert targets.tolist() == [[1.0, 0, 0, 0, 0, 0]]
