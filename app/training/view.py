"""The parts of the Train page: the form, the live view, the look inside, the comparison. Figures are made elsewhere."""

from __future__ import annotations

import io
import shutil
import time
import types
import typing
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from app import state
from app.player.player import player
from app.training import cache, settings, visitors
from app.training import figures as training_figures
from app.training.curves.curves import curves, payload
from app.training.jobs import Job, Trainings
from vitrm.config import PRESETS, SETTINGS, Config, Setting
from vitrm.config.words import in_words, shown, value
from vitrm.errors import VitrmError
from vitrm.runs.folder import Run
from vitrm.training.commands import train_command

VIEWS = {"Watch": ":material/monitoring:", "New training": ":material/add_circle:", "Compare": ":material/compare:"}
LIVE_S, IDLE_S = 1.5, 5.0
_SOURCES = {"digits": "digits", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "fashion_mnist": "Fashion-MNIST"}
_BADGES = {
    "waiting": (":material/hourglass_top:", "grey"),
    "starting": (":material/rocket_launch:", "blue"),
    "running": (":material/play_arrow:", "green"),
    "pausing": (":material/pause:", "orange"),
    "paused": (":material/pause:", "orange"),
    "stopping": (":material/stop:", "orange"),
    "finishing": (":material/fact_check:", "blue"),
    "stopped": (":material/stop:", "grey"),
    "interrupted": (":material/power_off:", "red"),
    "failed": (":material/error:", "red"),
    "finished": (":material/check:", "blue"),
}
_STARTED = "train_started"  # name of the run that has just been asked for
_SAID = "train_said"  # what the last click led to, shown once


# What is on show


def choose_view(jobs: dict[str, Job]) -> str:
    """Watch, start or compare; whoever comes first is shown what there is."""
    started = st.session_state.pop(_STARTED, None)
    if started is not None:
        _show(started)
    if "train_view" not in st.session_state:
        st.session_state["train_view"] = "Watch" if jobs else "New training"
    return st.segmented_control(
        "Show", list(VIEWS), key="train_view", format_func=lambda view: f"{VIEWS[view]} {view}", required=True,
        label_visibility="collapsed",
    )  # fmt: skip


def choose_run(jobs: dict[str, Job]) -> str | None:
    """The run to watch: the one in the link, else what is going on, else the newest."""
    names = sorted(jobs, key=lambda name: (not jobs[name].is_active, -_touched(name)))
    if not names:
        st.info("Nothing has been trained here yet. Choose **New training**, or type `vitrm train digits`.")
        return None
    session = st.session_state
    wanted = session.get(state.RUN) or st.query_params.get(state.RUN)
    active = {name for name in names if jobs[name].is_active}
    fresh = active - session.get("train_seen", active)
    session["train_seen"] = active
    if wanted not in jobs:
        if wanted:
            st.warning(f"There is no run “{wanted}” here; showing “{names[0]}”.")
        wanted = names[0]
    elif fresh and wanted not in active:
        wanted = sorted(fresh)[0]  # something has begun while this one was over
    session[state.RUN] = wanted
    st.selectbox("Run", names, key=state.RUN, help="What is going on comes first, then the newest")
    if st.query_params.get(state.RUN) != session[state.RUN]:
        st.query_params[state.RUN] = session[state.RUN]
    return session[state.RUN]


def queue_line(jobs: dict[str, Job], trainings: Trainings) -> None:
    """What the server is busy with, and who is next."""
    alive = [job for job in jobs.values() if job.is_active and job.state != "waiting"]
    waiting = [job for job in jobs.values() if job.position]
    places = trainings.limits.at_once
    text = f"{len(alive)} of {places} place{'s' * (places != 1)} taken"
    if alive:
        text += " (" + ", ".join(f"{job.name}, {job.state}" for job in alive) + ")"
    if waiting:
        text += f", {len(waiting)} waiting"
    own = [job for job in waiting if job.visitor == visitors.visitor()]
    if own:
        text += f"; your run “{own[0].name}” is number {own[0].position} in the queue"
    st.caption(f":material/groups: Trainings on this server: {text}.")


# The live view


