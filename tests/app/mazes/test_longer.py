"""Thinking longer: what is said and drawn follows from the numbers of the report."""

from dataclasses import replace

import pytest

from app.mazes import longer
from app.printed.conversion import printed
from vitrm.judge.sizes import SizeReport, Trial

LATE = (
    "2011" + "1" * 3 + "0" + "1" * 3 + "0" + "1" * 2 + "30"
)  # 4 x 4: a way of some steps from the start to the only gem


def trial(size, right, n=1000, late=(), **others):
    source = f"mazes:{size}x{size},gems=3,lengths=1-{size}"
    return Trial("deep", size, source, n, tuple(right), (), {"nearest gem": n // 2}, late, **others)


@pytest.fixture
def report():
    helped = [400, 500, 600, 980]
    return SizeReport(2, 11_532, (3,), None, (trial(3, [900, 990, 990, 990]), trial(4, helped, late=(LATE,))), ())


@pytest.fixture
def control():
    return SizeReport(1, 20_000, (3,), None, (trial(3, [950]), trial(4, [550])), ())


def test_more_steps_are_said_to_help_only_where_the_intervals_are_apart(report, control):
    said = longer.verdict(report, control)
    assert "More steps help: of mazes of 4 × 4 cells it solves 50.0 % after 2 steps and 98.0 % after 4" in said
    assert "plain ViT that answers once, is right on 55.0 %" in said
    same = replace(report, trials=(report.trials[0], trial(4, [400, 500, 505, 510])))
    assert "make no difference that 1,000 mazes can show" in longer.verdict(same)
    falls = replace(report, trials=(report.trials[0], trial(4, [400, 500, 980, 980, 990, 600, 600, 600])))
    assert "and 98.0 % after 4," in longer.verdict(falls)
    assert "Thinking on for ever costs: 60.0 % are left after step 8" in longer.verdict(falls)
    assert "were tried" in longer.verdict(replace(report, trials=report.trials[:1]))


def test_each_size_is_a_line_and_the_control_a_flat_one_beside_it(report, control):
    figure = longer.accuracy_by_steps(report, control)
    assert [each.name for each in figure.data] == ["3 × 3", longer.CONTROL, "4 × 4, never trained on", longer.CONTROL]
    assert [each.showlegend for each in figure.data if each.name == longer.CONTROL] == [False, True]
    assert "4 × 4: %{y:.1f} %" in figure.data[3].hovertemplate
    assert list(figure.data[2].y) == pytest.approx([40, 50, 60, 98])
    assert list(figure.data[3].y) == pytest.approx([55, 55])
    assert printed(figure, 84).svg().startswith(b"<?xml")


def test_the_table_has_every_size_with_its_interval(report, control):
    rows = longer.size_rows(report, control)
    assert [row["cells"] for row in rows] == ["3 × 3", "4 × 4"]
    assert "mazes" not in rows[0]  # all are of one kind
    assert rows[1]["right after step 2, %"] == "50.0 (46.9 to 53.1)"
    assert rows[1]["control, %"].startswith("55.0")
    assert "control, %" not in longer.size_rows(report)[0]


def test_a_maze_that_needs_longer_is_found_by_size_and_length(report):
    maze = longer.late(report, size=4, longer_than=1)
    assert maze.size == 4
    assert maze.solution.length > 1
    assert longer.late(report, size=4, longer_than=15) is None
    assert longer.late(report, size=13) is None


def test_a_report_of_another_kind_of_mazes_alone_is_drawn_and_said_as_well(report):
    rooms = replace(report, trials=tuple(replace(each, kind="rooms") for each in report.trials))
    assert longer.verdict(rooms) == longer.verdict(report)
    assert len(longer.accuracy_by_steps(rooms).data) == 2
    assert longer.late(rooms, size=4, longer_than=1) == longer.late(report, size=4, longer_than=1)
