"""Your image: upload, photograph, paste or draw it, see what the model is given, and watch the prediction evolve."""

import streamlit as st

from app import cache, figures, state
from app.figures import plain
from app.player.page import edited_trace, keep
from app.player.player import Choices, choices, player
from app.sections import closer
from app.uploads import beside, grid, view

CLOSER = {"attention": "What the memory reads", "edits": "Change one thing: what was it worth?"}

state.start()
st.title("Watch it on your own picture")
st.markdown(
    "Upload a picture, take one, paste one, or draw a digit. You see exactly what the model is given of it, and how "
    "its answer evolves. **Your pictures stay in this server's memory, for you alone, until you leave:** they are "
    "never written to disk, never logged, and not part of any link."
)
tray = view.tray()
view.choose_example(tray)
left, right = st.columns([1, 1.25], gap="large")
with left:
    view.choose_source(tray)
cache.warm_up()
if tray.opened is None:
    st.stop()
picture = tray.pictures[tray.opened]
chosen = choices("own_player", Choices())
with left:
    given = view.choose_model(picture)
with right:
    another = st.container()
    view.choose_framing(given)
if len(tray.pictures) > 1:
    grid.show(tray, chosen.threshold)

st.subheader(f"How the answer to {plain(picture.name)} evolves", anchor=False)
other = beside.choose(given)
if other is not None:
    beside.show(given, other)
    st.stop()
trace = view.trace(given)
with another:
    view.offer_another(trace, given)
view.show_domain(trace, given, picture.kind == "drawing")
panels = closer("Look closer", CLOSER)
edited = edited_trace(given.checkpoint, chosen, lambda change: view.trace(given, change)) if "edits" in panels else None
player(trace, key="own_player", panels=panels, chosen=chosen, edited=edited, name="your-picture")
images = f"images of {given.config.data.title}"
worth = figures.measured(given.checkpoint.name, given.config, cache.facts(given.checkpoint)[1], images)
whose = "An example of this project" if picture.example else "Your own picture, whose true class nobody else knows"
caption = f"{whose}{figures.drawn(given.config, trace.seed)}. {worth}"
st.caption(caption)
keep(trace, given.checkpoint, panels, caption, image="your-picture")
