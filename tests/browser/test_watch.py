"""Home: one image played through the recursion."""

import re

from playwright.sync_api import expect

from tests.browser.driving import WIDTHS, at_each_width, open_home, pick, sentence, settle

GUESSES = "Your guess"


def guess(page, name):
    page.get_by_role("group", name=GUESSES).get_by_role("button", name=name, exact=True).click()


def test_it_is_played_by_keys_button_and_pointer_tells_nothing_before_and_the_true_class_after_a_guess(page, server):
    open_home(page, server)
    expect(page.locator(".bars output").first).to_be_hidden()
    expect(page.locator("svg.chart")).to_have_attribute("aria-label", re.compile("Nothing has been computed yet"))
    page.keyboard.press("ArrowRight")  # before the player has been touched
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")
    expect(page.locator(".badge")).to_contain_text("With threshold 0.50 the model has not halted yet")
    see_more_step_by_step(page)
    move_at_every_level(page)
    play_and_scrub(page)
    page.locator(".player").press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    expect(page.locator(".bars small")).to_have_count(0)
    guess(page, "8")
    expect(page.locator("button.play")).to_be_focused()  # what was pressed is gone
    expect(page.locator(".told")).to_have_text("You said 8; the true class is 3.")
    expect(page.locator(".bars li", has=page.locator("small", has_text="true class"))).to_contain_text("3")
    expect(page.get_by_role("group", name=GUESSES)).to_be_hidden()
    pick(page, 1)
    expect(sentence(page)).to_contain_text("Before the first step")  # though the last one had been played to its end
    assert "position" not in page.url
    expect(page.locator(".told")).to_be_hidden()
    guess(page, "Tell me")
    expect(page.locator(".told")).to_have_text("The true class is 8.")

    pick(page, 6)
    page.keyboard.press("ArrowRight")  # inside another control: the next picture
    settle(page)
    expect(page.get_by_role("radio", name="Picture 7 of ")).to_be_checked()
    expect(sentence(page)).to_contain_text("Before the first step")
    page.get_by_role("button", name="Random image").click()
    settle(page)
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")

    choose_by_class(page)
    assert page.problems == []
    assert page.outside == []


def choose_by_class(page):
    """By the word of a class, and then by looking."""
    page.set_viewport_size({"width": 360, "height": 740})
    button = page.get_by_role("button", name="By class")
    button.click()
    expect(page.get_by_role("radio", name="0", exact=True)).to_be_focused()  # the keyboard goes along
    page.get_by_role("radio", name="6", exact=True).check()
    page.keyboard.press("ArrowRight")  # the next class
    settle(page)
    box = page.get_by_test_id("stPopoverBody")
    assert box.evaluate("node => node.scrollHeight - node.clientHeight") <= 0  # all of it is in view
    sevens = page.get_by_role("group", name="Which 7?")
    first = sevens.get_by_role("radio").first
    expect(first).to_have_value("test-3")
    first.click()  # it goes with what it is in
    expect(page.get_by_text("test split, number 3,")).to_be_visible()
    expect(sevens).to_have_count(0)  # what it covered is shown
    expect(button).to_be_focused()
    button.press("Enter")
    first.press("ArrowRight")  # walks on, and what it is in stays
    settle(page)
    expect(sevens.get_by_role("radio").nth(1)).to_be_checked()
    expect(page.get_by_text("test split, number 3,")).to_have_count(0)
    page.keyboard.press("Space")
    expect(sevens).to_have_count(0)
    expect(button).to_be_focused()


