"""A server with the app, a browser to look at it, and when there is nothing more to wait for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, Playwright, Request, WebSocket, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PATIENCE_MS = 180_000  # a busy machine is slow, not wrong
expect.set_options(timeout=PATIENCE_MS)
ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (360, 1440)
EMPTY = "http://components.test/"  # nobody is asked for it
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that shows a green clock
    "--use-fake-ui-for-media-stream",
]
_ON_THE_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TWO_FRAMES = """async () => {
    await document.fonts.ready;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
}"""
_ENDED_WELL = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


@contextmanager
def running_server(folder: Path, port: int | None = None, **how: Any) -> Iterator[tuple[str, subprocess.Popen]]:
    """`start_server`, and its end."""
    address, process = start_server(folder, port, **how)
    try:
        yield address, process
    finally:
        process.kill()  # to take torch apart in good order takes it seconds; how it ends is a test's own matter
        process.wait(timeout=120)
        if process.stdout:
            process.stdout.close()


def start_server(
    folder: Path,
    port: int | None = None,
    *,
    code: Path = ROOT,
    prefix: str = "",
    command: Callable[[str], Sequence[str | Path]] | None = None,
    **options: Any,
) -> tuple[str, subprocess.Popen]:
    """The app on a free port with `folder` as its user's: its address and its process, once it answers.

    `code` is where it stands, `prefix` what all its addresses begin with ("/vitrm"); or `command` serves it, at
    127.0.0.1 and the port that it is given. `options` go to the process; without a place for its output that is thrown
    away.
    """
    if command is None and not (folder / ".streamlit").exists():
        shutil.copytree(code / ".streamlit", folder / ".streamlit")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = port or probe.getsockname()[1]
    words = [sys.executable, "-m", "streamlit", "run", code / "app" / "Home.py", "--server.port", str(port)]
    words += ["--server.address", "127.0.0.1", "--server.fileWatcherType", "none"]
    environment = (
        os.environ | {"PYTHONPATH": str(code), "STREAMLIT_SERVER_BASE_URL_PATH": prefix} | options.pop("env", {})
    )
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT} | options
    process = subprocess.Popen(command(str(port)) if command else words, cwd=folder, env=environment, **options)
    address = f"http://127.0.0.1:{port}{prefix}"
    while True:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
            return address, process
        except OSError:
            if process.poll() is not None:
                said = process.stdout and process.stdout.read()
                raise RuntimeError(f"the server ended at once: {said}") from None
            time.sleep(0.1)
        except BaseException:
            process.kill()
            raise


def launched(playwright: Playwright) -> Browser | None:
    """A headless Chromium: the one on the PATH, else Playwright's own, else Chrome; None without any of them."""
    there = next(filter(None, map(shutil.which, _ON_THE_PATH)), None)
    for way in [{"executable_path": there}] if there else [{}, {"channel": "chrome"}]:
        try:
            return playwright.chromium.launch(args=FLAGS, **way)
        except Error as error:
            if "Executable doesn't exist" not in error.message and "is not found at" not in error.message:
                raise
    return None


