"""Halting: when has the model seen enough, is it right about that, and what does stopping early save?"""

import streamlit as st

from app import cache, figures, halting_figures, inputs, state
from vitrm.errors import VitrmError

state.start()
st.title("When has it seen enough?")
st.markdown(
    "After every supervision step the model states how likely its current answer is to be right: the **halting "
    "probability**. Stop when it passes a threshold, and easy images cost less than hard ones. Is it to be trusted?"
)
checkpoint = inputs.choose_checkpoint()

config = inputs.configuration(checkpoint)
steps = config.model.supervision_steps
image, split = st.container(), st.container()  # the split comes first: it can be shown where the images are absent
with split:
    st.header("A whole test split")
    report = cache.halting(checkpoint)
    if steps == 1:
        st.info("This model runs a single supervision step: there is nothing to stop early.")
    elif report is None and st.button("Judge its halting now", type="primary"):
        try:
            report = cache.judged_halting(checkpoint)
        except VitrmError as error:
            st.error(f"It cannot be judged here: {error}")
    if report is not None and steps > 1:
        chosen, everything = report["chosen"], report["anytime"][-1]
        st.markdown(report["verdict"])
        right, used, work, chance = st.columns(4)
        gain = 100 * (chosen["accuracy"] - everything["accuracy"])
        right.metric(
            "Accuracy with halting",
            f"{100 * chosen['accuracy']:.1f} %",
            f"{gain:+.1f} points against every step",
            delta_color="off",
        )
        used.metric("Steps used, mean", f"{chosen['mean_steps']:.2f} of {steps}")
        share = chosen["mean_multiply_adds"] / everything["mean_multiply_adds"]
        work.metric("Multiply-adds, of every step's", f"{100 * share:.0f} %")
        chance.metric("Same exits dealt at random", f"{100 * report['random_exit_accuracy']:.1f} %")
        st.caption(halting_figures.provenance(checkpoint, config, report))
        st.plotly_chart(halting_figures.accuracy_for_cost(report), key="accuracy_for_cost", width="stretch")
        st.caption(
            "Each line is one rule as its threshold moves; up and to the left is better. Learned halting is worth "
            "having where it lies above the grey line, which needs no halting at all, and above the rules that need no "
            "training. Perfect halting looks at the true class; no rule can do that."
        )
        left, middle, far = st.columns(3)
        with left:
            st.subheader("Who leaves when")
            st.plotly_chart(halting_figures.exits(report), key="exits", width="stretch")
            st.caption("With the chosen threshold. Late leavers are the hard images: expect fewer of them to be right.")
        with middle:
            st.subheader("Does it mean what it says?")
            st.plotly_chart(halting_figures.reliability(report), key="reliability", width="stretch")
            st.caption("Below the dashed line the model is too sure of itself. Larger dots stand for more answers.")
        with far:
            st.subheader("What a further step does")
            st.plotly_chart(halting_figures.flips(report), key="flips", width="stretch")
            st.caption("Every step also makes some right answers wrong; more steps are not always better.")
        with st.expander("The numbers behind the figures"):
            st.dataframe(halting_figures.step_table(report), hide_index=True, width="stretch")
state.to_url()
cache.warm_up()
with image:
    st.header("One image")
    trace, _, summary = inputs.choose_trace(checkpoint)
    threshold = st.slider("Threshold: stop when the halting probability exceeds it", 0.05, 0.99, 0.5, 0.01)
    exit_step = halting_figures.exit_at(trace, threshold)
    if exit_step is None:
        st.badge(
            f"ran all {steps} steps: the threshold was never passed", icon=":material/all_inclusive:", color="orange"
        )
    else:
        st.badge(f"would stop after step {exit_step} of {steps}", icon=":material/stop_circle:", color="green")
    st.plotly_chart(halting_figures.halting_curve(trace, threshold), key="halting_curve", width="stretch")
    st.caption(
        "The letters are what the model would answer if it stopped there. "
        + figures.provenance(checkpoint, st.session_state[state.IMAGE], trace.seed, config, summary)
    )
