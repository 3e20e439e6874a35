"""The judgement of a model's halting on screen: figures with the tables behind them, and images to look at."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from app import cache, numbers, reports, state
from app.cache import Checkpoint
from app.halting import figures as halting_figures
from app.halting.leaving.leaving import leaving as leaving_panel
from app.printed import view as printed
from vitrm.config import Config
from vitrm.judge.halting import Example, HaltingReport
from vitrm.judge.pictures import png


def judgement(checkpoint: Checkpoint) -> HaltingReport | None:
    """The judgement of the halting; where there is none, a way to have it made."""
    words = reports.Words(
        button="Judge its halting now",
        missing="The halting of this model has not been judged yet.",
        working=f"Judging the halting of {checkpoint.name} on its held-out images …",
        failed="The halting could not be judged",
    )
    return reports.ask_report(checkpoint, "halting", words, pictures=True)


def leaving(report: HaltingReport, checkpoint: Checkpoint, config: Config) -> None:
    """Who leaves when, and rightly, and the images that tell the most: they follow the threshold."""
    own = st.session_state[state.THRESHOLD]
    pictures = _pictures(checkpoint, report)
    leaving_panel(
        report,
        config.model,
        "leaving",
        classes=config.data.classes or tuple(str(k) for k in range(config.model.num_classes)),
        pictures=pictures,
        link=lambda example: _link(checkpoint, example),
        threshold=config.model.halt_threshold if own is None else own,
    )
    first, last, worse = (len(each) for each in (report.earliest, report.latest, report.made_worse))
    st.caption(
        f"Not a sample of the test images: with {halting_figures.chosen_words(report)}, chosen on validation, "
        f"these are the {first} that left first, the {last} that left last, and {worse} of the "
        f"{report.made_worse_count:,} (of {report.split_sizes['test']:,}) that were right after some step and wrong "
        f"after the last. Each {'has glimpses of its own and ' if config.model.glimpse_patches else ''}leads to its "
        "player, in a new tab." + ("" if pictures else " The images themselves are not on this machine.")
    )


def rules(report: HaltingReport) -> None:
    """Whether learned halting is better than rules that need no training."""
    st.markdown(report.comparison)
    _chart(
        "accuracy_for_cost",
        report,
        "Each line is one rule as its threshold moves; up and to the left is better. Learned halting is worth having "
        "where it lies above the grey line, which needs no halting at all, and above the rules that need no training. "
        "Dots and star: the threshold that validation chose. Perfect halting looks at the true class; no rule can.",
    )
    numbers.table(halting_figures.policy_table(report))


def meaning(report: HaltingReport) -> None:
    """Whether the halting probability means what it says, and whether it tells right from wrong."""
    if not report.faults:  # which stand above the figure
        st.markdown(report.verdict)
    _chart("reliability", report, "Below the dashed line the model is too sure of itself. Larger dots: more answers.")
    st.caption(halting_figures.ranking(report))
    numbers.table(halting_figures.step_table(report))
    numbers.table(halting_figures.reliability_table(report))


def further(report: HaltingReport) -> None:
    """What each further step does."""
    _chart("flips", report, halting_figures.flips_words(report))
    numbers.table(halting_figures.flip_table(report))


def _chart(name: str, report: HaltingReport, caption: str) -> None:
    figure, said = getattr(halting_figures, name)(report), halting_figures.alternatives(report)[name]
    printed.chart(figure, key=name, alt=said)
    st.caption(caption)


def _link(checkpoint: Checkpoint, example: Example) -> str:
    """The player at that image, with the glimpses that the judgement drew."""
    image = f"test-{example.index}"
    return "step?" + urlencode(
        {state.CHECKPOINT: checkpoint.name, state.IMAGE: image, state.GLIMPSE_SEED: example.seed}
    )


def _pictures(checkpoint: Checkpoint, report: HaltingReport) -> dict[int, bytes]:
    """The test images it names as PNG; {} where they are not on this machine."""
    wanted = {example.index for example in report.examples}
    if wanted <= report.images.keys():
        return {index: report.images[index] for index in wanted}
    if not cache.images_here(checkpoint):
        return {}
    images = cache.dataset(checkpoint).test.images
    if max(wanted) >= len(images):  # other images than those it was made of
        return {}
    return {index: png(images[index].numpy()) for index in wanted}
