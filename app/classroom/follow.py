"""On every page: whoever is in a class goes where the class is, once at each act of the teacher."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from app import visitors
from app.classroom.cache import classes
from app.classroom.events import ClassError, Classroom
from app.classroom.place import CLASS, path_of, read_place
from app.classroom.pulse.pulse import pulse
from app.classroom.said import do, say

STUDENT_S = 2.5  # between two questions of a phone whether there is anything new
_SAID = {
    "waiting": "You are in the class.",
    "question": "The teacher asks a question.",
    "result": "What came out is on the screen.",
    "led": "The class looks at a page together.",
}


def follow(page: str) -> None:
    """Once on every page, before it; `page` is the end of its address. Costs nothing while no class is open."""
    open_ones = classes().open_ones()
    if not open_ones:
        return
    visitor = visitors.visitor()
    if visitor.is_teacher:
        if page != CLASS:
            _bring(page, open_ones)
        return
    found = classes().of(visitor)
    if found is None:
        return
    if page != CLASS:
        with st.container(horizontal=True, vertical_alignment="center", key="class_strip"):
            st.markdown(f"Class **{found.code}**")
            st.page_link(f"../pages/{CLASS}.py", label="Back to the class", icon=":material/school:")
    st.fragment(_listen)(page, found.code, found.acts)


def _listen(page: str, code: str, acts: int) -> None:
    try:
        now = classes().get(code)
    except ClassError:
        st.rerun()  # it is over: then this is not drawn any more
    if page == CLASS and now.acts != acts:
        st.rerun()
    pulse("class_pulse", seconds=STUDENT_S, code=code, act=now.acts, go=_place_of(now, page), said=_SAID[now.stage])


def _place_of(now: Classroom, page: str) -> str:
    prefix = st.get_option("server.baseUrlPath")
    if now.stage == "led":
        return path_of(now.led_to, prefix)
    return path_of(CLASS, prefix) if now.stage in ("question", "result") and page != CLASS else ""


def _bring(page: str, open_ones: list[Classroom]) -> None:
    """For the teacher: have the class look at this page as it is now."""
    with st.container(horizontal=True, vertical_alignment="center", key="class_strip"):
        for each in open_ones:
            label = f"Bring class {each.code} here"
            st.button(label, icon=":material/group:", key=f"bring_{each.code}", on_click=_lead, args=(page, each.code))
        st.page_link(f"../pages/{CLASS}.py", label="Class", icon=":material/school:")
        say()


def _lead(page: str, code: str) -> None:
    place = f"{page}?{urlencode(st.query_params.to_dict())}"
    visitor = visitors.visitor()  # asked when it is clicked
    do(lambda: classes().lead(code, read_place(place), visitor), f"Class {code} is coming here.")
