"""Your image: upload, photograph, paste or draw it, see what the model is given, and watch the prediction evolve."""

import streamlit as st

from app import cache, inputs, state, upload_inputs, uploads
from app.player import player

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
with right:
    checkpoint, config = upload_inputs.choose_model(picture)
    upload_inputs.choose_framing(picture, config)
if len(tray.pictures) > 1:
    upload_inputs.show_grid(tray)


def trace(edit=None):
    return uploads.trace(picture, checkpoint, config, seed=uploads.seed(), edit=edit)


st.subheader(f"How the answer to {uploads.plain(picture.name)} evolves")
upload_inputs.show_domain(trace(), checkpoint, config)
chosen, edited = inputs.edited_trace(checkpoint, inputs.player_choices("own_player"), trace)
player(trace(), key="own_player", panels=("attention", "edits"), chosen=chosen, edited=edited, address={})
