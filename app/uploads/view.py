"""The widgets of the page about the learner's own pictures: where they come from, which is open, how it is framed."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app import cache, inputs, reports, state
from app.cache import Checkpoint
from app.change import offered_counts
from app.player import player
from app.uploads import figures
from app.uploads import tray as uploads
from app.uploads.sketch.sketch import sketch
from app.uploads.tray import Picture, Tray
from vitrm.config import Config
from vitrm.data.images import FORMATS
from vitrm.errors import VitrmError
from vitrm.traces.trace import Trace

_SOURCES = {
    "Upload": ":material/upload_file:",
    "Camera": ":material/photo_camera:",
    "Draw": ":material/draw:",
}
_SAID = 5  # sentences about files that were refused
_SIDE = 256  # pixels of the two pictures
_PICTURE, _MODEL, _STEPS = "another picture", "another model", "other numbers of steps"
_CARD = 120  # and of those in the grid


@dataclass(frozen=True)
class Other:
    """What stands on the right, side by side with the open picture."""

    picture: Picture
    checkpoint: Checkpoint
    config: Config
    change: str  # of the numbers of steps, see `parse_edit`
    title: str


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
            f"Up to {uploads.MAX_IMAGES} pictures: {FORMATS}",
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


def _model_key(picture: Picture) -> str:
    return state.DRAWING_MODEL if picture.kind == "drawing" else state.PHOTO_MODEL


def choose_model(picture: Picture) -> tuple[Checkpoint, Config]:
    """The model for a picture of this kind, and its configuration; the classes it knows are listed."""
    checkpoint = inputs.choose_checkpoint(_model_key(picture))
    config = inputs.configuration(checkpoint)
    classes = config.data.classes or tuple(str(number) for number in range(config.model.num_classes))
    st.caption(
        f"It was trained on {config.data.title}, and knows {len(classes)} classes and nothing else: "
        f"{uploads.plain(', '.join(classes))}. It must answer one of them, whatever you show it."
    )
    return checkpoint, config


def trace(picture: Picture, checkpoint: Checkpoint, config: Config) -> Trace:
    """The trace of a picture; what is wrong with the model is said in one sentence, and the page ends there."""
    try:
        return uploads.trace(picture, checkpoint, config)
    except VitrmError as error:
        st.error(f"The model “{uploads.plain(checkpoint.name)}” cannot be run: {uploads.plain(str(error))}")
        st.stop()


def show_domain(trace: Trace, checkpoint: Checkpoint, config: Config, drawn: bool = False) -> None:
    """The out-of-domain warning beside a prediction that deserves it; in any case, what it is worth.

    `drawn` says that the picture comes from the canvas: then it is said how to come closer.
    """
    report = reports.stored(checkpoint, "domain")
    if report is None:
        st.caption(
            "Whether this is the kind of picture it knows has not been measured for this checkpoint: "
            f"`vitrm evaluate {uploads.plain(checkpoint.name)} --domain --save` does it."
        )
        return
    hint = " Digits as high as the sheet, drawn with a thick pen, come closest." if drawn else ""
    rate = f"{100 * report.test_false_alarms:.0f} %"
    if figures.foreign(trace, report):
        st.warning(
            "**This picture is unlike those the model was trained on: its answer may mean nothing, however sure it "
            f"looks.** The same warning comes on, wrongly, for {rate} of the test images.{hint}",
            icon=":material/help:",
        )
    else:
        st.caption("No out-of-domain warning for this picture.")
    with st.expander("What this warning is worth", icon=":material/rule:"):
        st.markdown(uploads.plain(figures.domain_words(report, checkpoint.name, config)))


def show_grid(tray: Tray, threshold: float | None) -> None:
    """All pictures, each with what the model for its kind makes of it; any can be opened or removed.

    `threshold` is the halting threshold that was chosen in the player, None for the models' own.
    """
    entries = []
    for picture in tray.pictures.values():
        checkpoint = inputs.known_checkpoint(_model_key(picture))
        made = trace(picture, checkpoint, inputs.configuration(checkpoint))
        entries.append(
            (picture, figures.row(picture.name, checkpoint.name, made, reports.stored(checkpoint, "domain"), threshold))
        )
    rows = [entry for _, entry in entries]
    squares = [picture.turned().crop(tuple(map(round, picture.box()))) for picture, _ in entries]
    st.subheader(f"Your {len(rows)} pictures")
    with st.container(horizontal=True, key="grid"):
        for (picture, entry), cut in zip(entries, squares, strict=True):
            here = picture.number == tray.opened
            with st.container(border=True, width=154, gap="xsmall", key=f"card_{picture.number}"):
                answer, *rest = figures.lines(entry)
                st.image(figures.address(cut.convert("RGB").resize((_CARD, _CARD))), alt=picture.name)
                st.markdown(f"**{uploads.plain(answer)}**" + (" :orange-badge[unlike]" if entry.foreign else ""))
                st.caption("  \n".join([uploads.plain(picture.name), *rest]))
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
                        help=f"Remove {uploads.plain(picture.name)}",
                        on_click=tray.remove,
                        args=(picture.number,),
                    )
    thresholds = " or ".join(f"{threshold:g}" for threshold in sorted({entry.threshold for entry in rows}))
    note = f"Exit: the first step with a halting probability above {thresholds}; all were run."
    note += f" Glimpse seed {uploads.seed()}."
    st.caption(f"{note} “Unlike”: the out-of-domain warning, see below.")
    with st.container(horizontal=True):
        for label, suffix, icon, make in (
            ("Grid as CSV", "csv", "table", lambda: figures.grid_csv(rows)),
            ("Grid as PNG", "png", "image", lambda: figures.grid_png(rows, squares, note)),
        ):
            st.download_button(label, make, f"pictures.{suffix}", icon=f":material/{icon}:", on_click="ignore")
        st.button("Remove all", icon=":material/delete_sweep:", on_click=tray.clear)


def choose_other(picture: Picture, checkpoint: Checkpoint, config: Config) -> Other | None:
    """What the open picture is to be shown side by side with; None for nothing."""
    tray = uploads.tray()
    others = {other.number: other for other in tray.pictures.values() if other.number != picture.number}
    models = [name for name in cache.checkpoints() if name != checkpoint.name]
    ways = [*([_PICTURE] if others else []), *([_MODEL] if models else []), _STEPS]
    way = st.segmented_control("Side by side with", ways, key="beside", help="Press it again to see one picture alone")
    if way == _PICTURE:
        number = st.selectbox(
            "The other picture", list(others), format_func=lambda n: others[n].name, key="other_picture"
        )
        return Other(others[number], checkpoint, config, "", others[number].name)
    if way == _MODEL:
        name = st.selectbox("The other model", models, key="other_model")
        beside = inputs.checkpoint(name)
        return Other(picture, beside, inputs.configuration(beside), "", f"{picture.name}, model {name}")
    if way == _STEPS:
        offered = offered_counts(trace(picture, checkpoint, config))
        trained = {
            "n": config.model.supervision_steps,
            "t": config.model.recursion_steps,
            "m": config.model.memory_steps,
        }
        names = {"n": "supervision steps", "t": "recursion steps", "m": "memory iterations"}
        chosen = {}
        with st.container(horizontal=True):
            for letter, label in names.items():
                start = 2 * trained[letter] if letter == "n" else trained[letter]
                key = f"other_{letter}"
                if st.session_state.get(key, start) not in offered[letter]:  # of another model
                    del st.session_state[key]
                options = offered[letter]
                chosen[letter] = st.selectbox(label.capitalize(), options, options.index(start), key=key, width=170)
        change = ";".join(f"{letter}{count}" for letter, count in chosen.items() if count != trained[letter])
        words = ", ".join(f"{count} {names[letter]}" for letter, count in chosen.items())
        return Other(picture, checkpoint, config, change, f"{picture.name}, {words}")
    return None


def show_both(picture: Picture, checkpoint: Checkpoint, config: Config, other: Other) -> None:
    """Two players in locked step, and where their answers first differ."""
    left, right = trace(picture, checkpoint, config), trace(other.picture, other.checkpoint, other.config)
    if other.change:
        right = uploads.trace(other.picture, other.checkpoint, other.config, other.change)
    differ = figures.divergence(left, right)
    st.markdown(uploads.plain(figures.divergence_words(left, right)))
    sides = [
        ("a", left, f"{picture.name}, model {checkpoint.name}", checkpoint, config),
        ("b", right, other.title, other.checkpoint, other.config),
    ]
    for column, (side, run, title, name, settings) in zip(st.columns(2), sides, strict=True):
        marks = [] if differ is None else [(min(differ, len(run.logits) - 1), "first differ")]
        with column:
            player(run, key=f"own_player_{side}", title=title, together="own", marks=marks, name="side-by-side")
            show_domain(run, name, settings)
    st.caption("Moving one moves the other to the same supervision step. A run that has ended stands by its answer.")


def choose_framing(picture: Picture, config: Config) -> None:
    """Turn, crop and lighten a picture; beside it stand the very pixels that the model is given."""
    tray, number, framing = uploads.tray(), picture.number, picture.framing
    whole, box = picture.turned(), picture.box()
    side, pixels = box[2] - box[0], picture.pixels(config)
    source, given = st.columns(2)
    with source:
        st.markdown(f"**{uploads.plain(picture.name)}**")
        alt = f"Your picture; a square of {side:.0f} of its {whole.width} by {whole.height} pixels is used"
        st.image(figures.address(figures.framed(whole, box, _SIDE)), alt=alt)
    with given:
        st.markdown("**What the model is given**")
        size = config.model.image_size
        sharp = figures.address(figures.enlarged(pixels, _SIDE), "PNG")
        st.image(sharp, alt=f"The same in {size} by {size} pixels, each a visible square")
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
            st.button("Start again", icon=":material/undo:", key="unframe", on_click=tray.unframe, args=(number,))
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
