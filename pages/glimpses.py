"""Glimpses: what the model has seen so far, other draws, choosing the patches oneself, a game, and which order wins."""

import streamlit as st

from app import cache, inputs, state
from app.glimpses import view as glimpse_view
from app.sections import head

state.start()
place = head(
    "How much does it have to see?",
    "Here the model reads only a few patches in each supervision step, so every step brings new evidence. **Watch** it "
    "arrive, **draw** it anew, **choose** it yourself, **guess** before the model does, and see **which order** wins.",
)
checkpoint = inputs.choose_checkpoint(
    beside=place, lacks=lambda config: "" if config.model.glimpse_patches else "it sees the whole image"
)
model = inputs.configuration(checkpoint).model
if model.glimpse_patches is None:
    st.info(
        f"“{checkpoint.name}” reads the whole image in every step, so there are no glimpses to show. Choose "
        "another model."
    )
    state.to_url(state.PART, state.POLICY)
else:
    glimpse_view.show(glimpse_view.choose_part(), checkpoint)
cache.warm_up()
