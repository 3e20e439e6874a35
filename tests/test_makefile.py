"""Which build of torch `make app` installs, with a stand-in for Python that writes down what it is asked."""

import shutil
import subprocess

import pytest

from vitrm.places import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
STANDIN = """#!/bin/sh
echo "$*" >> asked
case "$*" in *--torch-backend*) test ! -e offline || { echo "no such host"; exit 2; };; esac
"""
CPU = "-m uv pip install -q --python .venv/bin/python --torch-backend cpu torch>="


@pytest.fixture
def make(tmp_path):
    """`make(words)` installs in an empty folder; the lines that it says, and what Python was asked for."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / ".python").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(STANDIN)
    python.chmod(0o755)
    (tmp_path / "bin").mkdir()
    for name, words in {"uname": "echo ${SYSTEM:-Linux}", "nvidia-smi": "echo NVIDIA-SMI has failed; exit 9"}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{words}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    def install(*words, **environment):
        done = subprocess.run(
            ["make", ".venv/.installed", *words],
            cwd=tmp_path, env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"} | environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout.splitlines(), (tmp_path / "asked").read_text().splitlines()

    return install


def test_linux_without_an_nvidia_device_gets_the_cpu_build(make):
    code, said, asked = make("NVIDIA=")
    assert code == 0
    assert asked[1].startswith(CPU)
    assert all(word.startswith("torch") for word in asked[1].split()[9:])
    assert asked[2].endswith("pip --disable-pip-version-check install -r requirements.txt")
    assert [line for line in said if "cannot be fetched" in line] == []


@pytest.mark.parametrize(
    ("words", "environment"),
    [(["NVIDIA=/dev/nvidia0"], {}), (["NVIDIA=", "GPU=1"], {}), (["NVIDIA="], {"SYSTEM": "Darwin"})],
    ids=["NVIDIA", "GPU=1", "macOS"],
)
def test_all_others_get_the_ordinary_one(make, words, environment):
    code, _, asked = make(*words, **environment)
    assert code == 0
    assert "uv" not in " ".join(asked)


def test_cpu_decides_against_a_device(make):
    assert make("NVIDIA=/dev/nvidia0", "CPU=1")[2][1].startswith(CPU)


def test_where_it_cannot_be_fetched_the_ordinary_one_follows_and_a_line_says_so(make, tmp_path):
    (tmp_path / "offline").touch()
    code, said, asked = make("NVIDIA=")
    assert code == 0
    assert len([line for line in said if "cannot be fetched here (why: .venv/cpu-build.log)" in line]) == 1
    assert (tmp_path / ".venv" / "cpu-build.log").read_text() == "no such host\n"
    assert asked[2].endswith("install -r requirements.txt")


def test_who_insists_on_it_is_told_why_it_failed(make, tmp_path):
    (tmp_path / "offline").touch()
    code, said, asked = make("NVIDIA=", "CPU=1")
    assert code != 0
    assert "no such host" in said
    assert len(asked) == 2
