"""Train: a model learns while everybody watches; pause it, make single updates, look inside, compare."""

import streamlit as st

from app import cache, state, visitors
from app.present import present
from app.training import cache as training_cache
from app.training.choices import choose_run, choose_view, seen
from app.training.comparison import compare
from app.training.curves.curves import curves_library
from app.training.form import new_training
from app.training.inside import look_inside
from app.training.live import numbers_behind, watch
from app.training.result import result
from vitrm.errors import VitrmError

state.start()
st.title("Train one now")
st.markdown(
    "Start a training and watch it learn: it runs in a process of its own, so no click elsewhere and no closed lid can "
    "hurt it. Pause it, make a **single update** and see what it changed, look inside the model as it is, and go on."
)
with st.container(key="unseen"):
    visitors.remember()
    curves_library()
try:
    trainings = training_cache.trainings()
except VitrmError as error:
    st.error(f"Nothing can be trained here: {error}")
    st.stop()
known = seen(trainings.known)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    view = choose_view(known)
    visitors.ask_for_code()
if view == "New training":
    new_training()
elif view == "Compare":
    compare(known)
else:
    run = choose_run(known)
    if run is not None:
        result(run)
        with st.container(key=present.LEAD):
            watch(run)
        if not st.session_state.get("look_inside"):  # whose player presents itself
            present.bar({present.LEAD: "Training"})
        if known[run].is_readable:
            numbers_behind(run)
            look_inside(run)
cache.warm_up()
