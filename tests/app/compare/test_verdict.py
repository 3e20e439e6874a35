"""Who is ahead is said only where the numbers say it."""

from dataclasses import replace

import pytest

from app.compare.verdict import mixture_rows, verdict, worth_drawing


@pytest.mark.parametrize(
    ("recursive", "said"),
    [
        (55.0, "With recursion r is 5.0 points ahead of p, the best without. One seed"),
        (45.0, "Recursion is behind here: p, without any, leads r by 5.0 points."),
        (
            50.5,
            "there is no difference beyond chance (+0.5 points, where chance makes up to 1.4)",
        ),  # two standard errors are 1.4 points at 10,000
    ],
)
def test_the_verdict_follows_the_numbers_and_their_uncertainty(entry, compared, a_vitrm, a_vit, recursive, said):
    assert said in verdict(compared(entry("r", a_vitrm, recursive), entry("p", a_vit, 50.0)))


def test_the_soft_mixture_is_judged_against_the_last_step_alone_at_each_depth(compared, mixed):
    rows = mixture_rows(compared(*mixed))
    assert [list(row.values()) for row in rows] == [
        ["2", "60.1 ±\u00a00.3\u00a0%", "60.0 ±\u00a00.3\u00a0%", "+0.1 points (may be chance)", "3"],
        ["4", "60.0 ±\u00a00.3\u00a0%", "63.0 ±\u00a00.3\u00a0%", "−3.0 points", "3"],
    ]
    assert mixture_rows(compared(mixed[0])) == []


def test_no_difference_has_no_sign(entry, compared, a_vitrm, a_vit):
    said = verdict(compared(entry("r", a_vitrm, 49.99), entry("p", a_vit, 50.0)))
    assert "(0.0 points, where" in said


def test_whose_weights_are_drawn_are_those_that_the_verdict_names(entry, compared, mixed, a_vitrm, a_vit):
    depths = [each.config for each in mixed[2:4]]
    shallow, deep = (entry(f"R = {c.recursion_depth}", c, 60.0 - c.recursion_depth) for c in (depths[0], depths[-1]))
    other, plain = entry("other", a_vitrm, 40.0), entry("plain", a_vit, 55.0)
    shown = compared(other, deep, shallow, plain)
    assert [each.name for each in worth_drawing(shown)] == ["R = 2", "plain", "other"]
    assert all(name in verdict(shown) for name in ("R = 2", "plain"))
    assert {each.name for each in worth_drawing(compared(other, deep, shallow))} == {"other", "R = 4"}  # none is named


def test_a_difference_within_the_spread_of_the_seeds_is_none(entry, compared, a_vitrm, a_vit):
    wide = {"spread": 4.0, "seeds": (0, 1, 2, 3)}  # standard error 2: two of the difference are 5.7 points
    said = verdict(compared(entry("r", a_vitrm, 55.0, **wide), entry("p", a_vit, 50.0, **wide)))
    assert "no difference beyond chance" in said


def test_models_that_were_trained_differently_are_not_said_to_show_anything_about_recursion(
    entry, compared, a_vitrm, a_vit
):
    apart = compared(
        entry("r", a_vitrm, 70.0, recipe="hours"), entry("p", a_vit, 40.0, recipe="minutes"), is_grid=False
    )
    assert "were trained differently" in verdict(apart)
    assert "30.0 points" not in verdict(apart)
    alike = entry("r, briefly", a_vitrm, 35.0, recipe="minutes")
    said = verdict(replace(apart, entries=(*apart.entries, alike)))
    assert "trained alike: recursion is behind here: p, without any, leads r, briefly by 5.0 points" in said


def test_one_kind_of_model_alone_says_nothing_about_recursion(entry, compared, a_vitrm):
    assert "cannot be seen" in verdict(compared(entry("r", a_vitrm, 55.0), entry("s", a_vitrm, 50.0)))
    assert "nothing to compare" in verdict(compared(entry("r", a_vitrm, 55.0)))
