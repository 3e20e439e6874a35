"""Figures and drawings as pure functions: plain values in, a table or SVG out. No streamlit here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vitrm.config import Config, ModelConfig
from vitrm.traces import Trace


def numbers(trace: Trace) -> list[dict[str, Any]]:
    """The table behind the player: one row per read-out, probabilities in percent."""
    rows = []
    steps, recursions, memory = trace.halt_logit.shape
    for n, t, m in np.ndindex(steps, recursions, memory):
        probs = trace.probs[n, t, m]
        row = {"supervision step": n + 1}
        if recursions > 1:
            row["recursion step"] = t + 1
        row |= {
            "memory iteration": m + 1,
            "answer": trace.class_names[int(probs.argmax())],
            "halting probability": float(trace.halt_prob[n, t, m]),
            "change of y": float(trace.answer_change[n, t, m]),
            "change of z": float(trace.memory_change[n, t, m]),
        }
        row |= {f"P({name}) %": 100 * float(p) for name, p in zip(trace.class_names, probs, strict=True)}
        rows.append(row)
    return rows


_FOLDER = Path(__file__).parent
DATA_NAMES = {
    "digits": "handwritten digits (scikit-learn, 8 × 8 pixels)",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "fashion_mnist": "Fashion-MNIST",
}


def provenance(checkpoint: str, image: str, seed: int, config: Config, summary: dict[str, Any]) -> str:
    """What is on screen and what it is worth: data, checkpoint, measured accuracy and all that qualifies it."""
    test, sizes = summary["test"], summary["split_sizes"]
    trained = config.model.supervision_steps
    first, last = (100 * test["accuracy"][n] for n in (0, trained - 1))
    data = DATA_NAMES.get(config.data.source, config.data.source)
    steps = f"{first:.1f} % after step 1, {last:.1f} % after step {trained}" if trained > 1 else f"{last:.1f} %"
    return (
        f"Image: {data}, test split, number {image.removeprefix('test-')}, glimpse seed {seed}. "
        f"Model: checkpoint {checkpoint}, {summary['parameters']:,} parameters, trained on {sizes['train']:,} "
        f"other images of that set. Measured on its test split: {steps} right (n = {test['n']}, every step run for "
        f"every image, glimpse seed {test['seed']}, training seed {summary['seed']}; "
        f"chance {100 / config.model.num_classes:.0f} %)."
    )


def model_diagram(config: ModelConfig, dark: bool) -> str:
    """The model in one picture, as HTML with inline SVG: x, y, z, the one shared block and the two moves."""
    reads = config.glimpse_patches or config.num_patches
    across = config.image_size // config.patch_size
    seen = {(7 * k + 2) % (across * across) for k in range(reads)} if config.glimpse_patches else None
    side = 96 / across
    patches = "".join(
        f'<rect class="{"x" if seen is None or k in seen else "unseen"}" x="{(k % across) * side + 1:.1f}" '
        f'y="{(k // across) * side + 1:.1f}" width="{side - 2:.1f}" height="{side - 2:.1f}" rx="2"/>'
        for k in range(across * across)
    )
    css, template = ((_FOLDER / f"diagram.{kind}").read_text(encoding="utf-8") for kind in ("css", "html"))
    drawing = template.format(
        theme="dark" if dark else "light",
        patches=patches,
        x=_tokens("x", min(reads, 6)),
        z=_tokens("z", min(config.memory_size, 6)),
        x_count=f"{reads} patch token{'s' * (reads > 1)} a step" if seen else f"{reads} patch tokens",
        z_count=f"{config.memory_size} memory tokens",
        layers=f"{config.depth} layers",
        memory_steps=config.memory_steps,
        supervision_steps=config.supervision_steps,
        steps_word="step" if config.supervision_steps == 1 else "steps",
    )
    return f"<style>{css}</style>{drawing}"


def _tokens(name: str, count: int) -> str:
    return "".join(f'<rect class="{name}" x="{18 * k}" y="0" width="14" height="14" rx="3"/>' for k in range(count))
