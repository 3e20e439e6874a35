"""Traces of own pictures are computed once, for the session alone."""

import pytest
from PIL import Image

from app.cache import checkpoint
from app.uploads.cache import trace
from app.uploads.tray import Given, Tray
from vitrm.errors import ConfigError


def test_an_own_picture_can_be_edited_like_any_other(encoded):
    tray, digits = Tray(), checkpoint("digits")
    given = Given(tray.add("white", "photo", encoded(Image.new("L", (40, 40), 40))), digits, digits.run.config())
    plain, edited = trace(tray, given, 0), trace(tray, given, 0, "p0;z1")
    assert (plain.pixels == 40).all()
    assert edited.pixels[0, 0, 0] != 40
    assert not edited.memory[..., 1, :].any()
    with pytest.raises(ConfigError, match="there is no patch 99"):
        trace(tray, given, 0, "p99")


def test_the_same_is_computed_once_and_another_session_has_nothing_of_it(encoded):
    tray, digits = Tray(), checkpoint("digits")
    given = Given(tray.add("white", "photo", encoded(Image.new("L", (40, 40), 40))), digits, digits.run.config())
    made = trace(tray, given, 0, "z1")
    assert trace(tray, Given(given.picture, digits, given.config), 0, "z1") is made
    assert trace(tray, given, 0) is not made
    assert trace(Tray(), given, 0, "z1") is not made
