"""All of the learner's pictures side by side, each with what the model for its kind makes of it."""

from __future__ import annotations

import streamlit as st

from app import inputs, reports, state
from app.uploads import figures
from app.uploads.figures import plain
from app.uploads.tray import Given, Tray
from app.uploads.view import MODEL_KEYS, trace

_CARD = 120  # pixels of a picture


def show(tray: Tray, threshold: float | None) -> None:
    """All pictures, each with what the model for its kind makes of it; any can be opened or removed.

    `threshold` is the halting threshold that was chosen in the player, None for the models' own.
    """
    entries = []
    for picture in tray.pictures.values():
        checkpoint = inputs.known_checkpoint(MODEL_KEYS[picture.kind])
        made = trace(Given(picture, checkpoint, inputs.configuration(checkpoint)))
        entries.append(
            (
                picture,
                figures.row(picture.name, checkpoint.name, made, reports.readable(checkpoint, "domain"), threshold),
            )
        )
    rows = [entry for _, entry in entries]
    squares = [picture.cut() for picture, _ in entries]
    st.subheader(f"Your {len(rows)} pictures")
    with st.container(horizontal=True, key="grid"):
        for (picture, entry), cut in zip(entries, squares, strict=True):
            here = picture.number == tray.opened
            with st.container(border=True, width=154, gap="xsmall", key=f"card_{picture.number}"):
                answer, *rest = figures.lines(entry)
                st.image(figures.address(cut.convert("RGB").resize((_CARD, _CARD))), alt=picture.name)
                st.markdown(f"**{plain(answer)}**" + (" :orange-badge[unlike]" if entry.foreign else ""))
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
    thresholds = " or ".join(f"{threshold:g}" for threshold in sorted({entry.threshold for entry in rows}))
    note = f"Exit: the first step with a halting probability above {thresholds}; all were run."
    note += f" Glimpse seed {st.session_state[state.GLIMPSE_SEED]}."
    st.caption(f"{note} “Unlike”: the out-of-domain warning, see below.")
    with st.container(horizontal=True):
        for label, suffix, icon, make in (
            ("Grid as CSV", "csv", "table", lambda: figures.grid_csv(rows)),
            ("Grid as PNG", "png", "image", lambda: figures.grid_png(rows, squares, note)),
        ):
            st.download_button(label, make, f"pictures.{suffix}", icon=f":material/{icon}:", on_click="ignore")
        st.button("Remove all", icon=":material/delete_sweep:", on_click=tray.clear)
