"""Train: a model learns while everybody watches; pause it, make single updates, look inside, compare."""

import streamlit as st

from app import cache, state
from app.training import cache as training_cache
from app.training import view as training
from app.training import visitors
from app.training.curves.curves import curves_library
from vitrm.errors import VitrmError

state.start()
st.title("Train one now")
st.markdown(
    "Start a training and watch it learn: it runs in a process of its own, so no click elsewhere and no closed lid can "
    "hurt it. Pause it, make a **single update** and see what it changed, look inside the model as it is, and go on."
)
visitors.remember()
curves_library()
try:
    trainings = training_cache.trainings()
except VitrmError as error:
    st.error(f"Nothing can be trained here: {error}")
    st.stop()
jobs = trainings.jobs
visitors.ask_for_code()
view = training.choose_view(jobs)
if view == "New training":
    training.new_training()
elif view == "Compare":
    training.compare(jobs)
else:
    run = training.choose_run(jobs)
    if run is not None:
        training.watch(run)
        training.numbers_behind(run)
        training.look_inside(run)
cache.warm_up()
