"""The table of a sweep: written for people and for programs, and read again."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrm.config import AnyModelConfig, Config
from vitrm.errors import ConfigError, RunError
from vitrm.nets.cost import multiply_adds
from vitrm.places import ROOT, home
from vitrm.runs.folder import Run
from vitrm.sweep.sweep import Sweep, accuracy


def rows(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """One entry for each row and column of the grid, over its seeds; accuracies in percent."""
    places = dict.fromkeys((cell.row, cell.column) for cell in sweep.cells)
    for row, column in places:
        cells = [cell for cell in sweep.cells if (cell.row, cell.column) == (row, column)]
        runs = [sweep.run_of(cell) for cell in cells]
        done = [(run.config(), run.summary()) for run in runs if run.is_complete]
        values = [100 * accuracy(config, summary) for config, summary in done]
        failures = [why for cell in cells if (why := sweep.failure(cell))]
        config, summary = done[0] if done else (None, None)
        steps = zip(*(summary.test.accuracy for _, summary in done), strict=True)
        entry = {
            "row": row,
            "column": column,
            "test accuracy, %": round(statistics.mean(values), 3) if values else None,
            "spread (standard deviation)": round(statistics.stdev(values), 3) if len(values) > 1 else None,
            "seeds done": len(values),
            "seeds asked for": len(cells),
            "each seed, %": " ".join(f"{value:.2f}" for value in values),
            "seeds": " ".join(str(config.train.seed) for config, _ in done),
            "after each step, %": " ".join(f"{100 * statistics.mean(step):.2f}" for step in steps),
            "parameters": summary and summary.parameters,
            "multiply-adds": config and multiply_adds(config.model),
            "epochs": " ".join(str(summary.epochs) for _, summary in done),
            "images an epoch": config and (config.train.epoch_images or summary.split_sizes["train"]),
            "hours": round(sum(summary.seconds for _, summary in done) / 3600, 4) if done else None,
            "hardware": " / ".join(sorted({summary.hardware for _, summary in done})),
            "commit": " / ".join(sorted({summary.commit for _, summary in done})),
            "failure": "; ".join(failures),
            "data": config and config.data.title,
            "test images": summary and summary.split_sizes["test"],
            "weights of": "",
            "minutes for each": sweep.minutes_per_cell,
            "model": config and json.dumps(config.to_dict()["model"]),
        }
        yield entry
        if sweep.kind == "glimpses":
            yield from _other_orders(entry, [run for run in runs if run.is_complete])


def _other_orders(entry: dict[str, Any], runs: list[Run]) -> Iterator[dict[str, Any]]:
    """The same trained weights, their glimpses chosen otherwise: what `evaluate --policies` has measured of each."""
    reports = [report for run in runs if (report := run.report("glimpses"))]
    names = {"fixed": "centre outwards", "learned": "memory's attention"}
    for policy, name in names.items() if reports else ():
        scores = [report.policies[policy] for report in reports]
        steps = [[100 * each.mean for each in score.accuracy] for score in scores]
        values = [each[-1] for each in steps]
        yield entry | {
            "column": f"{entry['column']}: {name}",
            "test accuracy, %": round(statistics.mean(values), 3),
            "spread (standard deviation)": round(statistics.stdev(values), 3) if len(values) > 1 else None,
            "seeds done": len(values),
            "each seed, %": " ".join(f"{value:.2f}" for value in values),
            "after each step, %": " ".join(f"{statistics.mean(step):.2f}" for step in zip(*steps, strict=True)),
            "multiply-adds": scores[0].multiply_adds[-1],
            "hours": 0.0,
            "weights of": entry["column"],
        }


def against_first(found: Sequence[dict[str, Any]]) -> list[str]:
    """How each column of a one-row table differs from the first, paired over the training seeds, in words.

    The interval is Student's t over the differences: with few seeds it is wide, and says so by its width.
    """
    from scipy.stats import t

    first, *others = [(entry["column"], [float(v) for v in entry["each seed, %"].split()]) for entry in found]
    said = []
    for name, values in others:
        if len(values) != len(first[1]) or len(values) < 2:
            continue
        gaps = [one - other for one, other in zip(values, first[1], strict=True)]
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
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    (sweep.folder / "table.csv").write_text(text.getvalue(), encoding="utf-8")
    (sweep.folder / "table.md").write_text(markdown(sweep, found), encoding="utf-8")


@dataclass(frozen=True)
class Result:
    """What a table says of one cell of its grid, over the seeds that were trained. Accuracies in percent, on test."""

    row: str
    column: str
    accuracy: float  # mean over seeds, after the steps it was trained with
    spread: float | None  # standard deviation over seeds; None for one seed
    seeds: tuple[int, ...]
    accuracy_by_step: tuple[float, ...]  # mean over seeds, with steps beyond the trained ones; () where not noted down
    parameters: int
    data: str
    test_images: int
    minutes: float | None  # what each training was given; None: all it wanted
    epochs: str
    epoch_images: int
    hardware: str
    commit: str
    model: AnyModelConfig


def list_tables(runs_folder: str | Path | None = None) -> dict[str, Path]:
    """The tables that belong to the project, then those of the sweeps in a folder of runs, by name."""
    theirs = {file.parent.name: file for file in sorted(Path(runs_folder or home() / "runs").glob("*/table.csv"))}
    return theirs | {file.stem: file for file in sorted((ROOT / "results").glob("*.csv"))}


def read_table(file: str | Path) -> list[Result]:
    """The cells of a table.csv that have a result. Raises RunError for what is no such table, or an earlier form."""
    try:
        with open(file, encoding="utf-8", newline="") as content:
            found = [row for row in csv.DictReader(content) if row["test accuracy, %"]]
        return [_result(row) for row in found if not row.get("weights of")]  # or they are the same trainings again
    except KeyError as error:
        raise RunError(f"'{file}' has no column {error}; run its sweep again, which rewrites the table") from None
    except (ValueError, TypeError, OSError, ConfigError, csv.Error) as error:
        raise RunError(f"'{file}' is no table of a sweep, or damaged ({error})") from None


def _result(row: dict[str, str]) -> Result:
    model = json.loads(row["model"])
    return Result(
        row=row["row"],
        column=row["column"],
        accuracy=float(row["test accuracy, %"]),
        spread=float(row["spread (standard deviation)"]) if row["spread (standard deviation)"] else None,
        seeds=tuple(map(int, row["seeds"].split())),
        accuracy_by_step=tuple(map(float, row["after each step, %"].split())),
        parameters=int(row["parameters"]),
        data=row["data"],
        test_images=int(row["test images"]),
        minutes=float(row["minutes for each"]) if row["minutes for each"] else None,
        epochs=row["epochs"],
        epoch_images=int(row["images an epoch"]),
        hardware=row["hardware"],
        commit=row["commit"],
        model=Config.from_dict({"model": model}).model,
    )


_TITLES = {
    "batch-size": "Accuracy by batch size",
    "ablation": "Ablation of M and N",
    "models": "Models compared",
    "glimpses": "Glimpses against seeing everything at once",
    "mixture": "Recursion with and without the soft mixture",
}


def markdown(sweep: Sweep, found: list[dict[str, Any]]) -> str:
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
    columns = list(dict.fromkeys(entry["column"] for entry in found))
    cells = {(entry["row"], entry["column"]): entry for entry in found}
    lines.append("| | " + " | ".join(column or "test accuracy, %" for column in columns) + " |")
    lines.append("|" + " --- |" * (len(columns) + 1))
    for row in dict.fromkeys(entry["row"] for entry in found):
        lines.append(f"| {row} | " + " | ".join(_shown(cells.get((row, column))) for column in columns) + " |")
    lines += ["", "| cell | parameters | multiply-adds an image | epochs | images an epoch | hours |"]
    lines.append("|" + " --- |" * 6)
    for entry in found:
        if entry["seeds done"]:
            work = f"{entry['multiply-adds'] / 1e6:,.1f} M"
            lines.append(
                f"| {_label(entry)} | {entry['parameters']:,} | {work} | {entry['epochs']} | "
                f"{entry['images an epoch']:,} | {entry['hours']:.2f} |"
            )
    if sweep.kind == "glimpses":
        lines += ["", "Glimpses are random draws (glimpse seed 0) where nothing else is said.", *_after_steps(found)]
        for row in dict.fromkeys(entry["row"] for entry in found):
            lines += ["", *(f"- {line}" for line in against_first([e for e in found if e["row"] == row]))]
    found = [entry for entry in found if not entry["weights of"]]
    done, asked = (sum(entry[key] for entry in found) for key in ("seeds done", "seeds asked for"))
    hours = sum(entry["hours"] or 0 for entry in found)
    hardware, commits = (sorted({e[key] for e in found if e[key]}) for key in ("hardware", "commit"))
    lines += ["", f"{done} of {asked} trainings are complete, {hours:.2f} hours of training together."]
    if hardware:
        lines.append(f"Hardware: {'; '.join(hardware)}. Commit: {'; '.join(commits)}.")
    lines += [f"- {_label(entry)}: {entry['failure']}" for entry in found if entry["failure"]]
    return "\n".join(lines) + "\n"


def _after_steps(found: Sequence[dict[str, Any]]) -> list[str]:
    """A table of the accuracy after each supervision step, those beyond the trained ones included."""
    steps = [entry["after each step, %"].split() for entry in found]
    longest = max(map(len, steps))
    lines = ["", "| test accuracy after step, % | " + " | ".join(str(n + 1) for n in range(longest)) + " |"]
    lines.append("|" + " --- |" * (longest + 1))
    for entry, values in zip(found, steps, strict=True):
        lines.append(f"| {_label(entry)} | " + " | ".join(values + ["–"] * (longest - len(values))) + " |")
    return lines


def _label(entry: dict[str, Any]) -> str:
    return f"{entry['row']} {entry['column']}".strip()


def _shown(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["test accuracy, %"] is None:
        return "failed" if entry and entry["failure"] else "–"
    spread, count = entry["spread (standard deviation)"], entry["seeds done"]
    return f"{entry['test accuracy, %']:.2f}" + (
        " (one seed)" if spread is None else f" ± {spread:.2f} ({count} seeds)"
    )
