"""A finished run for others: a checkpoint folder, the Hugging Face Hub, ONNX, TensorBoard."""

import importlib.util
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from vitrm.cli import main as cli
from vitrm.config import Config, ResNetConfig, TrainConfig, ViTConfig
from vitrm.errors import RunError
from vitrm.families import equip, make_model
from vitrm.model import State, ViTRM
from vitrm.runs import files
from vitrm.runs.checkpoints import find_run
from vitrm.runs.export import ROUNDED, export, save_onnx, thinned
from vitrm.runs.folder import Run
from vitrm.training.fit import fit


def _session(model, file):
    import onnxruntime

    save_onnx(model, file)
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def glimpser(tiny, few_digits, tmp_path_factory):
    """A run of an epoch whose model glimpses, reads by cross-attention, with blocks and heads of their own."""
    model = replace(
        tiny, glimpse_patches=4, reading="cross", shared_block=False, head="mlp", depth=1, recursion_steps=1
    )
    config = Config(model=model, train=TrainConfig(epochs=1, batch_size=32))
    return fit(config, tmp_path_factory.mktemp("runs") / "glimpser", few_digits, device="cpu")


@pytest.fixture(scope="module")
def hub(glimpser, tmp_path_factory):
    """It as a folder for the Hub."""
    folder = tmp_path_factory.mktemp("hub") / "hub"
    assert cli.main(["export", str(glimpser.path), str(folder), "--hugging-face"]) == 0
    return folder


@pytest.mark.slow
def test_a_supervision_step_in_onnx_is_the_one_in_torch_and_so_is_a_chain_of_them(glimpser, tmp_path, close):
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert cli.main(["export", str(glimpser.path), str(tmp_path / "onnx"), "--onnx"]) == 0
    model = glimpser.load_model()
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [put.name for put in session.get_inputs()] == ["images", "answer", "memory", "patches"]
    assert [put.name for put in session.get_outputs()] == ["logits", "halt_logit", "answer_out", "memory_out"]
    images = torch.randn(3, 1, 8, 8)  # another batch than it was exported with
    steps = list(model.steps(images, 4, seeds=torch.arange(3)))
    meta = session.get_modelmeta().custom_metadata_map
    answer, memory = (
        np.repeat(np.array(json.loads(meta[name]), np.float32), 3, axis=0)
        for name in ("initial_answer", "initial_memory")
    )
    for step in steps:
        feed = {"images": images.numpy(), "answer": answer, "memory": memory, "patches": step.patches.numpy()}
        found = session.run(None, feed)
        for ours, theirs in zip(found, (step.logits, step.halt_logit, step.answer, step.memory), strict=True):
            close(ours, theirs)
        answer, memory = found[2:]
    assert json.loads(meta["class_names"]) == list(model.class_names)
    assert json.loads(meta["mean"]) == list(model.transform.mean)
    assert meta["supervision_steps"] == str(model.config.supervision_steps)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["recursion", "vit", "resnet"])
def test_every_family_leaves_for_onnx(family, tiny, tmp_path, close):
    other = {"memory_tokens": None, "positions": "relative", "reference_side": 2, "embedding": "convolutional"}
    config = {  # of the recursion the kinds of input that the one above does not have
        "recursion": replace(tiny, image_size=16, patch_size=4, recursion_steps=1, memory_steps=1, depth=1, **other),
        "vit": ViTConfig(image_size=8, channels=1, patch_size=2, dim=16, depth=1, num_heads=2, mlp_dim=24),
        "resnet": ResNetConfig(image_size=8, channels=1),
    }[family]
    model = equip(make_model(config), Config(model=config)).train()
    session = _session(model, tmp_path / "model.onnx")
    images = torch.randn(3, 1, config.image_size, config.image_size)
    model.eval()
    if isinstance(model, ViTRM):
        state = State(torch.randn(3, 1, 16), torch.randn(3, config.memory_size, 16))
        (step,) = model.steps(images, 1, start=state)
        feed = {"images": images.numpy(), "answer": state.answer.numpy(), "memory": state.memory.numpy()}
        expected = (step.logits, step.halt_logit, step.answer, step.memory)
    else:
        feed, expected = {"images": images.numpy()}, (model(images),)
    for ours, theirs in zip(session.run(None, feed), expected, strict=True):
        close(ours, theirs)
    assert session.get_modelmeta().custom_metadata_map["family"] == config.family


