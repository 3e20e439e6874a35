"""Your image: upload, photograph, paste or draw it, see what the model is given, and watch the prediction evolve."""

import streamlit as st

from app import cache, figures, inputs, state
from app.player import Choices, choices, player
from app.uploads import tray as uploads
from app.uploads import view as upload_inputs

PANELS = ("attention", "edits")

state.start()
st.title("Watch it on your own picture")
st.markdown(
    "Upload a picture, take one, paste one, or draw a digit. You see exactly what the model is given of it, and how "
    "its answer evolves. **Your pictures stay in this server's memory, for you alone, until you leave:** they are "
    "never written to disk, never logged, and not part of any link."
)
tray = uploads.tray()
left, right = st.columns([1, 1.25], gap="large")
with left:
    upload_inputs.choose_source(tray)
cache.warm_up()
if tray.opened is None:
    st.stop()
picture = tray.pictures[tray.opened]
chosen = choices("own_player", Choices())
with right:
    checkpoint, config = upload_inputs.choose_model(picture)
    upload_inputs.choose_framing(picture, config)
if len(tray.pictures) > 1:
    upload_inputs.show_grid(tray, chosen.threshold)

st.subheader(f"How the answer to {uploads.plain(picture.name)} evolves", anchor=False)
other = upload_inputs.choose_other(picture, checkpoint, config)
if other is not None:
    upload_inputs.show_both(picture, checkpoint, config, other)
    st.stop()
trace = upload_inputs.trace(picture, checkpoint, config)
upload_inputs.show_domain(trace, checkpoint, config, picture.kind == "drawing")
edited = inputs.edited_trace(checkpoint, chosen, lambda change: uploads.trace(picture, checkpoint, config, change))
player(trace, key="own_player", panels=PANELS, chosen=chosen, edited=edited, name="your-picture")
worth = figures.measured(checkpoint.name, config, cache.facts(checkpoint)[1], f"images of {config.data.title}")
caption = f"Your own picture, glimpse seed {trace.seed}; nobody but you knows its true class. {worth}"
st.caption(caption)
inputs.keep(trace, checkpoint, PANELS, caption, image="your-picture")
