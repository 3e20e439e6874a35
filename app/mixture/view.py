"""The judgement of an SR-ViT's soft mixture on screen, and what kind of model it is of."""

from __future__ import annotations

import streamlit as st

from app import inputs, reports, state
from app.cache import Checkpoint, facts
from app.mixture import cache
from app.mixture import figures as mixture_figures
from app.mixture.panel.panel import impossible, mixture_view
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


def choose_mixture(checkpoint: Checkpoint) -> MixtureTrace | None:
    """Pick a test image for an SR-ViT; its trace. What cannot be shown is said in one sentence, and it is None."""
    try:
        test_images = facts(checkpoint)[1]["split_sizes"]["test"]
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


def numbers(report: MixtureReport, checkpoint: Checkpoint, config: Config) -> None:
    """The verdict in words, and what the mixture is worth."""
    own, depth = report.own[-1], len(report.own)
    changed = max(one.changed for one in report.replaced if one.steps == depth)
    (st.warning if report.faults else st.markdown)(report.verdict)
    columns = st.columns(4)
    columns[0].metric("Accuracy, own mixture", f"{100 * own:.1f} %")
    for column, mixture in zip(columns[1:3], ("uniform", "last"), strict=True):
        column.metric(
            f"With the {mixture_figures.MIXTURES[mixture]}",
            f"{100 * report.accuracy(mixture)[-1]:.1f} %",
            f"{100 * (report.accuracy(mixture)[-1] - own):+.1f} points",
            delta_color="off",
            delta_arrow="off",
        )
    columns[3].metric(
        "Answers that change without it",
        f"{100 * changed:.1f} %",
        help="Share of the test images that get another answer, with whichever of the two changes more of them",
    )
    st.markdown(report.comparison)
    st.caption(mixture_figures.provenance(checkpoint.name, config, report))


def charts(report: MixtureReport) -> None:
    """The figures, how to read them and what not to conclude, and the tables behind them."""
    said, plain = mixture_figures.alternatives(report), {"displayModeBar": False}
    left, right = st.columns(2)
    with left:
        st.subheader("Which steps are used")
        for tokens, name in (("patches", "patches"), ("class token", "class_token")):
            if not report.weights_of(tokens):
                continue
            st.markdown(f"**{tokens.capitalize()}**")
            figure = mixture_figures.weights(report, tokens)
            st.plotly_chart(figure, key=f"weights_{name}", width="stretch", alt=said[tokens], config=plain)
        st.caption(
            "Mean weight over the tokens of all test images, ± its standard deviation over them. A row in one bright "
            "cell has collapsed to that step; a row without a spread gives every token the same. Little weight does "
            "not make a step useless: the later ones are computed from it."
        )
    with right:
        st.subheader("What the mixture is worth")
        st.plotly_chart(
            mixture_figures.accuracy(report), key="accuracy", width="stretch", alt=said["accuracy"], config=plain
        )
        st.caption(
            "The recursion of every stage is ended after step r, and its steps so far are mixed as learned, averaged, "
            "or the last of them is taken alone. The right end of the thick line is the model as it was trained; all "
            "else it was never trained for, so a gap says what this model relies on, not what a model without a "
            "mixture could reach. That takes a training of its own."
        )
    with st.expander("The numbers behind the figures"):
        for name, rows in (
            ("Which steps are used", mixture_figures.weight_table(report)),
            ("What the mixture is worth", mixture_figures.accuracy_table(report)),
        ):
            st.markdown(f"**{name}**")
            st.dataframe(rows, hide_index=True, width="stretch")
