"""With reduced motion, and with the reader's own few colours. Every page by keyboard alone: test_accessibility.py."""

from tests.browser.driving import settle

MOVING = """() => {
    const all = (root) => [root, ...[...root.querySelectorAll("*")].filter((host) => host.shadowRoot).flatMap((host) => all(host.shadowRoot))];
    return all(document).flatMap((root) => root.getAnimations()).filter((each) => each.playState === "running").length;
}"""  # noqa: E501


def test_with_reduced_motion_nothing_moves_by_itself(alone, server):
    moved = {}
    for motion in ("no-preference", "reduce"):
        alone.emulate_media(reduced_motion=motion)
        alone.goto(f"{server}/attention")
        alone.locator(".player .sentence").wait_for()
        settle(alone)
        moved[motion] = alone.locator(".player").evaluate(
            f"async (node) => {{ node.querySelector('[data-do=last]').click(); return ({MOVING})(); }}"
        )
    assert moved["no-preference"] > 0
    assert moved["reduce"] == 0


def test_with_forced_colours_marks_stay_visible(alone, server):
    """What is told by colour keeps it, and what is chosen is framed; else all would be of one colour."""
    alone.emulate_media(forced_colors="active")

    def colours(selector, name="backgroundColor"):
        return set(alone.locator(selector).evaluate_all(f"all => all.map((node) => getComputedStyle(node).{name})"))

    alone.goto(f"{server}/mazes")
    alone.locator(".board .cell").first.wait_for()
    settle(alone)
    assert len(colours(".board .cell")) == 6  # wall, free, start and three gems
    alone.goto(f"{server}/compare")
    alone.locator(".unrolled .stored i").first.wait_for()
    settle(alone)
    assert len(colours(".unrolled .stored i")) > 8
    alone.goto(f"{server}/step?position=9")
    alone.locator(".equations .now").first.wait_for()
    settle(alone)
    assert colours(".equations .now", "outlineStyle") == {"solid"}
    assert colours(".equations li:not(.now)", "outlineStyle") == {"none"}
    alone.goto(f"{server}/halting")
    alone.locator(".exits .badge").wait_for()
    settle(alone)
    assert colours(".exits [aria-pressed=true]", "outlineStyle") == {"solid"}
    assert colours(".exits [aria-pressed=false]", "outlineStyle") == {"none"}
