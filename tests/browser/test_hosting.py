"""The app behind a real reverse proxy with a prefix and TLS, as docs/hosting.md has it."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
from playwright.sync_api import expect

from tests.app.test_own_data import pets
from tests.browser.driving import own_problems, running_server, sentence, settle, watched
from vitrm.places import ROOT

NGINX, OPENSSL = shutil.which("nginx") or shutil.which("/usr/sbin/nginx"), shutil.which("openssl")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (NGINX and OPENSSL), reason="no nginx or no openssl; `apt-get install nginx openssl`"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def proxied(folder, app_port):
    """The documented server in front of the app; yields its address."""
    (documented,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "hosting.md").read_text(), re.DOTALL)
    port, (key, certificate) = free_port(), (folder / "school.key", folder / "school.pem")
    subprocess.run(
        [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
         "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    server = documented.replace("443", str(port)).replace("8501", str(app_port)).replace("/etc/ssl/", f"{folder}/")
    assert documented.count("443") == documented.count("8501") == 1
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""  # or its workers may not write beside it
    file.write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; {places} {server} }}"
    )
    process = subprocess.Popen([NGINX, "-p", folder, "-c", file, "-e", folder / "error.log"])
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, (folder / "error.log").read_text()
            time.sleep(0.1)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def hosted(chromium, tmp_path):
    """A page of a visitor of the school's server, and the address that they were given."""
    port, home = free_port(), tmp_path / "home"
    home.mkdir()

    def command(_):
        return [sys.executable, "-m", "vitrm", "app", "--port", str(port), "--host", "127.0.0.1", "--no-browser"]

    settings = {"VITRM_TEACHER_CODE": "secret"}
    with (
        running_server(home, port, prefix="/vitrm", command=command, env=settings),
        proxied(tmp_path, port) as address,
    ):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
        page = watched(context.new_page())
        yield page, f"{address}/vitrm"
        context.close()


def test_pages_components_links_and_uploads_work_under_a_prefix_with_tls(hosted):
    page, address = hosted
    page.goto(address)  # without the last slash, as people type it
    expect(sentence(page)).to_contain_text("Before the first step")
    settle(page)
    page.locator(".player").press("ArrowRight")
    settle(page)
    assert page.url.startswith(f"{address}/?")
    page.goto(f"{address}/step?position=9")
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6, answer update")
    settle(page)
    page.goto(f"{address}/train")
    expect(page.get_by_text("I am the teacher")).to_be_visible()  # whoever comes through the proxy is not, for that
    page.get_by_text("photos", exact=True).first.click()
    settle(page)
    file = {"name": "pets.zip", "mimeType": "application/zip", "buffer": pets()}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("8 pictures in 2 classes: blue, red")).to_be_visible()
    assert {url.split("/")[2] for url in page.outside} == {address.split("/")[2]}
    # Each connection begins anew over a certificate that nobody vouches for, and Chromium counts how often
    vain = ("certificate", "err_too_many_retries")
    assert [text for text in own_problems(page) if not any(word in text.lower() for word in vain)] == []
