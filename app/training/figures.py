"""Figures and tables about training as pure functions: a history in, charts (see `curves`), rows or text out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from app.colours import LIVE_BLUE, LIVE_GREEN, LIVE_ORANGE, LIVE_PINK, LIVE_RUNS
from app.training.curves.curves import Chart, Line
from app.training.history import History
from vitrm.config import Config
from vitrm.training.events import Event, Progress, Updated

_STEP_COLORS = (LIVE_BLUE, LIVE_GREEN, LIVE_ORANGE)  # first to last supervision step, between blue and orange
PARTS = {
    "block": "final norm of the block",
    "answer_block": "final norm of the answer block",
    "patch_embed": "patch embedding",
    "answer_init": "start of y",
    "class_token": "class token",
    "memory_init": "start of z",
    "classifier": "class head",
    "halting": "halting head",
}


def live_charts(history: History, config: Config) -> list[Chart]:
    """The figures of a training: loss, validation accuracy and halting; on demand training accuracy, state norms,
    learning rate and speed.
    """
    steps, classes = config.model.supervision_steps, config.model.num_classes
    percent = f"{100 / classes:.0f} %"
    progress, epochs = history.progress.rows, history.epochs.rows
    x, ends = [_epoch(row) for row in progress], [row.epoch for row in epochs]
    chance = math.log(classes)
    recurrent = config.model.recurrent and all(row.memory_norm is not None and row.halt_prob for row in progress)
    memory = Line("a memory token of z", x, [row.memory_norm for row in progress], LIVE_GREEN) if recurrent else None
    recursion = [
        Chart(
            "halting",
            "epoch",
            "Mean halting probability, training",
            tuple(Line(_step(n, steps), *_of(progress, x, "halt_prob", n), step_color(n, steps)) for n in range(steps)),
            _said("mean halting probability", progress, "halt_prob"),
            level=(config.model.halt_threshold, "threshold"),
            low=0.0,
            high=1.0,
        )
    ] if recurrent else []  # fmt: skip
    return [
        Chart(
            "loss",
            "epoch",
            "Training loss, nats",
            tuple(Line(_step(n, steps), *_of(progress, x, "loss", n), step_color(n, steps)) for n in range(steps)),
            _said("training loss", progress, "loss", f"; chance is {chance:.2f}"),
            level=(chance, f"chance, ln {classes}"),
            low=0.0,
        ),
        *(
            Chart(
                name,
                "epoch",
                f"{split} accuracy, %",
                tuple(
                    Line(_step(n, steps), *_of(epochs, ends, key, n, 100), step_color(n, steps)) for n in range(steps)
                ),
                _said(f"{split} accuracy in percent", epochs, key, f"; chance is {percent}", 100),
                level=(100 / classes, "chance"),
                low=0.0,
                high=100.0,
                more=name != "accuracy",
            )
            for name, split, key in (
                ("accuracy", "Validation", "val_accuracy"),
                ("train_accuracy", "Training", "train_accuracy"),
            )
        ),
        *recursion,
        Chart(
            "norms",
            "epoch",
            "Length of the states",
            (
                Line("answer y", x, [row.answer_norm for row in progress], LIVE_PINK),
                *([memory] if memory else []),
            ),
            _last("length of y", progress, "answer_norm")
            + ("; " + _last("of a token of z", progress, "memory_norm") if memory else ""),
            low=0.0,
            more=True,
        ),
        Chart(
            "lr",
            "epoch",
            "Learning rate",
            (Line("learning rate", x, [row.lr for row in progress], LIVE_BLUE),),
            _last("learning rate", progress, "lr"),
            low=0.0,
            more=True,
        ),
        Chart(
            "speed",
            "epoch",
            "Images per second",
            (Line("images per second", x, [row.images_per_s for row in progress], LIVE_BLUE),),
            _last("images per second", progress, "images_per_s"),
            low=0.0,
            more=True,
        ),
    ]


def comparison_charts(runs: Sequence[tuple[str, History, Config]]) -> list[Chart]:
    """Loss and validation accuracy of several runs, after the last supervision step, over epochs and over time."""
    loss, accuracy, over_time, said = [], [], [], []
    for k, (name, history, _) in enumerate(runs):
        color = LIVE_RUNS[k % len(LIVE_RUNS)]
        dash = k >= len(LIVE_RUNS)
        rows = history.epochs.rows
        ends = [row.epoch for row in rows]
        values = [100 * row.val_accuracy[-1] for row in rows]
        loss.append(Line(name, ends, [row.train_loss[-1] for row in rows], color, dash))
        accuracy.append(Line(name, ends, values, color, dash))
        over_time.append(Line(name, [row.seconds / 60 for row in rows], values, color, dash))
        said.append(f"{name}: {values[-1]:.1f} % after epoch {ends[-1]}" if rows else f"{name}: no epoch yet")
    alt = "Validation accuracy, last supervision step. " + "; ".join(said)
    return [
        Chart("loss", "epoch", "Training loss, last step (nats)", tuple(loss), alt, low=0.0),
        Chart("accuracy", "epoch", "Validation accuracy, last step, %", tuple(accuracy), alt, low=0.0, high=100.0),
        Chart("time", "minutes of training", "The same over time", tuple(over_time), alt, low=0.0, high=100.0),
    ]


def growth_charts(probs: dict[int, Sequence[float]], halts: dict[int, float], classes: Sequence[str],
                  label: int) -> list[Chart]:  # fmt: skip
    """How the answer to one image grew over the epochs: class probabilities and halting, after the last step."""
    epochs = sorted(probs)
    ends = [probs[epoch] for epoch in epochs]
    shown = sorted(range(len(classes)), key=lambda c: -max(row[c] for row in ends))[:5] if ends else []
    if label not in shown:
        shown = [*shown[:4], label]
    lines = [
        Line(
            f"{classes[c]} (true class)" if c == label else classes[c],
            epochs,
            [row[c] for row in ends],
            LIVE_RUNS[k % len(LIVE_RUNS)],
            c != label,
        )
        for k, c in enumerate(sorted(shown))
    ]
    alt = (
        f"Probability of the true class {classes[label]}: {ends[0][label]:.2f} at first, {ends[-1][label]:.2f} at last"
    )
    halting = Line("halting probability", epochs, [halts[epoch] for epoch in epochs], LIVE_PINK)
    return [
        Chart("classes", "epoch", "Class probabilities", tuple(lines), alt, low=0.0, high=1.0),
        Chart("halting", "epoch", "Halting probability", (halting,), f"Halting probability {halts[epochs[-1]]:.2f} at "
              "last", low=0.0, high=1.0),
    ]  # fmt: skip


def epoch_table(history: History) -> list[dict[str, Any]]:
    """One row per epoch kept: the numbers behind the figures."""
    return [
        {"epoch": row.epoch}
        | {
            f"{title}, step {n + 1}": factor * value
            for title, key, factor in (
                ("training loss", "train_loss", 1),
                ("validation loss", "val_loss", 1),
                ("training accuracy %", "train_accuracy", 100),
                ("validation accuracy %", "val_accuracy", 100),
                ("halting probability", "val_halt_prob", 1),
            )
            for n, value in enumerate(getattr(row, key))
        }
        | {"learning rate": row.lr, "seconds": row.seconds}
        for row in history.epochs.rows
    ]


def comparison_table(runs: Sequence[tuple[str, History, Config]]) -> list[dict[str, Any]]:
    """One row per run: the numbers behind the comparison, after the last supervision step."""
    rows = []
    for name, history, config in runs:
        ends = history.epochs.rows
        best = max((end.val_accuracy[-1] for end in ends), default=None)
        last = history.epochs.last
        rows.append({
            "run": name,
            "data": config.data.title,
            "epochs done": last.epoch if last else 0,
            "of": config.train.epochs,
            "best validation accuracy, %": None if best is None else 100 * best,
            "last validation accuracy, %": 100 * last.val_accuracy[-1] if last else None,
            "last training loss, nats": last.train_loss[-1] if last else None,
            "minutes of training": last.seconds / 60 if last else None,
            "seed": config.train.seed,
        })  # fmt: skip
    return rows


def growth_table(probs: dict[int, Sequence[float]], halts: dict[int, float], classes: Sequence[str]) -> list[dict]:
    """One row per epoch: the numbers behind `growth_charts`, probabilities in percent."""
    return [
        {"epoch": epoch, "halting probability": halts[epoch]}
        | {f"P({name}) %": 100 * p for name, p in zip(classes, probs[epoch], strict=True)}
        for epoch in sorted(probs)
    ]


def update_tables(update: Updated, classes: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What a single update changed: the weights by part of the model, and the watched images before and after."""
    moved = [{"part of the model": part_name(part), "moved by, %": 100 * share}
             for part, share in update.moved.items()]  # fmt: skip
    images = [
        {
            "validation image": name.removeprefix("val-"),
            "true class": _class(classes, label),
            "answer before": _class(classes, update.answers[0][k]),
            "answer after": _class(classes, update.answers[1][k]),
            "P(true class) before, %": 100 * update.true_prob[0][k],
            "P(true class) after, %": 100 * update.true_prob[1][k],
            "change, points": 100 * (update.true_prob[1][k] - update.true_prob[0][k]),
        }
        | (
            {
                "halting before": update.watched_halt_prob[0][k],
                "halting after": update.watched_halt_prob[1][k],
            }
            if update.watched_halt_prob
            else {}
        )
        for k, (name, label) in enumerate(zip(update.watched, update.labels, strict=True))
    ]
    return moved, images


