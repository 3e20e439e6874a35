"""The words of a page on demand: terms marked where they stand, their definitions on hover, focus and tap, and a list.

The component beside this file does it in the browser, so that no text has to know which of its words are terms.
"""

from __future__ import annotations

from app.component import component
from app.words.terms import TERMS, by_writing

_component = component("vitrm_words", __file__, html="words.html", css="words.css", js=("words.js",))


def pattern() -> str:
    """A regular expression, for Python and JavaScript alike, of every way in which a term is written.

    The longest come first. Writings without a capital may begin with one; letters and abbreviations stand as they are.
    """
    ways = sorted(by_writing(), key=len, reverse=True)
    either = "|".join(_way(way) for way in ways)
    return rf"(?<![\w‑-])(?:{either})(?![\w‑-])"


def _way(way: str) -> str:
    text = way.replace(" ", r"\s+")  # nothing else in a term means anything in a regular expression: see the tests
    if len(way) == 1:
        return rf"{way}(?!\))"  # no “Intel(R)”
    return f"[{way[0].upper()}{way[0]}]{text[1:]}" if len(way) > 2 and way.islower() else text


def words() -> None:
    """Mark the terms of the page, and list those that stand on it; once on every page, at its end."""
    data = {
        "pattern": pattern(),
        "terms": [{"name": term.name, "meaning": term.meaning} for term in TERMS],
        "writings": {way: TERMS.index(term) for way, term in by_writing().items()},
    }
    _component(data=data, key="words")
