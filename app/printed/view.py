"""A figure on a page, and under it the way to have it for a paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import plotly.graph_objects as go
import streamlit as st

from app.files import save_button
from app.present import present
from app.printed.conversion import printed
from app.printed.drawing import NARROWEST, WIDEST, Drawing

COLUMN = 84.0  # mm, one column of many journals; two with their gap are 174
_WIDTH, _WHICH = "printed_width", "printed_figure"
Figures = Mapping[str, Callable[[], go.Figure]]  # by what they are called


def chart(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure, with the button that offers it for a paper. `alt` says what it shows."""
    if present.is_on():
        figure = _presented(figure)
    st.plotly_chart(figure, key=key, width="stretch", alt=alt, config={"displayModeBar": False})
    offer(lambda: {"": lambda: figure}, key, alt)


def _presented(figure: go.Figure) -> go.Figure:
    """The same for a room with a beamer: no letter under 20 pixels, and as high as leaves room for a sentence."""
    large = {"size": 20}
    figure = go.Figure(figure).update_layout(height=270, font=large, legend={"font": large})
    figure.update_xaxes(tickfont=large, title={"font": large}).update_yaxes(tickfont=large, title={"font": large})
    return figure.update_annotations(font=large).update_traces(
        textfont=large, selector=lambda trace: "textfont" in trace
    )


def offer(figures: Callable[[], Figures], key: str, about: str, label: str = "For a paper") -> None:
    """The button that offers figures, by their names, for a paper; each is made when it is asked for.

    `key` is what files are called, `about` what is said in them.
    """
    if st.button(
        label,
        key=f"{key}_printed",
        icon=":material/article:",
        type="tertiary",
        help="As SVG or PDF of a width in millimetres, as numbers, and as the lines of Python that draw it",
    ):
        _dialog(figures, key, about)


@st.dialog("A figure for a paper", width="medium", icon=":material/article:")
def _dialog(make: Callable[[], Figures], key: str, about: str) -> None:
    figures, name = make(), key
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    width = left.number_input(
        "Width, mm",
        float(NARROWEST),
        float(WIDEST),
        COLUMN,
        step=1.0,
        format="%.0f",
        key=_WIDTH,
        help="A column is often 84 mm wide, a page 174 mm",
    )
    which = next(iter(figures))
    if len(figures) > 1:
        which = right.selectbox("Figure", list(figures), key=_WHICH)
        name = f"{key}-{re.sub('[^a-z0-9]+', '-', which.partition(',')[0].lower()).strip('-')}"  # on every system
    drawing = printed(figures[which](), width)
    st.image(drawing.svg().decode(), alt=about, width=min(round(width * 96 / 25.4), 700))
    _files(drawing, name, about)


def _files(drawing: Drawing, name: str, about: str) -> None:
    """The figure as files, and its lines to be copied."""
    lines = drawing.python(name, about)
    with st.container(horizontal=True):
        for label, data, ending, icon in (
            ("SVG", drawing.svg, "svg", "image"),
            ("PDF", drawing.pdf, "pdf", "picture_as_pdf"),
            ("Numbers as CSV", lambda: drawing.csv, "csv", "table"),
            ("Lines of Python", lines.encode, "py", "code"),
        ):
            save_button(label, data, f"{name}.{ending}", icon=icon)
    st.caption(
        f"{drawing.width:g} × {drawing.height:g} mm, on white. Letters are outlines in the SVG and an embedded font in "
        "the PDF. The lines below, beside the CSV, draw the same with matplotlib:"
    )
    st.code(lines, language="python", height=260)
