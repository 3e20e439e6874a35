"""A finished run for others: a checkpoint folder, in the style of the Hugging Face Hub if asked for, and ONNX."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrm.config import AnyModelConfig, Config
from vitrm.errors import ConfigError, RunError
from vitrm.judge.report import KINDS, report_type
from vitrm.model import State, ViTRM
from vitrm.nets.base import OneStep
from vitrm.runs.card import model_card
from vitrm.runs.files import replace_bytes, replace_text
from vitrm.runs.folder import CARD, CONFIG, GALLERY, METRICS, MIXTURES, STARTED, SUMMARY, WEIGHTS, Run
from vitrm.runs.summary import Summary
from vitrm.runs.weights import packed

ONNX, PREPROCESSOR = "model.onnx", "preprocessor_config.json"
ROUNDED = "The weights are rounded to bf16; the numbers are those of the weights before that."
MOST_MOMENTS = 1000  # of a training's curves that a checkpoint keeps: more than a chart has pixels for


class SupervisionStep(nn.Module):
    """One supervision step with the state going in and coming out: what a recursion outside of Python is made of."""

    def __init__(self, model: ViTRM) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, images: Tensor, answer: Tensor, memory: Tensor, patches: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, C, H, W) normalised, (B, 1, D), (B, K, D), and (B, S) int64 for a model that glimpses ->
        logits (B, C), halting logit (B,), answer, memory.
        """
        (step,) = self.model.steps(images, 1, start=State(answer, memory), patches=patches)
        return step.logits, step.halt_logit, step.answer, step.memory


def check_onnx(model: AnyModelConfig) -> None:
    """Raises ConfigError if a model cannot leave as ONNX, or the packages that write it are not installed."""
    if getattr(model, "readout", "") == "mixture":
        raise ConfigError("readout='mixture' reads the answers of all steps, which one step as ONNX does not have")
    for name in ("onnx", "onnxscript"):  # torch's exporter needs the second
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"ONNX needs the package {name}: pip install onnx onnxscript")


def save_onnx(model: ViTRM | OneStep, file: str | Path) -> None:
    """Write the model as ONNX, the batch of any size.

    A ViTRM becomes one supervision step: inputs images, answer, memory (and patches, if it glimpses), outputs logits,
    halt_logit, answer_out, memory_out. The learned state to start from, class names, mean, std and the number of steps
    it was trained with are in the file's metadata. Other families have images in and logits out. Raises ConfigError
    as `check_onnx` does.
    """
    check_onnx(model.config)
    import onnx

    config, device = model.config, next(model.parameters()).device
    model.eval()
    whole: nn.Module = model
    inputs = {"images": torch.zeros(2, config.channels, config.image_size, config.image_size, device=device)}
    outputs, meta = ["logits"], {}
    if isinstance(model, ViTRM):
        whole, state = SupervisionStep(model).eval(), model.initial_state(2)
        inputs |= {"answer": state.answer.detach().clone(), "memory": state.memory.detach().clone()}
        if config.glimpse_patches is not None:
            inputs["patches"] = torch.arange(config.glimpse_patches, device=device).expand(2, -1).clone()
        outputs = ["logits", "halt_logit", "answer_out", "memory_out"]
        meta = {
            "initial_answer": json.dumps(model.answer_init.tolist()),
            "initial_memory": json.dumps(model.initial_state(1).memory.tolist()),
            "supervision_steps": str(config.supervision_steps),
            "halt_threshold": str(config.halt_threshold),
            "patches": str(config.num_patches),
        }
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own workings
        program = torch.onnx.export(
            whole,
            kwargs=inputs,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes={name: {0: torch.export.Dim("batch", min=1)} for name in inputs},
            dynamo=True,
            verbose=False,
        )
    proto = program.model_proto
    meta |= {
        "family": config.family,
        "class_names": json.dumps(model.class_names),
        "mean": json.dumps(model.transform.mean),
        "std": json.dumps(model.transform.std),
    }
    onnx.helper.set_model_props(proto, meta)
    replace_bytes(Path(file), proto.SerializeToString())


def hub_config(config: Config) -> dict[str, Any]:
    """config.json as the Hub expects it; our own configuration is under "vitrm", where `vitrm.load` finds it."""
    names = config.data.classes
    return {
        "model_type": config.model.family,
        "architectures": [type(config.model).__name__.removesuffix("Config").replace("Model", "ViTRM")],
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "image_size": config.model.image_size,
        "num_channels": config.model.channels,
        "vitrm": config.to_dict(),
    }


