"""The entry point: `streamlit run app/Home.py` from the repository root."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `streamlit run` puts only app/ on the path
    sys.path.insert(0, str(ROOT))

import pandas  # noqa: E402, F401 (whole: plotly would take the half that another visitor's first page imports)
import streamlit as st  # noqa: E402

from app import descriptors, state  # noqa: E402
from app.classroom.follow import follow  # noqa: E402
from app.lessons.book.book import book  # noqa: E402
from app.link.link import copy_link  # noqa: E402
from app.training.cache import look_after_queue  # noqa: E402
from app.words.words import words  # noqa: E402


def story() -> dict[str, list[st.Page]]:
    """Every page, a file in pages/, under the question that it helps to answer; its address is the name of its file."""

    def page(name: str, title: str, icon: str, **more: bool) -> st.Page:
        return st.Page(ROOT / "pages" / f"{name}.py", title=title, icon=f":material/{icon}:", **more)

    return {
        "": [page("watch", "Watch", "play_circle", default=True), page("lessons", "Lessons", "school")],  # on the bar
        "Look inside": [page("step", "Step through", "footprint"), page("attention", "Attention", "visibility")],
        "When to stop": [page("halting", "Halting", "stop_circle"), page("glimpses", "Glimpses", "grid_view")],
        "What the loop is good for": [
            page("mazes", "Mazes", "route"),
            page("mixture", "Soft mixture", "blender"),
            page("compare", "Compare", "compare_arrows"),
        ],
        "Yours": [
            page("your_image", "Your image", "add_a_photo"),
            page("train", "Train", "model_training"),
            page("class", "Class", "school"),
        ],
    }


def main() -> None:
    """Page settings and navigation."""
    st.set_page_config(page_title="ViTRM", page_icon="🔁", layout="wide", initial_sidebar_state="auto")
    st.html(ROOT / "app" / "page.css")
    descriptors.at_start()
    look_after_queue()
    page = st.navigation(story(), position="top")
    state.enter(page.url_path)
    state.land()
    copy_link()
    follow(page.url_path)
    body, end = st.container(), st.container()
    with body:
        state.start()
    with end:  # before the page, which may end early
        words()
        book()
    with body:
        page.run()


if __name__ == "__main__":
    main()
