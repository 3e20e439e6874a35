"""The learner's own pictures are in memory only: no test of Windows, which has no limit on written files."""

import resource
import shutil
import subprocess
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.browser.driving import ROOT, running_server, sentence, settle
from tests.browser.test_your_image import noise_png, open_your_image, paste, stroke, upload


def files_below(folder):
    """Every file with its size and time."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


@pytest.mark.slow
def test_pictures_reach_neither_disk_nor_log_and_after_a_restart_must_be_chosen_again(page, tmp_path):
    def write_next_to_nothing():
        """A file of more than 4 KB cannot be written, not even one without a name (torch tries out its folders)."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    here, temporary, home = (tmp_path / name for name in ("here", "tmp", "home"))
    for folder in (here, temporary, home):
        folder.mkdir()
    for name in ("app", "pages", "vitrm", "checkpoints"):  # nobody else writes there, as an editor or git does in ROOT
        # with what is compiled of it, but not what is being compiled by another worker
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copytree(ROOT / ".streamlit", here / ".streamlit")
    places = {"TMPDIR": str(temporary), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    options = {"code": tmp_path, "env": places, "preexec_fn": write_next_to_nothing, "stdout": subprocess.PIPE}
    before = files_below(tmp_path)
    with running_server(here, **options) as (address, process):
        open_your_image(page, address)
        large = noise_png(1000)  # 3 MB: what the web server would put into a temporary file
        upload(page, ("holiday-secret.png", large), ("broken-secret.png", large[:1000]))
        expect(sentence(page)).to_contain_text("Supervision step 1 of 2")
        expect(page.get_by_test_id("stAlert").get_by_text("broken-secret.png")).to_be_visible()
        paste(page, noise_png(200))
        expect(page.get_by_role("heading", name="Your 2 pictures")).to_be_visible()
        settle(page)
        page.get_by_role("radio", name="Draw").click()
        page.locator(".sketch canvas").wait_for()
        stroke(page, (0.5, 0.1), (0.5, 0.9))
        expect(page.get_by_role("heading", name="Your 3 pictures")).to_be_visible()
        settle(page)
        with urllib.request.urlopen(f"{address}/_stcore/metrics") as metrics:
            said = metrics.read()
        assert b"uploaded_file" not in said  # the server holds no upload longer than it takes to read it
        assert b"media_file" not in said  # and has no address at which anybody could see a picture
        process.kill()
        said = process.stdout.read().decode()
    port = int(address.rpartition(":")[2])
    with running_server(here, port, **options):
        lost = page.locator(".lost")
        expect(lost).to_contain_text("The 2 pictures you had here were kept in memory only")
        expect(lost).to_contain_text("Please choose them again")
        expect(
            page.get_by_role("heading", name="How the answer to Drawing 1 evolves")
        ).to_be_visible()  # from its sheet
        expect(page.get_by_role("heading", name="Your 3 pictures")).to_have_count(0)
        expect(lost).to_be_visible()
    assert files_below(tmp_path) == before
    assert "secret" not in said
    assert "Traceback" not in said
    assert "File too large" not in said
