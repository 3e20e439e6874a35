"""Whether stored traces can be of the model beside which they lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vitrm.config import AnyModelConfig
from vitrm.errors import RunError
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import Trace


def check_fit(
    file: Path, traces: Mapping[str, Trace] | Mapping[str, MixtureTrace], model: AnyModelConfig, split: str
) -> None:
    """Raises RunError, saying which file is at fault, unless these are traces of images of a split under such a model,
    each with its true class.
    """
    remedy = "make it anew with vitrm export --gallery" if split == "test" else "train the run again"
    taken = (model.channels, model.image_size, model.image_size)
    for name, trace in traces.items():
        if trace.pixels.shape != taken:
            given, wanted = (" × ".join(map(str, shape)) for shape in (trace.pixels.shape, taken))
            raise RunError(f"'{file}' holds images of {given}, but the model takes {wanted}; {remedy}")
        if len(trace.class_names) != model.num_classes:
            raise RunError(f"'{file}' knows {len(trace.class_names)} classes, the model {model.num_classes}; {remedy}")
        if trace.patch_size != getattr(model, "patch_size", None):
            raise RunError(f"'{file}' has patches of {trace.patch_size} pixels, unlike the model; {remedy}")
        if isinstance(trace, Trace) and not model.recurrent:
            raise RunError(f"'{file}' holds traces of a recursion, which a {model.title} has not; {remedy}")
        if isinstance(trace, MixtureTrace) and not model.mixes:
            raise RunError(f"'{file}' holds mixtures, of which a {model.title} makes none; {remedy}")
        if trace.label is None or not re.fullmatch(rf"{split}-[0-9]{{1,9}}", name):
            raise RunError(f"'{file}' names an image “{name[:40]}” or lacks its true class; {remedy}")
