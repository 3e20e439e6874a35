"""Where the project's things are, and the user's."""

import shutil
from pathlib import Path

from app.training.queue import Trainings
from vitrm.cli.main import main
from vitrm.places import INSTALLED, ROOT, home
from vitrm.runs.checkpoints import find_run, list_runs
from vitrm.sweep.table import list_tables


def test_a_clone_brings_its_things_where_git_has_them():
    assert not INSTALLED
    assert (ROOT / "app" / "Home.py").is_file()
    assert find_run("digits").path == ROOT / "checkpoints" / "digits"


def test_runs_and_data_are_in_the_working_folder_unless_it_is_told_otherwise(tmp_path, monkeypatch, capsys):
    assert home() == Path()
    assert Trainings().runs == Path("runs")
    mine = tmp_path / "mine"
    monkeypatch.setenv("VITRM_HOME", str(mine))
    shutil.copytree(ROOT / "checkpoints" / "digits", mine / "runs" / "own")
    (mine / "runs" / "swept").mkdir()
    (mine / "runs" / "swept" / "table.csv").touch()
    assert Trainings().runs == mine / "runs"
    assert find_run("own").path == mine / "runs" / "own"
    assert list_runs()[-1].path == mine / "runs" / "own"
    assert "swept" in list_tables()
    assert main(["train", "digits", "--name", "own"]) == 1
    assert f"'{mine / 'runs' / 'own'}' already holds a run" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
