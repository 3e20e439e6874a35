"""Compare: is it really better than just making it deeper? ViTRM, SR-ViT, plain ViT and ResNet, side by side."""

import streamlit as st

from app import cache, state
from app.compare import view
from app.compare.comparison import others
from app.compare.pair import view as pair
from app.compare.published import view as published
from app.compare.verdict import mixture_verdict, provenance, verdict

state.start()
st.title("Is it really better than just making it deeper?")
st.markdown(
    "A recursive model applies the same few layers again and again. It could also have more layers, each with weights "
    "of its own. Here are models of both kinds, measured on the same images. Where recursion does not pay, you see it."
)
shown, found = view.choose()
st.markdown(f"{verdict(shown)} {mixture_verdict(shown)}")
st.caption(provenance(shown))
if elsewhere := others(found, shown):
    st.caption(elsewhere)
view.charts(shown)
st.subheader("All numbers")
view.table(shown)

st.header("The same weights again, or new ones?")
view.weights(shown)

st.header("What the paper reports, and what we measured")
published.show(found)

st.header("The same image through two models")
cache.warm_up()
pair.show()
