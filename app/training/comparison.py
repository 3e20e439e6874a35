"""Several runs over each other, and what can be done with each: use it, download, rename, delete."""

from __future__ import annotations

import io
import os
import shutil
import zipfile

import streamlit as st

from app import state, visitors
from app.files import save_button
from app.training import cache, printed
from app.training import figures as training_figures
from app.training.choices import SAID, tell, touched
from app.training.curves.curves import curves, payload
from app.training.history import History
from app.training.live import LIVE_S
from app.training.queue import Training, Trainings
from app.training.result import lead_on
from vitrm.config import Config
from vitrm.errors import RunError, VitrmError
from vitrm.runs.folder import Run
from vitrm.training.commands import train_command

_RUNS = "runs_compared"


def compare(known: dict[str, Training]) -> None:
    """Curves of several runs over each other, what differs in their settings, and what can be done with each."""
    trainings = cache.trainings()
    there = [name for name, run in known.items() if run.is_readable and Run(trainings.runs / name).has_config]
    names = sorted(there, key=touched, reverse=True)
    if not names:
        st.info("Nothing has been trained here yet.")
        return
    st.session_state[_RUNS] = [name for name in st.session_state.get(_RUNS, names[:2]) if name in names]
    chosen = st.multiselect("Runs", names, key=_RUNS, max_selections=8)
    configs = {}
    for name in chosen:
        try:
            configs[name] = cache.settings(cache.watched(name))
        except VitrmError as error:
            st.error(str(error))
    if configs:
        active = any(known[name].is_active for name in configs)
        st.fragment(_overlay, run_every=LIVE_S if active else None)(configs)
        titles = ", ".join(sorted({config.data.title for config in configs.values()}))
        which = " or ".join(sorted({training_figures.weights(config) for config in configs.values()}))
        st.caption(
            f"Data: {titles}. Validation split, {which}, every supervision step run. One seed each: "
            "differences of a point or two mean little on a few hundred images."
        )
        about = f"Trainings compared: {', '.join(configs)}"
        printed.offer(lambda: training_figures.comparison_charts(_histories(configs)), "trainings", about)
        rows = training_figures.differing_settings(configs)
        if len(configs) > 1:
            st.markdown("**Settings that differ**" if rows else "These runs have the same settings.")
            if rows:
                st.dataframe(rows, hide_index=True, width="stretch")
    st.header("One run")
    name = st.selectbox("Which one", names, key="managed")
    _manage(trainings, known[name])


def _histories(configs: dict[str, Config]) -> list[tuple[str, History, Config]]:
    runs = [(name, cache.history(cache.watched(name)), config) for name, config in configs.items()]
    for _, history, _ in runs:
        history.read()
    return runs


def _overlay(configs: dict[str, Config]) -> None:
    try:
        runs = _histories(configs)
    except RunError:  # somebody has renamed or deleted one: the page says what there is now
        st.rerun()
    curves(payload(training_figures.comparison_charts(runs)), key="comparison")
    st.dataframe(training_figures.comparison_table(runs), hide_index=True, width="stretch", key="comparison_table")


def _manage(trainings: Trainings, training: Training) -> None:
    name, run = training.name, Run(trainings.runs / training.name)
    said = st.session_state.pop(SAID, None)
    if said:
        st.error(said)
    st.markdown(f"**{name}** is {training.state} and takes {run.bytes / 2**20:.1f} MB.")
    if run.has_config:
        config = cache.settings(cache.watched(name))
        st.code(train_command(config), language="sh")
        if run.is_complete:
            lead_on(name, config)
    mine, idle = visitors.may_control(training.visitor), not training.is_active
    why = None if mine else "Only the browser that started it, and the teacher, can do that"
    if not idle:
        why = "It is still going on; stop it first"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        save_button("Download as ZIP", lambda: zipped(run), f"{name}.zip", icon="folder_zip",
                    disabled=not run.has_config, key="zip",
                    help="The run folder, without what only resuming needs")  # fmt: skip
        with st.popover("Rename", icon=":material/edit:", disabled=not (mine and idle), help=why):
            st.text_input("New name", value=name, key=f"rename_{name}")
            st.button("Rename it", key="rename", on_click=tell, args=(lambda: _rename(trainings, name),))
        with st.popover("Delete", icon=":material/delete:", disabled=not (mine and idle), help=why):
            st.markdown(f"This removes **{name}** with its weights and figures ({run.bytes / 2**20:.1f} MB), for good.")
            st.button("Delete it for good", type="primary", key="delete", on_click=tell,
                      args=(lambda: _delete(trainings, name),))  # fmt: skip


def _rename(trainings: Trainings, name: str) -> None:
    new = st.session_state[f"rename_{name}"]  # as it is now: typed and clicked, both can come at once
    trainings.rename(name, new, visitors.visitor())
    _forget(name, new.strip())
    st.session_state["managed"] = new.strip()


def _delete(trainings: Trainings, name: str) -> None:
    trainings.delete(name, visitors.visitor())
    _forget(name)
    st.session_state.pop("managed", None)


def _forget(name: str, now: str | None = None) -> None:
    """Wherever this visitor has chosen it: what it is called `now`, or the usual model."""
    if st.session_state.get(state.RUN) == name:
        st.session_state.pop(state.RUN)
        st.query_params.pop(state.RUN, None)
    for key in state.MODELS:
        if st.session_state.get(key) == name:
            st.session_state[key] = now or state.DEFAULTS[key]


def zipped(run: Run) -> bytes:
    """The run folder as a ZIP file, without the state to resume from and the lock."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in run.to_share():
            with (
                archive.open(f"{run.name}/{file.relative_to(run.path)}", "w") as out,
                open(file, "rb", opener=_no_link) as source,
            ):
                shutil.copyfileobj(source, out)
    return content.getvalue()


def _no_link(file: str, flags: int) -> int:
    """One that has become a link since it was listed is not opened."""
    return os.open(file, flags | getattr(os, "O_NOFOLLOW", 0))
