"""Soft mixture: how an SR-ViT weighs its recursion steps, token by token, and what that is worth."""

import streamlit as st

from app import cache, figures, inputs, state
from app.diagram.diagram import mixture_diagram
from app.mixture import figures as mixture_figures
from app.mixture import view as mixture_view
from app.mixture.panel.panel import mixture_panel

ADDRESS = (state.MIXTURE_MODEL, state.IMAGE)

state.start()
st.title("Which step does each patch listen to?")
st.markdown(
    "**SR-ViT** (Soft Mixture-of-Recursions, [arXiv 2607.00774](https://arxiv.org/abs/2607.00774)) is a plain vision "
    "transformer whose layers are applied R times with the same weights. A small router gives every token weights of "
    "its own over the outputs of **all** R steps, and what goes on is their weighted mean. So the model can be deeper "
    "without more layers, and each patch can take as much of that depth as the router lets it."
)
checkpoint = inputs.choose_checkpoint(state.MIXTURE_MODEL, recursive=False)
config = inputs.configuration(checkpoint)
if not mixture_view.explain(checkpoint, config.model):
    state.to_url(about=ADDRESS)
    st.stop()
mixture_diagram(config.model, key="mixture_diagram")

st.header("One image: who listens to which step?")
trace = mixture_view.choose_mixture(checkpoint)
if trace is None:
    state.to_url(about=ADDRESS)
else:
    view = mixture_view.panel_view("mixture_panel", trace)
    mixture_panel(trace, "mixture_panel", start=view, address=state.address(about=ADDRESS))
    st.caption(
        "Each map shows the weight of one recursion step in what a stage hands on, patch by patch, over the image; "
        "mean step is the step a token listens to on average; entropy is 0 % for one step alone, 100 % for all steps "
        "alike. The weights say how outputs are mixed. They do **not** say which patches mattered for the answer, nor "
        "that a patch needed more time: every step is computed for every token. With the mixture replaced, the model "
        "does what it was never trained for."
    )
    worth = figures.measured(checkpoint.name, config, cache.facts(checkpoint)[1], f"images of {config.data.title}")
    number = st.session_state[state.IMAGE].removeprefix("test-")
    st.caption(f"Image: {config.data.title}, test split, number {number}. {worth}")

st.header("All test images: is it a mixture at all?")
report = mixture_view.judgement(checkpoint)
if report is not None:
    mixture_view.numbers(report, checkpoint, config)
    mixture_view.charts(report)

st.header("What is published, and what is our reading")
st.markdown(
    "Only the abstract of the paper is known here. Where it is silent this project chose; each choice is a field of "
    "`SRViTConfig` in `vitrm/config/comparisons.py`, to be set otherwise, as in "
    "`vitrm train sr-vit-digits --model.location stack`."
)
st.dataframe(mixture_figures.origins(config.model), hide_index=True, width="stretch")
cache.warm_up()
