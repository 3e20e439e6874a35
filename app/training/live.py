"""The live view of a training: its state, buttons, numbers and curves, and what the server is busy with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app import events, numbers, visitors
from app.training import cache, printed
from app.training import figures as training_figures
from app.training.choices import SAID, seen, show, tell
from app.training.curves.curves import curves
from app.training.queue import Training, Trainings
from vitrm.config import Config
from vitrm.config.words import in_words
from vitrm.errors import VitrmError
from vitrm.runs.folder import Run
from vitrm.runs.state import State
from vitrm.training.commands import train_command
from vitrm.training.events import Updated

LIVE_S, IDLE_S = 1.5, 5.0
_BADGES = {
    State.WAITING: (":material/hourglass_top:", "grey"),
    State.STARTING: (":material/rocket_launch:", "blue"),
    State.RUNNING: (":material/play_arrow:", "green"),
    State.PAUSING: (":material/pause:", "orange"),
    State.PAUSED: (":material/pause:", "orange"),
    State.STOPPING: (":material/stop:", "orange"),
    State.FINISHING: (":material/fact_check:", "blue"),
    State.STOPPED: (":material/stop:", "grey"),
    State.INTERRUPTED: (":material/power_off:", "red"),
    State.FAILED: (":material/error:", "red"),
    State.FINISHED: (":material/check:", "blue"),
}


def queue_line(known: dict[str, Training], trainings: Trainings) -> None:
    """What the server is busy with, and who is next."""
    alive = [training for training in known.values() if training.is_active and training.state is not State.WAITING]
    waiting = [training for training in known.values() if training.position]
    places = trainings.limits.at_once
    text = f"{len(alive)} of {places} place{'s' * (places != 1)} taken"
    if alive:
        shown = seen(known)
        names = (each.name if each.name in shown else "one on a visitor's own pictures" for each in alive)
        text += " (" + ", ".join(f"{name}, {each.state}" for name, each in zip(names, alive, strict=True)) + ")"
    if waiting:
        text += f", {len(waiting)} waiting"
    own = [training for training in waiting if training.visitor == visitors.number()]
    if own:
        text += f"; your run “{own[0].name}” is number {own[0].position} in the queue"
    st.caption(f":material/groups: Trainings on this server: {text}.")


def watch(name: str) -> None:
    """The live view of a run; it asks for news by itself, often for as long as something is going on."""
    shape = _shape(name)
    st.fragment(_live, run_every=LIVE_S if shape[1] else IDLE_S)(name, shape)


def _shape(name: str) -> tuple:
    """What the page around the live view depends on: drawn anew when it changes, and only then."""
    trainings = cache.trainings()
    going_on = frozenset(each for each, training in trainings.known.items() if training.is_active)
    return going_on, name in going_on, name in trainings.known and Run(trainings.runs / name).has_snapshots


def _live(name: str, shape: tuple) -> None:
    trainings = cache.trainings()
    training = trainings.known.get(name)
    if training is None or _tells_its_end(training, seen_running=shape[1]) or _shape(name) != shape:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="train_controls"):
        _badge(training)
        if training.is_readable:
            _controls(training, trainings)
    _tell_why(training)
    if training.is_readable:
        _learned(training)
    queue_line(trainings.known, trainings)


def _learned(training: Training) -> None:
    """Numbers and curves of a run, as far as it is."""
    trainings, name = cache.trainings(), training.name
    said = st.session_state.pop(SAID, None)
    if said:
        st.warning(said)
    run = Run(trainings.runs / name)
    if not run.has_config:
        return
    watched = cache.watched(name)
    history = cache.history(watched)
    version = history.read()
    try:
        config = cache.settings(watched)
    except VitrmError as error:
        st.error(f"This run cannot be shown: {error}")
        return
    if history.unread:
        many = "lines" if history.unread > 1 else "line"
        st.warning(f"{history.unread} {many} of this run's metrics.jsonl cannot be read and are left out.")
    _numbers(training, config, history)
    if training.state is State.PAUSED and history.updates:
        _last_update(history.updates[-1], config)
    if history.progress.last is None:
        st.caption("The first report comes after ten batches.")
        return
    curves(cache.live_curves(watched, version, config), key="live_curves")


def _tells_its_end(training: Training, *, seen_running: bool) -> bool:
    """Whether a lesson is now to be told that a training came to its end, which was watched or is the visitor's own."""
    told = training.state is State.FINISHED and (seen_running or training.visitor == visitors.number())
    return told and events.happened_once("training finished", name=training.name)


def _badge(training: Training) -> None:
    icon, color = _BADGES.get(training.state, (":material/help:", "grey"))
    label = training.state if not training.position else f"waiting: number {training.position} in the queue"
    st.badge(label or "unknown", icon=icon, color=color)


def _tell_why(training: Training) -> None:
    if training.cause and training.state in (State.FAILED, State.INTERRUPTED):
        st.error(in_words(training.cause[:400]))
    elif training.cause and training.state in (State.STOPPED, State.WAITING):
        st.caption(training.cause)
    elif training.state is State.PAUSING:
        st.caption("It pauses as soon as the update in progress is done.")
    elif training.state is State.STOPPING:
        st.caption("It stops as soon as the batch in progress is done and saved.")
    elif training.state is State.STARTING:
        st.caption("Loading torch and the images takes a few seconds.")


