"""A figure as numbers and the few matplotlib calls that draw them: either made here, or written down as Python.

What is downloaded as SVG or PDF and what the lines draw is the same: the same calls on the same numbers.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.4,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.dpi": 300,
    "svg.fonttype": "path",
    "svg.hashsalt": "vitrm",
    "pdf.fonttype": 42,
}  # letters are outlines in SVG and embedded TrueType in PDF; the same numbers give the same file
NARROWEST, WIDEST = 40, 300  # mm
_INCH = 25.4  # mm
_LOCK = threading.Lock()  # matplotlib's settings are one for the whole process


@dataclass(frozen=True)
class Column:
    """The numbers of one series in the file, as an array of this shape (flat if None)."""

    series: str
    name: str
    shape: tuple[int, int] | None = None


@dataclass(frozen=True)
class Pixels:
    """The colours of one series in the file as an image (H, W, 3), 0..1."""

    series: str
    shape: tuple[int, int]


@dataclass(frozen=True)
class Name:
    """Something that was made by an earlier call, or "fig"."""

    text: str


@dataclass(frozen=True)
class Call:
    """`made = on.method(*values, **options)`; what is given may be columns, names, plain values, or lists of these."""

    on: str
    method: str
    values: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    made: str = ""


@dataclass(frozen=True)
class Drawing:
    """Numbers by series, and the calls. A single axes object is "ax", that of row r and column c "axes[r, c]"."""

    numbers: Mapping[str, Mapping[str, Sequence[float]]]  # series: column: values
    calls: tuple[Call, ...]
    width: float  # mm
    height: float
    grid: tuple[int, int] = (1, 1)
    heights: tuple[float, ...] = ()  # of the rows, relative to each other

    @cached_property
    def csv(self) -> bytes:
        """The numbers: a row for each point, its series first. Floats are written so that they are read back alike."""
        names = list(dict.fromkeys(name for columns in self.numbers.values() for name in columns))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["series", *names])
        for series, columns in self.numbers.items():
            for k in range(len(next(iter(columns.values())))):
                writer.writerow([series, *(_plain(columns[name][k]) if name in columns else "" for name in names)])
        return text.getvalue().encode()

    def svg(self) -> bytes:
        """As SVG: letters are outlines, so no reader needs a font."""
        return self._file("svg", {"Date": None})

    def pdf(self) -> bytes:
        """As PDF, its font embedded."""
        return self._file("pdf", {"CreationDate": None})

    def python(self, name: str, about: str = "") -> str:
        """The lines that read NAME.csv and write NAME.svg and NAME.pdf; `about` says what is on show."""
        flat, pixels = self._needs()
        lines = [
            f'"""{_said(about) or name}"""',
            "import csv",
            "",
            "import matplotlib.pyplot as plt",
            "import numpy as np",
            "",
            f'with open("{name}.csv", encoding="utf-8", newline="") as file:',
            "    rows = list(csv.DictReader(file))",
        ]
        if flat:
            lines += ["", "", "def column(series, name):"]
            lines.append('    return np.array([float(row[name] or "nan") for row in rows if row["series"] == series])')
        if pixels:
            lines += ["", "", "def pixels(series, height, width):"]
            lines.append(
                '    rgb = [[float(row[c]) for c in ("red", "green", "blue")] for row in rows '
                'if row["series"] == series]'
            )
            lines.append("    return np.reshape(rgb, (height, width, 3)) / 255")
        lines += ["", "", f"plt.rcParams.update({STYLE!r})"]
        size = f"figsize=({self.width:g} / 25.4, {self.height:g} / 25.4)"
        if self.grid == (1, 1):
            lines.append(f'fig, ax = plt.subplots({size}, layout="constrained")')
        else:
            more = f", height_ratios={list(self.heights)!r}" if self.heights else ""
            lines.append(
                f"fig, axes = plt.subplots({self.grid[0]}, {self.grid[1]}, {size}, "
                f'layout="constrained", squeeze=False{more})'
            )
        lines += [_written(call) for call in self.calls]
        lines += [f'fig.savefig("{name}.svg", metadata={{"Date": None}})', f'fig.savefig("{name}.pdf")', ""]
        return "\n".join(lines)

    def _needs(self) -> tuple[bool, bool]:
        found = [type(value) for call in self.calls for value in _flat([*call.values, *call.options.values()])]
        return Column in found, Pixels in found

    def _file(self, kind: str, metadata: dict[str, Any]) -> bytes:
        import matplotlib  # most of a second, and only a download needs it
        from matplotlib.figure import Figure

        content = io.BytesIO()
        with _LOCK, matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(self.width / _INCH, self.height / _INCH), layout="constrained")
            axes = figure.subplots(*self.grid, squeeze=False, height_ratios=self.heights or None)
            known = {"fig": figure, "ax": axes[0, 0], "axes": axes}
            known |= {f"axes[{r}, {c}]": axes[r, c] for r in range(self.grid[0]) for c in range(self.grid[1])}
            for call in self.calls:
                options = {key: self._value(value, known) for key, value in call.options.items()}
                made = getattr(known[call.on], call.method)(*(self._value(v, known) for v in call.values), **options)
                if call.made:
                    known[call.made] = made
            figure.savefig(content, format=kind, metadata=metadata)
        return content.getvalue()

    def _value(self, value: Any, known: Mapping[str, Any]) -> Any:
        match value:
            case Column():
                numbers = np.array([float(each) for each in self.numbers[value.series][value.name]])
                return numbers if value.shape is None else numbers.reshape(value.shape)
            case Pixels():
                columns = self.numbers[value.series]
                return np.stack([columns[c] for c in ("red", "green", "blue")], -1).reshape(*value.shape, 3) / 255
            case Name():
                return known[value.text]
            case list():
                return [self._value(each, known) for each in value]
            case _:
                return value


def _plain(value: float) -> str:
    number = float(value)
    return "" if np.isnan(number) else repr(int(number) if number.is_integer() and abs(number) < 1e15 else number)


def _said(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")


def _flat(values: Sequence[Any]) -> list[Any]:
    return [inner for value in values for inner in (_flat(value) if isinstance(value, list | tuple) else [value])]


def _written(call: Call) -> str:
    words = [_code(value) for value in call.values] + [f"{key}={_code(value)}" for key, value in call.options.items()]
    return f"{call.made} = " * bool(call.made) + f"{call.on}.{call.method}({', '.join(words)})"


def _code(value: Any) -> str:
    match value:
        case Column():
            text = f"column({value.series!r}, {value.name!r})"
            return text if value.shape is None else f"{text}.reshape{value.shape}"
        case Pixels():
            return f"pixels({value.series!r}, {value.shape[0]}, {value.shape[1]})"
        case Name():
            return value.text
        case list():
            return f"[{', '.join(map(_code, value))}]"
        case _:
            return repr(value)
