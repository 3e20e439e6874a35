"""What the person who starts the server allows."""

import pytest

from app.training.limits import Limits
from vitrm.errors import ConfigError


def test_limits_come_from_the_environment():
    assert Limits.from_environment({"VITRM_TRAIN_AT_ONCE": "3", "VITRM_TRAIN_MINUTES": "2.5"}) == Limits(3, minutes=2.5)
    for value in ("many", "-1", "nan"):
        with pytest.raises(ConfigError, match=f"VITRM_TRAIN_AT_ONCE={value}: expected a number"):
            Limits.from_environment({"VITRM_TRAIN_AT_ONCE": value})
