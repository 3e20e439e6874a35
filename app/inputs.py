"""Widgets that several pages share: they read and write session keys and return plain values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import cache, downloads, events, state
from app.cache import Checkpoint
from app.figures import as_written
from app.picker import classes
from app.picker.picker import picker
from vitrm.config import Config, GlimpsePolicy
from vitrm.errors import DataError, VitrmError
from vitrm.runs.summary import Summary
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import Trace


def select(
    label: str,
    options: Sequence[Any],
    key: str,
    *,
    words: Callable[[Any], str] = str,
    shown: Any = None,
    buttons: bool = False,
    take: Callable[[Any], None] | None = None,
    **more: Any,
) -> Any:
    """A selection whose value is the session's `key`, which a link may have set; `shown` stands where it is no option.

    `take` is told what is chosen, in place of keeping it under the key. `more` goes to the widget as it is.
    """
    widget, value = f"{key}_choice", st.session_state[key]
    st.session_state[widget] = value if value in options else shown

    def chosen() -> None:
        if (value := st.session_state[widget]) is None:  # a segmented control can be switched off
            return
        if take is not None:
            take(value)
        else:
            st.session_state[key] = value

    make = st.segmented_control if buttons else st.selectbox
    make(label, options, format_func=words, key=widget, on_change=chosen, **more)
    return st.session_state[key] if st.session_state[key] in options else shown


NO_IMAGES = "its images are not on this machine"


def no_lack(config: Config) -> str:
    """For a page that works with every model."""
    return ""


def choose_checkpoint(
    key: str = state.CHECKPOINT,
    recursive: bool = True,
    *,
    always: bool = True,
    pictured: bool = False,
    beside: DeltaGenerator | None = None,
    lacks: Callable[[Config], str] = no_lack,
) -> Checkpoint:
    """Pick one of the finished models on this machine, in the place `beside`; kept under the session key `key`.

    Without `always` the choice is offered only where another model than the usual one is on show.
    With `recursive` the page is about a recursion: a model that has none is said to, and the page ends there.
    `lacks` says why the page has nothing to show of a model ("" for none): such models stand last, with the reason;
    on a page that is `pictured`, one that shows nothing without a test image, also those whose images are not here.
    """
    known = cache.checkpoints()
    found = known_checkpoint(key, known)
    if st.session_state[key] != found.name:
        st.warning(f"There is no checkpoint “{as_written(st.session_state[key])}” here; showing “{found.name}”.")
        st.session_state[key] = found.name
    with beside or st.container():
        if always or found.name not in (state.DEFAULTS[key], state.LANDING.get(key)):
            _select_model(known, key, lambda each, config: _reason(each, config, recursive, pictured) or lacks(config))
    model = configuration(found).model if recursive else None
    if model is not None and not model.recurrent:
        st.info(
            f"“{found.name}” is a {model.title}: it answers once, without supervision steps, memory or halting, so "
            "this page has nothing to show of it. Choose another model."
        )
        st.stop()
    return found


def _reason(checkpoint: Checkpoint, config: Config, recursive: bool, pictured: bool) -> str:
    if recursive and not config.model.recurrent:
        return "it answers once"
    return "" if not pictured or cache.has_images(checkpoint) else NO_IMAGES


def _select_model(known: Mapping[str, Checkpoint], key: str, lacks: Callable[[Checkpoint, Config], str]) -> None:
    """The selection of a model: those that the page works with first, the others with the reason why it does not."""
    reasons, lines = {}, []
    for name, each in known.items():
        try:
            config, summary = cache.facts(each)
        except VitrmError:
            reasons[name] = "cannot be read"
            continue
        reasons[name] = lacks(each, config)
        if not reasons[name]:
            lines.append(f"- **{name}**: {_one_line(config, summary)}")
    select(
        "Model",
        sorted(reasons, key=lambda name: bool(reasons[name])),
        key,
        words=lambda name: f"{name} (not here: {reasons[name]})" if reasons.get(name) else name,
        help="\n".join(lines) or None,
    )


def _one_line(config: Config, summary: Summary) -> str:
    """What a model was trained on, what there is to see of it, and how often it is right."""
    model, title = config.model, config.data.title.partition(":")[0].replace("`", "")
    sees = "answers once"
    if model.recurrent:
        steps = model.supervision_steps
        sees = f"{steps} steps" if steps > 1 else "one step"
        sees += ", a few patches each" if model.glimpse_patches is not None else ", all of the image"
    right = 100 * summary.test.accuracy[model.supervision_steps - 1]
    return f"`{title}`; {sees}; {right:.1f} % of test images right"


def known_checkpoint(key: str, known: Mapping[str, Checkpoint]) -> Checkpoint:
    """Of the models there are, what was chosen under a session key; where that is gone, the usual one, or any."""
    chosen, usual = st.session_state[key], state.DEFAULTS[key]
    return next(known[name] for name in (chosen, usual, *known) if name in known)


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name; where there is none that is said in one sentence, and the page ends there."""
    try:
        return cache.checkpoint(name)
    except VitrmError as error:
        st.error(f"This checkpoint cannot be shown: {error}")
        st.stop()


