"""The trace of one image: it is the model's own run, complete, repeatable, and safe to read from a file."""

import math
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image

from vitrm.config import Config, DataConfig
from vitrm.families import equip
from vitrm.model import ViTRM
from vitrm.traces.recording import gallery, trace
from vitrm.traces.trace import Trace, TraceError, load_traces, save_traces

VARIANTS = {
    "joint": {},
    "glimpses": {"glimpse_patches": 4, "recursion_steps": 1},
    "cross": {"reading": "cross"},
    "mixer": {"token_mixing": "mlp"},
    "cross-mixer": {"reading": "cross", "token_mixing": "mlp"},
    "two-blocks": {"shared_block": False, "depth": 1},
}
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
PIXELS = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) * 4


def _model(config):
    model = ViTRM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return equip(model, Config(model=config, data=DataConfig(mean=(0.5,), std=(0.25,))))


def _same(one, other):
    """Whether two traces agree in every field, bit for bit."""
    return all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
        for a, b in ((getattr(one, f.name), getattr(other, f.name)) for f in fields(Trace))
    )


@variants
def test_the_last_moment_of_each_supervision_step_is_the_models_own_answer(tiny, options, close):
    model = _model(replace(tiny, **options))
    found = trace(model, PIXELS, supervision_steps=3, seed=5)
    with torch.inference_mode():
        steps = list(model.steps(model.transform.normalize(torch.tensor(PIXELS))[None], 3, seeds=5))
    for n, step in enumerate(steps):
        for ours, theirs in (
            (found.logits, step.logits[0]),
            (found.halt_logit, step.halt_logit[0]),
            (found.answer, step.answer[0, 0]),
            (found.memory, step.memory[0]),
            (found.halt_prob, step.halt_prob[0]),
            (found.probs, step.logits[0].softmax(0)),
        ):
            close(ours[n, -1, -1], theirs.numpy())
        if step.patches is not None:
            assert found.patches[n].tolist() == step.patches[0].tolist()


@variants
def test_a_trace_has_the_documented_shapes(tiny, options):
    config = replace(tiny, **options)
    found = trace(_model(config), PIXELS)
    n, t, m, depth = 2, config.recursion_steps, 2, config.depth
    patches = config.glimpse_patches or 16
    assert found.logits.shape == found.probs.shape == (n, t, m, 10)
    assert found.halt_logit.shape == found.halt_prob.shape == found.kl.shape == (n, t, m)
    assert found.answer.shape == (n, t, m, 16)
    assert found.memory.shape == (n, t, m, 3, 16)
    assert found.answer_change.shape == found.memory_change.shape == (n, t, m)
    assert found.patches.shape == (n, patches)
    mixes = config.token_mixing == "attention"
    expected = {
        "patch_attention": (n, t, m, depth, 2, 3, patches) if mixes or config.reading == "cross" else None,
        "state_attention": (n, t, m, depth, 2, 3, 4) if mixes else None,
        "answer_attention": (n, t, m, depth, 2, 4) if mixes else None,
    }
    for name, shape in expected.items():
        value = getattr(found, name)
        assert (value if value is None else value.shape) == shape, name


def test_the_read_out_inside_a_recursion_step_is_the_answer_update_applied_by_hand(tiny, close):
    model = _model(tiny)
    found = trace(model, PIXELS)
    with torch.inference_mode():
        reading = model.read(model.transform.normalize(torch.tensor(PIXELS))[None])
        state, _ = model.update_memory(reading, model.initial_state(1))  # one memory iteration, then answer
        logits, halt_logit = model.read_out(model.update_answer(state)[0].answer)
    close(found.logits[0, 0, 0], logits[0])
    close(found.halt_logit[0, 0, 0], halt_logit[0])
    close(found.memory[0, 0, 0], state.memory[0])