def watch(name: str) -> None:
    """The live view of a run; it asks for news by itself, often for as long as something is going on."""
    shape = _shape(name)
    st.fragment(_live, run_every=LIVE_S if shape[1] else IDLE_S)(name, shape)


def _shape(name: str) -> tuple:
    """What the page around the live view depends on: drawn anew when it changes, and only then."""
    trainings = cache.trainings()
    going_on = frozenset(each for each, job in trainings.jobs.items() if job.is_active)
    return going_on, name in going_on, name in trainings.jobs and Run(trainings.runs / name).has_snapshots


def _live(name: str, shape: tuple) -> None:
    trainings = cache.trainings()
    job = trainings.jobs.get(name)
    if job is None or _shape(name) != shape:
        st.rerun()
    queue_line(trainings.jobs, trainings)
    _header(job)
    _controls(job, trainings)
    said = st.session_state.pop(_SAID, None)
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
    _numbers(job, config, history)
    if job.state == "paused" and history.updates:
        _last_update(history.updates[-1], config)
    if history.progress.last is None:
        st.caption("The first report comes after ten batches.")
        return
    curves(cache.live_curves(watched, version, config), key="live_curves")


def _header(job: Job) -> None:
    icon, color = _BADGES.get(job.state, (":material/help:", "grey"))
    with st.container(horizontal=True, vertical_alignment="center"):
        label = job.state if not job.position else f"waiting: number {job.position} in the queue"
        st.badge(label or "unknown", icon=icon, color=color)
        if job.cause and job.state in ("failed", "interrupted"):
            st.error(f"{job.cause[:400]}")
        elif job.cause and job.state == "stopped":
            st.caption(job.cause)
        elif job.state == "pausing":
            st.caption("It pauses as soon as the update in progress is done.")
        elif job.state == "stopping":
            st.caption("It stops as soon as the batch in progress is done and saved.")
        elif job.state == "starting":
            st.caption("Loading torch and the images takes a few seconds.")


def _controls(job: Job, trainings: Trainings) -> None:
    name, mine = job.name, visitors.may_control(job.visitor)
    why = None if mine else (
        "Only the browser that started it, and the teacher, can do that; watch along, or start your own")  # fmt: skip

    def button(label: str, icon: str, act: Callable[[], Any], kind: str = "secondary", said: str | None = None) -> None:
        st.button(
            label, icon=f":material/{icon}:", key=f"do_{label}", type=kind, disabled=not mine, help=why or said,
            on_click=_tell, args=(act,),
        )  # fmt: skip

    visitor = visitors.visitor()
    with st.container(horizontal=True, key="train_controls"):
        if job.state in ("running", "pausing"):
            button("Pause", "pause", lambda: trainings.ask(name, "pause"), "primary")
        if job.state == "paused":
            button("One supervision step", "skip_next", lambda: trainings.ask(name, "step"), "primary",
                   "One pass forward and back on one batch, one update of the weights, then a pause again")  # fmt: skip
            button("Resume", "play_arrow", lambda: trainings.ask(name, "go"))
        if job.state in ("running", "pausing", "paused"):
            button("Stop training", "stop", lambda: trainings.ask(name, "stop"), said="Saves all; it can be resumed")
        if job.state == "stopping":
            button("Stop at once", "dangerous", lambda: trainings.ask(name, "stop at once"),
                   said="Goes back to what was saved last, at most 20 seconds ago")  # fmt: skip
        if job.state == "waiting":
            button("Leave the queue", "logout", lambda: trainings.leave(name))
        if job.state in ("stopped", "interrupted", "failed"):
            run = Run(trainings.runs / name)
            if not run.has_config:
                button("Try again", "replay", lambda: trainings.retry(name, visitor), "primary")
            elif run.resumable and not _diverged(job):
                button("Resume", "play_arrow", lambda: trainings.resume(name, visitor), "primary")
            if run.resumable and run.has_weights:
                button("Finish as it is", "fact_check", lambda: trainings.finish(name, visitor),
                       said="Tests the best weights so far and writes the model card")  # fmt: skip
        if job.state not in ("waiting", "starting", "finishing") and Run(trainings.runs / name).has_config:
            button("Start over", "restart_alt", lambda: _show(trainings.restart(name, visitor)),
                   said="The same settings from the beginning, as a new run; this one is kept")  # fmt: skip