def see_more_step_by_step(page):
    """Steps not reached are not shown; what has been seen stays known."""
    known = page.locator("svg.chart #known rect")
    width = float(known.get_attribute("width"))
    page.locator(".curves summary").click()
    expect(page.locator(".curves tr")).to_have_count(3)  # a heading and the two read-outs of the first step
    expect(page.get_by_role("button", name="Jump to halt", exact=True)).to_be_visible()
    page.locator(".player").press("End")
    expect(page.locator(".curves tr")).to_have_count(13)
    expect(page.get_by_role("button", name="Jump to halt: step 4")).to_be_visible()
    page.locator(".curves .numbers > div").press("ArrowLeft")  # which scrolls the table
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    page.locator(".player").press("Home")
    expect(page.locator(".curves tr")).to_have_count(13)
    assert float(known.get_attribute("width")) > 4 * width


def move_at_every_level(page):
    """By keyboard."""
    player = page.locator(".player")
    player.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6, answer update")
    page.locator("select.level").select_option("single update")
    player.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6, memory iteration 1 of 2")
    player.press("Home")
    expect(sentence(page)).to_contain_text("Before the first step")
    player.press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    player.press("ArrowLeft")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, memory iteration 2 of 2")


def play_and_scrub(page):
    """Which sends nothing, and resting reports once."""
    page.locator(".player").press("Home")
    page.locator("select.level").select_option("supervision step")
    settle(page)
    page.locator("select.speed").select_option("fast")
    page.talk.sent.clear()
    page.locator("button.play").click()
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    settle(page)
    (told,) = page.talk.sent
    assert b'"position":18' in told  # at which it came to rest
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
    page.locator(".player").press("Home")
    settle(page)
    page.talk.sent.clear()
    page.locator(".player").evaluate(HELD)
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    settle(page)
    assert len(page.talk.sent) == 1


HELD = """(player) => {  // a key that repeats
    const about = { key: "ArrowRight", bubbles: true, composed: true };
    const key = (type) => player.dispatchEvent(new KeyboardEvent(type, about));
    for (let k = 0; k < 6; k++) key("keydown");
    key("keyup");
}"""


def touch(page, *places):
    """A finger that comes down at the first place, moves to the others, and goes up."""
    hand = page.context.new_cdp_session(page)
    for k, (x, y) in enumerate(places):
        at = {"type": "touchMove" if k else "touchStart", "touchPoints": [{"x": x, "y": y}]}
        hand.send("Input.dispatchTouchEvent", at)
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    hand.detach()


def scroll_past_and_point_with_a_finger(page):
    """The curves tell nothing to a finger that only scrolls; a tap and a sideways move are places in them."""
    box = page.locator("svg.chart").bounding_box()
    middle, high = box["x"] + box["width"] / 2, box["y"] + 200
    main = page.get_by_test_id("stMain")
    top = main.evaluate("node => node.scrollTop")
    touch(page, *((middle, high - 20 * k) for k in range(8)))
    page.wait_for_function("([node, top]) => node.scrollTop > top", arg=[main.element_handle(), top])
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")
    main.evaluate("(node, top) => node.scrollTo({ top, behavior: 'instant' })", top)
    touch(page, (middle, high))
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6")
    touch(page, *((middle + 20 * k, high) for k in range(8)))
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    settle(page)
    assert "position=18" in page.url


SMALLEST = """() => {  // the size of the smallest type on show in components, in pixels
    const hosts = [...document.querySelectorAll("*")].filter((host) => host.shadowRoot);
    const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const nodes = hosts.flatMap((host) => [...host.shadowRoot.querySelectorAll("*")])
        .filter((node) => node.checkVisibility() && hasText(node));
    return Math.min(...nodes.map((node) => {
        const scale = node.ownerSVGElement ? node.getScreenCTM().a : node.currentCSSZoom;
        return parseFloat(getComputedStyle(node).fontSize) * scale;
    }));
}"""


