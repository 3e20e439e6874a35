"""The bundled checkpoints: small, loadable, with cards that say what was measured, and as good as claimed."""

import json
import shutil
import subprocess
from dataclasses import replace

import pytest
import torch

from vitrm.cli.main import main
from vitrm.config.mazes import MazeSettings
from vitrm.data.bundled import bundled
from vitrm.data.dataset import Split
from vitrm.data.mazes import draw_mazes, render
from vitrm.families import resized
from vitrm.judge.evaluation import evaluate, image_seeds
from vitrm.judge.report import KINDS, report_type
from vitrm.places import ROOT
from vitrm.runs.card import model_card
from vitrm.runs.folder import Run
from vitrm.traces.recording import mixture_trace

NAMES = sorted(path.parent.name for path in (ROOT / "checkpoints").glob("*/config.json"))


@pytest.fixture(params=NAMES)
def run(request):
    return Run(ROOT / "checkpoints" / request.param)


def evaluated(capsys, *arguments):
    assert main(["evaluate", *arguments, "--json", "--device", "cpu", "--threads", "1"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_promised_checkpoints_are_there():
    recursive = {f"sr-vit-tiny-{name}" for name in ("r1", "r2-last", "r2", "r4-last", "r4")}
    others = {"digits", "digits-glimpse", "fashion-glimpse", "cifar10-tiny", "sr-vit-digits", "vit-tiny-deep"}
    others |= {"vitrm-tiny-brief", "mazes", "mazes-first", "mazes-vit", "fashion", "fashion-glimpse-vit", "photo"}
    assert others | recursive <= set(NAMES)


def test_every_file_is_small_and_nothing_is_left_over_from_training(run):
    sizes = {file.name: file.stat().st_size for file in run.path.iterdir()}
    assert max(sizes.values()) <= 5_000_000
    assert "state.pt" not in sizes
    assert {"model.safetensors", "config.json", "metrics.jsonl", "summary.json", "README.md"} <= set(sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_every_report_is_of_these_weights_and_can_be_read(run, kind):
    report = run.report(kind)
    assert (report is not None) == (run.path / report_type(kind).file).is_file()
    assert report is None or len(list(report.lines())) > 5


def test_it_loads_and_has_as_many_parameters_as_its_card_says(run):
    model = run.load_model()
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == run.summary().parameters
    assert len(model.class_names) == model.config.num_classes


def test_the_card_is_the_one_its_summary_makes(run):
    card = (run.path / "README.md").read_text(encoding="utf-8")
    assert card == model_card(run.name, run.config(), run.summary()) + "\n"
    assert "local changes" not in card


@pytest.mark.parametrize("name", ["digits", "digits-glimpse"])
def test_what_the_card_claims_can_be_measured_again(name, capsys):
    claimed = Run(ROOT / "checkpoints" / name).summary().test
    steps = len(claimed.accuracy)
    found = evaluated(capsys, name, "--supervision-steps", str(steps))
    assert found["accuracy"] == pytest.approx(list(claimed.accuracy), abs=1.5 / found["n"])  # an image more or less
    assert found["halt_prob"] == pytest.approx(list(claimed.halt_prob), abs=1e-4)


def test_digits_is_right_on_at_least_97_5_percent(capsys):
    assert evaluated(capsys, "digits")["accuracy"][-1] >= 0.975


def test_with_glimpses_more_steps_really_help_and_halting_knows_it(capsys):
    found = evaluated(capsys, "digits-glimpse", "--supervision-steps", "12")
    accuracy = found["accuracy"]
    assert accuracy[5] - accuracy[0] >= 0.15
    assert accuracy[5] >= 0.96
    assert accuracy[11] > accuracy[5] - 0.01
    assert min(found["halt_auroc"][2:]) >= 0.80


def test_clothes_are_told_apart_better_with_each_glimpse_and_no_worse_after_four_times_the_steps():
    model, shown = Run(ROOT / "checkpoints" / "fashion-glimpse").load_model(), bundled("fashion", (1, 28, 28)).images
    seeds, few = image_seeds(0, 0, 300), slice(0, 300)
    with torch.inference_mode():
        steps = model.steps(model.transform.normalize(shown.images[few]), 24, seeds)
        accuracy = [float((step.logits.argmax(dim=-1) == shown.labels[few]).float().mean()) for step in steps]
    assert accuracy[5] >= 0.84  # 89.3 % of 10,000, and three standard errors of 300
    assert accuracy[5] - accuracy[0] >= 0.05
    assert accuracy[23] > accuracy[5] - 0.03


def test_the_gain_over_glimpses_is_stored_beside_that_of_seeing_as_much_at_once(capsys):
    control = Run(ROOT / "checkpoints" / "digits-glimpse").report("glimpses").control
    run = Run(ROOT / "checkpoints" / control.name)
    assert control.patches == (4, 8, 12, 16)
    assert control.parameters == sum(weights.numel() for weights in run.load_model().parameters())
    assert control.training_seed == run.config().train.seed
    everything = run.summary().test.accuracy[0]
    assert control.accuracy[-1].mean == pytest.approx(everything, abs=0.006)  # two images, on another processor


@pytest.mark.parametrize("name", NAMES)
def test_a_card_names_a_commit_of_the_history_or_says_that_it_holds_none(name):
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)

    if not shutil.which("git") or git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("needs git and the whole history: a clone that is not shallow")
    commit = json.loads((ROOT / "checkpoints" / name / "started.json").read_text(encoding="utf-8"))["commit"]
    assert "local changes" not in commit
    held = git("merge-base", "--is-ancestor", commit, "HEAD").returncode == 0
    card = (ROOT / "checkpoints" / name / "README.md").read_text(encoding="utf-8")
    assert f"commit {commit}" in card
    assert ("The history does not hold this commit" in card) is not held


def test_photographs_are_named_for_what_they_are_and_gain_over_the_steps():
    run = Run(ROOT / "checkpoints" / "cifar10-tiny")
    accuracy = run.summary().test.accuracy
    trained = run.config().model.supervision_steps
    assert "JPEG" in run.config().data.title
    assert accuracy[trained - 1] >= 0.65
    assert accuracy[trained - 1] - accuracy[0] >= 0.04


def test_the_bundled_mixtures_are_those_of_the_bundled_weights(close):
    run = Run(ROOT / "checkpoints" / "sr-vit-digits")
    model, shots, scores = run.load_model(), run.mixtures(), run.report("mixture")
    assert {shot.label for shot in shots.values()} == set(range(10))
    for shot in list(shots.values())[:2]:
        again = mixture_trace(model, shot.pixels)
        close(again.logits, shot.logits)
        close(again.weights, shot.weights)
    assert scores.own[-1] == pytest.approx(run.summary().test.accuracy[0], abs=0.01)
    assert len(scores.own) == len(scores.last) == len(scores.uniform) == 4


def test_the_models_of_the_mixture_grid_were_trained_alike():
    recursive = [name for name in NAMES if name.startswith("sr-vit-tiny")]
    configs = [Run(ROOT / "checkpoints" / name).config() for name in (*recursive, "vit-tiny-deep", "vitrm-tiny-brief")]
    assert len({config.data for config in configs}) == 1
    assert "JPEG" in configs[0].data.title
    assert len({config.train for config in configs}) == 1
    changed = {"model.recursion_depth", "model.mixture"}
    for config in configs[1 : len(recursive)]:
        assert set(config.differences(configs[0])) <= changed


def test_longer_ways_through_mazes_need_more_steps_and_more_steps_help():
    run = Run(ROOT / "checkpoints" / "mazes-first")
    model, report = run.load_model(), run.report("difficulty")
    assert report.accuracy[-1] - report.accuracy[0] >= 0.15
    assert report.rank_correlation >= 0.5
    longest = report.levels[-1]
    assert longest.accuracy[-1] > longest.control > longest.guesses["nearest gem"]
    mazes = draw_mazes(replace(run.config().data.mazes, shortest=6), 150, (1,))  # others than those of the report
    split = Split(*map(torch.from_numpy, (render(mazes.cells, model.config.image_size), mazes.labels)))
    first, *_, last = evaluate(model, model.transform, split).accuracy
    assert first < 0.7
    assert last > 0.95


def test_thinking_on_solves_larger_mazes_than_any_of_the_training():
    run = Run(ROOT / "checkpoints" / "mazes")
    assert max(each.size for each in (run.config().data.mazes, *run.config().data.mazes.also)) == 9
    model = resized(run.load_model(), 26)
    mazes = draw_mazes(MazeSettings(size=13, gems=3, shortest=11, longest=14), 64, (2,), batch=1024)
    split = Split(torch.from_numpy(render(mazes.cells, 26)), torch.from_numpy(mazes.labels))
    accuracy = evaluate(model, model.transform, split, 48).accuracy
    assert accuracy[5] < 0.9
    assert accuracy[23] > accuracy[5] + 0.1
    assert accuracy[47] > accuracy[23] - 0.05  # and it keeps what it has found