def _diverged(job: Job) -> bool:
    """Whether its loss ceased to be a number: continuing would only do that again."""
    return job.state == "failed" and (job.cause or "").startswith("the loss became")


def _tell(act: Callable[[], Any]) -> None:
    """Do what was clicked; what is wrong with it is said on the page."""
    try:
        act()
    except (VitrmError, OSError) as error:
        st.session_state[_SAID] = str(error)


def _show(name: str) -> None:
    st.session_state[state.RUN] = name
    st.session_state["train_view"] = "Watch"


def _numbers(job: Job, config: Config, history) -> None:
    progress, end = history.progress.last, history.epochs.last
    steps = config.model.supervision_steps
    with st.container(horizontal=True, key="train_numbers"):
        epoch = progress["epoch"] if progress else 0
        _metric("Epoch", f"{epoch} of {config.train.epochs}")
        step = f", step {steps}" if steps > 1 else ""
        _metric(f"Validation accuracy{step}", f"{100 * end['val_accuracy'][-1]:.1f} %" if end else "–")
        _metric(f"Training loss{step}", f"{progress['loss'][-1]:.3f}" if progress else "–")
        _metric("Learning rate", f"{progress['lr']:.2g}" if progress else "–")
        _metric("Images per second", f"{progress['images_per_s']:,.0f}" if progress else "–")
        if job.state in ("running", "pausing", "paused") and progress:
            _metric("Time left", training_figures.duration(progress["time_left_s"]))
        elif end:
            _metric("Trained for", training_figures.duration(end["seconds"]))


def _metric(label: str, value: str) -> None:
    st.metric(label, value, width="content")


def _last_update(update: dict[str, Any], config: Config) -> None:
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
    history, config = cache.history(watched), cache.settings(watched)
    st.caption(training_figures.provenance(name, config, history))
    with st.expander("The numbers behind the figures, the settings and the command"):
        st.code(train_command(config), language="sh")
        st.dataframe(training_figures.epoch_table(history), hide_index=True, width="stretch")
        st.json(config.to_dict(), expanded=False)


def _tail(file: Path, lines: int = 40) -> str:
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


# Looking inside


def look_inside(name: str) -> None:
    """The player on the latest weights, or on those after an epoch, for one of the watched images."""
    run = Run(cache.trainings().runs / name)
    epochs = run.snapshots() if run.has_config else []
    st.header("Look inside")
    model = cache.settings(cache.watched(name)).model if run.has_config else None
    if model is not None and not model.recurrent:
        st.caption(f"A {model.title} has no supervision steps to look into.")
        return
    if not epochs:
        st.caption("As soon as the training has begun, the player can be opened here on the weights as they are.")
        return
    if not st.toggle("Open the player on this run", key="look_inside", help="Runs beside the training, not in it"):
        return
    try:
        _look(name, run, epochs)
    except VitrmError as error:
        st.error(f"This cannot be shown: {error}")


def _look(name: str, run: Run, epochs: list[int]) -> None:
    watched = cache.watched(name)
    first = cache.snapshot(watched, epochs[0])
    images = list(first)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        image = st.segmented_control(
            "Validation image, by its true class", images, default=images[0], required=True, key=f"watched_{name}",
            format_func=lambda each: first[each].class_names[first[each].label],
        )  # fmt: skip
        now = st.button("Look inside now", icon=":material/refresh:", key="look_now", help="Take the latest weights")
    stops = [*epochs, "now"]
    key = f"look_at_{name}"
    if now or st.session_state.get(key) not in stops:
        st.session_state[key] = "now"
        st.session_state["look_written"] = run.latest_at
    at = st.select_slider(
        "After epoch", stops, key=key, help="0 is before any training; “now” are the latest weights, averaged"
    )
    written = st.session_state.get("look_written") or run.latest_at
    trace = cache.latest_trace(watched, written, image) if at == "now" else cache.snapshot(watched, at)[image]
    what = f"as of {time.strftime('%H:%M:%S', time.localtime(written / 1e9))}" if at == "now" else f"after epoch {at}"
    player(trace, key="train_player", panels=("attention",))
    config = cache.settings(watched)
    st.caption(
        f"Image: {config.data.title}, validation split, number {image.removeprefix('val-')}, glimpse seed "
        f"{trace.seed}. Model: run {name}, averaged weights {what}, training seed {config.train.seed}; chance "
        f"{100 / config.model.num_classes:.0f} %. It may still be training: what you see is no result."
    )
    answers = {epoch: cache.snapshot_answers(watched, epoch, image) for epoch in epochs}
    st.markdown("**How the answer to this image grew**")
    probs, halts = ({epoch: pair[k] for epoch, pair in answers.items()} for k in (0, 1))
    charts = training_figures.growth_charts(probs, halts, trace.class_names, trace.label)
    curves(payload(charts), key="growth_curves")
    with st.expander("The numbers behind these curves"):
        st.dataframe(training_figures.growth_table(probs, halts, trace.class_names), hide_index=True, width="stretch")


