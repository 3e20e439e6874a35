"""What all tests of the app have in common."""

import pytest

from app import state
from vitrm.runs.checkpoints import find_run


@pytest.fixture(autouse=True)
def digits(monkeypatch):
    """They are about the bundled digits, whatever the pages open on."""
    monkeypatch.setattr(state, "LANDING", {key: state.DEFAULTS[key] for key in state.LANDING})


@pytest.fixture(scope="session")
def shown():
    """A ready-made trace of digits-glimpse: N = 6, T = 1, M = 2, 16 patches, 8 memory tokens."""
    return next(iter(find_run("digits-glimpse").gallery().values()))
