"""The page that compares, on screen: what is laid side by side, figures with the tables behind them, two players."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app import cache, inputs, paper, state
from app.compare import comparison, figures
from app.compare.comparison import Answer, Comparison, Entry
from app.compare.unrolled import Drawn, unrolled
from app.player import Choices, choices, player
from app.uploads import figures as upload_figures
from app.uploads import tray as uploads
from vitrm.config import AnyModelConfig
from vitrm.errors import DataError, VitrmError
from vitrm.nets.cost import vit_parameters
from vitrm.traces.trace import Trace

_ALONG = {"step": "steps", "layers": "layers", "multiply_adds": "multiply-adds"}
_PAPER = {"parameters": "Parameters", "batch-size": "Batch size", "ablation": "Ablation"}
_TOP = 5  # classes shown of an answer


def choose() -> tuple[Comparison, list[Comparison]]:
    """Pick what is compared; it, and all there is. What cannot be read is said."""
    found, unread = cache.comparisons()
    for sentence in unread:
        st.warning(f"Left out: {sentence}")
    if not found:
        st.info("There is no finished model here yet: train one on the Train page, or with `vitrm train digits`.")
        st.stop()
    wanted = st.session_state[state.COMPARED]
    shown = comparison.chosen(found, wanted)
    if shown is None:
        st.warning(f"The link names the comparison “{wanted[:40]}”, which is not here; showing “{found[0].title}”.")
        shown, st.session_state[state.COMPARED] = found[0], ""
    titles = {each.key: f"{each.title} ({_models(each)})" for each in found}
    key = _select("What to compare", list(titles), state.COMPARED, words=titles.get, shown=shown.key)
    return next(each for each in found if each.key == key), found


def _models(each: Comparison) -> str:
    models = f"{len(each.entries)} model{'s' * (len(each.entries) != 1)}"
    return models if each.trainings == len(each.entries) else f"{models}, {each.trainings} trainings"


def _select(
    label: str,
    options: Sequence[Any],
    key: str,
    *,
    words: Callable[[Any], str] = str,
    shown: Any = None,
    buttons: bool = False,
) -> Any:
    """A selection whose value is the session's `key`, in which a link may have put it; `shown` stands for its ""."""
    widget = f"{key}_choice"
    st.session_state[widget] = st.session_state[key] or shown

    def take() -> None:
        if st.session_state[widget] is not None:  # a segmented control can be switched off
            st.session_state[key] = st.session_state[widget]

    make = st.segmented_control if buttons else st.selectbox
    make(label, options, format_func=words, key=widget, on_change=take)
    return st.session_state[key] or shown


def charts(shown: Comparison) -> None:
    """Accuracy against what it takes, and step by step."""
    left, right = st.columns(2)
    with left:
        st.subheader("Against parameters", anchor=False)
        _against(shown, "parameters")
    with right:
        st.subheader("Against multiply-adds", anchor=False)
        _against(shown, "multiply_adds")
    st.caption(
        "Each point is one model" + (", its mean over seeds; bars: standard deviation" if _spreads(shown) else "")
        + ". Up and to the left is better. A recursive model moves left in the first figure, where its weights are "
        "counted once, but not in the second, where every use of them counts. Where models were trained for different "
        "times or by different recipes, their distance says as much about these as about the family."
    )  # fmt: skip
    left, right = st.columns(2)
    with left:
        st.subheader("Against depth", anchor=False)
        _against(shown, "layers")
        st.caption(
            "Effective depth: layers applied one after the other, whether or not they share weights. Is a point with "
            "shared weights as high as one with as many layers of its own?"
        )
    with right:
        st.subheader("Step by step", anchor=False)
        along = _select("Drawn against", list(_ALONG), state.ALONG, words=_ALONG.get, buttons=True)
        figure, words = figures.per_step(shown, along), figures.per_step_words(shown)
        _chart(figure, words, "per_step")
        st.caption(
            "A model that answers once is one point. Dotted: steps beyond those it was trained with. Of an SR-ViT: if "
            "the recursion of every stage ended after that step; it was trained for all of them only. A rising line "
            "does not yet say that recursion pays: compare it with the single points."
        )
    with st.expander("The numbers behind the steps"):
        st.dataframe(figures.step_rows(shown), hide_index=True, width="stretch")


