"""What can be compared here, read from finished runs and tables."""

import shutil
from pathlib import Path

from app.compare.cache import comparisons

DIGITS = Path(__file__).resolve().parents[3] / "checkpoints" / "digits"


def test_a_run_is_compared_once_it_is_there_and_left_out_with_a_sentence_when_it_is_damaged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def named(name):
        return [entry.name for each in comparisons()[0] for entry in each.entries if entry.name == name]

    assert named("a-copy") == []
    shutil.copytree(DIGITS, tmp_path / "runs" / "a-copy")
    assert named("a-copy") == ["a-copy"]
    shutil.copytree(DIGITS, tmp_path / "runs" / "damaged")
    (tmp_path / "runs" / "damaged" / "config.json").write_text("{")
    found, unread = comparisons()
    assert named("damaged") == []
    assert any("damaged" in sentence for sentence in unread)
    assert [each.trainings for each in found] == sorted((each.trainings for each in found), reverse=True)
