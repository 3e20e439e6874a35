"""Names and numbers in few signs."""

import pytest

from app.compare.labels import count, labels, percent, short_name


def test_a_label_says_what_tells_an_entry_from_others_of_its_family(compared, mixed):
    assert labels(compared(*mixed)) == [
        *("R = 1, last step", "R = 2, soft mixture", "R = 2, last step", "R = 4, last step", "R = 4, soft mixture"),
        "tiny",
    ]


def test_a_long_name_keeps_its_ends():
    assert short_name("a" * 20 + "b" * 10) == "a" * 15 + "…" + "b" * 8
    assert short_name("a" * 24) == "a" * 24


@pytest.mark.parametrize(("number", "words"), [(999, "999"), (86_000, "86 k"), (3_600_000, "3.6 M"), (2e9, "2 G")])
def test_a_large_number_is_said_in_few_signs(number, words):
    assert count(number) == words


def test_an_accuracy_has_its_spread_where_there_is_one(entry, a_vit):
    assert percent(entry("p", a_vit, 50.04)) == "50.0 %"
    assert percent(entry("p", a_vit, 50.0, spread=1.26)) == "50.0 ± 1.3 %"