def _spreads(shown: Comparison) -> bool:
    return any(entry.spread is not None for entry in shown.entries)


def _chart(figure: go.Figure, words: str, key: str) -> None:
    ink = "#e8ecf2" if st.context.theme.type == "dark" else "#1a1f2b"  # names beside points are to be read, not grey
    figure.update_traces(textfont={"color": ink, "size": 12}, selector={"type": "scatter"})
    st.plotly_chart(figure, key=key, width="stretch", alt=words, config={"displayModeBar": False})


def _against(shown: Comparison, name: str) -> None:
    axis = figures.AXES[name]
    figure, words = figures.accuracy_against(shown, axis), figures.against_words(shown, axis)
    _chart(figure, words, f"against_{name}")


def table(shown: Comparison) -> None:
    """All numbers of the comparison, and the measurement of latency and memory on this machine."""
    job = cache.speeds(shown)
    speeds = job and job.result
    numbers = st.column_config.NumberColumn
    st.dataframe(
        comparison.rows(shown, speeds),
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
            **{f"ms for {batch}": numbers(format="%.2f") for batch in comparison.BATCHES},
            f"peak beyond weights for {comparison.BATCHES[-1]}, MB": numbers(format="%.2f"),
        },
    )
    if speeds is not None:
        st.caption(comparison.speed_words(shown, speeds))
        _latency_chart(shown, speeds)
    elif job is not None and job.is_running:
        inputs.follow(job, "Measuring latency and memory of these models on this machine …")
    else:
        if job is not None and job.error is not None:
            st.error(f"The latency could not be measured: {job.error}")
        st.button(
            "Measure latency and memory here",
            icon=":material/timer:",
            key="measure_speeds",
            help="On the CPU of the server, once for everybody who has this page open; takes some seconds",
            on_click=inputs.start_job,
            args=(cache.start_measuring, shown),
        )


def _latency_chart(shown: Comparison, speeds: comparison.Speeds) -> None:
    kept = [entry for entry in shown.entries if entry.config in speeds.of]
    if not kept:
        return
    axis = figures.Axis("milliseconds for one image, here", lambda entry: speeds.of[entry.config][0].median_ms)
    some = comparison.only(shown, kept)
    figure, words = figures.accuracy_against(some, axis), figures.against_words(some, axis)
    _chart(figure, words, "against_latency")


def weights(shown: Comparison) -> None:
    """The picture of weights that are stored once and applied often, beside some that are not."""
    ranked = sorted(shown.entries, key=lambda entry: -entry.accuracy)
    deepest: dict[str, Entry] = {}
    for entry in sorted(ranked, key=lambda entry: -entry.config.unrolled_layers):
        if entry.is_recursive or entry.family == "plain ViT":
            deepest.setdefault(entry.family, entry)
    drawn = [_drawn(entry) for entry in sorted(deepest.values(), key=lambda entry: not entry.is_recursive)]
    recursive = next((entry for entry in deepest.values() if entry.is_recursive), None)
    deep = recursive and comparison.as_deep(recursive.config)
    if deep is not None and all(
        entry.config.unrolled_layers != deep.depth for entry in shown.entries if not entry.is_recursive
    ):
        color, _ = figures.style(deep.family_title)
        remark = comparison.deeper_words(recursive)
        drawn.append(Drawn("Just make it deeper", deep, vit_parameters(deep), color, remark))
    if not drawn:
        drawn = [_drawn(entry) for entry in ranked[:2]]
    unrolled(drawn, key="unrolled")
    st.caption(
        "Each square is one layer that is applied; the same colour is the same weights. Underlined z: an update of the "
        "memory, y: of the answer. The bars compare the parameters of these models. Depth that is bought with the same "
        "weights costs no parameters; it costs as many multiply-adds as any other."
    )


def _drawn(entry: Entry) -> Drawn:
    return Drawn(entry.name, entry.config, entry.parameters, figures.style(entry.family)[0])


# The paper


