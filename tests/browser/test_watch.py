"""Home: one image played through the recursion."""

from playwright.sync_api import expect

from tests.browser.driving import WIDTHS, at_each_width, open_home, sentence, settle


def test_the_page_is_filled_on_arrival_changes_with_the_image_and_stays_on_this_machine(page, server):
    open_home(page, server)
    first = page.locator(".bars").inner_text()
    page.locator(".player").press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    answer = sentence(page).locator("b").inner_text()
    group = page.get_by_role("radiogroup", name="Pick an image by its true class")
    wanted = "3" if answer != "3" else "4"
    group.get_by_text(wanted, exact=True).click()
    expect(page.locator(".bars small")).to_have_text("true class")
    expect(page.locator(".bars li", has=page.locator("small"))).to_contain_text(wanted)
    settle(page)
    assert page.locator(".bars").inner_text() != first
    page.locator(".player").press("End")
    expect(sentence(page)).not_to_contain_text(f"answers {answer} ")
    assert page.problems == []
    assert page.outside == []


def test_playing_and_scrubbing_send_nothing_and_resting_reports_once(page, server):
    open_home(page, server)
    page.talk.sent.clear()
    page.locator("button.play").click()
    page.locator(".sentence", has_text="Supervision step 5 of 6").wait_for()
    assert page.talk.sent == []
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    settle(page)
    assert len(page.talk.sent) == 1  # the position at which it came to rest
    page.talk.sent.clear()
    page.locator("svg.chart").scroll_into_view_if_needed()  # pressing Play may have scrolled it away
    box = page.locator("svg.chart").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    for k in range(12):
        page.mouse.move(box["x"] + 60 + 20 * k, box["y"] + 60)
    assert page.talk.sent == []
    page.mouse.up()
    settle(page)
    assert len(page.talk.sent) == 1
    assert page.problems == []


def test_the_keyboard_moves_through_every_level(page, server):
    open_home(page, server)
    player = page.locator(".player")
    player.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6, answer update")
    page.locator("select.level").select_option("single update")
    player.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6, memory iteration 1 of 2")
    player.press("Home")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6, memory iteration 1 of 2")
    player.press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    player.press("ArrowLeft")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, memory iteration 2 of 2")


def test_a_link_restores_the_image_and_a_position_beyond_the_end_is_the_last_one(page, server):
    page.goto(f"{server}/?image=test-17&glimpse_seed=2&position=9999")
    expect(page.get_by_text("test split, number 17, glimpse seed 2")).to_be_visible()
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    settle(page)
    assert "position=17" in page.url


def test_nothing_hangs_over_the_edge(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    open_home(page, server)
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        over = page.locator(".player").evaluate("node => node.scrollWidth - node.clientWidth")
        assert over <= 0


def test_the_arrows_work_before_the_player_is_touched_but_not_inside_another_control(page, server):
    open_home(page, server)
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6")
    page.get_by_role("radiogroup", name="Pick an image by its true class").get_by_text("5", exact=True).click()
    settle(page)
    page.keyboard.press("ArrowRight")
    settle(page)
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6")
    page.get_by_role("button", name="Random image").click()
    settle(page)
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6")


def test_the_threshold_can_be_moved_and_is_in_the_address(page, server):
    open_home(page, server)
    badge = page.locator(".badge")
    expect(badge).to_contain_text("With threshold 0.50")
    threshold = page.get_by_role("slider", name="Threshold for halting")
    threshold.focus()
    page.talk.sent.clear()
    threshold.press("End")
    expect(badge).to_contain_text("With threshold 1.00 the model would never halt early")
    expect(page.get_by_role("button", name="never halts")).to_be_disabled()
    for _ in range(2):
        threshold.press("ArrowLeft")
    expect(badge).to_contain_text("With threshold 0.98")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")  # not moved
    settle(page)
    assert "threshold=0.98" in page.url
    page.goto(page.url)
    expect(page.locator(".badge")).to_contain_text("With threshold 0.98")
