"""The table of a sweep: written for people and for programs, and read again."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vitrm.errors import ConfigError, RunError
from vitrm.nets.cost import multiply_adds
from vitrm.places import ROOT, home
from vitrm.runs.files import replace_bytes
from vitrm.runs.folder import Run
from vitrm.sweep.row import Row, percents
from vitrm.sweep.sweep import OTHERS, Sweep, accuracy, policies_of


def rows(sweep: Sweep) -> Iterator[Row]:
    """What is known now, for each row and column of the grid."""
    places = dict.fromkeys((cell.row, cell.column) for cell in sweep.cells)
    for row, column in places:
        cells = [cell for cell in sweep.cells if (cell.row, cell.column) == (row, column)]
        done = [run for cell in cells if (run := sweep.run_of(cell)).is_complete]
        entry = Row(
            row,
            column,
            seeds_asked=len(cells),
            failure="; ".join(why for cell in cells if (why := sweep.failure(cell))),
            minutes=sweep.minutes_per_cell,
        )
        if done:
            entry = _trained(entry, done)
        yield entry
        if done and sweep.kind == "glimpses":
            yield from _other_orders(entry, done)


def _trained(entry: Row, runs: Sequence[Run]) -> Row:
    """A row with what its complete runs say, one a seed."""
    configs, summaries = [run.config() for run in runs], [run.summary() for run in runs]
    config, sizes = configs[0], summaries[0].split_sizes
    values = [100 * accuracy(*each) for each in zip(configs, summaries, strict=True)]
    steps = zip(*(summary.test.accuracy for summary in summaries), strict=True)
    return replace(
        _scored(entry, values, [100 * statistics.mean(step) for step in steps]),
        seeds=tuple(each.train.seed for each in configs),
        parameters=summaries[0].parameters,
        multiply_adds=multiply_adds(config.model),
        epochs=tuple(summary.epochs for summary in summaries),
        epoch_images=min(config.train.epoch_images or sizes["train"], sizes["train"]),
        hours=round(sum(summary.seconds for summary in summaries) / 3600, 4),
        hardware=" / ".join(sorted({summary.hardware for summary in summaries})),
        commit=" / ".join(sorted({summary.commit for summary in summaries})),
        data=config.data.title,
        test_images=sizes["test"],
        model=config.model,
    )


def _scored(entry: Row, values: Sequence[float], by_step: Sequence[float]) -> Row:
    """A row with accuracies in percent: of each seed after the trained steps, and their means after each step."""
    return replace(
        entry,
        accuracy=round(statistics.mean(values), 3),
        spread=round(statistics.stdev(values), 3) if len(values) > 1 else None,
        seeds_done=len(values),
        each_seed=tuple(round(value, 2) for value in values),
        accuracy_by_step=tuple(round(value, 2) for value in by_step),
    )


def _other_orders(entry: Row, runs: Sequence[Run]) -> Iterator[Row]:
    """The same trained weights, their glimpses chosen otherwise: what `evaluate --policies` has measured of each."""
    measured = [(run, report) for run in runs if (report := policies_of(run))]
    if not measured:
        return
    entry, reports = _trained(entry, [run for run, _ in measured]), [report for _, report in measured]
    for policy in OTHERS:
        scores = [report.policies[policy] for report in reports]
        steps = [[100 * each.mean for each in score.accuracy] for score in scores]
        yield replace(
            _scored(entry, [each[-1] for each in steps], [statistics.mean(step) for step in zip(*steps, strict=True)]),
            column=f"{entry.column}: {OTHERS[policy]}",
            multiply_adds=scores[0].multiply_adds[-1],
            hours=0.0,
            weights_of=entry.column,
        )


def against_first(found: Sequence[Row]) -> list[str]:
    """How each column of a one-row table differs from the first, paired over the training seeds, in words.

    Only seeds that both have are compared, if there are two or more. The interval is Student's t over the differences:
    with few seeds it is wide, and says so by its width.
    """
    from scipy.stats import t

    first, *others = [(entry.column, dict(zip(entry.seeds, entry.each_seed, strict=True))) for entry in found]
    said = []
    for name, values in others:
        gaps = [value - first[1][seed] for seed, value in values.items() if seed in first[1]]
        if len(gaps) < 2:
            continue
        mean = statistics.mean(gaps)
        half = float(t.ppf(0.975, len(gaps) - 1)) * statistics.stdev(gaps) / len(gaps) ** 0.5
        judged = "no clear difference" if mean - half <= 0 <= mean + half else "better" if mean > 0 else "worse"
        said.append(
            f"{name} against {first[0]}: {mean:+.2f} points (95 % interval {mean - half:+.2f} to {mean + half:+.2f}, "
            f"paired over {len(gaps)} training seeds): {judged}."
        )
    return said


def write_table(sweep: Sweep) -> None:
    """Replace table.csv and table.md by what is known now."""
    found = list(rows(sweep))
    text = io.StringIO()
    writer = csv.DictWriter(text, found[0].cells(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(entry.cells() for entry in found)
    replace_bytes(sweep.folder / "table.csv", text.getvalue().encode())
    replace_bytes(sweep.folder / "table.md", markdown(sweep, found).encode())


def list_tables(runs_folder: str | Path | None = None) -> dict[str, Path]:
    """The tables that belong to the project, then those of the sweeps in a folder of runs, by name."""
    theirs = {file.parent.name: file for file in sorted(Path(runs_folder or home() / "runs").glob("*/table.csv"))}
    return theirs | {file.stem: file for file in sorted((ROOT / "results").glob("*.csv"))}


def read_table(file: str | Path) -> list[Row]:
    """The rows of a table.csv that have a result. Raises RunError for what is no such table, or an earlier form."""
    try:
        with open(file, encoding="utf-8", newline="") as content:
            return [Row.from_cells(cells) for cells in csv.DictReader(content) if cells["test accuracy, %"]]
    except KeyError as error:
        raise RunError(f"'{file}' has no column {error}; run its sweep again, which rewrites the table") from None
    except (ValueError, TypeError, OSError, ConfigError, csv.Error) as error:
        raise RunError(f"'{file}' is no table of a sweep, or damaged ({error})") from None


_TITLES = {
    "batch-size": "Accuracy by batch size",
    "ablation": "Ablation of M and N",
    "models": "Models compared",
    "glimpses": "Glimpses against seeing everything at once",
    "mixture": "Recursion with and without the soft mixture",
}


def markdown(sweep: Sweep, found: Sequence[Row]) -> str:
    """The table for a reader."""
    finished = next((run for cell in sweep.cells if (run := sweep.run_of(cell)).is_complete), None)
    lines = [f"# {_TITLES[sweep.kind]}", ""]
    if sweep.budget_minutes:
        lines += [
            f"**Scaled down:** every cell was given {sweep.minutes_per_cell:.1f} minutes (its start, validation and "
            "test included) instead of the full recipe: it was shortened to what was estimated to fit when it began, "
            "and the hours below say what the training took. It compares what can be had in that time on this "
            "hardware; it says nothing about the full training and must not be set beside the paper's numbers.",
            "",
        ]
    if finished is not None:
        config, summary = finished.config(), finished.summary()
        sizes = {name: f"{count:,}" for name, count in summary.split_sizes.items()}
        lines += [
            f"{config.data.title}, test split, n = {sizes['test']}; {sizes['train']} training and {sizes['val']} "
            "validation images. Weights were chosen on validation, test was used once for each cell. Test accuracy in "
            "percent, mean ± standard deviation over seeds, after all supervision steps the model was trained with; no "
            "halting.",
            "",
        ]
    columns = list(dict.fromkeys(entry.column for entry in found))
    cells = {(entry.row, entry.column): entry for entry in found}
    lines.append("| | " + " | ".join(column or "test accuracy, %" for column in columns) + " |")
    lines.append("|" + " --- |" * (len(columns) + 1))
    for row in dict.fromkeys(entry.row for entry in found):
        lines.append(f"| {row} | " + " | ".join(_shown(cells.get((row, column))) for column in columns) + " |")
    lines += ["", "| cell | parameters | multiply-adds an image | epochs | images an epoch | hours |"]
    lines.append("|" + " --- |" * 6)
    for entry in found:
        if entry.seeds_done:
            work = f"{entry.multiply_adds / 1e6:,.1f} M"
            lines.append(
                f"| {_label(entry)} | {entry.parameters:,} | {work} | {' '.join(map(str, entry.epochs))} | "
                f"{entry.epoch_images:,} | {entry.hours:.2f} |"
            )
    if sweep.kind == "glimpses":
        lines += ["", "Glimpses are random draws (glimpse seed 0) where nothing else is said.", *_after_steps(found)]
        for row in dict.fromkeys(entry.row for entry in found):
            lines += ["", *(f"- {line}" for line in against_first([e for e in found if e.row == row]))]
    found = [entry for entry in found if not entry.weights_of]
    done, asked = sum(entry.seeds_done for entry in found), sum(entry.seeds_asked for entry in found)
    hours = sum(entry.hours or 0 for entry in found)
    hardware = sorted({entry.hardware for entry in found if entry.hardware})
    commits = sorted({entry.commit for entry in found if entry.commit})
    lines += ["", f"{done} of {asked} trainings are complete, {hours:.2f} hours of training together."]
    if hardware:
        lines.append(f"Hardware: {'; '.join(hardware)}. Commit: {'; '.join(commits)}.")
    lines += [f"- {_label(entry)}: {entry.failure}" for entry in found if entry.failure]
    return "\n".join(lines) + "\n"


def _after_steps(found: Sequence[Row]) -> list[str]:
    """A table of the accuracy after each supervision step, those beyond the trained ones included."""
    steps = [percents(entry.accuracy_by_step).split() for entry in found]
    longest = max(map(len, steps))
    lines = ["", "| test accuracy after step, % | " + " | ".join(str(n + 1) for n in range(longest)) + " |"]
    lines.append("|" + " --- |" * (longest + 1))
    for entry, values in zip(found, steps, strict=True):
        lines.append(f"| {_label(entry)} | " + " | ".join(values + ["–"] * (longest - len(values))) + " |")
    return lines


def _label(entry: Row) -> str:
    return f"{entry.row} {entry.column}".strip()


def _shown(entry: Row | None) -> str:
    if entry is None or entry.accuracy is None:
        return "failed" if entry and entry.failure else "–"
    spread = "(one seed)" if entry.spread is None else f"± {entry.spread:.2f} ({entry.seeds_done} seeds)"
    return f"{entry.accuracy:.2f} {spread}"
