"""The server asks for the descriptors that a class needs, and says one line where it does not get them."""

import logging

import pytest

from app.descriptors import WANTED, raise_limit


class System:
    RLIMIT_NOFILE, RLIM_INFINITY = 7, -1

    def __init__(self, soft, hard, refuses=False):
        self.limits, self.refuses = (soft, hard), refuses

    def getrlimit(self, which):
        assert which == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which, limits):
        if self.refuses:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("system", "expected", "lines"),
    [
        (System(256, -1), WANTED, 0),
        (System(256, 1024), 1024, 0),
        (System(256, 256), 256, 1),
        (System(256, -1, refuses=True), 256, 1),
        (System(65_536, 65_536), 65_536, 0),
        (System(-1, -1), None, 0),
        (None, None, 0),
    ],
)
def test_the_limit_is_raised_where_that_is_allowed_and_otherwise_said(system, expected, lines, caplog):
    with caplog.at_level(logging.WARNING):
        assert raise_limit(system) == expected
    assert len(caplog.records) == lines
    if expected:
        assert system.limits[0] == expected
