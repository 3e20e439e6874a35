"""What the first page of a server has done before anything else."""

import shutil
import socket
import subprocess
import sys

import pytest

from app import Home
from tests.browser.driving import running_server
from tests.test_packaging import visit


def test_pandas_is_there_before_plotly_looks_for_it():
    """Plotly takes what it finds in sys.modules: of two first visitors at once, one ended with an AttributeError."""
    code = "import sys, app.Home; loaded = [*sys.modules, 'plotly']; "
    code += "assert loaded.index('pandas') < loaded.index('plotly')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_navigation_has_every_page_once_in_five_groups_at_the_address_it_always_had(monkeypatch):
    monkeypatch.setattr(Home.st, "Page", lambda file, **more: (file.stem, more))
    groups = Home.story()
    assert len(groups) <= 5
    pages = [page for group in groups.values() for page in group]
    known = {
        "watch",
        "lessons",
        "step",
        "attention",
        "halting",
        "glimpses",
        "mazes",
        "mixture",
        "compare",
        "your_image",
        "train",
        "class",
    }
    assert {file.stem for file in (Home.ROOT / "pages").glob("*.py")} == known
    assert sorted(name for name, _ in pages) == sorted(known)
    assert not any("url_path" in more for _, more in pages)  # else it is the name of the file


@pytest.mark.slow
def test_starting_the_app_asks_nothing_of_the_internet(tmp_path):
    shutil.copytree(Home.ROOT / ".streamlit", tmp_path / ".streamlit")

    def command(port):  # as `make app` has it: at every address of this machine
        return [sys.executable, "-m", "streamlit", "run", Home.ROOT / "app" / "Home.py", "--server.port", port]

    with socket.create_server(("127.0.0.1", 0)) as proxy:
        where = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        settings = {"http_proxy": where, "https_proxy": where, "no_proxy": ""}
        with running_server(tmp_path, command=command, env=settings) as (address, _):
            titles, errors, _ = visit(address, "train")  # by then it has said where it is
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has asked
            proxy.accept()
    assert (len(titles), errors) == (1, [])
