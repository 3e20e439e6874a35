"""The landing page: a trained model refines its answer on a real digit, step by step."""

import streamlit as st

from app import cache, figures, inputs, state
from app.diagram import diagram
from app.player import player

CHECKPOINT = "digits-glimpse"  # the lesson of this page is told about this one

state.start()
st.title("Watch a tiny vision model refine its answer")
st.markdown(
    "**ViTRM** applies one small transformer block again and again. Here it may look at only a quarter of the image "
    "in each step, so you can watch the evidence arrive and the answer settle. Press **Play**, or use the arrow keys."
)
trace, config, summary = inputs.choose_trace(CHECKPOINT)
player(
    trace,
    key="player",
    chosen=inputs.player_choices("player", trace),
    name=f"{CHECKPOINT}-{st.session_state[state.IMAGE]}",
    address=state.address(),
)
caption = figures.provenance(CHECKPOINT, st.session_state[state.IMAGE], trace.seed, config, summary)
st.caption(caption)
inputs.keep(trace, CHECKPOINT, (), caption)

st.header("What the model is")
diagram(config.model, key="diagram")

st.header("Where to go next")
step, attention, halting, code = st.columns([1, 1, 1, 1.4], border=True)
with step:
    st.markdown("**Step through it**\n\nEvery update with its equation, its tensor shapes and the lines that do it.")
    st.page_link("../pages/step.py", label="Step through", icon=":material/footprint:")
with attention:
    st.markdown(
        "**See what it reads**\n\nWhich patches each memory token attends to, and what the answer takes from memory."
    )
    st.page_link("../pages/attention.py", label="Attention", icon=":material/visibility:")
with halting:
    st.markdown("**Ask when it has seen enough**\n\nHow stopping early saves work, and whether it is to be trusted.")
    st.page_link("../pages/halting.py", label="Halting", icon=":material/stop_circle:")
with code:
    st.markdown(
        "**Train one, or open it from Python**\n\nA digit model learns in about a minute on a laptop:\n\n"
        "```sh\n.venv/bin/vitrm train digits\n```\n\n"
        f'```python\nimport vitrm\nmodel = vitrm.load("{CHECKPOINT}")\ntrace = vitrm.trace(model, image)\n```'
    )
    st.page_link("../pages/train.py", label="Train", icon=":material/model_training:")
cache.warm_up()
