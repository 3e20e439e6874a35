"""ViTRM: a tiny recursive vision model, its training, evaluation and trace.

>>> import vitrm
>>> model = vitrm.load("digits-glimpse")
>>> trace = vitrm.trace(model, image)

Names are imported on first use, so that `import vitrm` costs nothing and torch loads only when it is needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Config": "config",
    "ConfigError": "errors",
    "DataError": "errors",
    "Edit": "traces.edits",
    "Halt": "halting",
    "MixtureTrace": "traces.mixture",
    "ModelConfig": "config",
    "Moment": "traces.adapter",
    "RunError": "errors",
    "SRViT": "nets.srvit",
    "SRViTConfig": "config",
    "Trace": "traces.trace",
    "TrainConfig": "config",
    "TraceError": "errors",
    "Trainer": "training.trainer",
    "ViTRM": "model",
    "VitrmError": "errors",
    "build": "runs.checkpoints",
    "evaluate": "judge.evaluation",
    "fit": "training.fit",
    "load": "runs.checkpoints",
    "load_dataset": "data.sources",
    "mixture_trace": "traces.recording",
    "predict": "halting",
    "preset": "config",
    "trace": "traces.recording",
    "trace_of": "traces.adapter",
}
__all__ = sorted(_HOME)  # noqa: PLE0605 (one list of the names, not two)
__version__ = "1.0.0"


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"vitrm.{_HOME[name]}"), name)
    raise AttributeError(f"module 'vitrm' has no attribute '{name}'")
