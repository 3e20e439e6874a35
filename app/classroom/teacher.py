"""The teacher's screen: the code and its QR code, a question on all phones, the answers as they come, what came out."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import streamlit as st

from app import inputs, visitors
from app.classroom import figures
from app.classroom.address import bases, machine, qr
from app.classroom.ask.ask import ask
from app.classroom.cache import classes
from app.classroom.classes import OPEN
from app.classroom.events import Classroom
from app.classroom.place import CLASS, read_place
from app.classroom.pulse.pulse import pulse
from app.classroom.questions import LABELS, RESULTS, is_known, result
from app.classroom.said import do, say
from app.classroom.spread.spread import spread
from app.component import picture
from app.files import save_button
from app.lessons.question import Question
from app.visitors import Visitor
from vitrm.errors import VitrmError

TEACHER_S = 0.5  # between two looks at what has been answered
_LED = "class_led"  # code of the class that this screen leads
_SPREAD, _SPREADS = "class_spread", "class_spreads"  # the toggle, and what it says where it is not drawn
_qr = picture("vitrm_class_qr", __file__, css="classroom.css")


def show(visitor: Visitor) -> None:
    """The page of whoever may lead a class."""
    open_ones = classes().open_ones()
    if not open_ones:
        _none()
        return
    codes = [each.code for each in open_ones]
    if st.session_state.get(_LED) not in codes:
        st.session_state[_LED] = codes[0]
    if len(codes) > 1:
        inputs.select("Class", codes, _LED, buttons=True, required=True)
    found = next(each for each in open_ones if each.code == st.session_state[_LED])
    base = _base()
    if found.stage == "waiting" and not found.askings:
        _door(found, base)
    else:
        _at_work(found, base)
    _ways(found, base)


def _act(act: Callable[[Visitor], Any], done: str = "") -> None:
    """An act of whoever clicks; the classes decide whether they may."""
    visitor = visitors.visitor()
    do(lambda: act(visitor), done)


def _none() -> None:
    st.title("Teach a class")
    st.markdown(
        "Everybody predicts on a phone of their own, then all see what came out. You get a code of four letters; "
        "phones in the same network join with it, without a name or an account. What is answered is deleted when you "
        "end the class."
    )
    say()
    st.button("Open a class", type="primary", icon=":material/school:", key="class_open", on_click=_open)


def _open() -> None:
    def act(who: Visitor) -> None:
        st.session_state[_LED] = classes().open(who)

    _act(act)


def _base() -> str | None:
    """What the addresses begin with that phones are told; None where they cannot reach this server."""
    found = bases(st.context.url or "http://localhost:8501/", machine())
    if not found:
        return None
    return st.session_state.get("class_base") if st.session_state.get("class_base") in found else found[0]


def _choose_base() -> None:
    found = bases(st.context.url or "http://localhost:8501/", machine())
    if len(found) > 1:
        st.radio("The address that phones use", found, key="class_base", help="The one of the network that they are in")
    listens = st.get_option("server.address")
    if not found or listens in ("127.0.0.1", "localhost"):
        st.warning(
            "Phones cannot reach this server: "
            + (f"it listens at {listens} only; start it with `vitrm app --host 0.0.0.0`." if found else
               "this machine is in no network. Connect it to the one that the phones are in, and load this page again.")
        )  # fmt: skip


def _link(found: Classroom, base: str) -> str:
    return f"{base}/{CLASS}?code={found.code}"


def _door(found: Classroom, base: str | None) -> None:
    """How to join, for the back row."""
    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        where = f"<p class='where'>{html.escape(base)}/{CLASS}</p>" if base else ""
        st.html(f"<div class='class-door'><p>Join with your phone</p>{where}<h1 class='code'>{found.code}</h1></div>")
        st.fragment(_count)(found.code, found.acts)
    if base:
        with right:
            _code_picture(_link(found, base), "large")


def _code_picture(link: str, size: str) -> None:
    alt = html.escape(f"QR code of {link}", quote=True)
    _qr(data={"html": f"<div class='{size}' role='img' aria-label='{alt}'>{qr(link)}</div>"}, key="class_qr")


def _count(code: str, acts: int) -> None:
    now = _now(code, acts)
    there = len(now.phones)
    st.html(f"<p class='class-count'><b>{there}</b> phone{'s' * (there != 1)} here</p>")


def _now(code: str, acts: int) -> Classroom:
    """The class at this moment, in a fragment that runs again and again; another act draws the whole page."""
    try:
        now = classes().get(code)
    except VitrmError:
        st.rerun()
    if now.acts != acts:
        st.rerun()
    pulse("class_lead", seconds=TEACHER_S, code=code, act=acts)
    return now


def _at_work(found: Classroom, base: str | None) -> None:
    left, right = st.columns([4, 1])
    with right:
        st.html(f"<div class='class-door small'><p class='code'>{found.code}</p></div>")
        if base:
            _code_picture(_link(found, base), "small")
    with left:
        if found.stage == "led":
            st.title("All look at one page")
            st.markdown(f"`{found.led_to}`")
        elif found.stage == "waiting":
            st.title("Everybody looks around")
        else:
            _question(found)
        if found.stage in ("led", "waiting"):
            st.fragment(_count)(found.code, found.acts)
            if found.stage == "led":
                st.button("Let go", icon=":material/logout:", key="class_let_go", on_click=_act,
                          args=(lambda who: classes().let_go(found.code, who),))  # fmt: skip


def _question(found: Classroom) -> None:
    try:
        question = classes().question(found.asking.question)
    except VitrmError as error:
        st.warning(str(error))
        return
    st.html(f"<h1 class='class-question'>{html.escape(question.text)}</h1>")
    st.fragment(_arriving)(found.code, found.acts)
    if found.stage == "question":
        _reveal(found, question)


def _arriving(code: str, acts: int) -> None:
    now = _now(code, acts)
    question, asking = classes().question(now.asking.question), now.asking
    answered, there = len(asking.answers), len(now.phones.union(asking.answers))  # some answer and leave
    hidden = not asking.revealed and not st.session_state.get(_SPREADS, True)
    st.html(f"<p class='class-count'><b>{answered}</b> of {there} have answered</p>")
    spread(figures.distribution(question, asking, hidden=hidden) | {"wide": True}, key="class_arriving")
    if asking.measured:
        st.caption(asking.measured)


def _reveal(found: Classroom, question: Question) -> None:
    asking = len(found.askings) - 1
    with st.container(horizontal=True, vertical_alignment="center"):
        if is_known(question.key):
            st.button("Reveal", type="primary", icon=":material/visibility:", key="class_reveal",
                      on_click=_reveal_known, args=(found.code, asking, question.key))  # fmt: skip
        with st.popover("Say what came out", icon=":material/edit:"):
            ask(question, f"class_result_{found.code}_{asking}", press="Reveal this", value=None,
                on_answer=lambda value: _act(lambda who: classes().reveal(found.code, asking, value, who)))  # fmt: skip
            st.button("Reveal the answers only", key="class_reveal_only", on_click=_act,
                      args=(lambda who: classes().reveal(found.code, asking, None, who),))  # fmt: skip
        st.session_state[_SPREAD] = st.session_state.get(_SPREADS, True)
        st.toggle("Show how the answers spread before that", key=_SPREAD, on_change=_keep_spread,
                  help="Off: whoever looks at the wall is not told what the others say")  # fmt: skip


def _keep_spread() -> None:
    st.session_state[_SPREADS] = st.session_state[_SPREAD]


def _reveal_known(code: str, asking: int, key: str) -> None:
    def act(who: Visitor) -> None:
        came_out = result(key)
        classes().reveal(code, asking, came_out.value, who, came_out.words)

    _act(act)


def _ways(found: Classroom, base: str | None) -> None:
    """What can be done next."""
    say()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Next question", list(classes().questions), key="class_next",
                              format_func=LABELS.get)  # fmt: skip
        st.button("Put it on all screens", type="secondary" if found.stage == "question" else "primary",
                  icon=":material/cast:", key="class_ask", on_click=_ask, args=(found.code, chosen))  # fmt: skip
    with st.expander("Look here: bring all phones to one state of a page"):
        st.markdown("On any page the button **Bring class … here** does it. Or paste what **Copy link** gave you:")
        link = st.text_input(
            "Link", key="class_link", label_visibility="collapsed", placeholder="http://…/step?image=test-4"
        )
        st.button("Bring all there", key="class_bring", on_click=_paste, args=(found.code, link), disabled=not link)
    with st.expander("The address, and the end of the class"):
        if base:
            st.markdown(f"Phones open `{_link(found, base)}`")
        _choose_base()
        save_button("Save the answers (CSV)", lambda: _table(found.code), f"class-{found.code}.csv", icon="download")
        sure = st.checkbox("I have the answers, or do not want them", key=f"class_sure_{found.code}")
        st.button("End the class and delete its answers", icon=":material/delete:", key="class_end",
                  disabled=not sure, on_click=_act,
                  args=(lambda who: classes().end(found.code, who), "The class is over."))  # fmt: skip
        if len(classes().open_ones()) < OPEN:
            st.button("Open another class", icon=":material/school:", key="class_another", on_click=_open,
                      help="For another teacher on this server: it has a code and phones of its own")  # fmt: skip


def _table(code: str) -> str:
    return figures.table(classes().get(code), classes().questions, RESULTS)


def _ask(code: str, key: str) -> None:
    _act(lambda who: classes().ask(code, key, who))
    keys = list(classes().questions)
    st.session_state["class_next"] = keys[min(keys.index(key) + 1, len(keys) - 1)]


def _paste(code: str, link: str) -> None:
    prefix = st.get_option("server.baseUrlPath")
    _act(lambda who: classes().lead(code, read_place(link, prefix), who), "All phones are coming.")