# A new training


def new_training() -> None:
    """Preset, data and settings; how long it would take here; start."""
    trainings = cache.trainings()
    offered = settings.EXPECTATIONS | settings.COMPARISONS
    name = st.pills("Preset", list(offered), default="digits", required=True, key="train_preset")
    st.markdown(offered[name])
    source = _choose_data(name)
    device, changes = _choose_device()
    with st.expander("Own settings", icon=":material/tune:"):
        changes |= _own_settings(name)
    if source is None:
        return
    try:
        config = PRESETS[name].with_fields({"data.source": source} | changes)
        trainings.limits.check(config)
    except VitrmError as error:
        st.error(in_words(str(error)))
        return
    same = trainings.same(config)
    if same:
        st.info(f"“{same}” trains exactly this already: starting means joining it.")
    known = trainings.estimates.known(config, device)
    st.fragment(_estimate, run_every=None if known else 1.0)(config, device)
    # No callback: it would start what was on show before, if somebody chooses and presses start in one go.
    if st.button(
        "Join that training" if same else "Start training", type="primary", icon=":material/play_arrow:",
        key="start_training", disabled=bool(known and "error" in known),
    ):  # fmt: skip
        try:
            st.session_state[_STARTED] = trainings.train(config, visitors.visitor(), device=device)
        except (VitrmError, OSError) as error:
            st.error(str(error))
        else:
            st.rerun()
    st.caption("The same from a terminal, on this machine; it shows up here too:")
    st.code(train_command(config), language="sh")


def _choose_data(preset: str) -> str | None:
    usual = PRESETS[preset].data.source
    if not usual.startswith("folder:"):
        if preset.startswith("digits"):
            return "digits"
        choices = [usual, *(name for name in _here() if name != usual)]
        return st.selectbox("Data", choices, format_func=lambda each: _SOURCES.get(each, each), key=f"data_{preset}")
    choices = _here()
    own = "another folder …"
    picked = st.selectbox("Data", [*choices, own] if visitors.is_teacher() else choices, key="data_photos",
                          index=0 if choices else None,
                          help="Folders and parquet sets in data/ on the machine that runs the server")  # fmt: skip
    if picked != own:
        if picked is None:
            st.info("There are no photographs in the server's folder data/ yet: data/NAME/CLASS/image.jpg.")
        return picked
    path = st.text_input("Folder on this machine", placeholder="/home/me/photos", key="data_path",
                         help="CLASS/image.jpg, train/CLASS and test/CLASS, or train*.parquet")  # fmt: skip
    if not path:
        return None
    return _source(Path(path).expanduser()) or f"folder:{path}"


def _here() -> list[str]:
    """The image folders and parquet sets in data/."""
    folders = sorted(file for file in Path("data").glob("[!.]*") if file.is_dir()) if Path("data").is_dir() else []
    return [source for folder in folders if (source := _source(folder))]


