"""What the player is sent: a Trace as JSON values. Pure; arrays are base64 of little-endian bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from app.attention.attribution import METHODS, Attribution
from app.change import offered_counts
from app.component import encoded
from app.player.cells import Cells, cell_colours, class_colours, telling, wave
from app.player.source import method_source
from vitrm.traces.rollout import rollout
from vitrm.traces.trace import Trace

PANELS = (
    *("glimpses", "equations", "curves", "code", "memory"),
    *("attention", "maps", "attribution", "edits", "cells"),
)
_FINE = 700_000  # attention weights of a trace up to which 16 bits are spent on each; 8 beyond, to stay below 3 MB


def payload(
    trace: Trace,
    panels: Sequence[str] = (),
    edit: str = "",
    edited: Trace | None = None,
    attribution: Attribution | None = None,
    *,
    cells: Cells | None = None,
) -> dict[str, Any]:
    """The trace for the browser, with what the named extra panels need.

    The edits panel compares with `edited`, the trace of the same image under `edit` (see `app.change.parse_edit`); the
    attribution panel shows `attribution`, or says that there is none yet; the cells panel shows `cells`, if the image
    is a maze. What depends on the trace alone is made once for each trace, and forgotten with it.

    Read-outs are flattened to one axis, R = N * T * M, in the order in which they happen.
    """
    values = _once(trace, "base", _base) | {"panels": list(panels)}
    content = {"equations": _equations, "memory": _memory, "attention": _attention}
    for panel in panels:
        if panel == "edits":
            values[panel] = _edits(trace, edit, edited)
        elif panel in {"glimpses", "curves", "code", "maps"}:
            continue  # made of what every player, or the panel in the lead, is sent
        elif panel == "attribution":
            values[panel] = attribution and _attribution(trace, attribution)
        elif panel == "cells":
            values[panel] = cells and _cells(cells)
        else:
            values[panel] = _once(trace, panel, content[panel])
    return values


_made: WeakKeyDictionary[Trace, dict[str, Any]] = WeakKeyDictionary()


def _once(trace: Trace, part: str, make: Callable[[Trace], Any]) -> Any:
    parts = _made.setdefault(trace, {})
    if part not in parts:
        parts[part] = make(trace)
    return parts[part]


def _base(trace: Trace) -> dict[str, Any]:
    channels, size, _ = trace.pixels.shape
    total = (size // trace.patch_size) ** 2
    return {
        "classes": list(trace.class_names),
        "classColours": class_colours(trace.class_names),
        "label": trace.label,
        "seed": trace.seed,
        "channels": channels,
        "imageSize": size,
        "patchSize": trace.patch_size,
        "pixels": encoded(trace.pixels, np.uint8),
        "shape": list(trace.halt_logit.shape),
        "patches": trace.patches.tolist(),
        "glimpse": trace.patches.shape[1] < total,
        "sight": _sight(trace),
        "trainedSteps": trace.trained_steps,
        "threshold": trace.halt_threshold,
        "probs": encoded(trace.probs),
        "halt": encoded(trace.halt_prob),
        "answerChange": encoded(trace.answer_change),
        "memoryChange": encoded(trace.memory_change),
        "kl": encoded(trace.kl),
    }


def _sight(trace: Trace) -> str:
    """How "Every step reads all patches" ends: how far what one token sees reaches."""
    if trace.embedding == "convolutional":
        return ". Convolutions let each see some of its neighbours, too."
    if trace.attention_within is None:
        return "."
    return f": each token those within {trace.attention_within} rows and columns, the answer token all."


def _equations(trace: Trace) -> list[dict[str, Any]]:
    """The four things that happen, each with its equation, the shapes for one image, and the core's own lines."""
    memory, dim = trace.initial_memory.shape
    reads = trace.patches.shape[1]
    rows = [
        (
            "look",
            "Eq. 1" if trace.embedding == "linear" else "in place of Eq. 1",
            "x = patches · W + positions" if trace.embedding == "linear" else "x = convolutions(image) + positions",
            f"x (1, {reads}, {dim})",
            "nets/layers.py",
            "PatchEmbed.forward",
        ),
        (
            "memory",
            "Eq. 2",
            "z ← last K of f([x ; y ; z])",
            f"[x ; y ; z] (1, {reads + 1 + memory}, {dim}) → z (1, {memory}, {dim})",
            "model.py",
            "ViTRM.update_memory",
        ),
        (
            "answer",
            "Eq. 3",
            "y ← first of f([y ; z])",
            f"[y ; z] (1, {1 + memory}, {dim}) → y (1, 1, {dim})",
            "model.py",
            "ViTRM.update_answer",
        ),
        (
            "read",
            "Eq. 4",
            "logits, q = heads(y)",
            f"y (1, {dim}) → logits (1, {len(trace.class_names)}), q (1)",
            "model.py",
            "ViTRM.read_out",
        ),
    ]
    return [
        {"id": name, "number": number, "formula": formula, "shapes": shapes, **method_source(file, method)}
        for name, number, formula, shapes, file, method in rows
    ]


