"""Tables and captions as pure functions: plain values in, text out. No streamlit here."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import numpy as np

from vitrm.config import Config
from vitrm.runs.summary import Summary
from vitrm.traces.trace import Trace


def plain(text: str) -> str:
    """Text that is not ours, for places that read Markdown: every sign of its is shown as it is, no address is a link.

    Signs are freed before addresses are looked for, so these are broken by a word joiner, which nobody sees.
    """
    text = re.sub(r"(?i)(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?=@)", "\u2060", text)
    return re.sub(r"([\\`*_{}\[\]()#+\-.!~>|$:<&=^\"'@/])", r"\\\1", text)


def as_written(text: str) -> str:
    """What a link says, within a sentence of ours: its beginning, `plain`."""
    return plain(text[:60])


def numbers(trace: Trace) -> list[dict[str, Any]]:
    """The trace as a table: one row per read-out, probabilities in percent."""
    rows = []
    steps, recursions, memory = trace.halt_logit.shape
    every, halt, kl = trace.probs, trace.halt_prob, trace.kl  # computed anew at each access
    norms, changes = (trace.answer_norm, trace.memory_norm), (trace.answer_change, trace.memory_change)
    for n, t, m in np.ndindex(steps, recursions, memory):
        probs = every[n, t, m]
        row = {"supervision step": n + 1}
        if recursions > 1:
            row["recursion step"] = t + 1
        row |= {
            "memory iteration": m + 1,
            "answer": trace.class_names[int(probs.argmax())],
            "halting probability": float(halt[n, t, m]),
            "length of y": float(norms[0][n, t, m]),
            "length of z": float(norms[1][n, t, m]),
            "change of y": float(changes[0][n, t, m]),
            "change of z": float(changes[1][n, t, m]),
            "KL from the prediction before, nats": float(kl[n, t, m]),
        }
        row |= {f"P({name}) %": 100 * float(p) for name, p in zip(trace.class_names, probs, strict=True)}
        rows.append(row)
    return rows


def numbers_file(trace: Trace) -> bytes:
    """`numbers` as CSV."""
    rows = numbers(trace)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def trace_file(trace: Trace) -> bytes:
    """The trace as the file that `Trace.load` reads."""
    content = io.BytesIO()
    trace.save(content)
    return content.getvalue()


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, as +1.2 or −1.2; nothing has none."""
    return f"{value:+.{digits}f}".replace("-", "−") if round(value, digits) else f"{0:.{digits}f}"


def points(gap: float) -> str:
    """A difference of two accuracies in percent, in words."""
    return f"{signed(gap)} points"


def provenance(
    checkpoint: str, image: str, seed: int, config: Config, summary: Summary, *, policy: str = "random"
) -> str:
    """What is on screen and what it is worth: data, checkpoint, measured accuracy and all that qualifies it."""
    chosen = {"random": drawn(config, seed), "fixed": ", glimpses from the centre outwards"}
    glimpses = chosen.get(policy, ", glimpses chosen by the memory's attention")
    return f"Image: {config.data.title}, test split, number {image.removeprefix('test-')}{glimpses}. " + measured(
        checkpoint, config, summary, "other images of that set"
    )


def drawn(config: Config, seed: int) -> str:
    """By which seed glimpses were drawn, to go on with; "" for a model that sees all of an image."""
    return f", glimpse seed {seed}" if config.model.recurrent and config.model.glimpse_patches is not None else ""


def measured(checkpoint: str, config: Config, summary: Summary, images: str) -> str:
    """What a model was measured to be worth; `images` says what it was trained on."""
    test, sizes = summary.test, summary.split_sizes
    trained = config.model.supervision_steps
    first, last = (100 * test.accuracy[n] for n in (0, trained - 1))
    steps = f"{first:.1f} % after step 1, {last:.1f} % after step {trained}" if trained > 1 else f"{last:.1f} %"
    policy = f"every step run for every image{drawn(config, test.seed)}, " if config.model.recurrent else ""
    return (
        f"Model: checkpoint {checkpoint}, {summary.parameters:,} parameters, trained on {sizes['train']:,} "
        f"{images}. Measured on its test split: {steps} right (n = {test.n:,}, {policy}"
        f"training seed {summary.seed}; "
        f"chance {100 / config.model.num_classes:.0f} %)."
    )
