"""`vitrm site` where it cannot write. What it writes: tests/app/web; from the wheel: tests/test_packaging.py."""

from pathlib import Path

from vitrm.cli import main as cli
from vitrm.places import home


def test_a_folder_with_other_files_is_left_alone_with_a_sentence(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("mine", encoding="utf-8")
    assert cli.main(["site", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"vitrm: '{tmp_path}' holds other files; name a new or an empty folder\n"
    assert home() == Path()  # as it was