def _memory(trace: Trace) -> dict[str, Any]:
    """Cosine similarity between memory tokens, and their path in the plane that shows most of it."""
    tokens = trace.memory.shape[-2]
    states = trace.memory.reshape(-1, *trace.memory.shape[3:])  # (R, K, D)
    states = np.concatenate([trace.initial_memory[None], states])  # the learned start comes first
    unit = states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-12)
    path, explained = principal_plane(states)
    return {
        "tokens": tokens,
        "similarity": encoded(np.round(unit @ unit.swapaxes(-1, -2) * 127), np.int8),  # (1 + R, K, K)
        "path": encoded(path),  # (1 + R, K, 2)
        "explained": [round(float(share), 4) for share in explained],
    }


def principal_plane(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (..., 2) of states (..., D) on their two principal components, and the share each explains."""
    flat = states.reshape(-1, states.shape[-1]).astype(np.float64)
    centred = flat - flat.mean(axis=0)
    variance, directions = np.linalg.eigh(centred.T @ centred)  # in rising order; much faster than an SVD of `centred`
    share = variance[::-1] / max(variance.sum(), 1e-12)
    return (centred @ directions[:, :-3:-1]).reshape(*states.shape[:-1], 2), share[:2]


def _attention(trace: Trace) -> dict[str, Any] | None:
    """Attention weights and rollout as whole-number shares of 1; None where tokens are mixed without attention."""
    to_patches, to_state, of_answer = trace.patch_attention, trace.state_attention, trace.answer_attention
    if to_patches is None or to_state is None or of_answer is None:
        return None
    depth, heads, tokens, reads = to_patches.shape[3:]
    bits = 16 if to_patches.size + to_state.size + of_answer.size <= _FINE else 8

    def shares(weights: np.ndarray) -> str:
        return encoded(np.round(weights * (2**bits - 1)), "<u2" if bits == 16 else np.uint8)

    return {
        "depth": depth,
        "heads": heads,
        "tokens": tokens,
        "reads": reads,
        "reading": trace.reading,
        "bits": bits,
        "toPatches": shares(to_patches),  # (R, depth, H, K, S)
        "toState": shares(to_state),  # (R, depth, H, K, 1+K)
        "ofAnswer": shares(of_answer),  # (R, depth, H, 1+K)
        "rollout": shares(_rollout(trace)),  # (R, L)
    }


def _rollout(trace: Trace) -> np.ndarray:
    return _once(trace, "rollout", rollout)


def _attribution(trace: Trace, attribution: Attribution) -> dict[str, Any]:
    """One map for each method, (N, L), beside rollout; and how far each ranks the patches read so far as rollout does.

    The others are 0 in every map, and would make any two of them seem to agree.
    """
    maps = [
        {"name": method.title, "how": method.how, "signed": method.signed, "values": encoded(attribution.maps[name])}
        for name, method in METHODS.items()
    ]
    agreement = {}
    if trace.patch_attention is not None:
        reached = _rollout(trace)[:, -1, -1]  # (N, L)
        how = "Rollout of the attention: what had reached the answer, derived."
        maps.insert(0, {"name": "Attention (rollout)", "how": how, "signed": False, "values": encoded(reached)})
        read = [np.unique(trace.patches[: n + 1]) for n in range(len(reached))]
        agreement = {
            method.title: [_agreement(reached[n][r], np.abs(attribution.maps[name][n][r])) for n, r in enumerate(read)]
            for name, method in METHODS.items()
        }
    return {"target": attribution.target, "maps": maps, "agreement": agreement}


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two maps, -1..1; 0 where one of them is the same everywhere."""
    from scipy.stats import spearmanr  # half a second, and only this panel needs it

    return 0.0 if np.ptp(one) == 0 or np.ptp(other) == 0 else float(spearmanr(one, other).statistic)


def _cells(cells: Cells) -> dict[str, Any]:
    """The maze, its true distances, and each map by cell (R, L) and by distance (G, R) over the same moments."""
    maps = []
    for each in cells.maps:
        known, means = wave(each.values, cells)
        told = telling(each.values, cells)
        maps.append(
            {
                "name": each.name,
                "how": each.how,
                "scale": each.scale,
                "low": each.low,
                "high": each.high,
                "unit": each.unit,
                "values": encoded(each.values),
                "groups": known,
                "wave": encoded(means),
                "telling": None if told is None else np.round(told, 3).tolist(),
            }
        )
    return {
        "codes": cells.codes.tolist(),
        "colours": cell_colours(),
        "distances": cells.distances.tolist(),
        "maps": maps,
    }


def _edits(trace: Trace, edit: str, edited: Trace | None) -> dict[str, Any]:
    def curves(of: Trace) -> dict[str, Any]:
        return {"probs": encoded(of.probs), "halt": encoded(of.halt_prob), "shape": list(of.halt_logit.shape)}

    return {
        "tokens": trace.initial_memory.shape[0],
        "edit": edit,
        "choices": offered_counts(trace),
        "original": curves(trace),
        "edited": edited and curves(edited),
    }
