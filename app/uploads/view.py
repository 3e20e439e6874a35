"""Own pictures on screen: where they come from, what the model is given of one, and what its answer is worth."""

from __future__ import annotations

import math

import streamlit as st
from starlette.formparsers import MultiPartParser
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import cache, inputs, reports, state
from app.figures import plain
from app.picker.picker import picker
from app.uploads import cache as trace_cache
from app.uploads import figures, offer
from app.uploads.examples import examples
from app.uploads.sketch.sketch import sketch
from app.uploads.tray import MAX_IMAGES, MAX_ZOOM, Given, Picture, Tray
from vitrm.data.images import FORMATS, quiet_decoders
from vitrm.errors import VitrmError
from vitrm.traces.trace import Trace

# The web server keeps an upload of more than 1 MB in a temporary file until it has all of it: not here.
MultiPartParser.spool_max_size = 2**30  # what may be uploaded at all is limited by server.maxUploadSize
quiet_decoders()

_SOURCES = {
    "Upload": ":material/upload_file:",
    "Camera": ":material/photo_camera:",
    "Draw": ":material/draw:",
}
MODEL_KEYS = {"photo": state.PHOTO_MODEL, "drawing": state.DRAWING_MODEL}  # where the session has the models
_SAID = 5  # sentences about files that were refused
_MAX_PASTED_MB = 8
_SIDE = 256  # pixels of the two pictures: what came in, and what is given


def tray() -> Tray:
    """This session's tray."""
    if state.TRAY not in st.session_state:
        st.session_state[state.TRAY] = Tray()
    return st.session_state[state.TRAY]


def choose_source(tray: Tray) -> None:
    """Upload, photograph or draw a picture; pasting works beside all three. What was refused is said."""
    source = st.segmented_control(
        "Where your picture comes from",
        list(_SOURCES),
        default="Upload",
        required=True,
        key="source",
        format_func=lambda name: f"{_SOURCES[name]} {name}",
        on_change=_other_source,
    )
    key = f"{source}_{tray.rounds}"
    if source == "Upload":
        st.file_uploader(
            f"Up to {MAX_IMAGES} pictures: {FORMATS}",
            accept_multiple_files=True,
            key=key,
            on_change=_take_files,
            args=(key,),
        )
    elif source == "Camera":
        st.camera_input(
            "Take a picture",
            key=key,
            on_change=_take_files,
            args=(key, "Photograph"),
            help="Browsers give the camera only to pages at https:// or on the same machine (localhost).",
            width=420,
        )
    sketch(
        "sketch",
        draw=source == "Draw",
        session=tray.session,
        held=sum(not picture.example for picture in tray.pictures.values()),
        max_mb=_MAX_PASTED_MB,
        on_sheet=lambda sheet: tray.take_sheet(sheet.number, sheet.content),
        on_paste=_take_paste,
    )
    for sentence in tray.refused[:_SAID]:
        st.error(plain(sentence))
    if len(tray.refused) > _SAID:
        st.error(f"{len(tray.refused) - _SAID} more files could not be used.")


def choose_example(tray: Tray) -> None:
    """A row of pictures to try, for whoever has none at hand."""
    opened = tray.pictures.get(tray.opened)

    def take(name: str) -> None:
        tray.take_example(examples.find(name))

    title = "Try one of these"
    picker(examples.small(), opened.example if opened else "", "examples", take, title=title, look="captioned")


def _other_source() -> None:
    """What was refused came another way."""
    tray().refused = []


def _take_files(key: str, name: str = "") -> None:
    """Take what the uploader or the camera with this key holds; both are empty again afterwards."""
    kept, files = tray(), st.session_state.get(key)
    kept.refused = []
    files = files if isinstance(files, list) else [files] if files else []
    for file in files:
        if len(kept.refused) <= MAX_IMAGES:  # of a folder of a thousand files, nobody reads a thousand sentences
            kept.add(name or figures.safe_name(file.name), "photo", file.getvalue())
        _forget(file.file_id)
    kept.rounds += 1