def _controls(training: Training, trainings: Trainings) -> None:
    name, mine = training.name, visitors.may_control(training.visitor)
    why = None if mine else (
        "Only the browser that started it, and the teacher, can do that; watch along, or start your own")  # fmt: skip

    def button(label: str, icon: str, act: Callable[[], Any], kind: str = "secondary", said: str | None = None) -> None:
        st.button(
            label, icon=f":material/{icon}:", key=f"do_{label}", type=kind, disabled=not mine, help=why or said,
            on_click=tell, args=(act,),
        )  # fmt: skip

    visitor = visitors.visitor  # asked when it is clicked
    if training.state in (State.RUNNING, State.PAUSING):
        button("Pause", "pause", lambda: trainings.ask(name, "pause", visitor()), "primary")
    if training.state is State.PAUSED:
        button("Single update", "skip_next", lambda: trainings.ask(name, "step", visitor()), "primary",
               "One pass forward and back on one batch, one update of the weights, then a pause again")  # fmt: skip
        button("Resume", "play_arrow", lambda: trainings.ask(name, "go", visitor()))
    if training.state in (State.RUNNING, State.PAUSING, State.PAUSED):
        button(
            "Stop training",
            "stop",
            lambda: trainings.ask(name, "stop", visitor()),
            said="Saves all; it can be resumed",
        )
    if training.state is State.STOPPING:
        button("Stop at once", "dangerous", lambda: trainings.ask(name, "stop at once", visitor()),
               said="Goes back to what was saved last, at most 20 seconds ago")  # fmt: skip
    if training.state is State.WAITING:
        button("Leave the queue", "logout", lambda: trainings.leave(name, visitor()))
    if training.state in (State.STOPPED, State.INTERRUPTED, State.FAILED):
        run = Run(trainings.runs / name)
        if not run.has_config:
            button("Try again", "replay", lambda: trainings.retry(name, visitor()), "primary")
        elif run.resumable and not training.diverged:
            button("Resume", "play_arrow", lambda: trainings.resume(name, visitor()), "primary")
        if run.resumable and run.has_weights:
            button("Finish as it is", "fact_check", lambda: trainings.finish(name, visitor()),
                   said="Tests the best weights so far and writes the model card")  # fmt: skip
    if training.state not in (State.WAITING, State.STARTING, State.FINISHING) and Run(trainings.runs / name).has_config:
        button("Start over", "restart_alt", lambda: show(trainings.restart(name, visitor())),
               said="The same settings from the beginning, as a new run; this one is kept")  # fmt: skip


def _numbers(training: Training, config: Config, history) -> None:
    progress, end = history.progress.last, history.epochs.last
    steps = config.model.supervision_steps
    with st.container(horizontal=True, key="train_numbers"):
        epoch = progress.epoch if progress else 0
        _metric("Epoch", f"{epoch} of {config.train.epochs}")
        step = f", step {steps}" if steps > 1 else ""
        deepest = f", step {config.deepest}" if config.deepest > 1 else ""  # the best weights go by it
        _metric(f"Validation accuracy{deepest}", f"{100 * end.val_accuracy[-1]:.1f} %" if end else "–")
        _metric(f"Training loss{step}", f"{progress.loss[-1]:.3f}" if progress else "–")
        _metric("Learning rate", f"{progress.lr:.2g}" if progress else "–")
        _metric("Images per second", f"{progress.images_per_s:,.0f}" if progress else "–")
        if training.state in (State.RUNNING, State.PAUSING, State.PAUSED) and progress:
            _metric("Time left", training_figures.duration(progress.time_left_s))
        elif end:
            _metric("Trained for", training_figures.duration(end.seconds))


def _metric(label: str, value: str) -> None:
    st.metric(label, value, width="content")


def _last_update(update: Updated, config: Config) -> None:
    moved, images = training_figures.update_tables(update, config.data.classes)
    with st.container(border=True):
        st.markdown("**What that one update changed**")
        st.markdown(training_figures.update_sentence(update, config))
        left, right = st.columns([1, 2.2])
        left.dataframe(moved, hide_index=True, width="stretch", key="moved", column_config={
            "moved by, %": st.column_config.NumberColumn(format="%.3f")})  # fmt: skip
        points = st.column_config.NumberColumn(format="%.2f")
        right.dataframe(images, hide_index=True, width="stretch", key="watched", column_config={
            name: points for name in images[0] if "%" in name or "points" in name or "halting" in name})  # fmt: skip
        st.caption(
            "Moved by: length of the change over length of the weights. The images are validation images as they are "
            "(raw weights, evaluation mode, after the last supervision step)."
        )


def numbers_behind(name: str) -> None:
    """What the figures are measured on, the table behind them, and the command that makes the run again."""
    run = Run(cache.trainings().runs / name)
    if not run.has_config:
        if run.output.exists():
            with st.expander("What the process printed"):
                st.code(_tail(run.output), language=None)
        return
    watched = cache.watched(name)
    try:
        history, config = cache.history(watched), cache.settings(watched)
    except VitrmError:
        return  # said above
    said = training_figures.provenance(name, config, history)
    st.caption(said)
    if history.progress.last is not None:
        printed.offer(lambda: training_figures.live_charts(history, config), name, said)
    with st.expander("The numbers behind the figures, the settings and the command"):
        st.code(train_command(config), language="sh")
        numbers.table(training_figures.epoch_table(history))
        st.json(config.to_dict(), expanded=False)


def _tail(file: Path, lines: int = 40) -> str:
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