def _source(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    if any(folder.glob("**/train*.parquet")):
        return f"parquet:{folder}"
    classes = [file for file in folder.iterdir() if file.is_dir() and not file.name.startswith(".")]
    return f"folder:{folder}" if len(classes) >= 2 else None


def _choose_device() -> tuple[str, dict[str, Any]]:
    gpu = cache.gpu()
    if gpu is None:
        return "cpu", {}
    with st.container(horizontal=True, vertical_alignment="center"):
        use = st.toggle(f"Use the GPU ({gpu})", value=True, key="use_gpu")
        if not use:
            return "cpu", {}
        half = st.toggle("bf16", value=True, key="use_bf16", help=SETTINGS["train.precision"].sentence)
        compiled = st.toggle("compile", key="use_compile", help=SETTINGS["train.compile"].sentence)
    return "cuda", {"train.precision": "bf16" if half else "fp32", "train.compile": compiled}


def _own_settings(preset: str) -> dict[str, Any]:
    """The form: every setting with its sentence and what was published for it; returns what differs from the preset."""
    base, changes = PRESETS[preset], {}
    groups = settings.groups(base)
    for tab, names in zip(st.tabs(list(groups)), groups.values(), strict=True):
        with tab:
            columns = st.columns(2)
            for k, name in enumerate(names):
                with columns[k % 2]:
                    usual, setting = value(base, name), SETTINGS[name]
                    chosen = _widget(setting, usual, f"{preset}:{name}")
                    st.caption(f"{setting.sentence} {setting.source}" if base.model.recurrent else setting.sentence)
                    if chosen != usual:
                        changes[name] = chosen
    return changes


def _widget(setting: Setting, usual: Any, key: str) -> Any:
    hint, label = setting.hint, setting.label
    optional = typing.get_origin(hint) is types.UnionType
    kind = typing.get_args(hint)[0] if optional else hint
    if kind is bool:
        return st.toggle(label, value=usual, key=key)
    if typing.get_origin(kind) is Literal:
        options = list(typing.get_args(kind))
        return st.selectbox(label, options, index=options.index(usual), key=key)
    if kind in (int, float) and setting.name not in ("train.lr", "train.min_lr"):
        step = 1 if kind is int else 0.01
        value = usual if usual is None else kind(usual)
        return st.number_input(label, value=value, step=step, key=key, format=None if kind is int else "%g")
    text = st.text_input(label, value=shown(usual), key=key)  # 3e-4 and 0.9, 0.999 are typed as they are
    return usual if text.strip() == shown(usual) else text.replace(" ", "")


def _estimate(config: Config, device: str) -> None:
    trainings = cache.trainings()
    result = trainings.estimates.known(config, device)
    if result is None:
        busy = any(job.state == "running" for job in trainings.jobs.values())
        key = f"measure {device} {config.fingerprint()}"
        if busy and not st.session_state.get(key):
            st.session_state[key] = st.button(
                "Estimate the time", icon=":material/timer:", key="estimate",
                help="Trains a few batches beside the training that is going on, and slows it down meanwhile",
            )  # fmt: skip
            if not st.session_state[key]:
                return
        trainings.estimates.get(config, device, visitors.visitor())
        st.caption(":material/timer: Measuring a few batches on this machine …")
        return
    if st.session_state.get("estimate_shown") != (config.fingerprint(), device):
        st.session_state["estimate_shown"] = (config.fingerprint(), device)
        st.rerun()  # to stop asking, and to let start know
    if "error" in result:
        st.error(result["error"])
        return
    st.markdown(
        f":material/timer: About **{training_figures.duration(result['seconds'])}** on this machine as it is now "
        f"({result['device']}): {result['epochs']:,} epochs of {result['train_images']:,} training images at "
        f"{result['images_per_s']:,.0f} a second, {result['parameters']:,} parameters; measured on a few batches."
    )


# Comparing and keeping order


def compare(jobs: dict[str, Job]) -> None:
    """Curves of several runs over each other, what differs in their settings, and what can be done with each."""
    trainings = cache.trainings()
    names = sorted((name for name in jobs if Run(trainings.runs / name).has_config), key=_touched, reverse=True)
    if not names:
        st.info("Nothing has been trained here yet.")
        return
    if "compared" not in st.session_state:
        st.session_state["compared"] = names[:2]
    st.session_state["compared"] = [name for name in st.session_state["compared"] if name in names]
    chosen = st.multiselect("Runs", names, key="compared", max_selections=8)
    configs = {}
    for name in chosen:
        try:
            configs[name] = cache.settings(cache.watched(name))
        except VitrmError as error:
            st.error(str(error))
    if configs:
        active = any(jobs[name].is_active for name in configs)
        st.fragment(_overlay, run_every=LIVE_S if active else None)(configs)
        titles = ", ".join(sorted({config.data.title for config in configs.values()}))
        st.caption(
            f"Data: {titles}. Validation split, averaged weights, every supervision step run. One seed each: "
            "differences of a point or two mean little on a few hundred images."
        )
        rows = training_figures.differing_settings(configs)
        if len(configs) > 1:
            st.markdown("**Settings that differ**" if rows else "These runs have the same settings.")
            if rows:
                st.dataframe(rows, hide_index=True, width="stretch")
    st.header("One run")
    name = st.selectbox("Which one", names, key="managed")
    _manage(trainings, jobs[name])


def _overlay(configs: dict[str, Config]) -> None:
    runs = [(name, cache.history(cache.watched(name)), config) for name, config in configs.items()]
    for _, history, _ in runs:
        history.read()
    curves(payload(training_figures.comparison_charts(runs)), key="comparison")
    st.dataframe(training_figures.comparison_table(runs), hide_index=True, width="stretch", key="comparison_table")


def _manage(trainings: Trainings, job: Job) -> None:
    name, run = job.name, Run(trainings.runs / job.name)
    said = st.session_state.pop(_SAID, None)
    if said:
        st.error(said)
    st.markdown(f"**{name}** is {job.state} and takes {run.bytes / 2**20:.1f} MB.")
    if run.has_config:
        st.code(train_command(cache.settings(cache.watched(name))), language="sh")
    mine, idle = visitors.may_control(job.visitor), not job.is_active
    why = None if mine else "Only the browser that started it, and the teacher, can do that"
    if not idle:
        why = "It is still going on; stop it first"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if run.is_complete:
            st.button("Use as the model on the other pages", icon=":material/model_training:", type="primary",
                      key="use_as_model", on_click=_use, args=(name,))  # fmt: skip
        st.download_button("Download as ZIP", lambda: zipped(run), f"{name}.zip", icon=":material/folder_zip:",
                           on_click="ignore", disabled=not run.has_config, key="zip",
                           help="The run folder, without what only resuming needs")  # fmt: skip
        with st.popover("Rename", icon=":material/edit:", disabled=not (mine and idle), help=why):
            new = st.text_input("New name", value=name, key=f"rename_{name}")
            st.button("Rename it", key="rename", on_click=_tell, args=(lambda: _rename(trainings, name, new),))
        with st.popover("Delete", icon=":material/delete:", disabled=not (mine and idle), help=why):
            st.markdown(f"This removes **{name}** with its weights and figures ({run.bytes / 2**20:.1f} MB), for good.")
            st.button("Delete it for good", type="primary", key="delete", on_click=_tell,
                      args=(lambda: _delete(trainings, name),))  # fmt: skip
    if run.is_complete and st.session_state.get(state.CHECKPOINT) == name:
        with st.container(horizontal=True):
            st.caption("It is the model on:")
            for page, title in (("step", "Step through"), ("attention", "Attention"), ("halting", "Halting")):
                st.page_link(f"../pages/{page}.py", label=title)


def _use(name: str) -> None:
    st.session_state[state.CHECKPOINT] = name


def _rename(trainings: Trainings, name: str, new: str) -> None:
    trainings.rename(name, new)
    _forget(name)
    st.session_state["managed"] = new.strip()


def _delete(trainings: Trainings, name: str) -> None:
    trainings.delete(name)
    _forget(name)
    st.session_state.pop("managed", None)


def _forget(name: str) -> None:
    if st.session_state.get(state.RUN) == name:
        st.session_state.pop(state.RUN)
        st.query_params.pop(state.RUN, None)
    if st.session_state.get(state.CHECKPOINT) == name:
        st.session_state[state.CHECKPOINT] = state.DEFAULTS[state.CHECKPOINT]


def zipped(run: Run) -> bytes:
    """The run folder as a ZIP file, without the state to resume from and the lock."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in run.to_share():
            with archive.open(f"{run.name}/{file.relative_to(run.path)}", "w") as out, open(file, "rb") as source:
                shutil.copyfileobj(source, out)
    return content.getvalue()


def _touched(name: str) -> float:
    try:
        return (cache.trainings().runs / name).stat().st_mtime
    except OSError:
        return 0.0
