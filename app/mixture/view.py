"""The judgement of an SR-ViT's soft mixture on screen, and what kind of model it is of."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import inputs, numbers, reports, state
from app.cache import Checkpoint, facts
from app.mixture import cache
from app.mixture import figures as mixture_figures
from app.mixture.panel.panel import impossible, mixture_view
from app.printed import view as printed
from app.sections import Section
from vitrm.config import AnyModelConfig, Config, SRViTConfig
from vitrm.errors import VitrmError
from vitrm.judge.mixture import MixtureReport
from vitrm.traces.mixture import MixtureTrace

_CONTROLS = {
    "scalar": "has one learned weight for each step, the same for every token: its maps are of one colour",
    "uniform": "reads the plain mean of all steps, whatever the image: its maps are of one colour",
    "last": "reads the last step alone: its weights are 0 but for that one",
}


def explain(checkpoint: Checkpoint, model: AnyModelConfig) -> bool:
    """Say why a model has no soft mixture, or only a fixed one; whether there is anything to show."""
    if not model.mixes:
        what = "it answers once and has no recursion steps"
        if isinstance(model, SRViTConfig):
            what = "with a recursion depth of 1 it is a plain ViT, and there is nothing to mix"
        elif model.recurrent:
            what = "its steps follow one another and only the last is read; the other pages show them"
            if model.readout == "mixture":
                what = (
                    "it reads a learned mixture of its supervision steps, one weight for each step and none for "
                    "patches; the other pages show what each step says"
                )
        st.info(
            f"“{checkpoint.name}” is a {model.title}: {what}. This page has no maps to show of it. Choose an SR-ViT."
        )
        return False
    if model.mixture in _CONTROLS:
        st.info(f"“{checkpoint.name}” is a control without a router: it {_CONTROLS[model.mixture]}.")
    return True


def offer_one_image(trace: MixtureTrace, about: str) -> None:
    """The button that offers the weights of one image for a paper, stage by stage."""
    stages = [k for k, weights in enumerate(trace.weights) if not np.isnan(weights).any()]  # the last may read no patch
    weights = mixture_figures.patch_weights
    made = {f"Stage {k + 1}": lambda k=k: weights(trace, k) for k in stages}
    printed.offer(lambda: made, "mixture-of-one-image", about, "Figures for a paper")


def choose_mixture(checkpoint: Checkpoint) -> MixtureTrace | None:
    """Pick a test image for an SR-ViT; its trace. What cannot be shown is said in one sentence, and it is None."""
    try:
        test_images = facts(checkpoint)[1].split_sizes["test"]
        image, _ = inputs.choose_image(cache.gallery(checkpoint), checkpoint, test_images, False)
        return cache.trace(checkpoint, image)
    except VitrmError as error:
        inputs.say(error, checkpoint)
    return None


def panel_view(key: str, trace: MixtureTrace) -> str:
    """The view of the mixture panel `key`; what a link names that the trace does not have is said, and left out."""
    start = st.session_state[state.MIXTURE_VIEW]
    if key not in st.session_state and (wrong := impossible(start, trace)):
        st.warning(f"The link names {wrong}. Showing the usual one instead.")
        start = ""
    st.session_state[state.MIXTURE_VIEW] = chosen = mixture_view(key, start)
    return chosen


def judgement(checkpoint: Checkpoint) -> MixtureReport | None:
    """The judgement of the mixture; where there is none, a way to have it made."""
    words = reports.Words(
        button="Judge its mixture now",
        missing="The mixture of this model has not been judged yet.",
        working=f"Judging the mixture of {checkpoint.name} on its held-out images …",
        failed="The mixture could not be judged",
    )
    return reports.ask_report(checkpoint, "mixture", words)


def answers(trace: MixtureTrace) -> None:
    """The answer to one image with the mixture replaced."""
    st.markdown(mixture_figures.answers_said(trace))
    st.table(mixture_figures.answer_table(trace), hide_index=True)
    st.caption("With the mixture replaced, the model does what it was never trained for.")


def of_test_set(checkpoint: Checkpoint, config: Config) -> list[Section]:
    """What is known over all test images; where nothing is, the way to it."""
    if not reports.has(checkpoint, "mixture"):
        return [Section("worth", "All test images: is it a mixture at all?", lambda: judgement(checkpoint))]
    return [
        Section("worth", "All test images: what is the mixture worth?", lambda: worth(checkpoint, config)),
        Section("steps", "All test images: which steps are used?", lambda: steps(checkpoint, config)),
    ]


def worth(checkpoint: Checkpoint, config: Config) -> None:
    """What the mixture is worth over all test images."""
    report = reports.stored(checkpoint, "mixture")
    st.table(mixture_figures.worth_table(report), hide_index=True)
    said = mixture_figures.alternatives(report)["accuracy"]
    printed.chart(mixture_figures.accuracy(report), key="accuracy", alt=said)
    st.caption(
        "The recursion of every stage is ended after step r, and its steps so far are mixed as learned, averaged, "
        "or the last of them is taken alone. The right end of the thick line is the model as it was trained; all "
        "else it was never trained for, so a gap says what this model relies on, not what a model without a "
        "mixture could reach. That takes a training of its own."
    )
    numbers.table(mixture_figures.accuracy_table(report))
    st.caption(mixture_figures.provenance(checkpoint.name, config, report))


def steps(checkpoint: Checkpoint, config: Config) -> None:
    """Which steps the routers use over all test images, and whether one has collapsed."""
    report = reports.stored(checkpoint, "mixture")
    (st.warning if report.faults else st.markdown)(report.verdict)
    said = mixture_figures.alternatives(report)
    for tokens, column in zip(("patches", "class token"), st.columns(2), strict=True):
        if report.weights_of(tokens):
            with column:
                st.markdown(f"**{tokens.capitalize()}**")
                figure, key = mixture_figures.weights(report, tokens), f"weights_{tokens.replace(' ', '_')}"
                printed.chart(figure, key=key, alt=said[tokens])
    st.caption(
        "Mean weight over the tokens of all test images, ± its standard deviation over them. A row in one bright "
        "cell has collapsed to that step; a row without a spread gives every token the same. Little weight does "
        "not make a step useless: the later ones are computed from it."
    )
    numbers.table(mixture_figures.weight_table(report))
    st.caption(mixture_figures.provenance(checkpoint.name, config, report))


def reading(model: SRViTConfig) -> None:
    """What is published of the method, and where this project chose."""
    st.markdown(
        "Only the abstract of the paper is known here. Where it is silent this project chose; each choice is a field "
        "of `SRViTConfig` in `vitrm/config/comparisons.py`, to be set otherwise, as in "
        "`vitrm train sr-vit-digits --model.location stack`."
    )
    numbers.table(mixture_figures.origins(model))
