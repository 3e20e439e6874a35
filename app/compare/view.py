"""The page that compares, on screen: what is laid side by side, the figures, and all numbers behind them."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import inputs, numbers, reports, state
from app.compare import cache as compare_cache
from app.compare import comparison, figures, latency
from app.compare.comparison import Comparison, Entry
from app.compare.deeper import as_deep, deeper_words
from app.compare.labels import percent
from app.compare.table import BATCHES, Speeds, rows, speed_words
from app.compare.unrolled.unrolled import Drawn, unrolled
from app.compare.verdict import mixture_rows, worth_drawing
from app.compare.widgets import chart
from app.figures import as_written
from vitrm.nets.cost import vit_parameters

_ALONG = {"step": "steps", "layers": "layers", "multiply_adds": "multiply-adds"}
_AGAINST = {"parameters": "parameters", "multiply_adds": "multiply-adds", "layers": "layers applied"}


def choose(place: DeltaGenerator) -> tuple[Comparison, list[Comparison]]:
    """Pick, in that place, what is compared; it, and all there is. What cannot be read is said."""
    found, unread = compare_cache.comparisons()
    for sentence in unread:
        st.warning(f"Left out: {sentence}")
    if not found:
        st.info("There is no finished model here yet: train one on the Train page, or with `vitrm train digits`.")
        st.stop()
    wanted = st.session_state[state.COMPARED]
    shown = comparison.chosen(found, wanted)
    if shown is None:
        st.warning(
            f"The link names the comparison “{as_written(wanted)}”, which is not here; showing “{found[0].title}”."
        )
        shown, st.session_state[state.COMPARED] = found[0], ""
    titles = {each.key: each.title for each in found}  # how many models it has is said below it, and seen
    with place:
        key = inputs.select("What to compare", list(titles), state.COMPARED, words=titles.get, shown=shown.key)
    return next(each for each in found if each.key == key), found


def costs(shown: Comparison) -> None:
    """Accuracy against what it takes."""
    against = inputs.select(
        "Accuracy against", list(_AGAINST), state.AGAINST, words=_AGAINST.get, buttons=True, required=True
    )
    axis = figures.AXES[against]
    chart(figures.accuracy_against(shown, axis), figures.against_words(shown, axis), f"against_{against}")
    st.table(figures.key_rows(shown, axis), hide_index=True)
    said = {
        "parameters": "A recursive model moves left here, where its weights are counted once.",
        "multiply_adds": "A recursive model does not move left here: every use of its weights counts.",
        "layers": "Layers applied one after the other, whether or not they share weights: is a point with shared "
        "weights as high as one with as many layers of its own?",
    }[against]
    st.caption(
        "Each point is one model" + (", its mean over seeds; bars: standard deviation" if _spreads(shown) else "")
        + f". Up and to the left is better. {said} Where models were trained for different times or by different "
        "recipes, their distance says as much about these as about the family."
    )  # fmt: skip


def steps(shown: Comparison) -> None:
    """Accuracy step by step."""
    along = inputs.select("Drawn against", list(_ALONG), state.ALONG, words=_ALONG.get, buttons=True)
    chart(figures.per_step(shown, along), figures.per_step_words(shown), "per_step")
    st.table(figures.key_rows(shown), hide_index=True)
    st.caption(
        "A model that answers once is one point. Dotted: steps beyond those it was trained with. Of an SR-ViT: if "
        "the recursion of every stage ended after that step; it was trained for all of them only. A rising line "
        "does not yet say that recursion pays: compare it with the single points."
    )
    numbers.table(figures.step_rows(shown))


def mixture(shown: Comparison) -> None:
    """What the soft mixture is worth, where it was trained with and without."""
    st.table(mixture_rows(shown), hide_index=True)
    st.caption(
        "The same model, trained to read the soft mixture of its recursion steps, or the last of them alone. A "
        "difference within two standard errors may be chance."
    )


def _spreads(shown: Comparison) -> bool:
    return any(entry.spread is not None for entry in shown.entries)


def table(shown: Comparison) -> None:
    """All numbers of the comparison, and the measurement of latency and memory on this machine."""
    speeds = reports.result(latency.key(shown))
    numbers = st.column_config.NumberColumn
    st.dataframe(
        rows(shown, speeds),
        hide_index=True,
        width="stretch",
        column_config={
            "model": st.column_config.TextColumn(pinned=True),
            "test accuracy, %": numbers(format="%.2f"),
            "parameters": numbers(format="localized"),
            "multiply-adds, millions": numbers(format="%.1f"),
            "weights, MB": numbers(format="%.2f", help="In fp32, as they are loaded: 4 bytes for each parameter"),
            "layers applied in turn": numbers(help="Effective depth: all uses of all layers, one after the other"),
            "layers of its own": numbers(help="Layers with weights of their own"),
            **{f"ms for {batch}": numbers(format="%.2f") for batch in BATCHES},
            f"peak beyond weights for {BATCHES[-1]}, MB": numbers(format="%.2f"),
        },
    )
    if speeds is not None:
        st.caption(speed_words(shown, speeds))
        _latency_chart(shown, speeds)
        return
    words = reports.Words(
        button="Measure latency and memory here",
        working="Measuring latency and memory of these models on this machine …",
        failed="The latency could not be measured",
        help="On the CPU of the server, once for everybody who has this page open; takes some seconds",
        icon=":material/timer:",
        prominent=False,
    )
    reports.ask(latency.key(shown), lambda say: latency.measure(shown, say), words)


def _latency_chart(shown: Comparison, speeds: Speeds) -> None:
    kept = [entry for entry in shown.entries if entry.config in speeds.of]
    if not kept:
        return
    axis = figures.Axis("milliseconds for one image, here", lambda entry: speeds.of[entry.config][0].median_ms)
    some = comparison.only(shown, kept)
    figure, words = figures.accuracy_against(some, axis), figures.against_words(some, axis)
    chart(figure, words, "against_latency")


def weights(shown: Comparison) -> None:
    """The picture of weights that are stored once and applied often, beside some that are not."""
    entries = worth_drawing(shown)
    drawn = [_drawn(entry) for entry in entries]
    recursive = max(
        (entry for entry in entries if entry.is_recursive), key=lambda entry: entry.config.unrolled_layers, default=None
    )
    deep = recursive and as_deep(recursive.config)
    if deep is not None and all(
        entry.config.unrolled_layers != deep.depth for entry in shown.entries if not entry.is_recursive
    ):
        color, _ = figures.style(deep.family_title)
        remark = deeper_words(recursive)
        drawn.append(Drawn("Just make it deeper", deep, vit_parameters(deep), color, remark=remark))
    unrolled(drawn, key="unrolled")
    st.caption(
        "Each square is one layer that is applied; the same colour is the same weights. Underlined z: an update of the "
        "memory, y: of the answer. The bars compare the parameters. Depth that is bought with the same weights costs "
        "no parameters; it costs as many multiply-adds as any other."
    )


def _drawn(entry: Entry) -> Drawn:
    return Drawn(entry.name, entry.config, entry.parameters, figures.style(entry.family)[0], percent(entry))
