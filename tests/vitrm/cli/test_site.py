"""`vitrm site`."""

import subprocess
import sys

import pytest

from vitrm.places import ROOT


def _site(folder, cwd):
    words = [sys.executable, "-m", "vitrm", "site", str(folder)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow  # what is written, in this process: tests/app/web
def test_it_writes_the_pages_from_any_folder_and_says_how_much_and_where(tmp_path):
    result = _site("handed out", tmp_path)
    assert result.stderr == ""
    assert "MB, in " in result.stdout
    assert (tmp_path / "handed out" / "index.html").is_file()
    assert list(tmp_path.iterdir()) == [tmp_path / "handed out"]


def test_a_folder_with_other_files_is_left_alone_with_a_sentence(tmp_path):
    (tmp_path / "letter.txt").write_text("mine", encoding="utf-8")
    result = _site(tmp_path, tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"vitrm: '{tmp_path}' holds other files; name a new or an empty folder\n"