def hub_preprocessor(config: Config) -> dict[str, Any]:
    """preprocessor_config.json: what `model.transform` does, after the square centre crop."""
    return {
        "size": {"height": config.model.image_size, "width": config.model.image_size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(config.data.mean),
        "image_std": list(config.data.std),
    }


def hub_front_matter(name: str, config: Config, summary: Summary) -> str:
    """What the Hub reads of a model card. JSON is YAML, and quotes whatever needs it."""
    accuracy = summary.test.accuracy[config.model.supervision_steps - 1]
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": config.data.title, "type": "image"},
        "metrics": [{"type": "accuracy", "value": round(accuracy, 4)}],
    }
    fields = {
        "library_name": "vitrm",
        "pipeline_tag": "image-classification",
        "model-index": [{"name": name, "results": [result]}],
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---", "", ""])


def thinned(events: Sequence[Mapping[str, Any]], most: int = MOST_MOMENTS) -> list[Mapping[str, Any]]:
    """The events of a training with every k-th within its epochs, so that of these at most `most` are left."""
    stride = max(1, math.ceil(sum(event.get("event") == "Progress" for event in events) / most))
    count = itertools.count()
    return [event for event in events if event.get("event") != "Progress" or next(count) % stride == 0]


def check_target(run: Run, path: str | Path) -> Run:
    """The checkpoint folder that a run is to become: a new one, or one that was exported before.

    Raises RunError if the run is not finished, or the folder holds what an export must not replace.
    """
    target = Run(Path(path))
    if run.summary() is None:
        raise RunError(f"'{run.path}' is not finished; only a finished run can be exported")
    if target.path.resolve() == run.path.resolve():
        raise RunError(f"'{run.path}' cannot be exported onto itself; choose another folder")
    if target.path.exists() and not target.path.is_dir():
        raise RunError(f"'{target.path}' is a file; choose a new or an empty folder")
    if target.status()["status"] is not None or target.job() is not None or target.resumable:
        raise RunError(f"'{target.path}' holds a run that was trained there, not an export; choose another folder")
    if target.has_config:
        target.config()  # somebody else's may be of another kind
    elif target.path.is_dir() and any(not file.name.startswith(".") for file in target.path.iterdir()):
        raise RunError(f"'{target.path}' holds other files than an export's; choose a new or an empty folder")
    return target


def _forget_weights(target: Run) -> None:
    """Remove all that was measured, shown or made of the weights that an exported folder holds so far."""
    reports = [report_type(kind).file for kind in KINDS]
    for name in (SUMMARY, GALLERY, MIXTURES, ONNX, PREPROCESSOR, *reports):  # without the first it is not complete
        (target.path / name).unlink(missing_ok=True)


def export(run: Run, path: str | Path, half: bool = False, data_name: str = "", *, hub: bool = False) -> Run:
    """Copy a finished run as a checkpoint: without `state.pt`, its curves `thinned`, with bf16 weights if `half`.

    `data_name` is what the card and the app call the data, where the source is only a path. With `hub` the folder is
    in the style of the Hugging Face Hub as well: its config.json, a preprocessor_config.json, the card's front matter.
    A card of rounded weights says so.
    Over an earlier export of other weights, what belonged to these is removed. Raises RunError as `check_target` does.
    """
    target, model = check_target(run, path), run.load_model()
    if half:
        model = model.to(torch.bfloat16)
    target.path.mkdir(parents=True, exist_ok=True)
    if target.has_weights and (target.path / WEIGHTS).read_bytes() != packed(model):
        _forget_weights(target)
    config = run.config()
    if data_name:
        config = config.with_fields({"data.name": data_name})
    replace_text(target.path / CONFIG, json.dumps(hub_config(config) if hub else config.to_dict(), indent=2))
    if hub:
        replace_text(target.path / PREPROCESSOR, json.dumps(hub_preprocessor(config), indent=2))
    replace_bytes(target.path / STARTED, (run.path / STARTED).read_bytes())
    replace_text(target.path / METRICS, "".join(f"{json.dumps(event)}\n" for event in thinned(run.metrics())))
    target.save_weights(model)
    summary = run.summary()
    if half and ROUNDED not in summary.notes:
        summary = dataclasses.replace(summary, notes=(*summary.notes, ROUNDED))
    front = hub_front_matter(target.name, config, summary) if hub else ""
    replace_text(target.path / CARD, front + model_card(target.name, config, summary))
    replace_text(target.path / SUMMARY, summary.text())  # last, as in a training
    return target
