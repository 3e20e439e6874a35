"""One line of a sweep's table: what is written is what is read, and what belongs together is asked for."""

import csv
import json
from dataclasses import fields, replace

import pytest

from vitrm.config import PRESETS, Config
from vitrm.sweep.row import Row
from vitrm.sweep.table import list_tables

ROW = Row(
    row="M = 1",
    column="N = 4, of two",
    accuracy=51.005,
    spread=0.7,
    seeds_done=2,
    seeds_asked=3,
    each_seed=(50.5, 51.51),
    seeds=(0, 2),
    accuracy_by_step=(49.0, 51.0),
    parameters=1234,
    multiply_adds=56789,
    epochs=(2, 3),
    epoch_images=1000,
    hours=0.25,
    hardware="a / b",
    commit="c",
    failure='seed 1 failed: "out of memory"',
    data="D",
    test_images=10,
    weights_of="N = 4",
    minutes=4.0,
    model=PRESETS["digits"].model,
)


def test_every_column_is_read_as_it_was_written():
    assert all(getattr(ROW, each.name) != each.default for each in fields(Row))
    cells = ROW.cells()
    assert len(cells) == len(fields(Row))
    assert Row.from_cells(cells) == ROW
    assert (cells["each seed, %"], cells["epochs"], cells["hours"]) == ("50.50 51.51", "2 3", "0.25")


def test_a_cell_that_was_not_trained_is_empty_but_for_what_was_asked():
    row = Row("M = 1", "N = 1", seeds_asked=3, failure="failed: why")
    found = {title: text for title, text in row.cells().items() if text}
    asked = {"row": "M = 1", "column": "N = 1", "seeds done": "0", "seeds asked for": "3", "failure": "failed: why"}
    assert found == asked
    assert Row.from_cells(row.cells()) == row


@pytest.mark.parametrize("name", ["parameters", "multiply_adds", "epoch_images", "hours", "test_images", "model"])
def test_a_result_without_what_belongs_to_it_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is missing"):
        Row.from_cells(replace(ROW, **{name: None}).cells())


def test_results_that_belong_to_no_seed_are_refused():
    with pytest.raises(ValueError, match="2 results of 1 seeds"):
        Row.from_cells(replace(ROW, seeds=(0,)).cells())


@pytest.mark.parametrize("name", ["spread", "minutes"])
def test_a_result_of_one_seed_or_without_a_budget_is_one(name):
    row = replace(ROW, **{name: None})
    assert Row.from_cells(row.cells()) == row


def test_the_tables_of_the_project_are_written_as_they_were_read():
    for file in list_tables("no-such-folder").values():
        with open(file, encoding="utf-8", newline="") as content:
            lines = list(csv.DictReader(content))
        for line in lines:
            again = Row.from_cells(line).cells()
            model = Config.from_dict({"model": json.loads(line["model"])}).model
            assert again.pop("model") == json.dumps(Config(model=model).to_dict()["model"])  # settings come to be added
            assert again == {"weights of": ""} | {title: text for title, text in line.items() if title != "model"}
            assert [title for title in Row().cells() if title in line] == list(line)
