"""What the player is sent: a Trace as JSON values. Pure, no streamlit; arrays are base64 of little-endian bytes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.source import method_source
from vitrm.edits import Edit
from vitrm.errors import ConfigError
from vitrm.traces import Trace

PANELS = ("equations", "memory", "attention", "edits")


def payload(trace: Trace, panels: Sequence[str] = (), edit: str = "", edited: Trace | None = None) -> dict[str, Any]:
    """The trace for the browser, with what the named extra panels need.

    The edits panel compares with `edited`, the trace of the same image under `edit` (see `parse_edit`).

    Read-outs are flattened to one axis, R = N * T * M, in the order in which they happen.
    """
    channels, size, _ = trace.pixels.shape
    total = (size // trace.patch_size) ** 2
    values = {
        "classes": list(trace.class_names),
        "label": trace.label,
        "channels": channels,
        "imageSize": size,
        "patchSize": trace.patch_size,
        "pixels": _base64(trace.pixels, np.uint8),
        "shape": list(trace.halt_logit.shape),
        "patches": trace.patches.tolist(),
        "glimpse": trace.patches.shape[1] < total,
        "trainedSteps": trace.trained_steps,
        "threshold": trace.halt_threshold,
        "haltStep": trace.halt_step,
        "probs": _base64(trace.probs),
        "halt": _base64(trace.halt_prob),
        "answerChange": _base64(trace.answer_change),
        "memoryChange": _base64(trace.memory_change),
        "kl": _base64(trace.kl),
        "panels": list(panels),
    }
    content = {"equations": _equations, "memory": _memory, "attention": _attention}
    for panel in panels:
        values[panel] = _edits(trace, edit, edited) if panel == "edits" else content[panel](trace)
    return values


def _equations(trace: Trace) -> list[dict[str, Any]]:
    """The four things that happen, each with its equation, the shapes for one image, and the core's own lines."""
    memory, dim = trace.initial_memory.shape
    reads = trace.patches.shape[1]
    rows = [
        ("look", "Eq. 1", "x = patches · W + positions", f"x (1, {reads}, {dim})", "PatchEmbed.forward"),
        (
            "memory",
            "Eq. 2",
            "z ← last K of f([x ; y ; z])",
            f"[x ; y ; z] (1, {reads + 1 + memory}, {dim}) → z (1, {memory}, {dim})",
            "ViTRM.update_memory",
        ),
        (
            "answer",
            "Eq. 3",
            "y ← first of f([y ; z])",
            f"[y ; z] (1, {1 + memory}, {dim}) → y (1, 1, {dim})",
            "ViTRM.update_answer",
        ),
        (
            "read",
            "Eq. 4",
            "logits, q = heads(y)",
            f"y (1, {dim}) → logits (1, {len(trace.class_names)}), q (1)",
            "ViTRM.read_out",
        ),
    ]
    return [
        {"id": name, "number": number, "formula": formula, "shapes": shapes, **method_source("model.py", method)}
        for name, number, formula, shapes, method in rows
    ]


def _memory(trace: Trace) -> dict[str, Any]:
    """Cosine similarity between memory tokens (R, K, K), and their path in the plane that shows most of it."""
    tokens = trace.memory.shape[-2]
    states = trace.memory.reshape(-1, *trace.memory.shape[3:])  # (R, K, D)
    unit = states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-12)
    path, explained = principal_plane(np.concatenate([trace.initial_memory[None], states]))
    return {
        "tokens": tokens,
        "similarity": _base64(np.round(unit @ unit.swapaxes(-1, -2) * 127), np.int8),
        "path": _base64(path),  # (1 + R, K, 2); the first entry is the learned start
        "explained": [round(float(share), 4) for share in explained],
    }


def principal_plane(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (..., 2) of states (..., D) on their two principal components, and the share each explains."""
    flat = states.reshape(-1, states.shape[-1]).astype(np.float64)
    centred = flat - flat.mean(axis=0)
    _, scale, directions = np.linalg.svd(centred, full_matrices=False)
    share = scale**2 / max((scale**2).sum(), 1e-12)
    return (centred @ directions[:2].T).reshape(*states.shape[:-1], 2), share[:2]


def _attention(trace: Trace) -> dict[str, Any] | None:
    """Attention weights as 16-bit shares of 1; None where the model mixes tokens without attention."""
    if trace.patch_attention is None or trace.state_attention is None or trace.answer_attention is None:
        return None
    depth, heads, tokens, reads = trace.patch_attention.shape[3:]
    return {
        "depth": depth,
        "heads": heads,
        "tokens": tokens,
        "reads": reads,
        "toPatches": _base64(np.round(trace.patch_attention * 65535), "<u2"),  # (R, depth, H, K, S)
        "toState": _base64(np.round(trace.state_attention * 65535), "<u2"),  # (R, depth, H, K, 1+K)
        "ofAnswer": _base64(np.round(trace.answer_attention * 65535), "<u2"),  # (R, depth, H, 1+K)
    }


def _edits(trace: Trace, edit: str, edited: Trace | None) -> dict[str, Any]:
    def curves(of: Trace) -> dict[str, str]:
        return {"probs": _base64(of.probs), "halt": _base64(of.halt_prob)}

    return {
        "tokens": trace.initial_memory.shape[0],
        "edit": edit,
        "original": curves(trace),
        "edited": edited and curves(edited),
    }


def parse_edit(text: str) -> Edit:
    """The edit that a link or the edits panel names: "p3,7;z0;f2;s" hides patches 3 and 7, sets memory token 0 to
    zero, freezes token 2 and shuffles all. Raises ConfigError if it cannot be read.
    """
    fields: dict[str, Any] = {}
    for part in filter(None, text.split(";")):
        name = {"p": "hidden_patches", "z": "zeroed", "f": "frozen", "s": "shuffled"}.get(part[0])
        numbers = part[1:].split(",") if part[1:] else []
        known = name is not None and name not in fields  # a part named twice would be read by half
        if not known or not all(number.isdecimal() for number in numbers) or (name == "shuffled") == bool(numbers):
            raise ConfigError(f"the edit '{part}' cannot be read; expected for instance p3,7 or z0 or f2 or s")
        fields[name] = True if name == "shuffled" else tuple(int(number) for number in numbers)
    return Edit(**fields)


def _base64(array: np.ndarray, dtype: Any = "<f4") -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode()