def configuration(checkpoint: Checkpoint) -> Config:
    """The configuration of a checkpoint; what is wrong with it is said in one sentence, and the page ends there."""
    try:
        return cache.facts(checkpoint)[0]
    except VitrmError as error:
        st.error(f"This checkpoint cannot be shown: {error}")
        st.stop()


def choose_trace(
    checkpoint: Checkpoint, *, deeper: bool = False, policy: GlimpsePolicy = "random", other_draws: bool = True
) -> tuple[Trace, Config, Summary]:
    """Pick a test image for a checkpoint; its trace, and the checkpoint's configuration and summary.

    With `deeper` the learner may run more supervision steps than it was trained with. `policy` says who chooses the
    glimpses, `other_draws` whether others are offered. What cannot be shown is said in one sentence, and the page ends
    there.
    """
    trace = find_trace(checkpoint, deeper=deeper, policy=policy, other_draws=other_draws)
    if trace is None:
        state.to_url()
        st.stop()
    return trace, *cache.facts(checkpoint)


def find_trace(
    checkpoint: Checkpoint, *, deeper: bool = False, policy: GlimpsePolicy = "random", other_draws: bool = True
) -> Trace | None:
    """`choose_trace` for a page that has more to show: None for what cannot be, which is said in one sentence."""
    try:
        config, summary = cache.facts(checkpoint)
        draws = other_draws and config.model.glimpse_patches is not None and policy == "random"
        image, seed = choose_image(cache.gallery(checkpoint), checkpoint, summary.split_sizes["test"], draws)
        depth = choose_depth(config.model.supervision_steps) if deeper else 1
        if depth > 1:
            return cache.deeper_trace(checkpoint, image, seed, depth)
        return cache.trace(checkpoint, image, seed, policy)
    except VitrmError as error:
        say(error, checkpoint)
    return None


def choose_depth(trained: int, depths: Sequence[int] = state.DEPTHS[:3]) -> int:
    """How many times the trained number of supervision steps is to be run."""
    times = {1: "as trained", 2: "twice that", 4: "four times"}
    names = {depth: f"{depth * trained}, {times.get(depth, f'{depth} times')}" for depth in depths}
    wanted = st.session_state[state.DEPTH]
    if wanted not in depths:
        st.caption(f"{wanted * trained} steps are for mazes alone; showing {depths[-1] * trained}.")
        st.session_state[state.DEPTH] = depths[-1]

    def take(depth: int) -> None:
        st.session_state[state.DEPTH] = depth
        events.happened("depth chosen", steps=depth * trained)

    return select("Steps to run", depths, state.DEPTH, words=names.get, buttons=True, take=take)


def say(error: VitrmError, checkpoint: Checkpoint) -> None:
    """Why there is no trace of a checkpoint, in one sentence."""
    if isinstance(error, DataError):
        say_absent(error, checkpoint)
    else:
        st.error(f"This checkpoint cannot be shown: {error}")


def say_absent(error: DataError, checkpoint: Checkpoint) -> None:
    """Why the images of a checkpoint are not here, and the ways on: a download, or a picture of one's own."""
    config = cache.facts(checkpoint)[0]
    why = "they are not on this machine." if downloads.are_missing(config) else error
    st.error(f"The images that “{checkpoint.name}” was tested on cannot be had: {why}")
    downloads.offer(config)
    if config.data.mazes is None and config.model.recurrent:
        label = "Give it an example or a picture of your own"
        if st.button(label, icon=":material/add_a_photo:", key="to_your_image"):
            st.session_state[state.PHOTO_MODEL] = checkpoint.name
            st.switch_page("../pages/your_image.py")


