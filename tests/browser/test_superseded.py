"""Streamlit may end a component's call when the next has begun: that ends nothing, and the end of the last one all."""

import pytest

from app.classroom.pulse import pulse
from app.component import read
from app.lessons.book import book
from app.lessons.course import lessons
from app.words import words
from tests.browser.driving import alone

PAGE = """<main data-testid="stMain"><p data-testid="stCaptionContainer">a word</p></main>"""
CALL_TWICE = """async ([script, html, data]) => {
    for (const place of ["localStorage", "sessionStorage"]) { // as where a browser is told to store nothing
        Object.defineProperty(window, place, { get() { throw new DOMException("forbidden", "SecurityError"); } });
    }
    const host = Object.assign(document.createElement("div"), { innerHTML: html });
    document.body.append(host);
    window.sent = 0;
    const send = () => { window.sent += 1; };
    const { default: show } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    const call = () => show({ data, parentElement: host, setStateValue: send, setTriggerValue: send });
    window.ends = [call(), call()];
}"""
WORD = {"pattern": "word", "terms": [{"name": "word", "meaning": "what is said"}], "writings": {"word": 0}}
CLASS = {"beat": 1, "seconds": 60, "code": "ABCD", "act": 1, "go": "", "said": "", "health": "/"}
LOOKED_AT = "(window.sent = 0, document.dispatchEvent(new Event('visibilitychange')), window.sent > 0)"


@pytest.mark.parametrize(
    ("module", "scripts", "html", "data", "is_there"),
    [
        (pulse, ["pulse.js"], "pulse.html", CLASS, LOOKED_AT),
        (words, ["words.js"], "words.html", WORD, "document.querySelector('.vitrm-word') !== null"),
        (book, [*book.SCRIPTS, "book.js"], book.HTML, None, "'book' in document.documentElement.dataset"),
    ],
    ids=["pulse", "words", "book"],
)
def test_only_the_newest_call_ends_what_is_shown(page, module, scripts, html, data, is_there):
    alone(page, PAGE)
    data = data or book.content(next(iter(lessons().values())), None, "watch")
    page.evaluate(CALL_TWICE, [read(module.__file__, *scripts), read(module.__file__, html), data])
    found = []
    for number in (0, 1):
        page.evaluate(f"ends[{number}]()")
        found.append(page.evaluate(is_there))
    page.goto("about:blank")  # where there is nothing to be forgotten
    assert found == [True, False]
    assert page.problems == []