def published(found: list[Comparison]) -> None:
    """The paper's tables and ablation, each beside what this project measured, never in one figure."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = _select("Accuracy against", list(_PAPER), state.PAPER, words=_PAPER.get, buttons=True)
        data, batch = "CIFAR-10", st.session_state[state.PAPER_BATCH]
        if what != "ablation":
            data = _select("Data of the paper", list(paper.TABLES), state.PAPER_DATA, buttons=True)
        if what == "parameters":
            batch = _select("Batch size", list(paper.BATCH_SIZES), state.PAPER_BATCH, buttons=True)
    left, right = st.columns(2)
    number = {"CIFAR-10": "Table 1", "CIFAR-100": "Table 2"}[data]
    with left:
        st.markdown(f"**The paper: {data}, full recipe** · :material/article: {paper.SOURCE}")
        if what == "ablation":
            made, words = (
                figures.paper_ablation(),
                "The paper's ablation: 93.1 % at M = 3, N = 1; other cells are lower.",
            )
            rows = figures.ablation_rows()
            said = (
                "Ablation, CIFAR-10, batch 128, as far as it is at hand: “more” and “deeper” stand where the exact "
                "number is not known. The dashed and the solid line raise different numbers."
            )
        elif what == "batch-size":
            made, words, rows = figures.paper_by_batch(data), figures.paper_words(data, 128), figures.paper_rows(data)
            said = f"{number}. ViT-Large ran out of memory at batch 1024. Seeds and spread are not at hand."
        else:
            made, words = figures.paper_by_parameters(data, batch), figures.paper_words(data, batch)
            rows = figures.paper_rows(data)
            lost = [row.model for row in paper.TABLES[data] if row.accuracy[paper.BATCH_SIZES.index(batch)] is None]
            said = f"{number} at batch {batch}." + (f" {', '.join(lost)} ran out of memory." if lost else "")
        _chart(made, words, f"paper_{what}")
        st.caption(f"{said} Reported by the paper, not measured here; open marks.")
        with st.expander("The paper's numbers"):
            st.dataframe(rows, hide_index=True, width="stretch")
    with right:
        _ours(found, what, data)


def _ours(found: list[Comparison], what: str, data: str) -> None:
    same = [each for each in found if each.data == data or each.data.startswith(f"{data} ")]
    kept = {
        "parameters": lambda entry: True,
        "batch-size": lambda entry: bool(re.search(r"batch \d+$", entry.name)),
        "ablation": figures.is_ablation,
    }[what]
    fitting = [(each, entries) for each in same if (entries := [e for e in each.entries if kept(e)])]
    grids = [pair for pair in fitting if pair[0].is_grid] or fitting
    if not grids:
        command = {
            "parameters": "vitrm sweep models",
            "batch-size": "vitrm sweep batch-size",
            "ablation": "vitrm sweep ablation",
        }[what]
        with_data = "" if data == "CIFAR-10" else " --data cifar100"
        st.markdown("**Ours**")
        st.info(f"This project has no such trainings on {data} yet. On a GPU: `{command}{with_data}`.")
        return
    each, entries = grids[0]
    some = comparison.only(each, entries)
    st.markdown(f"**Ours: {each.data}, {each.scale}**")
    if what == "ablation":
        made = figures.ablation(entries)
        words = figures.against_words(some, figures.AXES["layers"])
    else:
        axis = figures.AXES["parameters"] if what == "parameters" else figures.BATCH
        made, words = figures.accuracy_against(some, axis), figures.against_words(some, axis)
    _chart(made, words, f"ours_{what}")
    st.caption(
        f"{comparison.provenance(some)} Another scale than the paper's and its own axis: set the shapes side by side, "
        "never the numbers."
    )
    with st.expander("Our numbers"):
        st.dataframe(comparison.rows(some), hide_index=True, width="stretch")


# Two models, one image


@st.fragment  # or the player's every rest would make all the figures above anew
def side_by_side() -> None:
    """The same test image through two models in locked step; a model that answers once shows that answer."""
    facts = {}
    for name in cache.checkpoints():
        try:
            facts[name] = cache.facts(name)
        except VitrmError:
            continue  # said above
    first, second = st.columns(2)
    with first:
        left = _model(state.LEFT, list(facts), "First model")
    fitting = [name for name in facts if comparison.same_images(facts[left][0], facts[name][0]) and name != left]
    if not fitting:
        st.info(
            f"“{left}” is the only finished model of {comparison.data_title(facts[left][0])}: there is none to be "
            "given the same image. Choose another first model."
        )
        state.to_url(*state.COMPARE)
        return
    with second:
        right = _model(state.RIGHT, fitting, "Second model", facts[left][0])
    sides = [(name, *facts[name]) for name in (left, right)]
    for sentence in comparison.differences(*(config for _, config, _ in sides)):
        st.caption(sentence)
    galleries = [made for name, *_ in sides if (made := cache.gallery(name))]  # a family may have none
    ready = {image: trace for image, trace in galleries[0].items() if image in galleries[-1]} if galleries else {}
    n = min(summary["split_sizes"]["test"] for *_, summary in sides)
    glimpses = any(getattr(config.model, "glimpse_patches", None) for _, config, _ in sides)
    image, seed = inputs.choose_image(ready, n, glimpses)
    try:
        shown = [_run(name, config.model, image, seed) for name, config, _ in sides]
    except DataError as error:
        st.error(f"The images that these models were tested on are not on this machine: {error}")
        state.to_url(*state.COMPARE)
        return
    except VitrmError as error:
        st.error(f"These models cannot be shown: {error}")
        state.to_url(*state.COMPARE)
        return
    st.markdown(uploads.plain(comparison.said(*shown)))
    _both(sides, shown)


def _model(key: str, names: list[str], label: str, beside: Any = None) -> str:
    """One of the models for the comparison of one image; a choice that is not among them is said and replaced."""
    chosen, usual = st.session_state[key], state.DEFAULTS[key]
    if chosen not in names:
        instead = next(name for name in (usual, *names) if name in names)
        if chosen not in cache.checkpoints():
            st.warning(f"There is no checkpoint “{chosen[:60]}” here; showing “{instead}”.")
        elif beside is not None and chosen != usual and chosen != st.session_state[state.LEFT]:
            st.warning(
                f"“{chosen}” was not trained on {comparison.data_title(beside)}, so it cannot be given the same image; "
                f"showing “{instead}”."
            )
        st.session_state[key] = instead
    return _select(label, names, key)


def _run(name: str, model: AnyModelConfig, image: str, seed: int) -> Trace | Answer:
    return cache.trace(name, image, seed) if model.halts else cache.answer(name, image)


def _both(sides: list[tuple], shown: list[Trace | Answer]) -> None:
    keys = ["pair_left", "pair_right"]
    written = next((key for key, run in zip(keys, shown, strict=True) if isinstance(run, Trace)), None)
    if written is None:
        state.to_url(*state.COMPARE)
    start = st.session_state[state.POSITION]
    differ = None
    if all(isinstance(run, Trace) for run in shown):
        differ = upload_figures.divergence(*shown)
    for column, key, (name, config, _), run in zip(st.columns(2), keys, sides, shown, strict=True):
        with column:
            if isinstance(run, Answer):
                _one_answer(name, config.model, run)
                continue
            marks = [] if differ is None else [(min(differ, len(run.logits) - 1), "first differ")]
            player(
                run,
                key=key,
                title=f"{name} ({config.model.family_title})",
                chosen=Choices(
                    position=comparison.same_place(start, next(r for r in shown if isinstance(r, Trace)), run)
                ),
                together="compare",
                marks=marks,
                name=f"{name}-{st.session_state[state.IMAGE]}",
                address=state.address(*state.COMPARE) if key == written else None,
            )
            if key == written:
                st.session_state[state.POSITION] = choices(key, Choices(start)).position
    st.caption(
        "Moving one moves the other to the same supervision step; a run that has ended stands by its answer. One image "
        "shows how two models work, not which is better: that takes the whole test split, above."
    )


def _one_answer(name: str, model: AnyModelConfig, answer: Answer) -> None:
    """What a model that answers once makes of the image."""
    with st.container(border=True):
        st.markdown(f"**{uploads.plain(name)} ({model.family_title})**")
        layers = model.unrolled_layers
        st.info(f"No supervision steps and no halting: one answer, after {layers} layers applied one after the other.")
        size = answer.pixels.shape[-1]
        picture = upload_figures.address(upload_figures.enlarged(answer.pixels, 160), "PNG")
        st.image(picture, alt=f"The image it was given, {size} by {size} pixels")
        st.markdown(f"It answers **{uploads.plain(answer.said)}**, {100 * answer.probs.max():.0f} %.")
        st.dataframe(
            comparison.answer_rows(answer, _TOP),
            hide_index=True,
            width="stretch",
            column_config={
                "probability": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="percent")
            },
        )
