"""The entry point: `streamlit run app/Home.py` from the repository root."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `streamlit run` puts only app/ on the path
    sys.path.insert(0, str(ROOT))

import pandas  # noqa: E402, F401 (whole: plotly would take the half that another visitor's first page imports)
import streamlit as st  # noqa: E402

from app import descriptors, state  # noqa: E402
from app.training.cache import look_after_queue  # noqa: E402


def main() -> None:
    """Page settings and navigation; every page is a file in pages/."""
    st.set_page_config(page_title="ViTRM", page_icon="🔁", layout="wide", initial_sidebar_state="auto")
    pages = [
        st.Page(ROOT / "pages" / "watch.py", title="Watch it refine", icon=":material/play_circle:", default=True),
        st.Page(ROOT / "pages" / "your_image.py", title="Your image", icon=":material/add_a_photo:"),
        st.Page(ROOT / "pages" / "step.py", title="Step through", icon=":material/footprint:"),
        st.Page(ROOT / "pages" / "attention.py", title="Attention", icon=":material/visibility:"),
        st.Page(ROOT / "pages" / "halting.py", title="Halting", icon=":material/stop_circle:"),
        st.Page(ROOT / "pages" / "glimpses.py", title="Glimpses", icon=":material/grid_view:"),
        st.Page(ROOT / "pages" / "mazes.py", title="Mazes", icon=":material/route:"),
        st.Page(ROOT / "pages" / "mixture.py", title="Soft mixture", icon=":material/blender:"),
        st.Page(ROOT / "pages" / "compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page(ROOT / "pages" / "train.py", title="Train", icon=":material/model_training:"),
    ]
    descriptors.at_start()
    look_after_queue()
    page = st.navigation(pages, position="top")
    state.enter(page.url_path)
    page.run()


if __name__ == "__main__":
    main()