def test_it_fits_a_telephone_with_play_in_view_and_a_beamer_in_large_type(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 640})
    open_home(page, server)
    page.get_by_role("button", name="Next").click()  # which brings the player up
    for part in (".image", ".bars", "button.play"):
        expect(page.locator(part)).to_be_in_viewport(ratio=1)
    page.locator(".curves").evaluate("node => node.scrollIntoView()")
    expect(page.locator("button.play")).to_be_in_viewport(ratio=1)
    scroll_past_and_point_with_a_finger(page)

    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        over = page.locator(".player").evaluate("node => node.scrollWidth - node.clientWidth")
        assert over <= 0
        assert page.evaluate(SMALLEST) >= 12 - 1e-3

    # In a room with a beamer it is one screen in large type, moved through by keyboard alone.
    page.locator(".player").press("Home")
    page.set_viewport_size({"width": 1280, "height": 720})
    settle(page)
    page.get_by_role("button", name="Present").click()
    expect(page.locator(".player.present")).to_be_visible()
    settle(page)
    expect(page.locator(".player")).to_be_focused()
    assert "present=1" in page.url
    page.keyboard.press("Space")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")
    page.keyboard.press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    for part in (".image", ".bars", ".gauge", "svg.chart", ".transport"):
        expect(page.locator(part)).to_be_in_viewport(ratio=1)
    assert page.evaluate(SMALLEST) >= 20 - 1e-3
    for hidden in (
        page.get_by_role("heading", name="Watch a tiny"),
        page.locator(".note").first,
        page.get_by_role("banner"),
    ):
        expect(hidden).to_be_hidden()
    page.keyboard.press("3")
    expect(page.locator("svg.chart")).to_be_hidden()
    settle(page)
    assert "panels=look%2Canswer" in page.url
    page.get_by_role("button", name="Curves").press("Enter")
    expect(page.locator("svg.chart")).to_be_visible()
    settle(page)
    expect(page.get_by_role("button", name="Curves")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Watch a tiny")).to_be_visible()
    settle(page)
    expect(page.get_by_role("button", name="Present")).to_be_focused()
    assert "present" not in page.url
    assert page.problems == []


def test_on_a_beamer_a_guess_leaves_all_on_one_screen_and_a_telephone_is_not_offered_it(page, server):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server}/")  # clothes, whose names take two lines
    page.get_by_role("button", name="shirt", exact=True).click()
    page.get_by_role("button", name="Present").click()
    expect(page.locator(".player.present")).to_be_visible()
    settle(page)
    page.keyboard.press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    expect(page.locator(".told")).to_contain_text("You said shirt; the true class is T-shirt.")
    for part in (".told", ".bars", ".gauge .track"):
        expect(page.locator(part)).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Present")).to_be_visible()
    page.set_viewport_size({"width": WIDTHS[0], "height": 740})
    expect(page.get_by_role("button", name="Present")).to_be_hidden()
    assert page.problems == []


def test_a_link_restores_threshold_image_place_and_what_is_on_show_and_the_threshold_can_be_moved(page, server):
    link = "threshold=0.98&image=test-17&glimpse_seed=2&position=9999&present=1&panels=curves,nothing"
    page.goto(f"{server}/?{link}")
    expect(page.locator(".player.present svg.chart")).to_be_visible()
    expect(page.locator(".player .image")).to_be_hidden()
    expect(page.get_by_text("The link names “nothing” to be on show")).to_be_visible()
    settle(page)
    page.keyboard.press("Escape")
    expect(page.locator(".player .image")).to_be_visible()
    badge = page.locator(".badge")
    expect(badge).to_contain_text("With threshold 0.98")
    expect(page.get_by_text("test split, number 17, glimpse seed 2")).to_be_visible()
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")  # a place beyond the end
    settle(page)
    assert "position=18" in page.url

    threshold = page.get_by_role("slider", name="Threshold for halting")
    threshold.focus()
    threshold.press("End")
    expect(badge).to_contain_text("With threshold 1.00 the model would never halt early")
    expect(page.get_by_role("button", name="never halts")).to_be_disabled()
    for _ in range(3):
        threshold.press("ArrowLeft")
    expect(badge).to_contain_text("With threshold 0.97")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")  # not moved
    settle(page)
    assert "threshold=0.97" in page.url
    assert page.problems == []
