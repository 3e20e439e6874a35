"""What a model sees of an image: watched, drawn anew, chosen, guessed; each says what to do, and what it is worth."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st
from PIL import Image

from app import figures, inputs, numbers, reports, state
from app.cache import Checkpoint
from app.glimpses import cache
from app.glimpses import figures as glimpse_figures
from app.glimpses.play.game import game, rounds
from app.glimpses.play.picks import chosen_patches, comparison, pick_patches, picture
from app.player.page import choices_in, keep
from app.player.player import player
from app.printed import view as printed
from app.sections import Section, closer
from vitrm.config import Config
from vitrm.errors import DataError, RunError, VitrmError
from vitrm.judge.glimpses import GlimpseReport
from vitrm.places import ROOT
from vitrm.sweep.table import against_first
from vitrm.traces.trace import Trace

_POLICIES = {"random": "at random", "fixed": "from the centre", "learned": "by attention"}
SECTIONS = {
    "draws": "Does the answer depend on which patches are drawn?",
    "choose": "Would you choose better patches?",
    "guess": "Can you be right before the model is?",
    "policies": "Which order of patches wins?",
    "control": "Or see everything at once?",
}
CLOSER = {"glimpses": "How the evidence arrives"}  # the panel of that name
_SHOWN_DRAWS = 6
_CONTROL = ROOT / "results" / "glimpses.csv"


def choose_policy() -> str:
    """Who chooses the glimpses of the trace on show."""
    return inputs.select(
        "The next patches are chosen",
        list(_POLICIES),
        state.POLICY,
        words=_POLICIES.get,
        buttons=True,
        required=True,
        help="It was trained with random glimpses only. “By attention” reads the places that its memory tokens attend "
        "to most, by their position alone: no pixel that has not been read decides.",
    )


def watch(checkpoint: Checkpoint) -> Trace:
    """Predicted, then played: what has been seen so far, and what that does to the answer; the trace on show."""
    pictures, watched = st.container(), st.container()
    with st.container(horizontal=True, vertical_alignment="bottom", key="glimpse_choices"):
        policy = choose_policy()
        panels = closer("Look closer", CLOSER, others=SECTIONS)
    with pictures:
        trace, config, summary = inputs.choose_trace(checkpoint, policy=policy)
    image = st.session_state[state.IMAGE]
    with watched:
        player(
            trace,
            key="glimpse_player",
            panels=panels,
            predict=True,
            ask=True,
            chosen=choices_in("glimpse_player", trace, predict=True),
            name=f"{checkpoint.name}-{image}-{policy}",
            address=state.address(state.PART, state.POLICY, state.DECK),
        )
    caption = figures.provenance(checkpoint.name, image, trace.seed, config, summary, policy=policy)
    st.caption(caption)
    keep(trace, checkpoint, panels, caption, image=f"{image}-{policy}")
    return trace


def parts(checkpoint: Checkpoint, trace: Trace) -> list[Section]:
    """The questions besides the page's own. What is missing for one of them is said in one sentence."""
    shows = {
        "draws": lambda: draws(checkpoint, trace),
        "choose": lambda: choose(checkpoint, trace),
        "guess": lambda: guess(checkpoint),
        "policies": lambda: policies(checkpoint),
        "control": control,
    }

    def shown(name: str) -> None:
        try:
            shows[name]()
        except DataError as error:
            inputs.say_absent(error, checkpoint)
        except VitrmError as error:
            st.error(str(error))

    return [Section(name, title, lambda name=name: shown(name)) for name, title in SECTIONS.items()]