def update_sentence(update: Updated, config: Config) -> str:
    """What a single update did, in words, every number with what it was measured on."""
    before, after = (_mean_loss(side) for side in update.true_prob)
    steps = config.model.supervision_steps
    where = f"supervision step {update.supervision_step + 1} of {steps}"
    if config.train.update == "batch":
        where = f"all {steps} supervision steps at once"
    return (
        f"Update {update.updates:,}: epoch {update.epoch}, batch {update.batch + 1}, {where}, learning rate "
        f"{update.lr:.2g}. On its batch (n = {update.images}, training split, {_seen(config)}) the loss was "
        f"{update.loss:.3f} nats and the accuracy {100 * update.accuracy:.1f} %; the gradient had length "
        f"{update.gradient_norm:.2f}. On the {len(update.watched)} watched validation images the loss went from "
        f"{before:.4f} to {after:.4f} nats."
    )


def provenance(name: str, config: Config, history: History) -> str:
    """What the figures are measured on."""
    train, data = config.train, config.data
    thinned = history.progress.stride
    every = f" Every {thinned}th report is drawn." if thinned > 1 else ""
    held_out = f"{100 * data.val_fraction:.0f} % of the training images"
    if data.mazes is not None:
        held_out = "mazes that are not learned from"
    elif ":" in data.source:  # a folder or parquet files, which may have validation images of their own
        held_out = "images that are not learned from"
    return (
        f"Run {name} on {data.title}: training split ({_seen(config)} images, means over ten batches of "
        f"{train.batch_size}) and validation split ({held_out}, every epoch, {weights(config)}, every supervision step "
        f"run); training seed {train.seed}, split seed {data.split_seed}; "
        f"chance {100 / config.model.num_classes:.0f} %.{every}"
    )


