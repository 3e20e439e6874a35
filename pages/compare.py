"""Compare: is it really better than just making it deeper? ViTRM, SR-ViT, plain ViT and ResNet, side by side."""

import streamlit as st

from app import cache, state
from app.compare import comparison
from app.compare import view as compare_view

state.start()
st.title("Is it really better than just making it deeper?")
st.markdown(
    "A recursive model applies the same few layers again and again. It could also have more layers, each with weights "
    "of its own. Here are models of both kinds, measured on the same images. Where recursion does not pay, you see it."
)
shown, found = compare_view.choose()
st.markdown(f"{comparison.verdict(shown)} {comparison.mixture_verdict(shown)}")
st.caption(comparison.provenance(shown))
if elsewhere := comparison.others(found, shown):
    st.caption(elsewhere)
compare_view.charts(shown)
st.subheader("All numbers")
compare_view.table(shown)

st.header("The same weights again, or new ones?")
compare_view.weights(shown)

st.header("What the paper reports, and what we measured")
compare_view.published(found)

st.header("The same image through two models")
cache.warm_up()
compare_view.side_by_side()
