"""Halting: when has the model seen enough, is it right about that, and what does stopping early save?"""

import streamlit as st

from app import cache, figures, inputs, state
from app.halting import figures as halting_figures
from app.halting import view as halting_view
from app.halting.exits.exits import exit_panel, exit_threshold
from app.halting.printed import figures as panel_figures
from app.present import present
from app.printed import view as printed
from app.sections import Section, head, sections

_TASKS = """
1. Lower the threshold until the image leaves at step 1. What is saved, and is the answer right?
2. Look for a random image that leaves at once and for one that runs every step. What makes it hard?
3. Run more steps than the model was trained for. Does the answer get better?
"""

state.start()
model_place = head(
    "When has it seen enough?",
    "After every step the model also says how likely its answer is to be right: the **halting probability**. It stops "
    "as soon as that passes the **threshold**. Move it: what do you save, and what do you lose?",
)
checkpoint = inputs.choose_checkpoint(
    beside=model_place, lacks=lambda config: "" if config.model.supervision_steps > 1 else "it has a single step"
)
config = inputs.configuration(checkpoint)
several = config.model.supervision_steps > 1
panel, image = st.container(key=present.LEAD), st.container()
report = None  # of all images: it is shown where this one is absent, too
if several:
    report = halting_view.judgement(checkpoint)
else:
    st.info(
        f"“{checkpoint.name}” runs a single supervision step: there is nothing to stop early. Choose a model that "
        "was trained with more, such as “digits-glimpse”."
    )
parts = []
if several and cache.has_images(checkpoint):
    parts.append(Section("try", "Three things to try", lambda: st.markdown(_TASKS), "To try"))
if report is not None:
    parts += [
        Section(
            "leaving",
            "Who leaves when, and rightly?",
            lambda: halting_view.leaving(report, checkpoint, config),
            "Who leaves",
        ),
        Section("rules", "Is it better than a simple rule?", lambda: halting_view.rules(report), "Rules"),
        Section("meaning", "Does the probability mean what it says?", lambda: halting_view.meaning(report), "Meaning"),
        Section("further", "What does a further step do?", lambda: halting_view.further(report), "Further"),
    ]
sections(*parts, lead="Threshold")
if report is not None:
    st.caption(halting_figures.provenance(checkpoint.name, config, report))
cache.warm_up()
with image:
    trace = inputs.find_trace(checkpoint, deeper=True)
    if trace is not None:
        summary = cache.facts(checkpoint)[1]
        st.caption(figures.provenance(checkpoint.name, st.session_state[state.IMAGE], trace.seed, config, summary))
with panel:
    if report is not None and report.faults:
        st.warning(report.verdict)
    chosen = exit_threshold("exit_panel", st.session_state[state.THRESHOLD])
    st.session_state[state.THRESHOLD] = chosen
    exit_panel(
        trace,
        config.model,
        key="exit_panel",
        start=chosen,
        report=report,
        address=state.address(state.DEPTH),
    )
    limit = config.model.halt_threshold if chosen is None else chosen
    about = f"Checkpoint {checkpoint.name}, threshold {limit:g}"
    printed.offer(lambda: panel_figures(trace, report, limit), "halting", about, "Figures for a paper")