def weights(config: Config) -> str:
    """Which weights validation and test are about."""
    return "averaged weights" if config.train.ema_decay else "weights as they are"


def _seen(config: Config) -> str:
    return "augmented" if config.train.augments else "unchanged"


def differing_settings(configs: dict[str, Config]) -> list[dict[str, str]]:
    """One row per setting that is not the same in all of the runs."""
    flat = {name: _flat(config) for name, config in configs.items()}
    keys = dict.fromkeys(key for values in flat.values() for key in values)  # those of every family
    return [
        {"setting": key} | {name: _value(values[key]) if key in values else "–" for name, values in flat.items()}
        for key in keys
        if len({repr(values.get(key, "–")) for values in flat.values()}) > 1
    ]


def duration(seconds: float) -> str:
    """Seconds in words: "40 s", "3 min", "2 h 5 min", "3 days 2 h"."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min"
    return f"{seconds // 86400:.0f} days {seconds % 86400 / 3600:.0f} h"


def part_name(part: str) -> str:
    """A part of the model in words: "block.layers.0" is "layer 1"."""
    words = part.split(".")
    if words[1:2] == ["layers"] and len(words) > 2 and words[2].isdecimal():
        return f"layer {int(words[2]) + 1}" + (" (answer block)" if words[0] == "answer_block" else "")
    return PARTS.get(part, part)


def _class(classes: Sequence[str], number: int) -> str:
    """The name of a class; its number where the configuration has no name for it."""
    return classes[number] if number < len(classes) else str(number)


def step_color(n: int, steps: int) -> str:
    """The colour of supervision step n (from 0) of `steps`: blue first, orange last."""
    place = 2 * n / max(steps - 1, 1)
    low = min(int(place), 1)
    first, second = (_rgb(_STEP_COLORS[low + k]) for k in (0, 1))
    mixed = (round(a + (b - a) * (place - low)) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[k : k + 2], 16) for k in (1, 3, 5))


def _step(n: int, steps: int) -> str:
    return f"step {n + 1}" if steps > 1 else "the one step"


def _epoch(row: Progress) -> float:
    return row.epoch - 1 + row.batch / row.batches


def _of(rows: Sequence[Event], x: Sequence[float], key: str, n: int, factor: float = 1) -> tuple[list, list]:
    """Where supervision step n was run (Eq. 6 may have stopped before it): x and its values."""
    pairs = [(at, factor * getattr(row, key)[n]) for at, row in zip(x, rows, strict=True) if n < len(getattr(row, key))]
    return [at for at, _ in pairs], [value for _, value in pairs]


def _said(what: str, rows: Sequence[Event], key: str, rest: str = "", factor: float = 1) -> str:
    if not rows:
        return f"{what.capitalize()}: nothing measured yet{rest}."
    values = getattr(rows[-1], key)
    now = f"{factor * values[-1]:.2f} after supervision step {len(values)}"
    return f"{what.capitalize()}: {factor * getattr(rows[0], key)[-1]:.2f} at first, now {now}{rest}."


def _last(what: str, rows: Sequence[Event], key: str) -> str:
    return f"{what} {getattr(rows[-1], key):.3g}" if rows else f"{what}: nothing measured yet"


def _mean_loss(probs: Sequence[float]) -> float:
    return -sum(math.log(max(p, 1e-12)) for p in probs) / len(probs)


def _flat(config: Config) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, part in config.to_dict().items() for key, value in part.items()}


def _value(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
