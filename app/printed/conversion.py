"""A Plotly figure as a drawing for print. Pure; what no figure of this app is made of is refused by name.

Lines and markers of so many pixels are half as many points on paper.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import diverging, sequential

from app import colours
from app.printed.drawing import NARROWEST, WIDEST, Call, Column, Drawing, Name, Pixels

_ON_SCREEN = 560  # pixels, the width of a figure for which its height was chosen
_LETTER, _KEY = 3.5, 32  # points: the mean width of a letter of the legend, and what stands before its words
_LINES = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 2, 1, 2)),
}
_MARKS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "star": "*",
    "x": "X",
    "triangle-up": "^",
    "line-ns": "|",
    "cross": "P",
}
_SCALES = {sequential.Cividis[0]: "cividis", diverging.RdBu_r[0]: "RdBu_r"}  # by their first colour
_SIDES = {"left": ("right", -1), "center": ("center", 0), "right": ("left", 1)}
_HEIGHTS = {"top": ("bottom", 1), "middle": ("center", 0), "bottom": ("top", -1)}


def printed(figure: go.Figure, width: float) -> Drawing:
    """The same for print, `width` mm wide, in the same colours on white.

    Raises TypeError for what no figure of this app had so far, and ValueError for a width beyond what is offered.
    """
    if not NARROWEST <= width <= WIDEST:
        raise ValueError(f"a width of {width:g} mm; expected {NARROWEST} to {WIDEST}")
    spec = _unpacked(figure.to_plotly_json())
    layout = spec["layout"]
    places, grid, heights = _grid(spec)
    numbers: dict[str, dict[str, list[float]]] = {}
    calls: list[Call] = []
    maker = _Maker(layout, numbers)
    for trace in spec["data"]:
        where = trace.get("xaxis") or "x", trace.get("yaxis") or "y"
        calls += maker.trace(trace, places[where], where)
    calls += maker.shapes(places)
    for where, ax in places.items():
        calls += maker.axes(where, ax)
    used = set(places.values())
    calls += [
        Call(name, "axis", ("off",))
        for name in (f"axes[{r}, {c}]" for r in range(grid[0]) for c in range(grid[1]))
        if grid != (1, 1) and name not in used
    ]
    if len(maker.labels) > 1 or layout.get("showlegend"):
        room = width / 25.4 * 72 / (_KEY + _LETTER * max(map(len, maker.labels)))
        columns = min(max(int(room), 1), len(maker.labels))
        calls.append(Call("fig", "legend", (), {"loc": "outside upper left", "ncols": columns}))
    height = width * min(max(layout.get("height", 420) / _ON_SCREEN, 0.25), 1.4)
    return Drawing(numbers, tuple(calls), width, round(height, 1), grid, heights)


def _unpacked(value: Any) -> Any:
    """The same with arrays where Plotly has packed them for the browser."""
    if isinstance(value, dict):
        if value.keys() >= {"dtype", "bdata"}:
            flat = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            return flat.reshape([int(n) for n in str(value.get("shape", flat.size)).split(",")])
        return {key: _unpacked(inner) for key, inner in value.items()}
    return [_unpacked(inner) for inner in value] if isinstance(value, list | tuple) else value


def _grid(spec: dict[str, Any]) -> tuple[dict[tuple[str, str], str], tuple[int, int], tuple[float, ...]]:
    """What the axes of each pair are called, how many rows and columns there are, and the heights of the rows."""
    layout = spec["layout"]
    pairs = dict.fromkeys((t.get("xaxis") or "x", t.get("yaxis") or "y") for t in spec["data"])

    def domain(axis: str) -> tuple[float, float]:
        found = layout.get(f"{axis[0]}axis{axis[1:]}", {}).get("domain", (0.0, 1.0))
        return round(found[0], 4), round(found[1], 4)

    across = sorted({domain(x) for x, _ in pairs})
    down = sorted({domain(y) for _, y in pairs}, reverse=True)
    if len(across) == len(down) == 1:
        return dict.fromkeys(pairs, "ax"), (1, 1), ()
    places = {(x, y): f"axes[{down.index(domain(y))}, {across.index(domain(x))}]" for x, y in pairs}
    sizes = [high - low for low, high in down]
    heights = tuple(round(size / max(sizes), 2) for size in sizes)
    return places, (len(down), len(across)), () if len(set(heights)) == 1 else heights


class _Maker:
    """Makes calls, and collects the numbers that they name."""

    def __init__(self, layout: dict[str, Any], numbers: dict[str, dict[str, list[float]]]) -> None:
        self.layout, self.numbers = layout, numbers
        self.labels: list[str] = []  # of the series that the legend names
        self._stacked: dict[tuple[str, float, bool], float] = {}
        self._names: dict[str, list[str]] = {}  # of an axis: what its places are called, in order

    def trace(self, trace: dict[str, Any], ax: str, where: tuple[str, str]) -> Iterator[Call]:
        """The calls for one series."""
        make = {"scatter": self._scatter, "bar": self._bar, "heatmap": self._heatmap, "image": self._image}
        kind = trace.get("type", "scatter")
        if kind not in make:
            raise TypeError(f"a {kind} figure cannot be printed yet; expected one of {', '.join(make)}")
        yield from make[kind](trace, ax, where)

    def _series(self, trace: dict[str, Any], **columns: Sequence[float]) -> str:
        name = plain(trace.get("name") or trace.get("type", "scatter"))
        series, again = name, 1
        while series in self.numbers:
            again += 1
            series = f"{name} ({again})"
        self.numbers[series] = {key: [float(v) for v in np.ravel(values)] for key, values in columns.items()}
        return series

    def _places(self, values: Any, axis: str) -> np.ndarray:
        """Numbers as they are, names as their places on the axis."""
        values = list(values)
        described = self._axis(axis)
        if described.get("type") != "category" and all(not isinstance(v, str) for v in values):
            return np.array([np.nan if v is None else float(v) for v in values])
        known = self._names.setdefault(axis, [str(v) for v in described.get("categoryarray", ())])
        known += [name for name in dict.fromkeys(map(str, values)) if name not in known]
        return np.array([float(known.index(str(v))) for v in values])

    def _axis(self, axis: str) -> dict[str, Any]:
        return self.layout.get(f"{axis[0]}axis{axis[1:]}", {})

    def _label(self, trace: dict[str, Any]) -> dict[str, str]:
        if not trace.get("name") or trace.get("showlegend") is False or self.layout.get("showlegend") is False:
            return {}
        self.labels.append(plain(trace["name"]))
        return {"label": self.labels[-1]}

    def _scatter(self, trace: dict[str, Any], ax: str, where: tuple[str, str]) -> Iterator[Call]:
        y = self._places(trace["y"], where[1])
        x = np.arange(len(y)) if trace.get("x") is None else self._places(trace["x"], where[0])
        mode, line, marker = trace.get("mode", "lines"), trace.get("line") or {}, trace.get("marker") or {}
        columns = {"x": x, "y": y}
        color = line.get("color") or marker.get("color") or colours.INK
        size = marker.get("size", 7 if "markers" in mode else 0)
        visible = marker.get("opacity") != 0  # 0: only there to keep names at a distance
        options: dict[str, Any] = {"color": color}
        options["linestyle"] = _LINES[line.get("dash", "solid")] if "lines" in mode else "none"
        options["linewidth"] = line.get("width", 2) / 2
        if "markers" in mode and visible and not isinstance(size, list | tuple | np.ndarray):
            symbol = marker.get("symbol", "circle")
            options |= {"marker": _MARKS[symbol.removesuffix("-open")], "markersize": size / 2, "markeredgewidth": 0.5}
            options["markerfacecolor"] = "none" if symbol.endswith("-open") else marker.get("color", color)
            if "line" in marker:
                options["markeredgewidth"] = marker["line"].get("width", 1) / 2
                options["markeredgecolor"] = marker["line"].get("color", color)
        if trace.get("opacity") is not None:
            options["alpha"] = trace["opacity"]
        error = trace.get("error_y") or {}
        bars = error.get("visible", bool(error)) and error.get("array") is not None
        if bars:
            above = np.asarray(error["array"], float)
            columns |= {"below": np.asarray(error.get("arrayminus", above), float), "above": above}
        sized = "markers" in mode and not np.isscalar(size)
        if sized:
            columns["size"] = np.asarray(size, float)
        series = self._series(trace, **columns)
        at = (Column(series, "x"), Column(series, "y"))
        if visible or "lines" in mode:
            label = self._label(trace)
            if bars:
                lengths = [Column(series, "below"), Column(series, "above")]
                yield Call(ax, "errorbar", at, {"yerr": lengths, "elinewidth": 0.75, "capsize": 1.5} | options | label)
            else:
                yield Call(ax, "plot", at, options | label)
        if sized:
            widths = [(size / 2) ** 2 for size in columns["size"].tolist()]  # areas, in square points
            yield Call(ax, "scatter", at, {"s": widths, "color": color, "zorder": 3, "clip_on": False})
        if "text" in mode:
            sides = trace.get("textposition", "middle center")
            sides = [sides] * len(y) if isinstance(sides, str) else sides
            for text, a, b, side in zip(trace["text"], x, y, sides, strict=True):
                yield _named(ax, plain(str(text)), float(a), float(b), side)

    def _bar(self, trace: dict[str, Any], ax: str, where: tuple[str, str]) -> Iterator[Call]:
        across = trace.get("orientation") == "h"
        x, height = (
            self._places(trace["y" if across else "x"], where[across]),
            np.asarray(trace["x" if across else "y"], float),
        )
        bottom = np.zeros_like(height)
        if self.layout.get("barmode") in ("stack", "relative"):
            for k, (place, value) in enumerate(zip(x, height, strict=True)):
                key = (ax, float(place), bool(value < 0))
                bottom[k] = self._stacked.get(key, 0.0)
                self._stacked[key] = bottom[k] + value
        series = self._series(trace, x=x, y=height, bottom=bottom)
        color = (trace.get("marker") or {}).get("color", colours.BLUE)
        color = [color] if isinstance(color, str) else list(color)
        given = (Column(series, "x"), Column(series, "y"))
        options = {
            ("left" if across else "bottom"): Column(series, "bottom"),
            "color": color[0] if len(color) == 1 else color,
        }
        options[("height" if across else "width")] = 1 - self.layout.get("bargap", 0.2)
        if ((trace.get("marker") or {}).get("pattern") or {}).get("shape"):
            options |= {"hatch": "////", "edgecolor": "white", "linewidth": 0}
        yield Call(ax, "barh" if across else "bar", given, options | self._label(trace))
        inside = trace.get("textposition") == "inside"
        ink = (trace.get("textfont") or {}).get("color", colours.INK) if inside else colours.INK
        ends = bottom + height / 2 if inside else bottom + height
        side = "middle center" if inside else "middle right" if across else "top center"
        for text, a, b in zip(trace.get("text") or (), x, ends, strict=False):
            if text:
                place = (float(b), float(a)) if across else (float(a), float(b))
                yield _named(ax, plain(str(text)), *place, side, ink=ink)

    def _heatmap(self, trace: dict[str, Any], ax: str, where: tuple[str, str]) -> Iterator[Call]:
        z = np.array([[np.nan if v is None else float(v) for v in row] for row in trace["z"]])
        x = np.arange(z.shape[1]) if trace.get("x") is None else self._places(trace["x"], where[0])
        y = np.arange(z.shape[0]) if trace.get("y") is None else self._places(trace["y"], where[1])
        across, down = np.meshgrid(x, y)
        series = self._series(trace, x=across, y=down, z=z)
        low, high = (float(trace.get(f"z{end}", getattr(np, f"nan{end}")(z))) for end in ("min", "max"))
        given = tuple(Column(series, name, z.shape) for name in ("x", "y", "z"))
        options = {"cmap": _scale(trace), "vmin": low, "vmax": high, "shading": "nearest", "rasterized": False}
        edges = trace.get("xgap") or trace.get("ygap")
        options |= {"edgecolors": "white", "linewidth": 1.0} if edges else {"edgecolors": "face", "linewidth": 0.1}
        if np.isnan(z).any():  # what was not measured is grey, not the paper's white
            yield Call(
                ax,
                "axhspan",
                (float(y.min()) - 0.5, float(y.max()) + 0.5),
                {"color": colours.UNMEASURED, "linewidth": 0, "zorder": 0},
            )
        yield Call(ax, "pcolormesh", given, options, made="mesh")
        if trace.get("showscale") is not False:
            bar = trace.get("colorbar") or {}
            title = bar.get("title") or ""
            title = title.get("text", "") if isinstance(title, dict) else title
            yield Call(
                "fig",
                "colorbar",
                (Name("mesh"),),
                {"ax": Name("axes" if ax != "ax" else ax), "label": plain(title), "pad": 0.02},
            )
        if trace.get("text") is not None and trace.get("texttemplate"):
            for texts, a_row, b_row, z_row in zip(trace["text"], across, down, z, strict=True):
                for text, a, b, value in zip(texts, a_row, b_row, z_row, strict=True):
                    if text:
                        ink = colours.BLACK if (value - low) / ((high - low) or 1) > 0.55 else colours.WHITE
                        middle = {"ha": "center", "va": "center", "color": ink, "fontsize": 6}
                        yield Call(ax, "text", (float(a), float(b), plain(str(text))), middle)

    def _image(self, trace: dict[str, Any], ax: str, where: tuple[str, str]) -> Iterator[Call]:
        z = np.asarray(trace["z"], float)
        series = self._series(trace, red=z[..., 0], green=z[..., 1], blue=z[..., 2])
        yield Call(ax, "imshow", (Pixels(series, z.shape[:2]),), {"interpolation": "nearest"})

    def shapes(self, places: dict[tuple[str, str], str]) -> Iterator[Call]:
        """Lines and bands across, and words."""
        by_axis = {name: ax for pair, ax in places.items() for name in pair}
        for shape in self.layout.get("shapes", ()):
            xref, yref = shape.get("xref", "x"), shape.get("yref", "y")
            ax = by_axis[xref.removesuffix(" domain") if yref.endswith("domain") else yref.removesuffix(" domain")]
            line = shape.get("line") or {}
            style = {
                "color": line.get("color", colours.INK),
                "linestyle": _LINES[line.get("dash", "solid")],
                "linewidth": line.get("width", 2) / 2,
            }
            if shape["type"] == "line" and yref.endswith("domain"):
                yield Call(ax, "axvline", (float(shape["x0"]),), style)
            elif shape["type"] == "line" and xref.endswith("domain"):
                yield Call(ax, "axhline", (float(shape["y0"]),), style)
            elif shape["type"] == "rect" and yref.endswith("domain"):
                ends = float(shape["x0"]), float(shape["x1"])
                yield Call(
                    ax,
                    "axvspan",
                    ends,
                    {"color": shape["fillcolor"], "alpha": shape.get("opacity", 1.0), "linewidth": 0, "zorder": 0},
                )
            else:
                raise TypeError(f"a {shape['type']} of {xref} and {yref} cannot be printed yet; expected one across")
        for note in self.layout.get("annotations", ()):
            xref, yref = note.get("xref", "x"), note.get("yref", "y")
            ax = next(
                (by_axis[ref.removesuffix(" domain")] for ref in (xref, yref) if ref != "paper"),
                next(iter(places.values())),
            )
            if xref == yref == "paper" and len(set(places.values())) > 1:
                raise TypeError("words beside several axes cannot be printed yet; expected the title of an axis")
            refs = tuple(
                "axes fraction" if ref == "paper" or ref.endswith("domain") else "data" for ref in (xref, yref)
            )
            options = {
                "xycoords": refs,
                "ha": note.get("xanchor", "center"),
                "va": _va(note.get("yanchor", "middle")),
                "fontsize": 6.5,
            }
            at = tuple(float(note[end]) for end in ("x", "y"))
            options |= {
                "xytext": (note.get("xshift", 0) / 2, note.get("yshift", 0) / 2 + 1),
                "textcoords": "offset points",
            }
            yield Call(ax, "annotate", (plain(note["text"]), at), options)

    def axes(self, where: tuple[str, str], ax: str) -> Iterator[Call]:
        """Names, ends and ticks of both axes."""
        settings: dict[str, Any] = {}
        for axis in where:
            found, letter = self._axis(axis), axis[0]
            title = found.get("title") or {}
            title = title.get("text", "") if isinstance(title, dict) else title
            if title:
                settings[f"{letter}label"] = plain(title)
            logarithmic = found.get("type") == "log"
            if logarithmic:
                yield Call(ax, f"set_{letter}scale", ("log",))  # first, as it sets ticks of its own
            if found.get("range") is not None:
                ends = [10.0**end if logarithmic else float(end) for end in found["range"]]
                settings[f"{letter}lim"] = tuple(ends)
            named = self._names.get(axis)
            if found.get("visible") is False or found.get("showticklabels") is False:
                yield Call(ax, f"set_{letter}ticks", ([],))
                yield Call(ax, "set_frame_on", (False,))
            elif named:
                yield Call(
                    ax, f"set_{letter}ticks", (list(range(len(named))),), {"labels": [plain(name) for name in named]}
                )
            elif found.get("tickvals") is not None:
                ticks = [float(v) for v in found["tickvals"]]
                texts = [plain(str(v)) for v in found.get("ticktext") or [f"{v:g}" for v in ticks]]
                yield Call(ax, f"set_{letter}ticks", (ticks,), {"labels": texts})
                if logarithmic:
                    yield Call(ax, f"set_{letter}ticks", ([],), {"minor": True})
            elif found.get("dtick") == 1:
                yield Call(ax, "locator_params", (), {"axis": letter, "integer": True})
        if settings:
            yield Call(ax, "set", (), settings)
        if self._axis(where[1]).get("scaleanchor"):
            yield Call(ax, "set_aspect", ("equal",))
        if self._axis(where[1]).get("autorange") == "reversed":
            yield Call(ax, "invert_yaxis")


def _named(ax: str, text: str, x: float, y: float, side: str, *, ink: str = colours.INK) -> Call:
    up, across = side.split()
    ha, right = _SIDES[across]
    va, above = _HEIGHTS[up]
    options = {
        "xytext": (3.5 * right, 3.5 * above),
        "textcoords": "offset points",
        "ha": ha,
        "va": va,
        "fontsize": 6,
        "color": ink,
    }
    return Call(ax, "annotate", (text, (x, y)), options)


def _va(anchor: str) -> str:
    return {"middle": "center", "auto": "center"}.get(anchor, anchor)


def _scale(trace: dict[str, Any]) -> str:
    """The name that matplotlib has for a colour scale, of which Plotly has only the colours."""
    first = trace["colorscale"][0][1]
    if first not in _SCALES:
        raise TypeError(f"a colour scale that begins with {first} cannot be printed yet; expected one of {_SCALES}")
    return _SCALES[first]


def plain(text: str) -> str:
    """Without the marks of Plotly's texts."""
    return re.sub(r"<[^>]+>", "", text.replace("<br>", "\n").replace("<sub>", "")).replace("$", r"\$")
