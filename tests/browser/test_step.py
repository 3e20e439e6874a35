"""Step through the recursion."""

from PIL import Image
from playwright.sync_api import expect

from tests.browser.driving import go_to, open_home, own_problems, sentence, settle, styles


def test_one_press_of_back_leaves_the_page_and_the_place_is_kept(page, server):
    open_home(page, server)
    go_to(page, "Look inside", "Step through")
    expect(page.get_by_role("heading", name="What does one update do?")).to_be_visible()
    settle(page)
    expect(sentence(page)).to_contain_text("Before the first step")
    for _ in range(3):
        page.locator(".player").press("ArrowRight")
        settle(page)
    assert "position=3" in page.url
    page.go_back()
    expect(page.get_by_role("heading", name="Watch a tiny vision model")).to_be_visible()
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6, answer update")
    settle(page)
    assert "position=3" in page.url


def test_another_model_keeps_the_place_and_the_view_is_saved_as_a_picture_and_as_a_page_that_needs_nothing(
    page, server, tmp_path
):
    page.goto(f"{server}/step?position=9")
    expect(page.locator(".equations [aria-current=step]")).to_have_count(2)  # the answer's, and what is read from it
    settle(page)
    page.emulate_media(forced_colors="active")  # the reader's own few: what is at work is framed
    assert styles(page, ".equations .now", "outlineStyle") == {"solid"}
    assert styles(page, ".equations li:not(.now)", "outlineStyle") == {"none"}
    page.emulate_media(forced_colors="none")

    # A shorter trace on the way
    for name, there in (("digits", "Supervision step 1 of 1"), ("digits-glimpse", "Supervision step 3 of 6")):
        page.get_by_role("combobox", name="Model").fill(name)
        page.get_by_role("option", name=name, exact=True).click()
        expect(sentence(page)).to_contain_text(f"{there}, answer update")
        settle(page)
    assert "position=9" in page.url

    expect(page.locator(".curves")).to_be_hidden()
    page.get_by_role("button", name="How the memory moves").click()
    page.get_by_role("button", name="How it got there").click()
    expect(page.locator(".curves")).to_be_visible()
    settle(page)
    assert "open=curves%2Cmemory" in page.url
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6, answer update")
    page.emulate_media(color_scheme="dark")
    page.locator(".player[data-theme=dark]").wait_for()
    settle(page)
    size, words = page.locator(".player").bounding_box(), sentence(page).bounding_box()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == "digits-glimpse-test-9-9.png"
    with Image.open(download.value.path()) as picture:
        assert picture.size == (round(2 * size["width"]), round(2 * size["height"]))
        assert len(set(picture.convert("L").resize((50, 50)).tobytes())) > 20  # something is drawn
        left, top = words["x"] - size["x"], words["y"] - size["y"]
        box = [2 * edge for edge in (left, top, left + words["width"], top + words["height"])]
        ground, letters = picture.convert("L").crop(box).getextrema()
        assert letters - ground > 150  # bright on dark, as on the page
    with page.expect_download() as download:
        page.get_by_role("button", name="Player as HTML").click()
    file = tmp_path / "player.html"
    download.value.save_as(file)
    page.goto("about:blank")  # a page of the server would complain, and rightly
    page.context.set_offline(True)
    page.outside.clear()
    page.goto(file.as_uri())
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6, answer update")
    page.locator(".panel-memory summary").first.click()
    expect(page.locator("details.numbers[open] tr")).to_have_count(9)  # a heading and eight memory tokens
    page.locator(".curves summary").click()
    expect(page.locator(".curves tr")).to_have_count(13)  # a heading and 6 steps of 2 read-outs
    assert page.outside == []
    assert own_problems(page) == []
