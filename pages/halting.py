"""Halting: when has the model seen enough, is it right about that, and what does stopping early save?"""

import streamlit as st

from app import cache, figures, inputs, state
from app.halting import view as halting_view
from app.halting.exits.exits import exit_panel, exit_threshold

state.start()
st.title("When has it seen enough?")
st.markdown(
    "After every supervision step the model also says how likely its answer is to be right: the **halting "
    "probability**. Stop as soon as that passes a **threshold**, and easy images cost less than hard ones. "
    "Is it to be trusted?"
)
checkpoint = inputs.choose_checkpoint()
config = inputs.configuration(checkpoint)
steps = config.model.supervision_steps
image, split = st.container(), st.container()  # the split comes first: it can be shown where the images are absent
with split:
    st.header("All test images: does it pay?")
    report = None
    if steps == 1:
        st.info(
            f"“{checkpoint.name}” runs a single supervision step: there is nothing to stop early. Choose a model that "
            "was trained with more, such as “digits-glimpse”."
        )
    else:
        report = halting_view.judgement(checkpoint)
    if report is not None:
        halting_view.numbers(report, checkpoint, config)
        halting_view.charts(report)
        halting_view.examples(report, checkpoint, config)
cache.warm_up()
with image:
    st.header("One image: when does it stop?")
    st.markdown(
        "1. Lower the threshold until the image leaves at step 1. What is saved, and is the answer right?\n"
        "2. Look for a random image that leaves at once and for one that runs every step. What makes it hard?\n"
        "3. Run more steps than the model was trained for. Does the answer get better?"
    )
    trace, _, summary = inputs.choose_trace(checkpoint, deeper=True)
    chosen = exit_threshold("exit_panel", st.session_state[state.THRESHOLD])
    st.session_state[state.THRESHOLD] = chosen
    exit_panel(
        trace,
        config.model,
        key="exit_panel",
        start=chosen,
        chosen=report and report.chosen.threshold,
        address=state.address(state.DEPTH),
    )
    caption = figures.provenance(checkpoint.name, st.session_state[state.IMAGE], trace.seed, config, summary)
    st.caption(caption)
    halting_view.offer_one_image(trace, chosen, caption)
