"""What a learner changes about a run: what links may say, and what is refused by name."""

import pytest

from app.change import parse_edit
from vitrm.errors import ConfigError
from vitrm.traces.edits import Edit


@pytest.mark.parametrize(
    ("text", "edit", "counts"),
    [
        ("", Edit(), {}),
        ("p3,7", Edit(hidden_patches=(3, 7)), {}),
        ("p3;z0;f2;s", Edit(hidden_patches=(3,), zeroed=(0,), frozen=(2,), shuffled=True), {}),
        ("n12;t2;m1", Edit(), {"supervision_steps": 12, "recursion_steps": 2, "memory_steps": 1}),
        ("z1;m4", Edit(zeroed=(1,)), {"memory_steps": 4}),
    ],
)
def test_an_edit_is_read_from_its_link(shown, text, edit, counts):
    change = parse_edit(text, shown)
    assert change.edit == edit
    assert change.counts == counts


@pytest.mark.parametrize(
    "text", ["p", "x1", "p-1", "p1,", "s1", "p1;;q", "p²", "n٣", "p" + "9" * 5000, "p3;p4", "n", "n6;n12"]
)
def test_an_edit_that_cannot_be_read_is_refused_by_name(shown, text):
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_edit(text, shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n500", "expected n with one of 1, 2, 3, 4, 5, 6, 12, 24"),
        ("t9", "expected t with one of 1, 2, 3, 4"),
        ("m1,2", "expected m with"),
        ("p16", "patch 16"),
        ("z8", "memory token 8"),
    ],
)
def test_an_edit_that_names_what_is_not_there_is_refused_with_what_there_is(shown, text, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_edit(text, shown)
