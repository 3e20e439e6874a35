"""What a term means, wherever it stands: on hover, focus and tap, and in a list at the end of the page."""

import re

from playwright.sync_api import expect

from app.component import DRAWING, PICTURE, read
from app.words.terms import TERMS, by_writing
from app.words.words import pattern
from tests.browser.driving import alone, own_problems, settle

NO_TERM = """() => [...document.querySelectorAll("*")].some((host) => host.shadowRoot?.querySelector("dl")?.dataset.said === "")"""  # noqa: E501
CAPTION = "[data-testid=stMain] [data-testid=stCaptionContainer]"


def find_meaning_in_component(page):
    """In the player, whose keys it leaves alone; a sentence that is written anew has its words, too."""
    page.locator(".player").press("ArrowRight")
    sentence = page.locator(".player .sentence")
    step = sentence.locator(".vitrm-word", has_text="upervision step")
    told = page.locator("#vitrm-meaning")
    step.hover()
    expect(told).to_contain_text("One pass of the whole recursion")
    page.mouse.move(3, 3)
    expect(told).to_be_hidden()
    before = sentence.inner_text()
    step.focus()
    expect(told).to_be_visible()
    page.keyboard.press("Space")  # which plays elsewhere in the player
    assert sentence.inner_text() == before
    page.keyboard.press("ArrowRight")
    expect(sentence).not_to_have_text(before, use_inner_text=True)
    expect(step).to_have_count(1)


def test_where_no_term_stands_there_is_no_list_to_open_and_a_telephone_s_menu_can_be_closed(page, server):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{server}/lessons")
    page.get_by_text("Can an answer change?").wait_for()
    settle(page)
    page.wait_for_function(NO_TERM)
    expect(page.get_by_text("Words on this page")).to_be_hidden()

    page.get_by_test_id("stExpandSidebarButton").click()
    expect(page.get_by_role("link", name="Halting")).to_be_in_viewport()
    page.get_by_test_id("stSidebarCollapseButton").locator("button").click()  # Copy link once lay over it
    expect(page.get_by_role("link", name="Halting")).not_to_be_in_viewport()


def test_a_term_says_what_it_means_and_a_text_that_is_written_anew_is_whole(page, server):
    page.goto(f"{server}/step")
    page.locator(".player").wait_for()
    settle(page)
    caption = page.locator(CAPTION).first
    word = caption.locator(".vitrm-word", has_text="checkpoint")
    meaning = next(term.meaning for term in TERMS if term.name == "checkpoint")
    told = page.locator("#vitrm-meaning")
    expect(told).to_be_hidden()
    word.hover()
    expect(told).to_have_text(f"checkpoint {meaning}")
    page.mouse.move(3, 3)
    expect(told).to_be_hidden()
    word.focus()
    expect(told).to_be_visible()
    expect(word).to_have_accessible_description(f"checkpoint: {meaning}")
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    word.click()  # as a tap
    expect(told).to_be_visible()

    find_meaning_in_component(page)
    before = caption.inner_text()
    page.get_by_role("button", name="Random image").click()
    settle(page)
    expect(caption).not_to_have_text(before)
    expect(caption.locator(".vitrm-word", has_text="checkpoint")).to_have_count(1)
    number = re.compile(r"number \d+")
    assert number.sub("", caption.inner_text()) == number.sub("", before)

    page.get_by_text("Words on this page").click()
    expect(page.locator(".words dt", has_text="checkpoint")).to_be_visible()
    texts = page.locator(CAPTION).all_inner_texts()
    written = [found for text in texts for found in re.findall(pattern(), text)]
    standing = {by_writing()[way].name for way in written if way in by_writing()}
    assert standing
    assert standing <= {*page.locator(".words dt").all_inner_texts()}
    assert own_problems(page) == []


def test_a_term_in_a_label_and_in_a_figure_says_what_it_means_and_moves_nothing(page, server):
    page.goto(f"{server}/halting")
    page.locator(".exits .badge").wait_for()
    settle(page)
    page.locator(".exits label .vitrm-word", has_text="halting probability").click()  # as a tap
    told = page.locator("#vitrm-meaning")
    expect(told).to_contain_text("How likely the model says it is")
    expect(page.get_by_label("Stop when the halting probability exceeds")).not_to_be_focused()
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    page.locator(".exits svg .vitrm-word", has_text="halting probability").hover()
    expect(told).to_be_visible()
    assert own_problems(page) == []


def test_in_a_saved_picture_a_term_looks_like_the_text_around_it(page):
    saving = read(__file__, DRAWING, PICTURE) + "\nexport default savePicture;"
    saved = {}
    for term in ("recursion step", "<dfn class='vitrm-word'>recursion step</dfn>"):
        alone(page, f"<main style='padding: 20px'>In each {term} the memory first.</main>", saving)
        with page.expect_download() as download:
            page.evaluate("mount(document.querySelector('main'), 'saved.png')")
        saved[term] = download.value.path().read_bytes()
    plain, marked = saved.values()
    assert plain == marked
