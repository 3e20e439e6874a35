"""What the page about the learner's own pictures shows, as pure functions: images, tables, text. No streamlit here."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app import colours
from app.figures import signed
from app.uploads.offer import Familiarity
from vitrm.config import Config
from vitrm.judge.domain import DomainReport
from vitrm.traces.trace import Trace

SCORE_WORDS = {
    "statistics": "how far its brightness, contrast, colours and edges lie from those of the training images",
    "softmax": "how sure the model is of its answer",
    "energy": "how large the model's logits are (their energy)",
}
LIGHT_ON_DARK = (
    "the ground of this picture is light, that of the images which the model was trained on is dark. Digits were inked "
    "on white paper and clothes photographed on white as well, and then made negatives."
)
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
MAX_NAME = 40
_PANORAMA = 1.8  # times as long as the other side; a telephone's pictures are up to 1.78
_NEVER = "never"


@dataclass(frozen=True)
class Row:
    """One picture of the grid: what a model made of it. Steps count from 1; None means never."""

    name: str
    checkpoint: str
    answer: str
    probability: float  # 0..1, of the answer after the last step
    steps: int  # supervision steps that were run
    exit_step: int | None  # the first whose halting probability exceeds the threshold
    threshold: float
    changed_step: int | None  # at which the answer last changed
    foreign: bool | None  # whether the out-of-domain warning is raised; None where none has been measured


def row(name: str, checkpoint: str, trace: Trace, report: DomainReport | None, threshold: float | None = None) -> Row:
    """What a trace says in one line, with the checkpoint's measured warning; `threshold` instead of the model's own."""
    probs = trace.probs[:, -1, -1]
    threshold = trace.halt_threshold if threshold is None else threshold
    enough = np.flatnonzero(trace.halt_prob[:, -1, -1] > threshold)
    answers = probs.argmax(axis=-1)
    changes = np.flatnonzero(np.diff(answers))
    return Row(
        name=name,
        checkpoint=checkpoint,
        answer=trace.class_names[int(answers[-1])],
        probability=float(probs[-1].max()),
        steps=len(probs),
        exit_step=int(enough[0]) + 1 if len(enough) else None,
        threshold=threshold,
        changed_step=int(changes[-1]) + 2 if len(changes) else None,
        foreign=foreign(trace, report),
    )


def foreign(trace: Trace, report: DomainReport | None) -> bool | None:
    """Whether the warning is raised for a trace; None where none has been measured."""
    return None if report is None else familiarity(trace, report).is_foreign


def familiarity(trace: Trace, report: DomainReport) -> Familiarity:
    """How familiar its picture is to the model of a trace, after the last step that it was trained with."""
    last = min(trace.trained_steps, len(trace.logits)) - 1
    return Familiarity(float(report.score(trace.pixels[None], trace.logits[None, last, -1, -1])[0]), report.threshold)


def divergence(first: Trace, second: Trace) -> int | None:
    """The first supervision step (from 0) after which two runs answer differently; None if they never do.

    A run that has ended stands by its last answer.
    """
    answers = [[trace.class_names[k] for k in trace.probs[:, -1, -1].argmax(axis=-1)] for trace in (first, second)]
    for step in range(max(map(len, answers))):
        if len({said[min(step, len(said) - 1)] for said in answers}) == 2:
            return step
    return None


def divergence_words(first: Trace, second: Trace) -> str:
    """What `divergence` finds, and what both say in the end."""
    step = divergence(first, second)
    said = [[trace.class_names[k] for k in trace.probs[:, -1, -1].argmax(axis=-1)] for trace in (first, second)]
    if step is None:
        return f"They never differ: after every supervision step both answer the same, in the end {said[0][-1]}."
    left, right = (answers[min(step, len(answers) - 1)] for answers in said)
    end = "and still do" if said[0][-1] != said[1][-1] else f"and agree in the end: {said[0][-1]}"
    if said[0][-1] != said[1][-1] and (left, right) != (said[0][-1], said[1][-1]):
        end = f"and end with {said[0][-1]} and {said[1][-1]}"
    return f"They differ first after supervision step {step + 1}: {left} in the first, {right} in the second, {end}."


def lines(entry: Row) -> list[str]:
    """What stands under a picture of the grid."""
    exit_step = f"at {entry.exit_step}" if entry.exit_step else _NEVER
    changed = f"at {entry.changed_step}" if entry.changed_step else _NEVER
    return [
        f"{entry.answer}, {100 * entry.probability:.0f} %",
        f"exit {exit_step} of {entry.steps}",
        f"last change {changed}",
    ]


def grid_csv(rows: Sequence[Row]) -> bytes:
    """The grid as CSV. A name that a spreadsheet would take for a formula is led by an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([
        "picture", "checkpoint", "answer", "probability %", "supervision steps run", "exit step", "exit threshold",
        "answer last changed at step", "out-of-domain warning",
    ])  # fmt: skip
    for entry in rows:
        name = f"'{entry.name}" if entry.name[:1] in "=+-@\t\r" else entry.name
        warning = {True: "yes", False: "no", None: "not measured"}[entry.foreign]
        writer.writerow([
            name, entry.checkpoint, entry.answer, f"{100 * entry.probability:.2f}", entry.steps,
            entry.exit_step or _NEVER, entry.threshold, entry.changed_step or _NEVER, warning,
        ])  # fmt: skip
    return text.getvalue().encode()


