"""Compare: is it really better than just making it deeper? ViTRM, SR-ViT, plain ViT and ResNet, side by side."""

import streamlit as st

from app import cache, state
from app.compare import view
from app.compare.comparison import others
from app.compare.pair import view as pair
from app.compare.published import view as published
from app.compare.verdict import mixture_rows, provenance, verdict
from app.present import present
from app.sections import Section, head, is_open, sections

state.start()
place = head(
    "The same weights again, or new ones?",
    "A recursive model applies the same few layers again and again. Is that really better than just making it deeper, "
    "with more layers that have weights of their own?",
    beside=0.5,  # what is compared takes more words than a model's name
)
shown, found = view.choose(place)
with st.container(key=present.LEAD):
    st.markdown(f"**{verdict(shown)}**")
    view.weights(shown)
st.caption(" ".join(filter(None, [provenance(shown), others(found, shown)])))
mixtures = [Section("mixture", "Is the soft mixture worth it?", lambda: view.mixture(shown), "Mixture")]
pair.say_unknown()
sections(
    Section("costs", "What does accuracy cost?", lambda: view.costs(shown), "Costs"),
    Section("steps", "What does each step add?", lambda: view.steps(shown), "Steps"),
    *(mixtures if mixture_rows(shown) else []),
    Section("numbers", "All numbers, and the time they take here", lambda: view.table(shown), "Numbers"),
    Section("published", "What does the paper report, and what did we measure?", lambda: published.show(found)),
    Section("pair", "The same image through two models", pair.show, "One image"),
    lead="Weights",
)
if not is_open("pair"):  # whose players write the address
    state.to_url(*state.COMPARE)
cache.warm_up()