def _take_paste(content: bytes) -> None:
    """Take a picture from the clipboard."""
    kept = tray()
    kept.refused = []
    kept.add("Pasted picture", "photo", content)


def _forget(file_id: str) -> None:
    """Have Streamlit drop an uploaded file now, not at the end of the session."""
    context = get_script_run_ctx()
    remove = getattr(getattr(context, "uploaded_file_mgr", None), "remove_file", None)
    if remove:
        remove(session_id=context.session_id, file_id=file_id)


def choose_model(picture: Picture) -> Given:
    """The picture as it is given to the model for its kind, which is chosen here; the classes it knows are listed."""
    checkpoint = inputs.choose_checkpoint(
        MODEL_KEYS[picture.kind], lacks=lambda config: "it reads mazes" if config.data.mazes else ""
    )
    config = inputs.configuration(checkpoint)
    classes = config.data.classes or tuple(str(number) for number in range(config.model.num_classes))
    st.caption(
        f"It was trained on {config.data.title}, and knows {len(classes)} classes and nothing else: "
        f"{plain(', '.join(classes))}. It must answer one of them, whatever you show it."
    )
    return Given(picture, checkpoint, config)


def choose_framing(given: Given) -> None:
    """Turn, crop and lighten a picture; beside it stand the very pixels that the model is given."""
    kept, picture, framing = tray(), given.picture, given.picture.framing
    whole, box = given.whole, picture.box
    side, number = box[2] - box[0], picture.number
    source, model = st.columns(2)
    with source:
        st.markdown(f"**{plain(picture.name)}**")
        alt = f"Your picture; a square of {side:.0f} of its {whole.width} by {whole.height} pixels is used"
        st.image(figures.address(figures.framed(whole, box, _SIDE)), alt=alt)
    with model:
        st.markdown("**What the model is given**")
        size = given.config.model.image_size
        sharp = figures.address(figures.enlarged(given.pixels, _SIDE), "PNG")
        st.image(sharp, alt=f"The same in {size} by {size} pixels, each a visible square")
    if given.is_swapped and framing.swapped is None:
        st.info(f"Dark and light are swapped: {figures.LIGHT_ON_DARK}", icon=":material/invert_colors:")
    if left_out := figures.left_out(picture.size, box, picture.has_several_frames):
        st.info(left_out, icon=":material/crop:")
    credit = examples.find(picture.example)
    st.caption(
        figures.tensor_facts(given.pixels, given.config)
        + (f" {plain(picture.name)}: {plain(credit.credit)}." if credit else "")
    )
    with st.expander("Crop and rotate", icon=":material/crop_rotate:"):
        with st.container(horizontal=True):
            for label, icon, turn in (("Left", "rotate_left", 1), ("Right", "rotate_right", -1)):
                st.button(
                    label,
                    icon=f":material/{icon}:",
                    key=f"turn_{label}",
                    help="Rotate by 90 degrees",
                    on_click=lambda turn=turn: kept.frame(number, turns=(framing.turns + turn) % 4),
                )
            st.button(
                "Swap dark and light",
                icon=":material/invert_colors:",
                key="swap",
                help="The digits and clothes of the training data are light on dark; what is on a light ground is "
                "swapped by itself",
                on_click=lambda: kept.frame(number, swapped=not given.is_swapped),
            )
            st.button("Start again", icon=":material/undo:", key="unframe", on_click=kept.unframe, args=(number,))
        for label, name, low, high, form, room in (
            ("Zoom", "zoom", 1.0, float(MAX_ZOOM), "%.1f×", math.inf),
            ("Left to right", "x", 0.0, 1.0, "percent", whole.width - side),
            ("Top to bottom", "y", 0.0, 1.0, "percent", whole.height - side),
        ):
            key = f"{name}_{number}"
            st.session_state[key] = min(max(getattr(framing, name), low), high)  # a new stroke may have moved it
            st.slider(
                label,
                low,
                high,
                step=(high - low) / 100,
                key=key,
                format=form,
                disabled=room < 1,
                on_change=_take_framing,
                args=(key, number, name),
            )