def draws(checkpoint: Checkpoint, trace: Trace) -> None:
    """The same image under many draws: how often does the answer depend on the draw?"""
    config = inputs.configuration(checkpoint)
    image, classes, label = st.session_state[state.IMAGE], trace.class_names, trace.label
    made = cache.draws(checkpoint, image)
    words = glimpse_figures.draw_words(made, classes, label)
    st.markdown(f"The image above, {cache.DRAWS} times, each with other glimpses. {words}")
    figure = glimpse_figures.by_draw(made, classes, label, config.model.num_patches)
    printed.chart(figure, key="by_draw", alt=words)
    st.caption(
        f"Share of the draws that give each answer; plain: the true class, hatched: wrong ones. {_image(config)}, "
        f"{cache.DRAWS} draws (glimpse seeds 0 to {cache.DRAWS - 1}), every step run, checkpoint {checkpoint.name}, "
        f"training seed {config.train.seed}. It is one image: what holds for it need not hold for others."
    )
    numbers.table(glimpse_figures.draw_table(made, classes, label))
    st.caption(
        "A few of these draws: the most common course of answers, and the rarest ones. Left to right: what had been "
        "seen after each step, with an orange frame what that step read. A draw leads to its player, in a new tab."
    )
    chosen = glimpse_figures.telling_draws(made, _SHOWN_DRAWS)
    scale = max(1, 192 // trace.pixels.shape[-1])
    columns = [column for _ in chosen[::2] for column in st.columns(2, gap="large")]  # in order below each other, too
    for column, k in zip(columns, chosen, strict=False):
        course = glimpse_figures.course(made, k, classes, label)
        tiles = glimpse_figures.strip(trace.pixels, made.patches[k], trace.patch_size, scale)
        with column:
            st.image(
                Image.fromarray(tiles),
                caption=f"seed {k}: {course}",
                width="stretch",
                link=_link(checkpoint, image, k),
                alt=f"Glimpses of seed {k} step by step. Answers: {course}",
            )


def choose(checkpoint: Checkpoint, trace: Trace) -> None:
    """Choose the patches of the next step oneself, and compare."""
    config = inputs.configuration(checkpoint)
    size = config.model.glimpse_patches
    st.markdown(
        f"Now you choose what the model reads: {size} patches a step. Click them, or drag over them; with the keyboard "
        "move by the arrows and choose by Space. After each step it answers. Do you choose better than its memory, a "
        "fixed order, or chance?"
    )
    image, label = st.session_state[state.IMAGE], trace.label
    about = f"{checkpoint.name}/{image}"
    picks = chosen_patches("picks", about)
    own = None
    if picks:
        try:
            own = cache.picked(checkpoint, image, picks[: config.model.supervision_steps])
        except VitrmError as error:
            st.warning(f"These patches cannot be read: {error}")
            picks = ()
    facts = comparison(
        own, cache.orders(checkpoint, image), cache.draws(checkpoint, image), label, config.model.num_patches
    )
    shown = picture(trace.pixels, trace.patch_size, trace.class_names, label)
    pick_patches("picks", about, shown | facts, picks)
    st.caption(
        f"{_image(config)}, checkpoint {checkpoint.name}, training seed {config.train.seed}. Random: the mean of "
        f"{cache.DRAWS} draws. You know the true class and may know where the interesting part is; the memory's "
        "attention knows only what has been read, and was not trained for choosing."
    )


def guess(checkpoint: Checkpoint) -> None:
    """A game: who is right with fewer patches?"""
    config = inputs.configuration(checkpoint)
    report = reports.readable(checkpoint, "halting")
    threshold, why = config.model.halt_threshold, "as in training"
    if report is not None and 0 < report.chosen.threshold < 1:
        threshold, why = report.chosen.threshold, "chosen on validation"
    st.markdown(
        "You see exactly what the model has seen. Say what it is, or look further. The model writes its answer down "
        "as soon as its halting probability passes its threshold; you will not be shown it before you have said yours."
    )
    number = st.session_state[state.DECK]

    def again() -> None:
        st.session_state[state.DECK] += 1

    indices, pixels, labels, made = cache.deck(checkpoint, number)
    classes = config.data.classes or tuple(str(k) for k in range(config.model.num_classes))
    values = {
        "classes": list(classes),
        "channels": pixels.shape[1],
        "imageSize": pixels.shape[-1],
        "patchSize": config.model.patch_size,
        "steps": made.probs.shape[1],
    }
    values["images"] = rounds(indices, pixels, labels, made, threshold)
    game("game", f"{checkpoint.name}/{number}", values, again)
    st.caption(
        f"{config.data.title}, {len(indices)} images of the test split drawn by the number {number} in the address, "
        f"random glimpses, checkpoint {checkpoint.name}, training seed {config.train.seed}. Threshold of its halting "
        f"probability {threshold:.3f}, {why}. Chance {100 / config.model.num_classes:.0f} %."
    )


def policies(checkpoint: Checkpoint) -> None:
    """The stored measurement, and the control that sees everything at once."""
    config = inputs.configuration(checkpoint)
    report = _compared(checkpoint, config)
    if report is not None:
        judged, _, reasons = report.verdict.partition(": ")
        st.markdown(f"**{judged}:** {reasons}")
        figure = glimpse_figures.policies(report)
        printed.chart(figure, key="policies", alt=glimpse_figures.policies_alternative(report))
        st.caption(glimpse_figures.policies_provenance(checkpoint.name, config, report))
        if words := glimpse_figures.at_once_words(report):
            st.markdown(f"**Is it the steps, or the patches?** {words}")
        st.caption(
            "“Memory's attention” reads the places that the memory tokens attend to most in the first layer, asked by "
            "their positional embeddings alone: no pixel that has not been read decides. It was not trained for "
            "choosing, and its first choice is the same for every image, because nothing has been read yet."
        )
        st.markdown("**What stopping early is worth under each order**")
        numbers.table(glimpse_figures.policy_halting_table(report))
        st.markdown("**The numbers behind the figure**, in brackets the 95 % interval")
        numbers.table(glimpse_figures.policy_table(report))


def _compared(checkpoint: Checkpoint, config: Config) -> GlimpseReport | None:
    """Who should choose the glimpses; where that has not been measured, a way to have it measured."""
    words = reports.Words(
        button="Compare them now",
        missing="The orders have not been compared for this model yet.",
        working=f"Comparing the orders on the validation and test images of {checkpoint.name} …",
        failed="The orders could not be compared",
    )
    return reports.ask_report(checkpoint, "glimpses", words, training_seed=config.train.seed)


def control() -> None:
    """Small models of the same recipe: glimpses against all patches at once, at about the same multiply-adds."""
    try:
        rows = glimpse_figures.control_rows(_CONTROL)
    except RunError as error:
        st.error(str(error))
        return
    if not rows:
        st.markdown("The control has not been trained here; `vitrm sweep glimpses --results results` does it.")
        return
    st.markdown(
        f"Another model, a small one on {rows[0].data}: trained several times with glimpses, and with all patches "
        "at every step but fewer steps, so that an image costs about as many multiply-adds. Each dot is one training, "
        "the upright bar their mean."
    )
    alternative = "; ".join(f"{row.column}: {row.accuracy:.1f} %" for row in rows)
    words = f"Test accuracy, mean over training seeds. {alternative}."
    printed.chart(glimpse_figures.control(rows), key="control", alt=words)
    st.markdown(
        "\n".join(f"- {line}" for line in against_first(rows)) or "One training each says nothing of the spread."
    )
    st.caption(glimpse_figures.control_provenance(rows))
    numbers.table(glimpse_figures.control_table(rows))


def _image(config: Config) -> str:
    return f"Image: {config.data.title}, test split, number {st.session_state[state.IMAGE].removeprefix('test-')}"


def _link(checkpoint: Checkpoint, image: str, seed: int) -> str:
    """This page's player with that draw."""
    return "glimpses?" + urlencode({state.CHECKPOINT: checkpoint.name, state.IMAGE: image, state.GLIMPSE_SEED: seed})
