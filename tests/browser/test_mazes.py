"""Mazes drawn by hand."""

from playwright.sync_api import expect

from tests.browser.driving import own_problems, settle, styles, watched


def test_a_maze_can_be_drawn_with_the_mouse_and_the_keyboard_and_its_answer_follows(page, server):
    maze = "s-1ww--" + "w" * 35 + "2-w3www"  # 7 x 7; the first gem can be reached, in two steps
    page.goto(f"{server}/mazes?maze={maze}")
    cell = lambda text: page.get_by_role("gridcell", name=text, exact=True)  # noqa: E731
    cell("row 1, column 1, start").wait_for()
    settle(page)
    page.get_by_text("Show the answer on the maze").click()
    expect(page.get_by_text("The orange gem can be reached, in 2 steps")).to_be_visible()
    expect(page.locator(".way polyline").last).to_have_attribute("points", "0.5,0.5 1.5,0.5 2.5,0.5")
    cell("row 1, column 2, free").click()  # the wall tool is the first one
    expect(page.get_by_text("No gem can be reached in this maze")).to_be_visible()
    expect(page.locator(".way polyline")).to_have_count(0)
    assert f"maze=sw{maze[2:]}" in page.url
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("No gem can be reached in this maze")).to_have_count(0)
    assert f"maze={maze}" in page.url
    cell("row 1, column 1, start").press("ArrowDown")
    cell("row 2, column 1, wall").press("2")  # beside the start: that gem has moved there, and two can be reached
    expect(page.get_by_text("2 gems can be reached (orange, sky blue) in this maze")).to_be_visible()
    expect(cell("row 7, column 1, free")).to_be_visible()
    page.emulate_media(forced_colors="active")  # the reader's own few: what is told by colour here keeps it
    assert len(styles(page, ".board .cell")) == 6  # wall, free, start and three gems
    expect(page.locator(".sentence")).to_have_count(0)
    page.get_by_role("button", name="Watch the model answer").click()
    expect(page.locator(".sentence")).to_be_in_viewport()
    settle(page)
    assert own_problems(page) == []  # a page by its path: Streamlit asks for two


def test_what_keys_do_is_told_where_there_are_some(page, server):
    touched = watched(page.context.browser.new_context(is_mobile=True, has_touch=True).new_page())
    for each, keys in ((page, True), (touched, False)):
        each.goto(f"{server}/mazes")
        expect(each.get_by_text("Click or drag to set cells")).to_be_visible()
        expect(each.get_by_text("Keys: arrows")).to_be_visible(visible=keys)
    touched.context.close()
