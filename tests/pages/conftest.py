"""What all tests of the pages have in common."""

import pytest

from app import state


@pytest.fixture(autouse=True)
def digits(monkeypatch):
    """They are about the bundled digits, whatever the first page opens on."""
    monkeypatch.setattr(state, "LANDING", {key: state.DEFAULTS[key] for key in state.LANDING})
