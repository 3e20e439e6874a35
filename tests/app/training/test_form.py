"""The form of a new training: which data lie here."""

import os
from pathlib import Path

from app.training import form


def test_a_folder_of_images_is_walked_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    for name in ("data/photos/cat", "data/photos/dog", "data/notes"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(form, "home", lambda: tmp_path)
    photos, walked, glob = tmp_path / "data" / "photos", [], Path.glob

    def counting(folder, pattern):
        if "**" in pattern:
            walked.append(folder.name)
        return glob(folder, pattern)

    monkeypatch.setattr(Path, "glob", counting)
    for _ in range(3):
        assert form._here() == [f"folder:{photos}"]
    assert walked == ["notes", "photos"]
    (photos / "train.parquet").touch()
    os.utime(photos, ns=(1, 1))  # however coarse the clock of the disk is
    assert form._here() == [f"parquet:{photos}"]
