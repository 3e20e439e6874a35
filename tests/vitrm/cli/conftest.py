"""A finished run that tests of commands read."""

import pytest
from trainings import TINY

from vitrm.cli import main as cli


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with one finished run, "small", that tests may read but not change."""
    folder = tmp_path_factory.mktemp("runs")
    assert cli.main(["train", "digits", *TINY, "--runs", str(folder), "--name", "small"]) == 0
    return folder
