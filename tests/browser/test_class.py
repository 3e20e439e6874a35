"""A class: the teacher's screen and a phone, which also outlive the server: test_train.py."""

import csv
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.browser.driving import go_to, own_problems, running_server, settle, watched

_LOOK = "document.dispatchEvent(new Event('visibilitychange'))"
_HIDE = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"  # no beat comes by itself
_SHOW = "delete document.hidden"
TEACHER = {"env": {"VITRM_TEACHER_CODE": "secret"}}


@contextmanager
def opened(chromium, address, path, **options):
    context = chromium.new_context(**options)
    page = watched(context.new_page())
    page.goto(f"{address}{path}")
    settle(page)
    yield page
    assert own_problems(page) == []
    assert page.outside == []
    context.close()


def log_in(page):
    page.get_by_role("button", name="I am the teacher").click()
    page.get_by_label("Teacher's code").fill("secret")
    page.keyboard.press("Enter")


def teach(page):
    """Become the teacher and open a class; its code."""
    log_in(page)
    page.get_by_role("button", name="Open a class").click()
    return page.locator(".class-door .code").inner_text()


def ask(page, question):
    page.get_by_role("combobox", name="Next question").fill(question)  # a long list shows only a part of itself
    page.get_by_role("option", name=question).click()
    settle(page)
    page.get_by_role("button", name="Put it on all screens").click()


_LINK = "document.body.appendChild(document.createElement('a')).click()"
_BACK = "window.dispatchEvent(new PopStateEvent('popstate'))"


def leaves_in_silence(page, by, answers=0):
    """Who is looked at asks for news at once, but not while the page is being left: the next page would stay empty."""
    page.talk.sent.clear()
    page.evaluate(_LOOK)
    while not page.talk.sent:
        page.talk.socket.wait_for_event("framesent")
    page.evaluate(_HIDE)
    settle(page)
    page.talk.sent.clear()
    page.evaluate(f"() => {{ {'; '.join((_SHOW, by, _LOOK, _HIDE))}; }}")
    settle(page)
    assert len(page.talk.sent) == answers  # Streamlit's own
    page.evaluate(_SHOW)


def test_a_phone_predicts_is_led_to_a_page_and_comes_back(chromium, tmp_path):
    with (
        running_server(tmp_path, **TEACHER) as (address, _),
        opened(chromium, address, "/class", viewport={"width": 1280, "height": 720}) as teacher,
    ):
        code = teach(teacher)
        expect(teacher.get_by_role("img", name=f"/class?code={code}")).to_be_visible()
        phone_size = {"viewport": {"width": 360, "height": 700}, "color_scheme": "dark"}
        with opened(chromium, address, f"/class?code={code}", **phone_size) as phone:
            expect(teacher.get_by_text("1 phone here")).to_be_visible()
            ask(teacher, "Before the lessons, 2 of 5")
            phone.get_by_role("radio", name="B  It stays right").focus()
            phone.keyboard.press("Space")
            settle(phone)
            phone.get_by_role("button", name="Send").press("Enter")
            expect(phone.get_by_text("Your answer is with the teacher")).to_be_visible()
            expect(teacher.get_by_text("1 of 1 have answered")).to_be_visible()
            expect(teacher.locator(".spread li").nth(1).locator(".count")).to_have_text("1")
            teacher.get_by_role("button", name="Reveal").click()
            expect(phone.get_by_text("You said “It stays right")).to_be_visible()
            expect(phone.locator(".spread li").nth(0).locator(".mark")).to_have_text("this is it")
            expect(phone.locator(".spread li").nth(1).locator(".mark")).to_have_text("you")
            assert phone.evaluate("document.documentElement.scrollWidth") <= 360
            settle(teacher)
            leaves_in_silence(teacher, _LINK)
            leaves_in_silence(phone, _BACK, answers=1)
            go_to(teacher, "Look inside", "Step through")
            expect(teacher.locator(".sentence")).to_contain_text("Before the first step")
            teacher.get_by_role("button", name="Random image").click()
            settle(teacher)
            teacher.get_by_role("button", name=f"Bring class {code} here").click()
            expect(phone.locator(".sentence")).to_contain_text("Before the first step")
            assert phone.url.removeprefix(address) == teacher.url.removeprefix(address)
            assert "image=" in phone.url
            teacher.get_by_role("link", name="Class", exact=True).click()
            settle(teacher)
            ask(teacher, "After the lessons, 5 of 5")
            expect(phone.get_by_role("heading", name="Two models make the same number")).to_be_visible()
            teacher.get_by_text("The address, and the end of the class").click()
            expect(teacher.get_by_role("button", name="Save the answers")).to_be_visible()
            settle(teacher)
            with teacher.expect_download() as saved:
                teacher.get_by_role("button", name="Save the answers").click()
            rows = list(csv.reader(saved.value.path().read_text().splitlines()))
            assert rows == [["phone", "before-more", "after-loop"], ["right", "A", "C"], ["1", "B", ""]]
            teacher.get_by_text("I have the answers").click()
            settle(teacher)
            teacher.get_by_role("button", name="End the class").click()
            expect(phone.get_by_role("heading", name="Join your class")).to_be_visible()
        assert list((tmp_path / "runs" / ".classes").iterdir()) == []
