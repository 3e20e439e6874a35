"""How soon each page paints, and how tall it is, in headless Chromium on this machine.

    python scripts/measure_pages.py                    # prints one table; about three minutes on two idle cores
    python scripts/measure_pages.py --code ../before   # another checkout, for before and after

Per page: seconds from a click in the navigation to its title, and to the first figure, table or main control under it,
painted; `warm` is the median of several clicks, the models loaded, `cold` the first click after the server was started
(on Watch: the first visit). `processor` is what the server used for it, which a busy machine does not change much
(Linux). Then the height of the page in pixels, 360 and 1440 pixels wide. The goals are 1 s warm and 3 s cold, on a
quiet machine: the load is printed too. Not a test: its figures belong to a machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.driving import WIDTHS, launched, running_server, settle, watched  # noqa: E402

PATHS = ("", "step", "attention", "halting", "glimpses", "mazes", "mixture", "compare", "your_image", "train")
# From now until the heading is another one, and until something that is no text is painted under it.
PAINTED = """async (before) => {
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const KINDS = "svg, canvas, img, table, [role=grid], .js-plotly-plot, [data-testid=stDataFrame], "
        + "[data-testid=stFileUploader], [data-testid=stBaseButton-primary], [data-testid=stBidiComponentIsolated]";
    const seen = (node, wide, high) => {
        const box = node.getBoundingClientRect();
        return box.width >= wide && box.height >= high && getComputedStyle(node).visibility !== "hidden";
    };
    const all = function* (root) {
        yield* root.querySelectorAll(KINDS);
        for (const host of root.querySelectorAll("*")) if (host.shadowRoot) yield* all(host.shadowRoot);
    };
    const start = globalThis.clicked ?? 0;
    let title = null;
    while (true) {
        const main = document.querySelector("[data-testid=stMain]");
        const heading = main?.querySelector("h1");
        if (heading && heading.textContent && heading.textContent !== before) {
            title ??= performance.now() - start;
            for (const node of all(main)) {
                if (!seen(node, 100, 40) || node.closest("[data-stale=true], [data-testid=stSkeleton]")) continue;
                await frame();
                return [title, performance.now() - start];
            }
        }
        await frame();
    }
}"""


@contextmanager
def visitor(browser: Browser, address: str, path: str = "", width: int = WIDTHS[-1]) -> Iterator[Page]:
    """A page of a new visitor, opened and not yet settled."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = watched(context.new_page())
    page.goto(f"{address}/{path}", wait_until="commit")
    yield page
    context.close()


def clicked(page: Page, path: str) -> tuple[float, float]:
    """Seconds from a click on a page's link in the navigation to its title and its first figure."""
    before = page.locator("[data-testid=stMain] h1").first.inner_text()
    link = page.locator(f"header a[href$='/{path}'], [data-testid=stTopNavDropdownLink][href$='/{path}']").first
    for section in page.get_by_test_id("stTopNavSection").all():
        if link.count() and link.is_visible():
            break
        section.click()
        page.wait_for_timeout(300)
    link.evaluate("(node) => { globalThis.clicked = performance.now(); node.click(); }")
    title, figure = page.evaluate(PAINTED, before)
    return title / 1000, figure / 1000


def cold(browser: Browser, code: Path, path: str) -> float:
    """The first figure of a page, on a server that has shown nothing but Watch, once, as it is clicked at once."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), code=code) as (address, _),
        visitor(browser, address) as page,
    ):
        first = page.evaluate(PAINTED, "")[1] / 1000
        return clicked(page, path)[1] if path else first


def processor_seconds(process: int) -> float:
    """What a process has used so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def height(browser: Browser, address: str, path: str, width: int) -> int:
    """Of the whole page as it stands on arrival, pixels."""
    with visitor(browser, address, path, width) as page:
        page.evaluate(PAINTED, "")
        for _ in range(3):  # what a component draws changes its height
            settle(page)
            page.wait_for_timeout(400)
        return page.get_by_test_id("stMain").evaluate("node => node.scrollHeight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--code", type=Path, default=ROOT, help="the checkout that is measured")
    parser.add_argument("--clicks", type=int, default=3, help="on each page, of which the median is taken")
    parser.add_argument("--no-cold", action="store_true", help="leave out the servers that are started for each page")
    arguments = parser.parse_args()
    heads = ["title, s", "figure, s", "processor, s", "cold, s", *(f"height at {width}" for width in WIDTHS)]
    print(f"| page | {' | '.join(heads)} |\n|{' --- |' * (len(heads) + 1)}")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = launched(playwright)
        code = arguments.code.resolve()
        with running_server(Path(folder), code=code) as (address, server), visitor(browser, address) as page:
            heights = {path: [height(browser, address, path, width) for width in WIDTHS] for path in PATHS}
            settle(page)
            times = {path: [] for path in PATHS}
            for _ in range(arguments.clicks):
                for path in (*PATHS[1:], ""):  # it stands on Watch
                    used = processor_seconds(server.pid)
                    painted = clicked(page, path)
                    settle(page)
                    times[path].append((*painted, processor_seconds(server.pid) - used))
        for path in PATHS:
            warm = [statistics.median(each) for each in zip(*times[path], strict=True)]
            first = "–" if arguments.no_cold else f"{cold(browser, code, path):.2f}"
            numbers = [*(f"{each:.2f}" for each in warm), first, *map(str, heights[path])]
            print(f"| {path or 'watch'} | {' | '.join(numbers)} |", flush=True)
        browser.close()
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