def grid_png(rows: Sequence[Row], pictures: Sequence[Image.Image], note: str, columns: int = 4) -> bytes:
    """The grid as one PNG: squares of the pictures as they were framed, with what was made of each."""
    side, gap, text_height = 180, 20, 110
    large, small = ImageFont.load_default(17), ImageFont.load_default(13)
    columns = min(columns, len(rows))
    down = -(-len(rows) // columns)
    width = max(columns * (side + gap) + gap, 520)
    sheet = Image.new("RGB", (width, down * (side + text_height + gap) + gap + 40), "white")
    pen = ImageDraw.Draw(sheet)
    for k, (entry, picture) in enumerate(zip(rows, pictures, strict=True)):
        left, top = gap + (k % columns) * (side + gap), gap + (k // columns) * (side + text_height + gap)
        sheet.paste(picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC), (left, top))
        answer, *rest = lines(entry)
        pen.text((left, top + side + 6), answer, fill=colours.INK, font=large)
        warning = ["out-of-domain warning"] if entry.foreign else []
        for n, line in enumerate([f"{entry.name[:22]}, {entry.checkpoint}", *rest, *warning]):
            color = colours.WARNING if line in warning else colours.FAINT
            pen.text((left, top + side + 30 + 18 * n), line, fill=color, font=small)
    pen.text((gap, sheet.height - 32), note, fill=colours.FAINT, font=small)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def domain_words(report: DomainReport, checkpoint: str, config: Config) -> str:
    """What the out-of-domain warning is, and what it was measured to be worth."""
    sizes = report.split_sizes
    by = " and ".join(SCORE_WORDS[part.score] for part in report.parts)
    caught = "; ".join(f"{100 * s.detected:.0f} % of {s.name} (n = {s.n:,})" for s in report.sets)
    return (
        f"The warning for checkpoint {checkpoint} goes by {by}. Its threshold was set so that 5 % of the validation "
        f"images of {config.data.title} raise it (n = {sizes['val']:,}). Measured on the test split, it is a false "
        f"alarm for {100 * report.test_false_alarms:.1f} % of the images (n = {sizes['test']:,}), and it catches "
        f"{caught}. Glimpse seed {report.seed}, training seed {config.train.seed}. So its silence proves nothing: "
        "a photograph of something else, well lit and sharp, often passes."
    )


def left_out(size: tuple[int, int], box: tuple[float, float, float, float], several_frames: bool) -> str:
    """What of a picture of (width, height) the model never sees, in words: it is given a square `box` of one frame."""
    width, height = size
    side, said = box[2] - box[0], []
    if several_frames:
        said.append("The file has several frames: only the **first frame** is used.")
    if max(size) > _PANORAMA * min(size):
        long, way = ("wide as high", "Left to right") if width > height else ("high as wide", "Top to bottom")
        middle = (box[0] + box[2] - width, box[1] + box[3] - height)
        part = "the **middle**" if max(map(abs, middle)) < 0.1 * side else "one square of it"
        said.append(
            f"It is {max(size) / min(size):.1f} times as {long}: only {part} is used, "
            f"{100 * side * side / (width * height):.0f} % of the picture. Move the square with “{way}” below."
        )
    return " ".join(said)


def safe_name(name: str) -> str:
    """The last part of a path, without what cannot be seen, no longer than `MAX_NAME`."""
    last = _NOT_SHOWN.sub("", re.split(r"[\\/]", name)[-1]).strip()
    return last if len(last) <= MAX_NAME else f"{last[: MAX_NAME - 8]}…{last[-7:]}"


def framed(picture: Image.Image, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """The whole picture, `side` pixels long, darkened outside the square that is used."""
    scale = side / max(picture.size)
    size = tuple(max(1, round(scale * length)) for length in picture.size)
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BICUBIC  # pixels that can be seen are squares
    whole = picture.convert("RGB").resize(size, way)
    inside = tuple(round(scale * edge) for edge in box)
    dim = Image.blend(whole, Image.new("RGB", size, colours.UNSEEN), 0.7)
    if inside[2] > inside[0] and inside[3] > inside[1]:
        dim.paste(whole.crop(inside), inside[:2])
    return dim


def enlarged(pixels: np.ndarray, side: int) -> Image.Image:
    """(C, H, W) uint8 as a picture of about `side`, every pixel a sharp square."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    factor = max(1, round(side / image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def address(image: Image.Image, kind: str = "JPEG") -> str:
    """A picture as a data: address. So it goes to its own page only: no other address of the server ever shows it."""
    content = io.BytesIO()
    image.save(content, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


def tensor_facts(pixels: np.ndarray, config: Config) -> str:
    """Shape of the tensor (C, H, W), and its mean and spread after normalisation, in words."""
    channels, height, width = pixels.shape
    half = (0.5,) * channels  # as the core takes it where the data is unknown
    mean, std = (np.reshape(values or half, (-1, 1, 1)) for values in (config.data.mean, config.data.std))
    normal = (pixels / 255 - mean) / std
    return (
        f"{channels} × {height} × {width} ({'grey' if channels == 1 else 'red, green, blue'} × height × width). "
        f"After normalisation its values have mean {signed(normal.mean(), 2)} and standard deviation "
        f"{normal.std():.2f}; over all training images these are 0 and 1."
    )
