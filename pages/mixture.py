"""Soft mixture: how an SR-ViT weighs its recursion steps, token by token, and what that is worth."""

import streamlit as st

from app import cache, figures, inputs, state
from app.diagram.diagram import mixture_diagram
from app.mixture import view as mixture_view
from app.mixture.panel.panel import mixture_panel
from app.present import present
from app.sections import Section, head, sections

ADDRESS = (state.MIXTURE_MODEL, state.IMAGE)

state.start()
model_place = head(
    "Which step does each patch listen to?",
    "An **SR-ViT** ([Soft Mixture-of-Recursions](https://arxiv.org/abs/2607.00774)) applies its layers R times with "
    "the same weights; a small router gives every token weights of its own over the outputs of **all** R steps.",
)
checkpoint = inputs.choose_checkpoint(
    state.MIXTURE_MODEL,
    recursive=False,
    beside=model_place,
    lacks=lambda config: "" if config.model.mixes else "it mixes no steps",
)
config = inputs.configuration(checkpoint)
if not mixture_view.explain(checkpoint, config.model):
    state.to_url(about=ADDRESS)
    st.stop()
panel = st.container(key=present.LEAD)
trace = mixture_view.choose_mixture(checkpoint)
if trace is None:
    state.to_url(about=ADDRESS)
else:
    view = mixture_view.panel_view("mixture_panel", trace)
    with panel:
        mixture_panel(trace, "mixture_panel", start=view, address=state.address(about=ADDRESS))
    worth = figures.measured(checkpoint.name, config, cache.facts(checkpoint)[1], f"images of {config.data.title}")
    number = st.session_state[state.IMAGE].removeprefix("test-")
    st.caption(
        "The weights say how outputs are mixed. They do **not** say which patches mattered for the answer, nor that a "
        "patch needed more time: every step is computed for every token. "
        f"Image: {config.data.title}, test split, number {number}. {worth}"
    )
    mixture_view.offer_one_image(trace, f"Test image {number} of {config.data.title}. {worth}")
one_image = (
    []
    if trace is None
    else [
        Section("answer", "What would it answer without its mixture?", lambda: mixture_view.answers(trace), "Without"),
    ]
)
sections(
    *one_image,
    *mixture_view.of_test_set(checkpoint, config),
    Section("how", "How does the mixture work?", lambda: mixture_diagram(config.model, key="mixture_diagram"), "How"),
    Section("published", "What is published, and what is our reading?", lambda: mixture_view.reading(config.model)),
    lead="Maps",
)
cache.warm_up()
