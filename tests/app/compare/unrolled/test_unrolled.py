"""Layers as squares: the same colour is the same weights."""

from dataclasses import replace

from app.compare.unrolled.unrolled import Drawn, drawing


def test_weights_that_recur_are_drawn_in_one_colour_and_others_in_their_own(a_vitrm, a_vit):
    html = drawing(
        [Drawn("<b>r", a_vitrm, 10, "#0072b2"), Drawn("p", replace(a_vit, depth=5), 20, "#009e73")], dark=False
    )
    assert "<b>r" not in html
    assert html.count("color-mix(in oklab, #0072b2") == 2 + 12  # stored once, applied twelve times
    assert html.count("oklch(") == 5 + 5
    assert len({part.split(")")[0] for part in html.split("oklch(")[1:]}) == 5
    assert "2 layers with weights of their own, applied 12 times in all" in html
    long = drawing([Drawn("deep", replace(a_vitrm, supervision_steps=1000, memory_steps=20), 1, "#000")], dark=True)
    assert "992 more supervision steps" in long
    assert len(long) < 100_000
