"""What a model is worth on data it has not seen, per supervision step."""

from dataclasses import replace

import pytest
import torch

from vitrm.judge.evaluation import auroc, evaluate, image_seeds, predict_steps
from vitrm.model import ViTRM


def test_predictions_do_not_depend_on_the_batch_size(tiny, few_digits, close):
    model = ViTRM(replace(tiny, glimpse_patches=4))
    parts = [predict_steps(model, few_digits.preprocess, few_digits.val, batch_size=size) for size in (7, 40)]
    for field in ("logits", "halt_logit", "memory_change"):
        close(*(getattr(part, field) for part in parts))


def test_scores_are_counted_from_the_predictions_of_every_step(tiny, few_digits):
    model = ViTRM(tiny).train()
    outputs = predict_steps(model, few_digits.preprocess, few_digits.val, supervision_steps=3)
    logits, halts = outputs.logits, outputs.halt_logit
    scores = evaluate(model, few_digits.preprocess, few_digits.val, supervision_steps=3)
    assert logits.shape == (3, 40, 10)
    assert halts.shape == (3, 40)
    right = [int((step.argmax(dim=1) == few_digits.val.labels).sum()) for step in logits]
    assert scores.accuracy == pytest.approx([count / 40 for count in right])
    assert scores.n == 40
    assert scores.policy == "all 3 supervision steps run for every image; no halting"
    assert model.training  # as it was before


def test_images_have_seeds_of_their_own_whatever_the_seed():
    assert image_seeds(2, 5, 3).tolist() == [20_000_043, 20_000_044, 20_000_045]
    assert len(set(image_seeds(2**63 - 1, 0, 4).tolist())) == 4


def test_auroc_by_hand():
    scores, right = torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([False, False, True, True])
    assert auroc(scores, right) == 0.75  # of the four pairs, (0.35, 0.4) alone is in the wrong order
    assert auroc(torch.ones(4), right) == 0.5
    assert auroc(scores, torch.ones(4, dtype=torch.bool)) is None
    assert auroc(scores, torch.zeros(4, dtype=torch.bool)) is None
    assert auroc(torch.tensor([0.1, float("nan"), 0.3, 0.4]), right) is None


def test_auroc_is_scikit_learns_ties_included():
    from sklearn.metrics import roc_auc_score

    scores, right = torch.randint(20, (500,)).float(), torch.rand(500) < 0.3
    assert auroc(scores, right) == pytest.approx(roc_auc_score(right.numpy(), scores.numpy()))