def test_a_model_as_onnx_is_replaced_at_once_or_not_at_all(tiny, tmp_path, monkeypatch):
    from onnx.helper import make_graph, make_model

    made = Mock(model_proto=make_model(make_graph([], "empty", [], [])))
    monkeypatch.setattr(torch.onnx, "export", Mock(return_value=made))  # which takes ten seconds
    model, file = equip(ViTRM(tiny), Config(model=tiny)), tmp_path / "model.onnx"
    with monkeypatch.context() as full:
        full.setattr(files.os, "replace", Mock(side_effect=OSError("No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            save_onnx(model, file)
    assert list(tmp_path.iterdir()) == []
    save_onnx(model, file)
    assert file.read_bytes() == made.model_proto.SerializeToString()


def test_a_recursion_can_go_on_from_a_state_and_read_what_it_is_given(tiny, close):
    model, images = ViTRM(replace(tiny, glimpse_patches=4)).eval(), torch.randn(2, 1, 8, 8)
    first, second = model.steps(images, 2, seeds=torch.tensor([3, 4]))
    (again,) = model.steps(images, 1, start=State(first.answer, first.memory), patches=second.patches)
    close(again.logits, second.logits)
    close(again.memory, second.memory)
    recursion = model.steps(images, 2, patches=second.patches)
    next(recursion)
    left = recursion.send(torch.tensor([1]))
    assert torch.equal(left.patches, second.patches[1:])


def test_a_folder_for_the_hub_says_what_it_expects_and_still_loads_here(glimpser, hub, close):
    run = find_run(hub)
    names = {file.name for file in run.path.iterdir()}
    assert {"config.json", "preprocessor_config.json", "model.safetensors", "README.md"} <= names
    config = json.loads((run.path / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("vitrm", ["ViTRM"])
    assert config["id2label"]["7"] == "7"
    assert run.config() == glimpser.config()
    model, image = run.load_model(), Image.new("L", (8, 8), 90)
    assert torch.equal(model(model.transform(image)[None]), glimpser.load_model()(model.transform(image)[None]))
    preprocessor = json.loads((run.path / "preprocessor_config.json").read_text())
    pixels = torch.full((1, 8, 8), 90.0) * preprocessor["rescale_factor"]
    normal = (pixels - preprocessor["image_mean"][0]) / preprocessor["image_std"][0]
    close(normal, model.transform(image))
    card = (run.path / "README.md").read_text(encoding="utf-8")
    front = card.split("---\n")[1]
    fields = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in front.splitlines())}
    (result,) = fields["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == round(
        run.summary().test.accuracy[1], 4
    )  # after the steps it was trained with
    assert fields["pipeline_tag"] == "image-classification"


def test_a_training_is_logged_for_tensorboard(tmp_path, capsys):
    words = ["train", "digits", "--tensorboard", "--train.epochs", "2", "--model.dim", "16", "--model.num_heads", "2"]
    words += ["--model.supervision_steps", "2", "--train.batch_size", "256", "--model.depth", "1", "--threads", "1"]
    assert cli.main([*words, "--device", "cpu", "--runs", str(tmp_path), "--name", "run"]) == 0
    run = Run(tmp_path / "run")
    assert f"continue: vitrm train --resume {run.path} " in (out := capsys.readouterr().out)
    assert " --tensorboard\n" in out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        board = EventAccumulator(str(run.path / "tensorboard"))
        board.Reload()
    ends = [event for event in run.metrics() if event["event"] == "EpochEnd"]
    for n in (1, 2):
        drawn = board.Scalars(f"val_accuracy/step {n}")
        assert [point.step for point in drawn] == [6, 12]  # batches
        assert [point.value for point in drawn] == pytest.approx([end["val_accuracy"][n - 1] for end in ends])
    assert {"lr", "memory_norm", "loss/step 1", "images_per_s"} <= set(board.Tags()["scalars"])


@pytest.mark.parametrize(
    ("absent", "words", "message"),
    [
        ("onnxscript", "export digits {}/out --onnx", "ONNX needs the package onnxscript: pip install onnx onnxscript"),
        ("onnx", "export digits {}/out --onnx", "ONNX needs the package onnx: pip install"),
        (
            "tensorboard",
            "train digits --tensorboard --runs {}",
            "needs the package tensorboard: pip install tensorboard",
        ),
    ],
)
def test_a_missing_package_is_named_before_any_work_is_done(absent, words, message, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == absent else find(name, *rest))
    assert cli.main(words.format(tmp_path).split()) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# As a checkpoint


def test_bf16_export_halves_the_weights_and_still_predicts_the_same(finished, tmp_path, digits):
    target = export(finished, tmp_path / "half", half=True)
    sizes = [(run.path / "model.safetensors").stat().st_size for run in (target, finished)]
    assert sizes[0] < 0.6 * sizes[1]
    whole, half = (run.load_model() for run in (finished, target))
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    for ours, theirs in zip(half.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2**-8, atol=0)
    assert target.summary() == replace(finished.summary(), notes=(ROUNDED,))
    assert f"- **Note:** {ROUNDED}" in (target.path / "README.md").read_text(encoding="utf-8")
    assert export(target, tmp_path / "again", half=True).summary().notes == (ROUNDED,)
    images = digits.preprocess.normalize(digits.test.images)
    assert float((half(images).argmax(1) == whole(images).argmax(1)).float().mean()) > 0.95


def test_export_leaves_out_what_only_training_needs(finished, tmp_path):
    target = export(finished, tmp_path / "exported")
    names = {file.name for file in target.path.iterdir()}
    assert names == {"config.json", "started.json", "metrics.jsonl", "model.safetensors", "summary.json", "README.md"}
    assert target.summary() == finished.summary()
    assert (target.path / "README.md").read_text(encoding="utf-8").startswith("# exported\n")


def test_unfinished_runs_and_exports_onto_oneself_are_refused(fresh, finished, tmp_path):
    with pytest.raises(RunError, match="is not finished; only a finished run can be exported"):
        export(fresh[0], tmp_path / "exported")
    with pytest.raises(RunError, match="cannot be exported onto itself"):
        export(finished, finished.path)


def _content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_what_is_no_earlier_export_is_never_overwritten(finished, copy, tmp_path):
    before = _content(copy.path)
    with pytest.raises(RunError, match=r"copy' holds a run that was trained there, not an export; choose another"):
        export(find_run("digits"), copy.path)
    assert _content(copy.path) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("My own.")
    with pytest.raises(RunError, match=r"mine' holds other files than an export's; choose a new or an empty folder"):
        export(finished, tmp_path / "mine")
    with pytest.raises(RunError, match=r"README\.md' is a file; choose a new or an empty folder"):
        export(finished, tmp_path / "mine" / "README.md")
    (tmp_path / "mine" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(RunError, match=r"config\.json"):
        export(finished, tmp_path / "mine")
    assert {*_content(tmp_path / "mine")} == {"README.md", "config.json"}


def test_an_export_over_one_of_other_weights_leaves_nothing_of_these(finished, tmp_path):
    target = Run(Path(shutil.copytree(find_run("digits").path, tmp_path / "mine")))
    added = {"gallery.npz", "mixtures.npz", "model.onnx", "preprocessor_config.json", "halting.json", "mazes.npz"}
    for name in added - {"gallery.npz"}:
        (target.path / name).touch()
    assert {"gallery.npz", "domain.json"} <= {*_content(target.path)}
    export(finished, target.path)
    exported = {"config.json", "started.json", "metrics.jsonl", "model.safetensors", "summary.json", "README.md"}
    assert {*_content(target.path)} == exported
    assert target.summary() == finished.summary()
    for name in added:
        (target.path / name).touch()
    export(finished, target.path, data_name="other words for its data")
    assert {*_content(target.path)} == exported | added
    export(finished, target.path, half=True)
    assert {*_content(target.path)} == exported


def test_of_a_long_training_some_moments_are_left_and_all_that_ends_something():
    epoch = [*({"event": "Progress", "batch": batch} for batch in range(1, 8)), {"event": "EpochEnd"}]
    events = [*epoch, *epoch, {"event": "TrainingEnd"}]
    assert thinned(events, most=14) == events
    kept = thinned(events, most=5)
    assert [event.get("batch") for event in kept] == [1, 4, 7, None, 3, 6, None, None]
    assert [event["event"] for event in kept if "batch" not in event] == ["EpochEnd", "EpochEnd", "TrainingEnd"]
    assert thinned([]) == []
    assert thinned([{"loss": 1}]) == [{"loss": 1}]  # of a damaged file
