"""Attribution against what defines each method, on a trained model."""

import numpy as np
import pytest
import torch

from app import cache, inference
from app.attention.attribution import METHODS, attribute, cost
from app.attention.view import _attribute
from vitrm.bench.latency import peak_allocated
from vitrm.config import PRESETS, ModelConfig
from vitrm.errors import LimitError
from vitrm.nets.cost import multiply_adds
from vitrm.runs.checkpoints import find_run
from vitrm.traces.edits import Edit
from vitrm.traces.recording import trace


@pytest.fixture(scope="module")
def case():
    run = find_run("digits-glimpse")
    model = run.load_model()
    shown = next(iter(run.gallery().values()))
    target = int(shown.logits[-1, -1, -1].argmax())
    shares = []
    made = attribute(model, shown.pixels, target, seed=shown.seed, progress=shares.append)
    return model, shown, target, made, shares


def logits(model, images, step, target):
    return [s.logits[:, target] for s in model.steps(images, step + 1, 0, backprop="all")][-1]


def test_there_is_a_value_for_every_method_step_and_patch(case):
    *_, target, made, _ = case
    assert made.target == target
    assert set(made.maps) == set(METHODS)
    assert all(values.shape == (6, 16) and values.dtype == np.float32 for values in made.maps.values())
    assert made.maps["saliency"].min() >= 0


def test_occlusion_is_the_fall_of_the_logit_when_the_patch_is_hidden(case):
    model, shown, target, made, _ = case
    for patch in (0, 5, 10):
        hidden = trace(model, shown.pixels, seed=shown.seed, edit=Edit(hidden_patches=(patch,)))
        fall = (shown.logits - hidden.logits)[:, -1, -1, target]
        np.testing.assert_allclose(made.maps["occlusion"][:, patch], fall, atol=0.05)  # the edit rounds to whole pixels


@pytest.mark.parametrize("step", [0, 3, 5])
def test_integrated_gradients_add_up_to_the_change_from_the_baseline(case, step):
    model, shown, target, made, _ = case
    image = model.transform.normalize(torch.tensor(shown.pixels))[None]
    with torch.no_grad():
        change = logits(model, image, step, target) - logits(model, image * 0, step, target)
    assert made.maps["integrated_gradients"][step].sum() == pytest.approx(change.item(), abs=0.15 * abs(change.item()))


def test_saliency_is_the_mean_absolute_gradient_of_the_patch(case):
    model, shown, target, made, _ = case
    image = model.transform.normalize(torch.tensor(shown.pixels))[None].requires_grad_()
    (gradient,) = torch.autograd.grad(logits(model, image, 5, target).sum(), image)
    expected = gradient[0].abs().reshape(4, 2, 4, 2).mean(dim=(1, 3)).flatten()
    np.testing.assert_allclose(made.maps["saliency"][5], expected, rtol=1e-4, atol=1e-7)


def test_a_patch_that_has_not_been_read_did_not_matter(case):
    _, shown, _, made, _ = case
    unread = np.setdiff1d(np.arange(16), shown.patches[0])
    for values in made.maps.values():
        np.testing.assert_allclose(values[0, unread], 0, atol=1e-5)


def test_progress_rises_to_the_end_and_can_end_the_work(case):
    model, shown, target, _, shares = case
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 10

    class Enough(Exception):
        pass

    def stop(share):
        if share > 0.3:
            raise Enough

    with pytest.raises(Enough):
        attribute(model, shown.pixels, target, progress=stop)
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.slow
def test_what_it_takes_is_counted_beforehand(case):
    model, shown, target, _, _ = case
    evaluated = []  # images and steps of each pass
    original = model.steps

    def counting(images, count, *args, **options):
        evaluated.append((len(images), count, torch.is_grad_enabled()))
        return original(images, count, *args, **options)

    few = {"seed": shown.seed, "supervision_steps": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "steps", counting)
        attribute(model, shown.pixels, target, **few)
    passes = [images * multiply_adds(model.config, n) * (3 if back else 1) for images, n, back in evaluated]
    products, memory = cost(model.config, 2)
    assert products == sum(passes)
    peak = peak_allocated(lambda: attribute(model, shown.pixels, target, **few))
    assert 0.25 * peak < memory < 2 * peak


@pytest.mark.parametrize("preset", [name for name, config in PRESETS.items() if isinstance(config.model, ModelConfig)])
def test_it_is_allowed_for_every_preset(preset):
    model = PRESETS[preset].model
    inference.Limits().check_cost(*cost(model, model.supervision_steps))


@pytest.mark.parametrize("variable", ["VITRM_ANSWER_GIGA_MULTIPLY_ADDS", "VITRM_ANSWER_GB"])
def test_one_that_is_too_much_is_refused_before_the_model_is_had(variable, monkeypatch):
    checkpoint, told = cache.checkpoint("digits-glimpse"), []
    cache.trace(checkpoint, "test-9", 0)
    monkeypatch.setenv(variable, "0.001")
    with pytest.raises(LimitError, match=f"{variable}"):
        _attribute(checkpoint, "test-9", 0, told.append)
    assert told == []