def test_a_trace_without_attention_is_the_same_in_all_else(tiny, close):
    model = _model(tiny)
    whole, light = trace(model, PIXELS), trace(model, PIXELS, attention=False)
    assert whole.patch_attention is not None
    assert (light.patch_attention, light.state_attention, light.answer_attention) == (None, None, None)
    for name in ("logits", "halt_logit", "answer", "memory"):
        close(getattr(light, name), getattr(whole, name))


def test_attention_rows_sum_to_one(tiny):
    joint, cross = (trace(_model(replace(tiny, reading=reading)), PIXELS) for reading in ("joint", "cross"))
    np.testing.assert_allclose(joint.patch_attention.sum(-1) + joint.state_attention.sum(-1), 1, atol=1e-5)
    for rows in (joint.answer_attention, cross.patch_attention, cross.state_attention, cross.answer_attention):
        np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-5)


def test_the_same_seed_gives_the_same_trace_and_another_seed_other_glimpses(tiny):
    model = _model(replace(tiny, glimpse_patches=4))
    assert _same(trace(model, PIXELS, seed=3), trace(model, PIXELS, seed=3))
    assert trace(model, PIXELS, seed=3).patches.tolist() != trace(model, PIXELS, seed=4).patches.tolist()


def test_pictures_arrays_and_tensors_are_traced_alike(tiny):
    model = _model(tiny)
    array = trace(model, PIXELS)
    assert _same(array, trace(model, Image.fromarray(PIXELS[0])))
    assert _same(array, trace(model, torch.tensor(PIXELS)))
    assert np.array_equal(array.pixels, PIXELS)


def test_tracing_leaves_the_model_and_the_random_numbers_alone(tiny):
    model = _model(replace(tiny, dropout=0.5)).train()
    before = torch.get_rng_state()
    assert _same(trace(model, PIXELS), trace(model, PIXELS))
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (PIXELS / 255, "pixels are float64, expected uint8"),
        (PIXELS[0], r"pixels have shape \(8, 8\), expected \(1, 8, 8\)"),
        (np.zeros((3, 8, 8), np.uint8), r"pixels have shape \(3, 8, 8\), expected \(1, 8, 8\)"),
        (np.zeros((1, 9, 9), np.uint8), r"pixels have shape \(1, 9, 9\), expected \(1, 8, 8\)"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(tiny, pixels, message):
    with pytest.raises(ValueError, match=message):
        trace(_model(tiny), pixels)


# What a trace says of itself


def _made(tiny, **arrays):
    """A trace with some arrays replaced: two supervision steps of one recursion step with two memory iterations."""
    return replace(trace(_model(replace(tiny, recursion_steps=1)), PIXELS), **arrays)


def test_changes_are_distances_from_the_moment_before(tiny):
    answer, memory = np.zeros((2, 1, 2, 16), np.float32), np.zeros((2, 1, 2, 3, 16), np.float32)
    answer[..., 0] = [[[3, 3]], [[1, 1]]]
    memory[..., 0, 0] = [[[6, 6]], [[6, 0]]]  # one of three tokens moves: its distance counts a third
    start = {"initial_answer": np.zeros(16, np.float32), "initial_memory": np.zeros((3, 16), np.float32)}
    found = _made(tiny, answer=answer, memory=memory, **start)
    np.testing.assert_allclose(found.answer_change, [[[3, 0]], [[2, 0]]])
    np.testing.assert_allclose(found.memory_change, [[[2, 0]], [[0, 2]]])


def test_kl_is_the_divergence_from_the_prediction_a_moment_before(tiny):
    logits = np.log(np.array([[[[3, 1], [1, 1]]], [[[1, 1], [1, 3]]]], np.float32))
    found = _made(tiny, logits=logits).kl
    assert math.isnan(found[0, 0, 0])
    expected = [0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25), 0,
                0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)]  # fmt: skip
    np.testing.assert_allclose(found.flatten()[1:], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("halt_logit", "step"),
    [
        ([[[9, -1]], [[9, 2]]], 1),
        ([[[-1, 1]], [[9, 2]]], 0),
        ([[[9, -1]], [[9, -200]]], None),
        ([[[0, 0]], [[0, 0]]], None),
    ],
)
def test_halting_is_the_first_step_that_ends_above_the_threshold(tiny, halt_logit, step):
    assert _made(tiny, halt_logit=np.array(halt_logit, np.float32)).halt_step == step