class Talk:
    """What a page and its server say to each other: whether the script has run to its end for everything sent.

    What a fragment sends that the page has lost since is not waited for: the server drops it without a word.
    """

    def __init__(self, page: Page) -> None:
        self.sent: list[bytes] = []  # to the server; cleared by whoever wants to count
        self.socket: WebSocket | None = None
        self._began = self._answered = False
        self._fragments: set[str] = set()  # those that the last run of the whole script brought
        self._asked = ""  # the fragment whose run was last asked for; "" for the whole script
        self._page = page
        page.on("request", self._leave)
        page.on("websocket", self._open)

    @property
    def is_over(self) -> bool:
        return self.socket is not None and self._answered

    def _leave(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self._page.main_frame:
            self.socket = None

    def _open(self, socket: WebSocket) -> None:
        self.socket, self._began, self._answered = socket, False, False
        self._fragments, self._asked = set(), ""
        socket.on("framesent", self._send)
        socket.on("framereceived", self._receive)

    def _send(self, frame: bytes) -> None:
        self.sent.append(frame)
        message = BackMsg.FromString(frame)
        if message.WhichOneof("type") != "rerun_script":
            return
        asked = message.rerun_script.fragment_id
        if not (self._answered and self._is_gone(asked)):
            self._asked, self._began, self._answered = asked, False, False

    def _receive(self, frame: bytes) -> None:
        message = ForwardMsg.FromString(frame)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._began, self._answered = True, False
            if not message.metadata.run.fragment_ids:
                self._fragments.clear()
        elif kind == "delta" and message.delta.fragment_id:
            self._fragments.add(message.delta.fragment_id)
        elif kind == "script_finished" and message.script_finished in _ENDED_WELL:
            self._answered = self._began or self._is_gone(self._asked)
        elif kind == "script_finished":
            self._answered = False

    def _is_gone(self, fragment: str) -> bool:
        return bool(fragment) and fragment not in self._fragments


def settle(page: Page) -> None:
    """Until the script has run for all that was sent, the page shows it, and has nothing more to send."""
    is_shown = False
    while True:
        if page.talk.socket is None:
            page.wait_for_event("websocket")
        page.evaluate(_TWO_FRAMES)  # what an event led to is sent, what has come is drawn
        if not page.talk.is_over:
            page.talk.socket.wait_for_event("framereceived", lambda _: page.talk.is_over)
            is_shown = False
        elif is_shown:
            return
        else:
            page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
            expect(page.locator("[data-testid=stSkeleton]:visible")).to_have_count(0)  # of what is still loaded
            is_shown = True


def watched(page: Page) -> Page:
    """The page, patient, which from now on notes its errors, requests that leave the machine, and its talk."""
    page.set_default_timeout(PATIENCE_MS)
    page.problems, page.outside, page.talk = [], [], Talk(page)
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: _note_outside(page, request.url))
    return page


def _note_outside(page: Page, url: str) -> None:
    if url.startswith("http") and not url.startswith("http://127.0.0.1:"):
        page.outside.append(url)


def forget(page: Page) -> None:
    """Leave nothing of a visitor for the next: what is stored, granted, cut off, noted, or open beside the page."""
    if page.url.startswith("http"):
        page.evaluate("() => { sessionStorage.clear(); localStorage.clear(); }")
    page.goto("about:blank")
    for other in page.context.pages:
        if other is not page:
            other.close()
    page.context.clear_cookies()
    page.context.clear_permissions()
    page.context.set_offline(False)
    for noted in (page.problems, page.outside, page.talk.sent):
        noted.clear()


def alone(page: Page, html: str, *modules: str) -> None:
    """A component's elements on an empty page, and its modules: `mount(component)` is what the last one exports."""
    page.unroute(f"{EMPTY}**")
    page.route(f"{EMPTY}**", lambda route: route.fulfill(body=html, content_type="text/html"))  # and for its icon
    page.goto(EMPTY)
    page.evaluate(
        """async (modules) => {
            for (const text of modules) {
                const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
                window.mount = (await import(url)).default;
            }
        }""",
        modules,
    )


def own_problems(page: Page) -> list[str]:
    """The errors of a page that was opened by its path, for which Streamlit asks in two places."""
    return [text for text in page.problems if "404" not in text]


def at_each_width(page: Page) -> Iterator[int]:
    """The widths of a telephone and of a desk, on the page that is open; begin with the first."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        yield width


def styles(page: Page, selector: str, name: str = "backgroundColor") -> set[str]:
    """What a property of style comes to, on all that the selector finds."""
    return set(page.locator(selector).evaluate_all(f"all => all.map((node) => getComputedStyle(node).{name})"))


def sentence(page: Page):
    """The player's: where it stands and what the model answers there."""
    return page.locator(".sentence")


def open_home(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/{query or '?image=test-9'}")  # the bundled digits, whatever the pages open on
    expect(sentence(page)).to_contain_text("Before the first step")
    settle(page)


def go_to(page: Page, group: str, title: str) -> None:
    """Another page, by the navigation."""
    page.get_by_test_id("stHeader").get_by_text(group, exact=True).click()
    page.get_by_role("menuitem", name=title).click()


def pick(page: Page, number: int) -> None:
    """Pick a picture by its place in the row, from 1."""
    page.get_by_role("radio", name=f"Picture {number} of ").check()
    settle(page)
