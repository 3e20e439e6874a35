"""One server for all tests, one browser for those of a worker, and a page as new for each."""

import json
import os
import signal
import sys

import pytest
from filelock import FileLock
from playwright.sync_api import sync_playwright

from tests.browser.driving import forget, launched, start_server, watched

NONE = "no Chromium, Chrome or browser of Playwright's was found; `apt-get install chromium` or "
NONE += "`.venv/bin/playwright install chromium` gets one"
_STARTED = []  # the server, in the process that started it: it may outlive its worker


# What only one system can be asked is no test on the others, so that CI may fail for any that is skipped.
collect_ignore = [] if sys.platform == "linux" else ["test_hosting.py"]
if os.name == "nt":
    collect_ignore.append("test_in_memory.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where CI says that it is CI, a browser test that is skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome, report.longrepr = "failed", f"skipped, which CI does not allow: {report.longrepr[-1]}"
    return report


@pytest.fixture(scope="session")
def chromium(users):
    """Without a browser the test is skipped."""
    with pytest.MonkeyPatch.context() as patch:
        for name in {"HOME", "USERPROFILE", "XDG_CACHE_HOME"} & users.keys():  # there Playwright keeps its browsers
            patch.setenv(name, users[name])
        playwright = sync_playwright().start()
    browser = launched(playwright)
    if browser is None:
        playwright.stop()
        pytest.skip(NONE)
    yield browser
    browser.close()
    playwright.stop()


@pytest.fixture(scope="session")
def server(chromium, tmp_path_factory, request):
    """The address of the server that the tests share, those of all workers. Its user has nothing.

    Whoever comes first starts it, whoever is the last to go ends it: each would take a gigabyte, and some seconds.
    """
    place = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        place = place.parent  # of all workers
    lock, note = FileLock(place / "server.lock"), place / "server.json"
    with lock:
        if note.exists():
            shared = json.loads(note.read_text())
        else:
            address, process = start_server(tmp_path_factory.mktemp("server"))
            _STARTED.append(process)
            shared = {"address": address, "pid": process.pid, "users": 0}
        note.write_text(json.dumps(shared | {"users": shared["users"] + 1}))
    yield shared["address"]
    with lock:
        left = json.loads(note.read_text())
        left["users"] -= 1
        if left["users"]:
            note.write_text(json.dumps(left))
        else:
            note.unlink()
            os.kill(left["pid"], signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    for process in _STARTED:
        if not left["users"]:
            process.wait(timeout=120)


@pytest.fixture(scope="session")
def tab(chromium):
    """The page that the tests of a worker share: compiling Streamlit's scripts is two thirds of opening one."""
    context = chromium.new_context()
    page = watched(context.new_page())
    yield page
    context.close()


@pytest.fixture
def page(tab):
    """That page as a new visitor finds it: nothing stored, granted or noted, and a window of its own."""
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(media="null", color_scheme="light", reduced_motion="no-preference", forced_colors="none")
    yield tab
    forget(tab)
