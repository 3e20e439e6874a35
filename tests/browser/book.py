"""The book of a lesson: at which leaf it is, and on to the next."""

import json

from playwright.sync_api import expect

from app.lessons import progress
from app.lessons.book.book import content
from tests.app.lessons.doing import done_at
from tests.browser.driving import settle


def kept(page, lesson):
    """What the browser keeps of a lesson, by its key; None if nothing."""
    return json.loads(page.evaluate("localStorage.getItem('vitrm-lessons')") or "{}").get(lesson)


def keep_too_much(page, lesson, leaf=None):
    """As after a leaf was opened hundreds of times; `leaf`, or where it was, is open."""
    record = kept(page, lesson)
    record["events"] += [{"kind": "leaf opened", "leaf": record["leaf"]}] * 700
    record["leaf"] = record["leaf"] if leaf is None else leaf
    page.evaluate("kept => localStorage.setItem('vitrm-lessons', JSON.stringify(kept))", {lesson: record})


def leaf(page, title):
    """Wait for a leaf; the page it is about has settled."""
    expect(page.locator(".book h2")).to_have_text(title)
    settle(page)


def onward(page, name):
    """Next is there only once the leaf is done."""
    page.locator(".book footer").get_by_text(f"Next: {name}").click()


def remember(page):
    """Answer both questions about lessons before; to go through the options is no answer yet."""
    options, verdict = page.locator(".book fieldset .options"), page.locator(".book fieldset :is(.yes, .no)")
    expect(page.get_by_role("button", name="Answer").first).to_be_disabled()
    for answered in (0, 1):
        options.first.get_by_role("radio").first.press("Space")
        page.keyboard.press("ArrowDown")
        expect(options.first.get_by_role("radio").nth(1)).to_be_focused()
        expect(verdict).to_have_count(answered)
        page.get_by_role("button", name="Answer").first.press("Enter")
        expect(verdict).to_have_count(answered + 1)
        expect(verdict.nth(answered)).to_be_focused()
    expect(options).to_have_count(0)


def done(page, title):
    """Wait until the book has said aloud that the leaf is done."""
    expect(page.locator(".book .live")).to_contain_text(f"Done: {title}")


def open_at(page, server, lesson, number):
    """As a learner comes back who has done all before that leaf: what the browser has kept, then the examples."""
    found = progress.leaves(lesson, ())
    page.goto(f"{server}/_stcore/health")  # where the browser keeps it, and nothing else
    record = kept(page, lesson.key) or {"events": [], "leaf": -1}
    events = record["events"]
    for before in range(record["leaf"] + 1, number):
        events += [event.sent() for event in done_at(lesson, before)]
    events.append({"kind": "leaf opened", "leaf": number})
    page.evaluate(
        "record => localStorage.setItem('vitrm-lessons', JSON.stringify(record))",
        {lesson.key: {"events": events, "leaf": number}},
    )
    page.goto(f"{server}/{content(lesson, None, 'watch')['leaves'][number]['address'].removeprefix('./')}")
    leaf(page, found[number].title)
