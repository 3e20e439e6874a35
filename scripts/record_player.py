"""The moving picture of the README: the landing page's player, one supervision step after the other.

    python scripts/record_player.py docs/watch.webp

Headless Chromium shows the page as a visitor sees it; nothing is drawn over it.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.driving import launched, running_server

WIDTH, HEIGHT = 1000, 1800  # CSS pixels of the window: all of the player is in view
FIRST_MS, STEP_MS, LAST_MS = 1500, 1100, 3000  # how long each step is looked at


def frames(page: Page, address: str) -> list[Image.Image]:
    """The player before the first step, then after each supervision step."""
    page.goto(address)
    player = page.locator(".player")
    player.locator(".sentence:not(:empty)").wait_for()
    page.wait_for_timeout(2000)  # fonts, and the layout of what stands above
    player.press("Home")
    steps = int(player.get_by_text(re.compile(r"^step 0 of \d+$")).inner_text().split()[-1])
    seen = [player.screenshot(animations="disabled")]
    for _ in range(steps):
        player.press("ArrowRight")
        seen.append(player.screenshot(animations="disabled"))
    return [Image.open(io.BytesIO(picture)).convert("RGB") for picture in seen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where to write it: .webp or .gif")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder)) as (address, _),
        sync_playwright() as playwright,
    ):
        browser = launched(playwright)
        if browser is None:
            raise SystemExit("no browser: install Chromium, or run `playwright install chromium`")
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        first, *others = frames(page, address)
        browser.close()
    durations = [FIRST_MS, *[STEP_MS] * (len(others) - 1), LAST_MS]
    first.save(given.file, save_all=True, append_images=others, duration=durations, loop=0, quality=80)
    print(f"{given.file}: {len(durations)} frames of {first.width} x {first.height}")


if __name__ == "__main__":
    main()
