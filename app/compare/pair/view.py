"""The same test image through two models, on screen: two players in locked step."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import cache, inputs, state
from app.cache import Checkpoint
from app.compare.comparison import data_title
from app.compare.pair import answers
from app.compare.pair import cache as pair_cache
from app.compare.pair.answers import Answer
from app.compare.pair.printed import pair
from app.figures import as_written, plain
from app.player.player import Choices, choices, player
from app.printed import view as printed
from app.uploads import figures as upload_figures
from vitrm.config import AnyModelConfig
from vitrm.errors import DataError, VitrmError
from vitrm.traces.trace import Trace

_TOP = 5  # classes shown of an answer


@st.fragment  # or the player's every rest would make all the figures above anew
def show() -> None:
    """The same test image through two models in locked step; a model that answers once shows that answer."""
    facts, here = {}, cache.checkpoints()
    for name, checkpoint in here.items():
        try:
            facts[name] = cache.facts(checkpoint)
        except VitrmError:
            continue  # said above
    first, second = st.columns(2)
    with first:
        left = _model(state.LEFT, list(facts), "First model")
    fitting = [name for name in facts if answers.same_images(facts[left][0], facts[name][0]) and name != left]
    if not fitting:
        st.info(
            f"“{left}” is the only finished model of {data_title(facts[left][0])}: there is none to be "
            "given the same image. Choose another first model."
        )
        state.to_url(*state.COMPARE)
        return
    with second:
        right = _model(state.RIGHT, fitting, "Second model", facts[left][0])
    sides = [(name, *facts[name]) for name in (left, right)]
    for sentence in answers.differences(*(config for _, config, _ in sides)):
        st.caption(sentence)
    try:
        galleries = [made for name, *_ in sides if (made := cache.gallery(here[name]))]  # a family may have none
    except VitrmError as error:
        st.error(f"These models cannot be shown: {error}")
        state.to_url(*state.COMPARE)
        return
    ready = {image: trace for image, trace in galleries[0].items() if image in galleries[-1]} if galleries else {}
    n = min(summary.split_sizes["test"] for *_, summary in sides)
    glimpses = any(getattr(config.model, "glimpse_patches", None) for _, config, _ in sides)
    image, seed = inputs.choose_image(ready, here[left], n, glimpses)
    try:
        shown = [_run(here[name], config.model, image, seed) for name, config, _ in sides]
    except DataError as error:
        inputs.say_absent(error, here[left])
        state.to_url(*state.COMPARE)
        return
    except VitrmError as error:
        st.error(f"These models cannot be shown: {error}")
        state.to_url(*state.COMPARE)
        return
    st.markdown(plain(answers.said(*shown)))
    _both(sides, shown)


def say_unknown() -> None:
    """Say which of the two models a link names and nobody has; the usual one takes its place. Before `show`."""
    for key in (state.LEFT, state.RIGHT):
        chosen, usual = st.session_state[key], state.DEFAULTS[key]
        if chosen != usual and chosen not in cache.checkpoints():
            st.warning(f"There is no checkpoint “{as_written(chosen)}” here; “{usual}” takes its place.")
            st.session_state[key] = usual


def _model(key: str, names: list[str], label: str, beside: Any = None) -> str:
    """One of the models for the comparison of one image; a choice that is not among them is said and replaced."""
    chosen, usual = st.session_state[key], state.DEFAULTS[key]
    if chosen not in names:
        instead = next(name for name in (usual, *names) if name in names)
        if chosen not in cache.checkpoints():
            st.warning(f"There is no checkpoint “{as_written(chosen)}” here; showing “{instead}”.")
        elif beside is not None and chosen != usual and chosen != st.session_state[state.LEFT]:
            st.warning(
                f"“{chosen}” was not trained on {data_title(beside)}, so it cannot be given the same image; "
                f"showing “{instead}”."
            )
        st.session_state[key] = instead
    here = cache.checkpoints()
    lacks = {name: "" if cache.has_images(here[name]) else inputs.NO_IMAGES for name in names}
    return inputs.select(
        label,
        sorted(names, key=lambda name: bool(lacks[name])),
        key,
        words=lambda name: f"{name} (not here: {lacks[name]})" if lacks[name] else name,
    )


def _run(checkpoint: Checkpoint, model: AnyModelConfig, image: str, seed: int) -> Trace | Answer:
    return cache.trace(checkpoint, image, seed) if model.recurrent else pair_cache.answer(checkpoint, image)


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
                chosen=Choices(position=answers.same_place(start, next(r for r in shown if isinstance(r, Trace)), run)),
                together="compare",
                marks=marks,
                name=f"{name}-{st.session_state[state.IMAGE]}",
                address=state.address(*state.COMPARE) if key == written else None,
            )
            if key == written:
                st.session_state[state.POSITION] = choices(key, Choices(start)).position
    together = "Moving one moves the other to the same supervision step; a run that has ended stands by its answer. "
    st.caption(
        together * (sum(isinstance(each, Trace) for each in shown) == 2)
        + "One image shows how two models work, not which is better: that takes the whole test split, above."
    )
    names = [name for name, *_ in sides]
    about = f"{names[0]} and {names[1]} on test image {st.session_state[state.IMAGE]}"
    printed.offer(lambda: {"": lambda: pair(names, shown)}, "pair", about)


def _one_answer(name: str, model: AnyModelConfig, answer: Answer) -> None:
    """What a model that answers once makes of the image."""
    with st.container(border=True):
        st.markdown(f"**{plain(name)} ({model.family_title})**")
        layers = model.unrolled_layers
        st.info(f"No supervision steps and no halting: one answer, after {layers} layers applied one after the other.")
        size = answer.pixels.shape[-1]
        picture = upload_figures.address(upload_figures.enlarged(answer.pixels, 160), "PNG")
        st.image(picture, alt=f"The image it was given, {size} by {size} pixels")
        st.markdown(f"It answers **{plain(answer.said)}**, {100 * answer.probs.max():.0f} %.")
        st.dataframe(
            answers.answer_rows(answer, _TOP),
            hide_index=True,
            width="stretch",
            column_config={
                "probability": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="percent")
            },
        )