def test_a_gallery_takes_classes_in_turn_and_names_images_by_their_place(tiny, few_digits):
    model, split = _model(tiny), few_digits.test
    *_, last = split.few(len(split)).tolist()
    found = gallery(model, split, 12, also=(last, *split.few(1).tolist()))  # one of them is there already
    assert [entry.label for entry in found.values()] == [*range(10), 0, 1, int(split.labels[last])]
    for name, entry in found.items():
        index = int(name.removeprefix("test-"))
        assert np.array_equal(entry.pixels, split.images[index].numpy())
        assert entry.label == int(split.labels[index])


# Files


@variants
def test_a_saved_trace_comes_back_bit_for_bit(tiny, options, tmp_path):
    found = trace(_model(replace(tiny, **options)), PIXELS, label=7)
    found.save(tmp_path / "one.npz")
    assert _same(Trace.load(tmp_path / "one.npz"), found)
    found.save(tmp_path / "no-suffix")
    assert _same(Trace.load(tmp_path / "no-suffix"), found)


def test_several_traces_share_one_file_by_name(tiny, tmp_path):
    model = _model(tiny)
    traces = {"a": trace(model, PIXELS, label=1), "b": trace(model, 255 - PIXELS, seed=2)}
    save_traces(tmp_path / "many.npz", traces)
    loaded = load_traces(tmp_path / "many.npz")
    assert list(loaded) == ["a", "b"]
    assert all(_same(loaded[name], traces[name]) for name in traces)


def test_damaged_and_foreign_trace_files_are_refused(tiny, tmp_path):
    file = tmp_path / "trace.npz"
    with pytest.raises(TraceError, match="does not exist"):
        load_traces(file)
    trace(_model(tiny), PIXELS).save(file)
    whole = file.read_bytes()
    damaged = [b"", b"text", whole[:100], whole[:-30], whole[:300] + bytes(200) + whole[500:]]
    for content in damaged:
        file.write_bytes(content)
        with pytest.raises(TraceError, match="is no trace file, or damaged"):
            load_traces(file)
    np.savez(file, logits=np.zeros(3))
    with pytest.raises(TraceError, match="is no trace file, or damaged"):
        load_traces(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("meta.npy", b"not an array")
    with pytest.raises(TraceError, match="is no trace file, or damaged"):
        load_traces(file)


def test_a_pickle_inside_a_trace_file_is_not_executed(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (tmp_path / "mark").touch, ()

    np.savez(tmp_path / "trace.npz", meta=np.array([Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(TraceError, match="is no trace file, or damaged"):
        load_traces(tmp_path / "trace.npz")
    assert not (tmp_path / "mark").exists()


def test_norms_are_lengths_of_the_states_and_the_arrays_cannot_be_written(tiny, close):
    made = trace(_model(tiny), PIXELS)
    close(made.answer_norm, np.sqrt((made.answer**2).sum(axis=-1)))
    lengths = np.sqrt((made.memory**2).sum(axis=-1))
    close(made.memory_norm, lengths.mean(axis=-1))
    for array in (made.logits, made.memory, made.patch_attention, made.pixels):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_the_way_of_reading_is_told_from_the_weights(tiny):
    for reading in ("joint", "cross"):
        assert trace(_model(replace(tiny, reading=reading)), PIXELS).reading == reading
    assert trace(_model(replace(tiny, token_mixing="mlp")), PIXELS).reading == ""


def test_a_trace_that_fails_leaves_the_model_in_the_mode_it_was_in(tiny):
    model = _model(tiny).train()
    with pytest.raises(ValueError, match="supervision_steps=0: expected 1 or more"):
        trace(model, PIXELS, supervision_steps=0)
    assert model.training
