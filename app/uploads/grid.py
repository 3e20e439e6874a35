"""All of the learner's pictures side by side, each with what the model for its kind makes of it."""

from __future__ import annotations

import streamlit as st
from PIL import Image

from app import cache, inputs, reports, state
from app.figures import plain
from app.files import save_button
from app.uploads import figures
from app.uploads.tray import Given, Picture, Tray
from app.uploads.view import MODEL_KEYS, trace

_CARD = 120  # pixels of a picture


def show(tray: Tray, threshold: float | None) -> None:
    """All pictures, each with what the model for its kind makes of it; any can be opened or removed.

    `threshold` is the halting threshold that was chosen in the player, None for the models' own.
    """
    known = cache.checkpoints()
    chosen = {kind: inputs.known_checkpoint(key, known) for kind, key in MODEL_KEYS.items()}
    reports_of = {kind: reports.readable(each, "domain") for kind, each in chosen.items()}
    rows, squares = [], []
    st.subheader(f"Your {len(tray.pictures)} pictures")
    with st.container(horizontal=True, key="grid"):
        for picture in tray.pictures.values():
            checkpoint, cut = chosen[picture.kind], picture.cut()
            config = inputs.configuration(checkpoint)
            if not config.model.recurrent:
                why = f"“{plain(checkpoint.name)}” answers once: open it and choose another model"
                _card(tray, picture, cut, "**–**", [why])
                continue
            made = trace(Given(picture, checkpoint, config))
            entry = figures.row(picture.name, checkpoint.name, made, reports_of[picture.kind], threshold)
            answer, *rest = figures.lines(entry)
            _card(tray, picture, cut, f"**{plain(answer)}**" + " :orange-badge[unlike]" * entry.foreign, rest)
            rows.append(entry)
            squares.append(cut)
    if rows:
        _say_how(tray, rows, squares)


def _card(tray: Tray, picture: Picture, cut: Image.Image, answer: str, rest: list[str]) -> None:
    """One picture, the answer to it, what else there is to say, and what can be done with it."""
    here = picture.number == tray.opened
    with st.container(border=True, width=154, gap="xsmall", key=f"card_{picture.number}"):
        st.image(figures.address(cut.convert("RGB").resize((_CARD, _CARD))), alt=picture.name)
        st.markdown(answer)
        st.caption("  \n".join([plain(picture.name), *rest]))
        with st.container(horizontal=True, gap="xsmall"):
            st.button(
                "Open",
                key=f"open_{picture.number}",
                disabled=here,
                help="It is the one that is open" if here else None,
                on_click=tray.open,
                args=(picture.number,),
            )
            st.button(
                "",
                icon=":material/delete:",
                key=f"remove_{picture.number}",
                help=f"Remove {plain(picture.name)}",
                on_click=tray.remove,
                args=(picture.number,),
            )


def _say_how(tray: Tray, rows: list[figures.Row], squares: list[Image.Image]) -> None:
    """How the answers came about, and files of them to take away."""
    thresholds = " or ".join(f"{threshold:g}" for threshold in sorted({entry.threshold for entry in rows}))
    note = f"Exit: the first step with a halting probability above {thresholds}; all were run."
    note += f" Glimpse seed {st.session_state[state.GLIMPSE_SEED]}."
    st.caption(f"{note} “Unlike”: the out-of-domain warning, see below.")
    with st.container(horizontal=True):
        for label, suffix, icon, make in (
            ("Grid as CSV", "csv", "table", lambda: figures.grid_csv(rows)),
            ("Grid as PNG", "png", "image", lambda: figures.grid_png(rows, squares, note)),
        ):
            save_button(label, make, f"pictures.{suffix}", icon=icon)
        st.button("Remove all", icon=":material/delete_sweep:", on_click=tray.clear)
