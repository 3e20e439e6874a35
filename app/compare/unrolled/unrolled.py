"""Models unrolled in one picture: every layer that is applied is a square, and the same colour is the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, islice

import streamlit as st

from app.component import picture
from vitrm.config import AnyModelConfig, Pass

_component = picture("vitrm_unrolled", __file__, css="unrolled.css")
_ROWS, _PASSES = 8, 24  # drawn; what is left out is said
_SIGNS = {"memory": ("z", "z"), "answer": ("y", "y")}  # what stands under a pass, and its hue


@dataclass(frozen=True)
class Drawn:
    """A model to be drawn: its name, configuration, parameters, accuracy in words (untrained: ""), and a remark."""

    name: str
    config: AnyModelConfig
    parameters: int
    color: str  # of its family
    accuracy: str = ""
    remark: str = ""


def unrolled(models: Sequence[Drawn], key: str) -> None:
    """Show the picture in the colours of the page's theme."""
    _component(data={"html": drawing(models, dark=st.context.theme.type == "dark")}, key=key)


def drawing(models: Sequence[Drawn], dark: bool) -> str:
    """The picture as HTML; names are escaped, all else in it is a number of the configurations."""
    most = max(model.parameters for model in models)
    cards = "".join(_card(model, most, dark) for model in models)
    words = " ".join(_words(model) for model in models)
    theme = "dark" if dark else "light"
    return f'<div class="unrolled {theme}" role="img" aria-label="{escape(words)}">{cards}</div>'


def _words(model: Drawn) -> str:
    unique, applied = model.config.unique_layers, model.config.unrolled_layers
    how = f"applied {applied} times in all" if applied > unique else "applied once each"
    reached = f" Test accuracy {model.accuracy}." if model.accuracy else ""
    return f"{model.name}: {_layers(unique)} with weights of {'its' if unique == 1 else 'their'} own, {how}.{reached}"


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count != 1)}"


def _card(model: Drawn, most: int, dark: bool) -> str:
    config = model.config
    unique, applied = config.unique_layers, config.unrolled_layers
    colors = _colors(model, dark)
    stored = "".join(_square(layer, colors) for layer in range(unique))
    share = 100 * model.parameters / most
    remark = f"<p class='remark'>{escape(model.remark)}</p>" if model.remark else ""
    return (
        f"<div class='part'><h2>{escape(model.name)} <small>{escape(config.family_title)}</small></h2>"
        f"<p class='reached'>{escape(model.accuracy or 'not trained')}</p>"
        f"<p class='what'>Weights: {_layers(unique)}, {model.parameters:,} parameters in all</p>"
        f"<div class='bar'><i style='width:{max(share, 0.4):.2f}%;background:{model.color}'></i></div>"
        f"<div class='stored'>{stored}</div>"
        f"<p class='what'>Applied, one after the other: <b>{applied}</b></p>"
        f"{_unrolled_rows(config, colors)}{remark}</div>"
    )


def _unrolled_rows(config: AnyModelConfig, colors: list[str]) -> str:
    rows = []
    for step, passes in islice(groupby(config.passes(), key=lambda each: each.step), _ROWS):
        shown = list(islice(passes, _PASSES + 1))
        groups = "".join(_passes(list(alike), colors) for _, alike in groupby(shown[:_PASSES], key=_place))
        more = "<span class='more'>…</span>" if len(shown) > _PASSES else ""
        number = f"<span class='step'>{step + 1}</span>" if config.supervision_steps > 1 else ""
        rows.append(f"<div class='row'>{number}<span class='passes'>{groups}{more}</span></div>")
    left = config.supervision_steps - len(rows)
    if left > 0:
        rows.append(f"<p class='what'>… and {left} more supervision step{'s' * (left > 1)} of the same</p>")
    return "".join(rows)


def _place(each: Pass) -> object:
    """Passes of the same place stand under one name; those that have a sign of their own stand alone."""
    return id(each) if each.name in _SIGNS else each.name


def _passes(alike: list[Pass], colors: list[str]) -> str:
    squares = "".join(_square(layer, colors) for each in alike for layer in each.layers)
    sign, hue = _SIGNS.get(alike[0].name, (escape(alike[0].name), "plain"))
    times = f" × {len(alike)}" if len(alike) > 1 else ""
    under = f"<em class='{hue}'>{sign}{times}</em>" if sign else ""
    return f"<span class='pass'><span class='squares'>{squares}</span>{under}</span>"


def _square(layer: int, colors: list[str]) -> str:
    return f"<i style='background:{colors[layer]}'></i>"


def _colors(model: Drawn, dark: bool) -> list[str]:
    """One for each layer with weights of its own: shades of one colour where they recur, hues of their own if not."""
    config = model.config
    count = config.unique_layers
    if config.unrolled_layers > count:
        to = "white" if dark else "black"
        return [f"color-mix(in oklab, {model.color}, {to} {45 * k / max(count, 2):.0f}%)" for k in range(count)]
    light = 0.74 if dark else 0.62
    return [f"oklch({light} 0.13 {360 * k / count + 20:.0f})" for k in range(count)]