def choose_image(
    gallery: dict[str, Trace] | dict[str, MixtureTrace], checkpoint: Checkpoint, test_images: int, draws: bool
) -> tuple[str, int]:
    """A ready-made image, a random one of a checkpoint's test split, or, with `draws`, another draw of the glimpses;
    its seed.
    """
    shown, source = dict(st.session_state[state.SHOWN]), cache.facts(checkpoint)[0].data.source
    last = next(reversed(shown), source)
    before = shown.pop(source, state.DEFAULTS[state.IMAGE])
    if last != source and st.session_state[state.IMAGE] == shown[last]:  # its number means nothing here
        st.session_state[state.IMAGE] = before
    if not _is_test_image(st.session_state[state.IMAGE], test_images):
        if st.session_state[state.IMAGE] != state.DEFAULTS[state.IMAGE]:
            named = as_written(st.session_state[state.IMAGE])
            st.warning(f"There is no image “{named}” in this data set; showing another one.")
        st.session_state[state.IMAGE] = next(iter(gallery), "test-0")
    # To read them takes torch; an image that is ready-made is on screen before that has loaded.
    few = None if st.session_state[state.IMAGE] in gallery else cache.bundled_images(checkpoint)
    if few is not None and few.find(_number(st.session_state[state.IMAGE])) is None:
        _show_another(few, gallery, checkpoint)
    st.session_state[state.SHOWN] = shown | {source: st.session_state[state.IMAGE]}
    if not cache.has_images(checkpoint):
        return st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]
    with st.container(horizontal=True, vertical_alignment="bottom", key="choose_image"):
        if gallery:
            pictures = {name: gallery[name].pixels for name in sorted(gallery, key=lambda name: (len(name), name))}
            picker(pictures, st.session_state[state.IMAGE], "pictures", _show)
        _by_class(checkpoint)
        st.button(
            "Random image",
            icon=":material/casino:",
            key="random_image",
            on_click=lambda: _show(cache.any_image(checkpoint, st.session_state[state.IMAGE])),
        )
        if draws:
            st.button(
                "Other glimpses",
                icon=":material/visibility:",
                key="other_glimpses",
                help="The same image, with the patches drawn in another order",
                on_click=lambda: st.session_state.update(
                    {state.GLIMPSE_SEED: st.session_state[state.GLIMPSE_SEED] + 1}
                ),
            )
    if few is not None and few.instead_of:
        st.caption(
            f"The images are those of CIFAR-10 as published. “{checkpoint.name}” was tested on {few.instead_of}, in "
            "another order: a link to an image is to another one where that set is."
        )
    return st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]


def _by_class(checkpoint: Checkpoint) -> None:
    """Pick a class by its word, then one of its images by looking. The images are read once this is open."""
    box = st.popover("By class", icon=":material/category:", key="by_class", on_change="rerun")
    if not box.open:
        return
    with box:
        try:
            shown, config = cache.images(checkpoint), cache.facts(checkpoint)[0]
        except VitrmError as error:
            st.caption(f"None can be shown: {error}")
            return
        of_each = classes.first_of_each(shown, config.data.classes)
        chosen = st.session_state.get("class_shown")
        chosen = chosen if chosen in of_each else next(iter(of_each))
        turn = st.session_state.setdefault("class_turn", 0)

        def shut() -> None:
            st.session_state["by_class"] = False  # the page behind shows it

        def change(name: str) -> None:
            st.session_state.update(class_shown=name, class_turn=0)

        pictures = {name: pixels for name, (_, pixels) in of_each.items()}
        picker(pictures, chosen, "classes", change, title="Which class?", look="chips", popover="by_class")
        images = classes.some_of(shown, of_each[chosen][0], turn)
        title, now = f"Which {chosen}?", st.session_state[state.IMAGE]
        picker(images, now, "of_class", _show, title=title, popover="by_class", on_settle=shut)
        st.button(
            "Others",
            icon=":material/refresh:",
            key="others_of_class",
            on_click=lambda: st.session_state.update(class_turn=turn + 1),
        )


def _show_another(few, gallery: dict[str, Any], checkpoint: Checkpoint) -> None:
    """Show an image that is here in place of one that is not; said, unless it is only the usual one of other data."""
    missing = st.session_state[state.IMAGE]
    st.session_state[state.IMAGE] = next(iter(gallery), f"test-{int(few.numbers[0])}")
    if missing != state.DEFAULTS[state.IMAGE]:
        st.info(
            f"Image {_number(missing)} of the test split is not on this machine; showing another one of "
            f"{len(few):,} of the {few.total:,}, those that come with the project."
        )
        downloads.offer(cache.facts(checkpoint)[0])


def _number(image: str) -> int:
    return int(image.removeprefix("test-"))


def _show(image: str) -> None:
    events.happened("image chosen", name=image)
    st.session_state[state.IMAGE] = image
    st.session_state[state.GLIMPSE_SEED] = 0


def _is_test_image(name: str, test_images: int) -> bool:
    found = re.fullmatch(r"test-(\d{1,9})", name)
    return bool(found) and int(found[1]) < test_images