def _take_framing(key: str, number: int, name: str) -> None:
    """Frame a picture as the slider with this key says; `name` is the part of its framing that it moves."""
    tray().frame(number, **{name: st.session_state[key]})


def trace(given: Given, change: str = "") -> Trace:
    """The trace of a picture, under a `change` (see `parse_edit`) if there is one: ConfigError if it cannot be made.

    What is wrong with the model is said in one sentence, and the page ends there.
    """
    try:
        return trace_cache.trace(tray(), given, st.session_state[state.GLIMPSE_SEED], change)
    except VitrmError as error:
        if change:
            raise
        st.error(f"The model “{plain(given.checkpoint.name)}” cannot be run: {plain(str(error))}")
        st.stop()


def offer_another(trace: Trace, given: Given) -> None:
    """Offer the model of other data that knows this picture better, where there is one; see `app.uploads.offer`."""
    report = reports.readable(given.checkpoint, "domain")
    if report is None:
        return
    others = {other.checkpoint.name: other for other in _of_other_data(given)}
    known = {name: _familiarity(other) for name, other in others.items()}
    name = offer.best(figures.familiarity(trace, report), {name: each for name, each in known.items() if each})
    if name is None:
        return
    worth = offer.words(offer.rates(given.checkpoint.name, name))
    with st.container(border=True, key="offer"):
        st.markdown(
            f"**This looks like what “{plain(name)}” was trained on:** {plain(others[name].config.data.title)}."
        )
        key = MODEL_KEYS[given.picture.kind]
        st.button(
            f"Use {name}",
            icon=":material/swap_horiz:",
            type="primary",
            key="take_offer",
            on_click=lambda: st.session_state.update({key: name}),
        )
        if worth:
            st.caption(worth)


def _of_other_data(given: Given) -> list[Given]:
    """The picture as it is given to a model of each other data set that has a measured warning."""
    usual = {
        state.LANDING[state.CHECKPOINT],
        *(state.DEFAULTS[key] for key in (state.CHECKPOINT, *MODEL_KEYS.values())),
    }
    found = {}
    for name, checkpoint in cache.checkpoints().items():
        try:
            config, summary = cache.facts(checkpoint)
            if checkpoint.run.report_version("domain") is None or config.data.source == given.config.data.source:
                continue
        except VitrmError:  # damaged: said where it is chosen
            continue
        worth = (name in usual, summary.test.accuracy[config.model.supervision_steps - 1])
        if config.data.source not in found or worth > found[config.data.source][0]:
            found[config.data.source] = worth, Given(given.picture, checkpoint, config)
    return [other for _, other in found.values()]


def _familiarity(given: Given) -> offer.Familiarity | None:
    """How familiar the picture is to a model; None where its pixels alone rule that out, or it cannot be run."""
    try:
        report = reports.stored(given.checkpoint, "domain")
        if report is None or report.at_most(given.pixels[None])[0] < report.threshold:
            return None
        return figures.familiarity(trace_cache.trace(tray(), given, st.session_state[state.GLIMPSE_SEED]), report)
    except VitrmError:
        return None


def show_domain(trace: Trace, given: Given, drawn: bool = False) -> None:
    """The out-of-domain warning beside a prediction that deserves it; in any case, what it is worth.

    `drawn` says that the picture comes from the canvas: then it is said how to come closer.
    """
    report = reports.readable(given.checkpoint, "domain")
    if report is None:
        st.caption(
            "Whether this is the kind of picture it knows has not been measured for this checkpoint: "
            f"`vitrm evaluate {plain(given.checkpoint.name)} --domain --save` does it."
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
        st.markdown(plain(figures.domain_words(report, given.checkpoint.name, given.config)))
