"""The landing page: a trained model refines its answer on a real digit, step by step."""

import streamlit as st

from app import cache, figures, inputs, state
from app.diagram import diagram
from app.player import player
from vitrm.runs import RunError

state.start()
checkpoint = st.session_state[state.CHECKPOINT]

st.title("Watch a tiny vision model refine its answer")
st.markdown(
    "**ViTRM** applies one small transformer block again and again. Here it may look at only a quarter of the image "
    "in each step, so you can watch the evidence arrive and the answer settle. Press **Play**, or use the arrow keys."
)

try:
    config, summary = cache.facts(checkpoint)
    gallery = cache.gallery(checkpoint)
except RunError as error:
    st.error(f"This checkpoint cannot be shown: {error}")
    st.stop()

inputs.choose_image(gallery, summary["split_sizes"]["test"])
image, seed = st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]
trace = cache.trace(checkpoint, image, config.model.supervision_steps, seed)
player(trace, key="player")
st.caption(figures.provenance(checkpoint, image, seed, config, summary))
with st.expander("The numbers behind the curves"):
    st.dataframe(figures.numbers(trace), hide_index=True, width="stretch")

st.header("What the model is")
diagram(config.model, key="diagram")

st.header("Where to go next")
look, train, code = st.columns(3, border=True)
look.markdown(
    "**Try other digits**\n\nPress *Other glimpses* on the same image: how often does the first answer depend on "
    "which patches came first, and how often the last one?"
)
train.markdown(
    "**Train one yourself**\n\nA digit model learns in about two minutes on a laptop. In a terminal:\n\n"
    "```\n.venv/bin/vitrm train digits\n```"
)
code.markdown(
    "**Open it from Python**\n\n```python\nimport vitrm\n"
    f'model = vitrm.load("{checkpoint}")\ntrace = vitrm.trace(model, image)\n```\n\n'
    "The whole recursion is one file: `vitrm/model.py`."
)
state.to_url()
cache.warm_up()
