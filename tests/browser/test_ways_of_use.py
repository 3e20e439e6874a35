"""With reduced motion, and with the reader's own few colours. Every page by keyboard alone: test_accessibility.py."""

from tests.browser.driving import settle, styles

MOVING = """() => {
    const all = (root) => [root, ...[...root.querySelectorAll("*")].filter((host) => host.shadowRoot).flatMap((host) => all(host.shadowRoot))];
    return all(document).flatMap((root) => root.getAnimations()).filter((each) => each.playState === "running").length;
}"""  # noqa: E501


def test_with_reduced_motion_nothing_moves_by_itself(page, server):
    page.goto(f"{server}/attention")
    player = page.locator(".player.moves")
    player.wait_for()
    settle(page)

    def moved(way):
        return player.evaluate(f"node => {{ node.querySelector('[data-do={way}]').click(); return ({MOVING})(); }}")

    assert moved("last") > 0
    assert moved("first") > 0
    page.wait_for_function(f"() => ({MOVING})() === 0")
    settle(page)
    page.emulate_media(reduced_motion="reduce")
    assert moved("last") == 0


def test_with_forced_colours_what_is_told_by_colour_keeps_it(page, server):
    """Else all would be of one. Of other pages that is asked where they are opened anyway: mazes, step and halting."""
    page.goto(f"{server}/compare")
    page.locator(".unrolled .stored i").first.wait_for()
    settle(page)
    page.emulate_media(forced_colors="active")
    assert len(styles(page, ".unrolled .stored i")) > 8
    chosen = page.get_by_test_id("stSelectbox").first.locator("input").first  # which is read to its end, by the way
    assert chosen.evaluate("node => node.scrollWidth <= node.clientWidth")
