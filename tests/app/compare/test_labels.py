"""Names and numbers in few signs."""

import pytest

from app.compare.labels import count, numbers, percent, ranked


def test_the_number_of_an_entry_is_its_place_by_accuracy_in_every_figure_and_table(compared, mixed):
    shown = compared(*mixed)
    assert numbers(shown) == ["3", "2", "4", "1", "5", "6"]
    assert [entry.accuracy for entry in ranked(shown)] == [63.0, 60.1, 60.0, 60.0, 60.0, 50.0]


@pytest.mark.parametrize(("number", "words"), [(999, "999"), (86_000, "86 k"), (3_600_000, "3.6 M"), (2e9, "2 G")])
def test_a_large_number_is_said_in_few_signs(number, words):
    assert count(number) == words


def test_an_accuracy_has_its_spread_where_there_is_one(entry, a_vit):
    assert percent(entry("p", a_vit, 50.04)) == "50.0\u00a0%"
    in_one_line = "50.0 ±\u00a01.3\u00a0%"  # a narrow table breaks it before the ±
    assert percent(entry("p", a_vit, 50.0, spread=1.26)) == in_one_line
