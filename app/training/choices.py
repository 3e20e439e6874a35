"""What the Train page shows: one of its views, one of the runs, and what a click leaves for the next look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import inputs, own_data, state, visitors
from app.figures import as_written
from app.training import cache
from app.training.queue import Training
from vitrm.errors import VitrmError

VIEWS = {"Watch": ":material/monitoring:", "New training": ":material/add_circle:", "Compare": ":material/compare:"}
STARTED = "train_started"  # name of the run that has just been asked for
SAID = "train_said"  # what the last click led to, shown once


def seen(known: dict[str, Training]) -> dict[str, Training]:
    """The runs that this visitor may see: not those that were trained on another visitor's own pictures."""
    own = [run for run in known.values() if run.source and own_data.folder(run.source)]
    hidden = {run.name for run in own if not own_data.may_see(run.source, visitors.visitor())}
    return {name: run for name, run in known.items() if name not in hidden}


def choose_view(known: dict[str, Training]) -> str:
    """Watch, start or compare; whoever comes first is shown what there is."""
    started = st.session_state.pop(STARTED, None)
    if started is not None:
        show(started)
    if "train_view" not in st.session_state:
        named = st.query_params.get(state.SHOW)
        if named is not None and named not in VIEWS:
            st.warning(
                f"The link shows “{as_written(named)}”, which this page does not have; it has {', '.join(VIEWS)}."
            )
        usual = "Watch" if known or state.RUN in st.query_params else "New training"
        st.session_state["train_view"] = named if named in VIEWS else usual
    view = st.segmented_control(
        "Show", list(VIEWS), key="train_view", format_func=lambda view: f"{VIEWS[view]} {view}", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    if view == "Watch":
        st.query_params.pop(state.SHOW, None)
    elif st.query_params.get(state.SHOW) != view:
        st.query_params[state.SHOW] = view
    return view


def choose_run(known: dict[str, Training]) -> str | None:
    """The run to watch: what was chosen or started, else what a link names, else what is going on, else the newest."""
    names = sorted(known, key=lambda name: (not known[name].is_active, -touched(name)))
    if not names:
        if named := st.query_params.get(state.RUN):
            st.warning(f"There is no run “{as_written(named)}” here.")
        st.info("Nothing has been trained here yet. Choose **New training**, or type `vitrm train digits`.")
        return None
    session = st.session_state
    wanted = session.get(state.RUN) or st.query_params.get(state.RUN)
    if wanted not in known:
        if wanted:
            st.warning(f"There is no run “{as_written(wanted)}” here; showing “{names[0]}”.")
        wanted = names[0]
    session[state.RUN] = wanted  # kept until another is chosen or started, on other pages too
    chosen = inputs.select("Run", names, state.RUN, help="What is going on comes first, then the newest")
    if st.query_params.get(state.RUN) != chosen:
        st.query_params[state.RUN] = chosen
    return chosen


def tell(act: Callable[[], Any]) -> None:
    """Do what was clicked; what is wrong with it is said on the page."""
    try:
        act()
    except (VitrmError, OSError) as error:
        st.session_state[SAID] = str(error)


def show(name: str) -> None:
    """Watch a run from now on."""
    st.session_state[state.RUN] = name
    st.session_state["train_view"] = "Watch"


def touched(name: str) -> float:
    """When something last changed in the folder of a run, in seconds since 1970; 0 where it is gone."""
    try:
        return (cache.trainings().runs / name).stat().st_mtime
    except OSError:
        return 0.0
