"""Frames per second of the player while it is scrubbed, in headless Chromium on this machine.

    python scripts/measure_frames.py

For each page and bundled checkpoint: milliseconds of script and layout for one move, and the frames reached when every
frame moves. A checkpoint whose images are not on this machine is left out. Not a test: its figures belong to a machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import TimeoutError as Timeout
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.driving import launched, running_server

MOVES = 120
FIND = """(scrub) => {
    const last = Number(scrub.max) + 1;
    const move = (k) => {
        scrub.value = k % last;
        scrub.dispatchEvent(new Event("input", { bubbles: true }));
    };"""
COST = """
    const start = performance.now();
    for (let k = 0; k < %d; k++) { move(k); scrub.getRootNode().host.offsetHeight; }
    return (performance.now() - start) / %d;
}"""
FRAMES = """
    return new Promise((done) => {
        const start = performance.now();
        let k = 0;
        const tick = () => {
            if (k === %d) return done((1000 * k) / (performance.now() - start));
            move(k++);
            requestAnimationFrame(tick);
        };
        requestAnimationFrame(tick);
    });
}"""


def main() -> None:
    with running_server(Path.cwd()) as (address, _), sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        for name in ("digits", "digits-glimpse", "cifar10-tiny"):
            for view in ("step", "attention"):
                page.goto(f"{address}/{view}?checkpoint={name}")
                try:
                    page.locator(".player .chart path").first.wait_for(timeout=20_000)
                except Timeout:
                    print(f"{name:15} {view:10} left out: its images are not on this machine")
                    continue
                page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
                scrub = page.locator(".player .scrub")
                cost = scrub.evaluate(FIND + COST % (MOVES, MOVES))
                frames = scrub.evaluate(FIND + FRAMES % MOVES)
                print(f"{name:15} {view:10} {cost:5.1f} ms a move {frames:6.1f} frames/s")
        browser.close()


if __name__ == "__main__":
    main()
