"""All test mazes on screen: what the model makes of them, a section for each question; or a way to have it measured."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from app import numbers, reports, state
from app.cache import Checkpoint
from app.mazes import cache as maze_cache
from app.mazes import figures, longer, tables, words
from app.mazes.view import Asked
from app.printed import view as printed
from app.sections import Section
from vitrm.judge.mazes import MazeReport


def sections_of(asked: Asked) -> list[Section]:
    """What the model makes of all test mazes, and of mazes unlike those it has seen; or the way to have it measured."""
    longer_shown = Section("longer", "Does thinking longer solve larger mazes?", lambda: _longer(asked), "Longer")
    larger = [longer_shown] if reports.has(asked.checkpoint, "sizes") else []
    return larger + _judged(asked)


def _judged(asked: Asked) -> list[Section]:
    if not reports.has(asked.checkpoint, "mazes"):
        return [Section("test", "All test mazes", lambda: _measured(asked.checkpoint))]
    report = reports.stored(asked.checkpoint, "mazes")

    def part(name: str, title: str, show: Callable[[Asked, MazeReport], None], short: str) -> Section:
        def shown() -> None:
            show(asked, report)
            st.caption(words.provenance(asked.checkpoint.name, asked.config, report))

        return Section(name, title, shown, short)

    return [
        part("length", "All test mazes: does a longer path need more steps?", _length, "Length"),
        part("worth", "All test mazes: what are the steps worth?", _worth, "Worth"),
        part("exits", "Does it know that a long path needs longer?", _exits, "Exits"),
        part("beyond", "What does it make of other mazes?", _beyond, "Beyond"),
        *(
            [part("flood", "Does “reachable” spread like a flood?", _probe, "Flood")]
            if report.probe is not None
            else []
        ),
    ]


def _longer(asked: Asked) -> None:
    report = reports.stored(asked.checkpoint, "sizes")
    name, control = maze_cache.control(asked.checkpoint) or ("", None)
    said = longer.verdict(report, control)
    st.markdown(said)
    figure = longer.accuracy_by_steps(report, control)
    printed.chart(figure, key="accuracy_by_steps", alt=f"Accuracy by step and size. {said}")
    st.caption(longer.provenance(asked.checkpoint.name, report, name, control))
    numbers.table(longer.size_rows(report, control))


def _chart(figure: go.Figure, name: str, asked: Asked, report: MazeReport, caption: str) -> None:
    judged = reports.readable(asked.checkpoint, "difficulty")
    said = words.alternatives(report, _threshold(asked)[0], judged)[name]
    printed.chart(figure, key=name, alt=said)
    st.caption(caption)


def _length(asked: Asked, report: MazeReport) -> None:
    judged = reports.readable(asked.checkpoint, "difficulty")
    st.markdown(words.verdict(report, judged))
    _chart(
        figures.accuracy_map(report),
        "accuracy_map",
        asked,
        report,
        "Row: mazes with paths of that length. Column: what they would be answered after that step. Where steps "
        "carry the search, light begins farther right for longer paths. A map that is alike in all columns says "
        "that the steps do not matter; it does not say why.",
    )
    numbers.table(tables.length_table(report, judged))


def _worth(asked: Asked, report: MazeReport) -> None:
    _chart(
        figures.accuracy_by_length(report, reports.readable(asked.checkpoint, "difficulty")),
        "accuracy_by_length",
        asked,
        report,
        "Steps are worth the gap between the blue lines. Compare with the control (no recursion), where it was "
        "measured, and with guesses that follow no way: the nearest gem, and trees boosted on what lies around "
        "start and gems. Being above them does not prove a search: only that none of them explains the answers.",
    )


def _exits(asked: Asked, report: MazeReport) -> None:
    threshold, chosen_by = _threshold(asked)
    _chart(
        figures.exits_by_length(report, threshold),
        "exits_by_length",
        asked,
        report,
        f"Where mazes leave by the learned halting, with {chosen_by}; white: the mean. A rising line says that "
        "halting follows the length. It may follow what goes with length, such as free space, instead.",
    )
    st.markdown(words.exit_words(report, threshold))
    numbers.table(tables.exit_table(report, threshold))


def _beyond(asked: Asked, report: MazeReport) -> None:
    _chart(
        figures.other_mazes(report),
        "other_mazes",
        asked,
        report,
        "Freshly drawn mazes; n, cells, walls and lengths of each kind stand in the table below. Trained on "
        f"{asked.config.data.title}. Shaded: more than the {report.trained_steps} steps in a row that it learned from. "
        "Where a line rises there they are worth it; where one falls, the model does not keep what it had.",
    )
    for reason in report.left_out:
        st.caption(f"Not tried, {reason}.")
    numbers.table(tables.other_table(report))


def _measured(checkpoint: Checkpoint) -> MazeReport | None:
    """What a model makes of all test mazes; where that was not measured, a way to have it done."""
    words = reports.Words(
        button="Measure it on all test mazes",
        missing="This has not been measured yet.",
        working=f"Running {checkpoint.name} on its test mazes, and on others …",
        failed="It could not be measured",
    )
    return reports.ask_report(checkpoint, "mazes", words)


def _probe(asked: Asked, report: MazeReport) -> None:
    """Whether "reachable" spreads in the memory like a flood, over the test mazes."""
    left, right = st.columns(2, gap="large")
    with left:
        _chart(
            figures.probe_map(report),
            "probe_map",
            asked,
            report,
            "Row: all test cells at that true distance from the start (none: no way leads there). Column: after that "
            "step, the share of them that a linear probe on the cell's own memory token calls reachable. A flood is an "
            "edge that runs slanted, with a dark last row. The probe says what is there to be read, not that the model "
            "reads it.",
        )
    with right:
        _chart(
            figures.probe_accuracy(report),
            "probe_accuracy",
            asked,
            report,
            "How often the probes are right (mean of reachable and cut-off cells; chance 50 %), beside the same probes "
            "on a model of this shape that was never trained. Only what lies above that line was learned.",
        )
    numbers.table(tables.probe_table(report))


def _threshold(asked: Asked) -> tuple[float, str]:
    """The halting threshold to play the exits with, and where it comes from."""
    own = st.session_state[state.THRESHOLD]
    if own is not None:
        return own, f"the threshold set in the player, {own:g}"
    judged, halting = reports.readable(asked.checkpoint, "difficulty"), reports.readable(asked.checkpoint, "halting")
    found = judged.threshold if judged else halting.chosen.threshold if halting else None
    if found is not None:
        return found, f"the threshold that validation chose, {found:.3f}"
    found = asked.config.model.halt_threshold
    return found, f"the threshold of the training, {found:g}"
