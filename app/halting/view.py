"""The judgement of a model's halting on screen: numbers, figures with the tables behind them, and images to look at."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import numpy as np
import streamlit as st
from PIL import Image

from app import cache, reports, state
from app.cache import Checkpoint
from app.halting import figures as halting_figures
from app.printed import view as printed
from vitrm.config import Config
from vitrm.judge.halting import Example, HaltingReport
from vitrm.traces.trace import Trace

_SIDE = 96  # pixels of a picture on screen
_KINDS = {
    "earliest": (
        "Left first",
        "The first to leave with the chosen threshold, the surest before the others. Easy, or just sure of itself?",
    ),
    "latest": (
        "Left last",
        "The last to leave, the least sure before the others. Would you have known?",
    ),
    "made_worse": (
        "Made worse by more steps",
        "Right after some step, wrong after the last. Leaving in time would have kept the right answer.",
    ),
}


def judgement(checkpoint: Checkpoint) -> HaltingReport | None:
    """The judgement of the halting; where there is none, a way to have it made."""
    words = reports.Words(
        button="Judge its halting now",
        missing="The halting of this model has not been judged yet.",
        working=f"Judging the halting of {checkpoint.name} on its held-out images …",
        failed="The halting could not be judged",
    )
    return reports.ask_report(checkpoint, "halting", words, pictures=True)


def numbers(report: HaltingReport, checkpoint: Checkpoint, config: Config) -> None:
    """The verdict in words, and what the chosen threshold is worth."""
    chosen, everything = report.chosen, report.anytime[-1]
    (st.warning if report.faults else st.markdown)(report.verdict)
    right, used, work, chance = st.columns(4)
    gain = 100 * (chosen.accuracy - everything.accuracy)
    right.metric(
        "Accuracy with halting",
        f"{100 * chosen.accuracy:.1f} %",
        f"{gain:+.1f} points against every step",
        delta_color="off",
        delta_arrow="off",
    )
    used.metric("Steps used, mean", f"{chosen.mean_steps:.2f} of {len(report.anytime)}")
    share = chosen.mean_multiply_adds / everything.mean_multiply_adds
    work.metric("Multiply-adds, against every step", f"{100 * share:.0f} %")
    chance.metric(
        "Same exits dealt at random",
        f"{100 * report.random_exit_accuracy:.1f} %",
        help="As many images leave after each step, but chance decides which: what choosing them well is worth",
    )
    st.caption(halting_figures.provenance(checkpoint.name, config, report))


def offer_one_image(trace: Trace, threshold: float | None, about: str) -> None:
    """The button that offers the exit of one image for a paper; None is the threshold of the trace."""
    figure = halting_figures.one_image
    printed.offer(lambda: {"": lambda: figure(trace, threshold)}, "halting-of-one-image", about)


def charts(report: HaltingReport) -> None:
    """The figures, what to read in them and what not, and the tables behind them."""
    said = halting_figures.alternatives(report)

    def chart(name: str, caption: str) -> None:
        figure = getattr(halting_figures, name)(report)
        printed.chart(figure, key=name, alt=said[name])
        st.caption(caption)

    st.subheader("What accuracy costs")
    chart(
        "accuracy_for_cost",
        "Each line is one rule as its threshold moves; up and to the left is better. Learned halting is worth having "
        "where it lies above the grey line, which needs no halting at all, and above the rules that need no training. "
        "Dots and star: the threshold that validation chose. Perfect halting looks at the true class; no rule can.",
    )
    st.markdown(report.comparison)
    left, middle, far = st.columns(3)
    with left:
        st.subheader("Who leaves when")
        chart(
            "exits",
            "With the chosen threshold. Above each bar: how many of them are right. "
            f"{halting_figures.late_words(report)}",
        )
    with middle:
        st.subheader("Does it mean what it says?")
        chart("reliability", "Below the dashed line the model is too sure of itself. Larger dots: more answers.")
    with far:
        st.subheader("What a further step does")
        chart("flips", "Every step also makes some right answers wrong; more steps are not always better.")
    with st.expander("The numbers behind the figures"):
        st.caption(halting_figures.ranking(report))
        for name, rows in (
            ("Who leaves when, and how well each step knows right from wrong", halting_figures.step_table(report)),
            ("What a further step does", halting_figures.flip_table(report)),
            ("Does it mean what it says? All steps together", halting_figures.reliability_table(report)),
            ("What accuracy costs", halting_figures.policy_table(report)),
        ):
            st.markdown(f"**{name}**")
            st.dataframe(rows, hide_index=True, width="stretch")


def examples(report: HaltingReport, checkpoint: Checkpoint, config: Config) -> None:
    """The images that tell the most, each with a link to the player; in words alone where the images are absent."""
    st.header("Images worth a look")
    classes = config.data.classes or tuple(str(k) for k in range(config.model.num_classes))
    pictures = _pictures(checkpoint, report)
    st.caption(
        f"From the test split of {config.data.title} (n = {report.split_sizes['test']:,}), each image with "
        "glimpses of its own, learned halting with the threshold above. Under each image: its true class, then the "
        "answers over the steps. "
        + ("Each leads to the player, in a new tab." if pictures else "The images themselves are not on this machine.")
    )
    stops = [out.step for out in report.exits if out.share > 0]
    for kind, (title, caption) in _KINDS.items():
        found = getattr(report, kind)
        st.subheader(title)
        if kind == "made_worse":
            count, total = report.made_worse_count, report.split_sizes["test"]
            caption = f"{caption} They are {count:,} of {total:,} images; the largest losses first."  # noqa: PLW2901
        st.caption(caption)
        if kind != "made_worse" and len(stops) == 1:
            st.markdown(f"With this threshold every image leaves after step {stops[0]}: none is first, none last.")
        elif not found:
            st.markdown("There is none.")
        elif not pictures:
            st.dataframe(halting_figures.example_table(found, classes), hide_index=True, width="stretch")
        else:
            with st.container(horizontal=True, gap="small", key=f"examples_{kind}"):
                for example in found:
                    st.image(
                        pictures[example.index],
                        caption=halting_figures.example_caption(example, classes),
                        width=_SIDE,
                        link=_link(checkpoint, example),
                        alt=f"Test image {example.index}, {halting_figures.example_caption(example, classes)}",
                    )


def _link(checkpoint: Checkpoint, example: Example) -> str:
    """The player at that image, with the glimpses that the judgement drew."""
    image = f"test-{example.index}"
    return "step?" + urlencode(
        {state.CHECKPOINT: checkpoint.name, state.IMAGE: image, state.GLIMPSE_SEED: example.seed}
    )


def _pictures(checkpoint: Checkpoint, report: HaltingReport) -> dict[int, Image.Image]:
    """The test images it names, large enough to be looked at; {} where they are not on this machine."""
    wanted = {example.index for example in report.examples}
    if wanted <= report.images.keys():
        return {index: _enlarged(Image.open(io.BytesIO(report.images[index]))) for index in wanted}
    if not cache.images_here(checkpoint):
        return {}
    images = cache.dataset(checkpoint).test.images
    if max(wanted) >= len(images):  # other images than those it was made of
        return {}
    return {index: _enlarged(_image(images[index].numpy())) for index in wanted}


def _image(pixels: np.ndarray) -> Image.Image:
    """(C, H, W) uint8 as an image."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _enlarged(image: Image.Image) -> Image.Image:
    """Twice the size on screen, for sharp displays, each pixel a square."""
    scale = max(1, 2 * _SIDE // max(image.size))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
