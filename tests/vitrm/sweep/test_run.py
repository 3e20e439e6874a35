"""Grids of trainings: which cells there are, that they resume, and what the table says of them."""

import csv
import json
import shlex
import statistics
import threading
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from vitrm.cli import main as cli
from vitrm.config import PRESETS, Config
from vitrm.errors import RunError
from vitrm.nets.cost import multiply_adds
from vitrm.runs import files
from vitrm.runs.folder import Run
from vitrm.runs.summary import Scores, Summary
from vitrm.sweep import table
from vitrm.sweep.grid import grid
from vitrm.sweep.row import Row
from vitrm.sweep.run import prepare, train_cells
from vitrm.sweep.sweep import Sweep, accuracy

TINY = {
    **{"train.epochs": "1", "train.batch_size": "256", "model.dim": "16", "model.num_heads": "2"},
    **{"model.mlp_dim": "16", "model.depth": "1"},
}
HEADER = ",".join(f'"{title}"' for title in Row().cells()) + "\n"
WORDS = [word for name, value in TINY.items() for word in (f"--{name}", value)]


def _here(words, log):
    """Launch a training in this process, in a thread."""
    return cli.main(words)


def _ablation(folder, **changes):
    cells = grid("ablation", ["digits"], [0, 1], TINY, memory_steps=[1, 2], supervision_steps=[1])
    return Sweep("ablation", folder / "grid", cells, **changes)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A complete grid of M = 1, 2 and two seeds, and what was reported."""
    whole, said = _ablation(tmp_path_factory.mktemp("sweeps")), []
    assert train_cells(whole, _here, said.append)
    return whole, said


def test_a_cell_is_trained_with_its_settings_seed_data_and_device(tmp_path):
    cells = grid("batch-size", ["tiny"], [7], {"train.lr": "1e-3"}, batch_sizes=[96])
    whole = Sweep("batch-size", tmp_path, cells, data="folder:x", budget_minutes=6, devices=("cuda:0", "cuda:1"))
    words = shlex.join(whole.command(cells[0], "cuda:1"))
    assert words.startswith(f"train tiny --runs {tmp_path} --name tiny-batch-96-seed7 --device cuda:1 --threads 1")
    assert "--data folder:x --budget-minutes 12 --train.lr 1e-3 --train.batch_size 96 --train.seed 7" in words


def test_every_cell_is_a_run_with_its_own_settings(done):
    whole, said = done
    assert len(said) == 4
    for cell in whole.cells:
        config = whole.run_of(cell).config()
        assert config.model.memory_steps == int(cell.settings["model.memory_steps"])
        assert config.train.seed == cell.seed
        assert (config.model.dim, config.train.epochs) == (16, 1)


def test_the_table_gives_mean_and_spread_over_seeds_of_the_test_accuracy(done):
    whole, _ = done
    with open(whole.folder / "table.csv", encoding="utf-8", newline="") as file:
        table = {row["row"]: row for row in csv.DictReader(file)}
    assert list(table) == ["M = 1", "M = 2"]
    text = (whole.folder / "table.md").read_text(encoding="utf-8")
    for m in (1, 2):
        cells = [cell for cell in whole.cells if cell.row == f"M = {m}"]
        values = [100 * whole.run_of(cell).summary().test.accuracy[0] for cell in cells]
        row = table[f"M = {m}"]
        assert float(row["test accuracy, %"]) == pytest.approx(statistics.mean(values), abs=1e-3)
        assert float(row["spread (standard deviation)"]) == pytest.approx(statistics.stdev(values), abs=1e-3)
        assert f"| M = {m} | {statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} (2 seeds) |" in text
        assert int(row["parameters"]) == whole.run_of(cells[0]).summary().parameters
    for part in (
        "handwritten digits",
        "n = 359",
        "4 of 4 trainings are complete",
        "Hardware: ",
        "Weights were chosen on",
    ):
        assert part in text
    assert "Scaled down" not in text


def test_a_table_can_be_read_again_with_the_models_it_is_about(done):
    whole, _ = done
    found = table.read_table(whole.folder / "table.csv")
    assert found == list(table.rows(whole))
    assert [(each.row, each.column) for each in found] == [("M = 1", "N = 1"), ("M = 2", "N = 1")]
    first = found[0]
    runs = [whole.run_of(cell) for cell in whole.cells if cell.row == "M = 1"]
    assert first.model == runs[0].config().model
    assert (first.seeds, first.test_images, first.minutes) == ((0, 1), 359, None)
    assert first.data == runs[0].config().data.title
    by_step = [[100 * value for value in run.summary().test.accuracy] for run in runs]
    means = [statistics.mean(step) for step in zip(*by_step, strict=True)]
    assert first.accuracy_by_step == pytest.approx(means, abs=0.01)
    assert first.accuracy == pytest.approx(means[0], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,column\nM = 1,N = 1\n", "has no column 'test accuracy, %'; run its sweep again"),
        ('row,"test accuracy, %"\nx,50\n', "has no column 'column'"),
        (HEADER + "x,,50" + "," * 19 + "{\n", "no table of a sweep, or damaged"),
        (HEADER + "x,,50" + "," * 19 + "\n", "parameters is missing beside a result"),
        (None, "no table of a sweep, or damaged"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "table.csv").write_text(text)
    with pytest.raises(RunError, match=message):
        table.read_table(tmp_path / "table.csv")


def test_a_table_with_a_damaged_model_is_refused(done, tmp_path):
    text = (done[0].folder / "table.csv").read_text(encoding="utf-8")
    (tmp_path / "table.csv").write_text(text.replace('""family"": ""vitrm""', '""family"": ""nonsense""'))
    with pytest.raises(RunError, match=r"unknown config\.model\.family 'nonsense'"):
        table.read_table(tmp_path / "table.csv")


def test_the_tables_of_the_project_can_be_read_and_their_models_cost_what_they_say():
    tables = table.list_tables("no-such-folder")
    assert {"small-ablation", "small-resnet18", "small-vit"} <= set(tables)
    for file in tables.values():
        with open(file, encoding="utf-8", newline="") as content:
            trained = [row for row in csv.DictReader(content) if row["multiply-adds"] and not row.get("weights of")]
            said = [int(row["multiply-adds"]) for row in trained]
        assert [multiply_adds(each.model) for each in table.read_table(file) if not each.weights_of] == said


def test_the_accuracy_is_the_one_after_the_steps_it_was_trained_with():
    config = Config(model=replace(PRESETS["digits"].model, supervision_steps=2))
    scores = Scores(10, (1.0,) * 4, (0.1, 0.2, 0.3, 0.4), (0.5,) * 4, (0.5,) * 4, "", 0)
    summary = Summary("digits", {"train": 8, "val": 1, "test": 10}, 0, 1, "", 1, 1, 0.2, scores, 1.0, 0)
    assert accuracy(config, summary) == 0.2


def test_what_is_complete_is_not_trained_again_and_what_is_missing_is(done, tmp_path):
    import shutil

    whole = replace(done[0], folder=tmp_path / "copy")
    shutil.copytree(done[0].folder, whole.folder)
    first, second, third, _ = whole.cells
    (whole.run_of(first).path / "summary.json").unlink()  # killed at its very end: resumes from its state
    shutil.rmtree(whole.run_of(second).path)  # never begun
    (whole.run_of(third).path / "summary.json").unlink()  # killed before its first state
    (whole.run_of(third).path / "state.pt").unlink()
    launched = []

    def launch(words, log):
        launched.append(words)
        return _here(words, log)

    said = []
    assert train_cells(whole, launch, said.append)
    assert said[0] == "1 of 4 cells are complete already"
    assert [words[1] for words in launched] == ["--resume", "digits", "digits"]
    for cell in whole.cells:
        assert whole.run_of(cell).summary().test == done[0].run_of(cell).summary().test
    assert train_cells(whole, launch, said.append)
    assert len(launched) == 3


def test_a_table_and_what_a_folder_holds_are_replaced_at_once_or_not_at_all(done, tmp_path, monkeypatch):
    sweep, _ = done

    def content():
        return {name: (sweep.folder / name).read_bytes() for name in ("sweep.json", "table.csv", "table.md")}

    before = content()
    with monkeypatch.context() as full:
        full.setattr(files.os, "replace", Mock(side_effect=OSError("No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            table.write_table(replace(sweep, budget_minutes=1.0))
        with pytest.raises(OSError, match="No space left"):
            prepare(_ablation(tmp_path))
    assert content() == before
    assert list((tmp_path / "grid").iterdir()) == []
    table.write_table(sweep)
    assert content() == before


def test_a_folder_holds_one_grid(done, tmp_path):
    other = replace(done[0], data="folder:elsewhere")
    with pytest.raises(RunError, match=r"holds another sweep \(its data differs\); choose another --name"):
        train_cells(other, _here, print)
    (tmp_path / "grid").mkdir()
    for damaged in ("{", "[]"):
        (tmp_path / "grid" / "sweep.json").write_text(damaged)
        with pytest.raises(RunError, match=r"sweep.json' is damaged .* choose another --name"):
            prepare(_ablation(tmp_path))


def test_a_cell_that_fails_takes_no_other_with_it(done, tmp_path):
    cells = grid("models", ["digits", "tiny"], [0], {"train.epochs": "1"})
    whole = Sweep("models", tmp_path / "grid", cells, data="digits")  # too small for the images `tiny` takes

    def launch(words, log):
        status = 1
        if words[1] == "tiny":
            log.write_text("vitrm: digits has images of shape 1 x 8 x 8\n")
        else:
            status = _here([*words, *WORDS], log)
        return status

    said = []
    assert not train_cells(whole, launch, said.append)
    text = (whole.folder / "table.md").read_text(encoding="utf-8")
    assert "| tiny | failed |" in text
    assert "- tiny: failed: digits has images of shape 1 x 8 x 8" in text
    assert "1 of 2 trainings are complete" in text
    assert Run(whole.folder / "digits-seed0").is_complete


def test_devices_work_side_by_side_and_an_interrupt_lets_the_table_stand(tmp_path):
    whole = _ablation(tmp_path, devices=("cpu", "cpu:0"))
    used, both = [], threading.Barrier(2, timeout=600)

    def launch(words, log):
        used.append(words[words.index("--device") + 1])
        if len(used) <= 2:
            both.wait()  # neither goes on before the other has begun
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_cells(whole, launch, lambda line: None)
    assert sorted(used[:2]) == ["cpu", "cpu:0"]
    assert "0 of 4 trainings are complete" in (whole.folder / "table.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_from_the_command_line_in_processes_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "models", "--presets", "digits", "--name", "small", "--devices", "cpu", "--threads", "1", *WORDS]
    words += ["--results", "results", "--budget-minutes", "5"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "1 trainings on cpu, into runs/small" in out
    text = (tmp_path / "results" / "small.md").read_text(encoding="utf-8")
    assert "**Scaled down:** every cell was given 5.0 minutes" in text
    assert text == (tmp_path / "runs" / "small" / "table.md").read_text(encoding="utf-8")
    assert (tmp_path / "results" / "small.csv").exists()
    log = (tmp_path / "runs" / "small" / "digits-seed0.log").read_text(encoding="utf-8")
    assert "training into" in log
    asked = json.loads((tmp_path / "runs" / "small" / "sweep.json").read_text())
    assert asked["cells"]["digits-seed0"]["settings"] == TINY


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sweep models --presets digts", "unknown preset 'digts'; did you mean 'digits'?"),
        ("sweep models --presets digits --model.dmi 3", "unknown setting 'model.dmi'"),
        ("sweep ablation --presets vit-small", "unknown setting 'model.memory_steps' of a plain ViT"),
        ("sweep ablation --presets digits --memory-steps 2000", "memory_steps=2000: expected 1 to 1,000"),
        ("sweep models --devices tpu", "device 'tpu' is not available here"),
        ("sweep models --train.seed 5", "--train.seed cannot be used here: the sweep 'models' varies it; give --seeds"),
        ("sweep batch-size --train.batch_size 32", "the sweep 'batch-size' varies it; give --batch-sizes"),
        ("sweep mixture --model.mixture token", "the sweep 'mixture' varies it; leave it out"),
        ("sweep models --batch-sizes 64", "cannot be used here: the sweep 'batch-size' varies them, 'models' does not"),
        ("sweep models --seeds 0 1 0", "--seeds names 0 twice: expected different ones"),
        ("sweep ablation --presets digits --memory-steps 2 2", "--memory-steps names 2 twice"),
    ],
)
def test_mistakes_are_answered_before_anything_is_trained(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(words)) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_glimpses_also_measures_the_other_orders_of_what_it_trained(tmp_path):
    settings = TINY | {"model.supervision_steps": "2"}
    cells, asked = grid("glimpses", ["digits-glimpse"], [0], settings), []
    whole = Sweep("glimpses", tmp_path / "grid", cells)

    def launch(words, log):
        asked.append(words)
        return _here(words, log)

    assert train_cells(whole, launch)
    assert [words[0] for words in asked] == ["train", "evaluate", "train"]
    glimpsing, fixed, learned, at_once = table.rows(whole)
    assert table.read_table(whole.folder / "table.csv") == [glimpsing, fixed, learned, at_once]
    measured = whole.run_of(cells[0]).report("glimpses").policies
    for entry, policy in ((fixed, "fixed"), (learned, "learned")):
        assert entry.accuracy == pytest.approx(100 * measured[policy].accuracy[-1].mean, abs=1e-3)
        assert entry.weights_of == glimpsing.column
    assert at_once.weights_of == ""
    text = (whole.folder / "table.md").read_text()
    assert "2 of 2 trainings are complete" in text
    assert f"{fixed.column} |" in text
    assert train_cells(whole, launch)
    assert len(asked) == 3

    # A report of some orders alone, as `evaluate --policies random --save` makes it, is none.
    run = whole.run_of(cells[0])
    kept = run.report("glimpses")
    run.keep(replace(kept, policies={"random": kept.policies["random"]}, differences=()))
    assert [entry.column for entry in table.rows(whole)] == [glimpsing.column, at_once.column]
    assert [whole.is_done(cell) for cell in cells] == [False, True]


def test_orders_that_some_trainings_were_measured_in_are_of_their_seeds(tmp_path, monkeypatch):
    score = SimpleNamespace(accuracy=(SimpleNamespace(mean=0.25), SimpleNamespace(mean=0.5)), multiply_adds=(7, 9))
    reports = {"second": SimpleNamespace(policies={"fixed": score, "learned": score})}
    monkeypatch.setattr(table, "policies_of", reports.get)
    monkeypatch.setattr(table, "_trained", lambda entry, runs: replace(entry, seeds=tuple(map(len, runs))))
    trained = Row(column="glimpses", seeds=(5, 6))
    for entry in table._other_orders(trained, ["first", "second"]):
        assert (entry.seeds, entry.each_seed, entry.multiply_adds) == ((6,), (50.0,), 9)
    assert list(table._other_orders(trained, ["first"])) == []


def test_differences_are_paired_over_the_training_seeds_and_a_close_one_is_said_to_be_one():
    def entry(name, values, seeds=(0, 1, 2)):
        return Row(column=name, each_seed=values, seeds=seeds[: len(values)])

    said = table.against_first(
        [entry("a", (50.0, 52.0, 54.0)), entry("b", (53.0, 55.1, 56.9)), entry("c", (51.0, 50.0, 57.0))]
    )
    # differences 3.0, 3.1, 2.9: standard error 0.0577, Student's t with 2 degrees of freedom 4.303
    assert said[0] == "b against a: +3.00 points (95 % interval +2.75 to +3.25, paired over 3 training seeds): better."
    assert said[1].endswith("no clear difference.")
    assert table.against_first([entry("a", (50.0,)), entry("b", (51.0,))]) == []
    # Of the one seed 2 has failed, of the other seed 0: one seed is not enough, and no other may stand for it.
    holes = (
        entry("a", (50.0, 52.0), (0, 1)),
        entry("b", (55.0, 57.0), (1, 2)),
        entry("c", (53.0, 49.0, 51.0), (1, 2, 0)),
    )
    (said,) = table.against_first(holes)
    assert said.startswith("c against a: +1.00 points (95 % interval +1.00 to +1.00, paired over 2 training seeds)")
