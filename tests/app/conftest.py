"""A trace that the tests of the app share."""

import pytest

from vitrm.runs.checkpoints import find_run


@pytest.fixture(scope="session")
def shown():
    """A ready-made trace of digits-glimpse: N = 6, T = 1, M = 2, 16 patches, 8 memory tokens."""
    return next(iter(find_run("digits-glimpse").gallery().values()))
