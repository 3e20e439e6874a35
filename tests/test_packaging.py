"""What pyproject.toml installs: files, and an app that opens from anywhere."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest
from setuptools import Distribution
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

import vitrm
from tests.browser.driving import running_server
from vitrm.places import ROOT

PAGES = sorted(file.stem for file in (ROOT / "pages").glob("*.py"))


def test_everything_the_app_needs_is_installed_in_two_folders(monkeypatch):
    monkeypatch.chdir(ROOT)
    project = Distribution({"script_name": "setup.py"})
    project.parse_config_files(["pyproject.toml"])
    build = project.get_command_obj("build_py")
    build.ensure_finalized()
    laid_out = {Path(to): Path(file) for to, file in build.get_output_mapping().items()}
    trees = [
        file for tree in ("vitrm", "app", "pages", "checkpoints", ".streamlit") for file in (ROOT / tree).rglob("*")
    ]
    found = {file.relative_to(ROOT) for file in (*trees, *(ROOT / "results").glob("*.csv")) if file.is_file()}
    wanted = {file for file in found if file.suffix != ".tmp" and file.parent.name != "__pycache__"}
    assert {Path("app/glimpses/play/picks.js"), Path(".streamlit/config.toml")} <= wanted
    assert set(laid_out.values()) == wanted
    for to, file in laid_out.items():
        core = file.parts[0] == "vitrm"
        assert to.relative_to(build.build_lib) == (file if core else "vitrm_app" / file)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of a new environment with the wheel, which was made of the source distribution of this tree.

    It also sees what this Python has installed, so that nothing need be downloaded.
    """
    work = tmp_path_factory.mktemp("wheel")
    tree = work / "tree"
    for folder in (".streamlit", "vitrm", "app", "pages", "checkpoints", "results"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    run("-c", "from setuptools import build_meta; build_meta.build_sdist('..')", cwd=tree)
    with tarfile.open(next(work.glob("*.tar.gz"))) as archive:
        archive.extractall(work / "source", filter="data")
    (source,) = (work / "source").iterdir()
    run("-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", work, source, cwd=work)
    venv.create(work / "venv", with_pip=False)
    python = work / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    Path(place, "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = ("-m", "pip", "--python", python, "install", "--no-index", "--no-deps")
    run(*install, "--ignore-installed", next(work.glob("*.whl")), cwd=work)  # this Python may have it already: editable
    shutil.rmtree(tree)
    shutil.rmtree(source)
    return python


def run(*words, cwd):
    """This Python with `words`; what it says is shown if it fails."""
    done = subprocess.run([sys.executable, *words], cwd=cwd, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_it_brings_its_licences_and_takes_no_common_name(python):
    code = "import importlib.metadata as m; print(*[f.as_posix() for f in m.files('vitrm') if '..' not in f.parts])"
    files = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout.split()
    tops = {file.partition("/")[0] for file in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"vitrm", "vitrm_app"}
    licences = {file.partition(".dist-info/licenses/")[2] for file in files} - {""}
    vendored = [file for tree in ("vitrm", "app") for file in (ROOT / tree).rglob("*.LICENSE")]
    assert licences == {"LICENSE", *(file.relative_to(ROOT).as_posix() for file in vendored)}
    assert len(licences) > 2


@pytest.mark.slow
def test_it_writes_the_site_from_any_folder_and_says_how_much_and_where(python, tmp_path):
    words, bare = [python.with_name("vitrm"), "site", "handed out"], {"PYTHONPATH": "", "PATH": ""}
    done = subprocess.run(words, cwd=tmp_path, env=os.environ | bare, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert "MB, in " in done.stdout
    written = tmp_path / "handed out"
    assert list(tmp_path.iterdir()) == [written]
    assert {file.name for file in written.glob("*.html")} > {"index.html", "watch.html", "mazes.html"}


@pytest.mark.slow
def test_its_app_opens_every_page_from_a_folder_of_the_users(python, tmp_path):
    mine, words = tmp_path / "mine", tmp_path / "said"

    def command(port):
        return [python.with_name("vitrm"), "app", "--port", port, "--host", "127.0.0.1", "--no-browser"]

    settings = {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1", "VITRM_HOME": str(mine)}
    with (
        open(words, "wb") as said,
        running_server(tmp_path, command=command, env=settings, stdout=said) as (address, _),
    ):
        opened = {page: visit(address, "" if page == "watch" else page) for page in PAGES}
    assert {"watch", "train"} <= opened.keys()
    assert all(len(titles) == 1 and not errors for titles, errors, _ in opened.values()), opened
    assert len({title for (title,), _, _ in opened.values()}) == len(PAGES)
    assert {colour for _, _, colour in opened.values()} == {"#0072B2"}
    assert words.read_text(encoding="utf-8").startswith(f"Runs and data are kept in {mine.resolve()} ")
    assert mine.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "said"]


def visit(address, page):
    """A page's titles, its errors and the app's primary colour, as a browser is told them."""
    message, titles, errors, colour = BackMsg(), [], [], None
    message.rerun_script.page_name = page
    message.rerun_script.context_info.url = f"{address}/{page}"
    stream = f"{address.replace('http', 'ws')}/_stcore/stream"
    patient = {"open_timeout": 300, "ping_interval": None}  # a busy server is slow, not gone
    with connect(stream, subprotocols=["streamlit"], max_size=None, **patient) as socket:
        socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(socket.recv(timeout=300))
            kind, element = answer.WhichOneof("type"), answer.delta.new_element
            if kind == "new_session":
                colour = answer.new_session.custom_theme.light.primary_color
            elif kind == "page_not_found":
                errors.append(kind)
            elif kind == "delta" and element.WhichOneof("type") == "exception":
                errors.append(element.exception.message)
            elif kind == "delta" and element.heading.tag == "h1":
                titles.append(element.heading.body)
            elif kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return titles, errors, colour  # otherwise the page begins once more


def test_citation_and_changes_name_this_version_and_the_citation_both_papers():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", text, re.MULTILINE)[1] == vitrm.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (.*)$", changes, re.MULTILINE)[1] == vitrm.__version__
    assert re.findall(r"url: https://arxiv.org/abs/(\S+)", text) == ["2603.19503", "2607.00774"]
