"""The widgets of the page about the learner's own pictures: where they come from, which is open, how it is framed."""

from __future__ import annotations

import streamlit as st

from app import inputs, state, uploads
from app import upload_figures as figures
from app.sketch import sketch
from app.uploads import Picture, Tray
from vitrm.config import Config
from vitrm.images import FORMATS

_SOURCES = {
    "Upload": ":material/upload_file:",
    "Camera": ":material/photo_camera:",
    "Draw": ":material/draw:",
}
_SAID = 5  # sentences about files that were refused
_SIDE = 256  # pixels of the two pictures


def choose_source(tray: Tray) -> None:
    """Upload, photograph or draw a picture; pasting works beside all three. What was refused is said."""
    source = st.segmented_control(
        "Where your picture comes from",
        list(_SOURCES),
        default="Upload",
        required=True,
        key="source",
        format_func=lambda name: f"{_SOURCES[name]} {name}",
    )
    key = f"{source}_{tray.rounds}"
    if source == "Upload":
        st.file_uploader(
            f"{FORMATS}; up to {uploads.MAX_IMAGES} pictures",
            accept_multiple_files=True,
            key=key,
            on_change=uploads.take_files,
            args=(key,),
        )
    elif source == "Camera":
        st.camera_input(
            "Take a picture",
            key=key,
            on_change=uploads.take_files,
            args=(key, "Photograph"),
            help="Browsers give the camera only to pages at https:// or on the same machine (localhost).",
            width=420,
        )
    sketch(
        "sketch",
        draw=source == "Draw",
        session=tray.session,
        held=len(tray.pictures),
        max_mb=uploads.MAX_PASTED_MB,
        on_sheet=lambda sheet: uploads.take_sheet(sheet.number, sheet.content),
        on_paste=uploads.take_paste,
    )
    for sentence in tray.refused[:_SAID]:
        st.error(uploads.plain(sentence))
    if len(tray.refused) > _SAID:
        st.error(f"{len(tray.refused) - _SAID} more files could not be used.")


def choose_model(picture: Picture) -> tuple[str, Config]:
    """The model for a picture of this kind, and its configuration; the classes it knows are listed."""
    drawn = picture.kind == "drawing"
    checkpoint = inputs.choose_checkpoint(state.DRAWING_MODEL if drawn else state.PHOTO_MODEL)
    config = inputs.configuration(checkpoint)
    classes = config.data.classes or tuple(str(number) for number in range(config.model.num_classes))
    st.caption(
        f"It was trained on {config.data.title}, and knows {len(classes)} classes and nothing else: "
        f"{uploads.plain(', '.join(classes))}. It must answer one of them, whatever you show it."
    )
    return checkpoint, config


def choose_framing(picture: Picture, config: Config) -> None:
    """Turn, crop and lighten a picture; beside it stand the very pixels that the model is given."""
    tray, number, framing = uploads.tray(), picture.number, picture.framing
    whole, box = picture.turned(), picture.box()
    side, pixels = box[2] - box[0], picture.pixels(config)
    source, given = st.columns(2)
    with source:
        st.markdown(f"**{uploads.plain(picture.name)}**")
        shown = figures.framed(whole, box, _SIDE)
        st.image(
            shown, alt=f"Your picture; a square of {side:.0f} of its {whole.width} by {whole.height} pixels is used"
        )
    with given:
        st.markdown("**What the model is given**")
        size = config.model.image_size
        st.image(figures.enlarged(pixels, _SIDE), alt=f"The same in {size} by {size} pixels, each a visible square")
    st.caption(figures.tensor_facts(pixels, config))
    with st.expander("Crop and rotate", icon=":material/crop_rotate:", expanded=picture.kind == "photo"):
        with st.container(horizontal=True):
            for label, icon, turn in (("Left", "rotate_left", 1), ("Right", "rotate_right", -1)):
                st.button(
                    label,
                    icon=f":material/{icon}:",
                    key=f"turn_{label}",
                    help="Rotate by 90 degrees",
                    on_click=lambda turn=turn: tray.frame(number, turns=(framing.turns + turn) % 4),
                )
            st.button(
                "Swap dark and light",
                icon=":material/invert_colors:",
                key="swap",
                help="The digits of the training data are light on dark; ink on light paper is swapped by itself",
                on_click=lambda: tray.frame(number, swapped=not picture.is_swapped(config)),
            )
        _framing_slider("Zoom", "zoom", picture, 1.0, float(uploads.MAX_ZOOM), format="%.1f×")
        _framing_slider("Left to right", "x", picture, disabled=whole.width - side < 1)
        _framing_slider("Top to bottom", "y", picture, disabled=whole.height - side < 1)


def _framing_slider(
    label: str, name: str, picture: Picture, low: float = 0.0, high: float = 1.0, *, format: str = "percent", **options
) -> None:
    key, tray = f"{name}_{picture.number}", uploads.tray()
    st.session_state[key] = min(max(getattr(picture.framing, name), low), high)  # a new stroke may have moved it

    def take() -> None:
        tray.frame(picture.number, **{name: st.session_state[key]})

    step = (high - low) / 100
    st.slider(label, low, high, step=step, key=key, format=format, on_change=take, **options)
