"""Figures of a training as pure functions: durations, colours, what is drawn where a step was not run."""

import base64
import json
from dataclasses import asdict

import numpy as np

from app.training import figures as training_figures
from app.training.curves.curves import payload
from app.training.history import History
from vitrm.config import PRESETS
from vitrm.runs.folder import Run
from vitrm.training.events import Progress


def _line(epoch, steps):
    each = (0.1,) * steps
    event = Progress(epoch, 10, 20, each, each, each, each, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    return json.dumps({"event": "Progress"} | asdict(event)) + "\n"


def test_durations_in_words():
    seconds = (5, 89, 600, 7500, 200_000)
    assert [training_figures.duration(s) for s in seconds] == ["5 s", "89 s", "10 min", "2 h 5 min", "2 days 8 h"]


def test_steps_are_coloured_from_blue_to_orange():
    assert training_figures.step_color(0, 1) == training_figures.step_color(0, 6) == "#3d7fd1"
    assert training_figures.step_color(5, 6) == "#e39b17"
    assert len({training_figures.step_color(n, 16) for n in range(16)}) == 16


def test_a_step_that_was_not_run_leaves_a_gap(tmp_path):
    run = Run(tmp_path)
    run.metrics_file.write_text(_line(1, 2) + _line(2, 1))
    history = History(run)
    history.read()
    config = PRESETS["digits"].with_fields({"model.supervision_steps": 2})
    loss = payload(training_figures.live_charts(history, config))["charts"][0]
    assert [np.frombuffer(base64.b64decode(line["x"]), "<f4").size for line in loss["lines"]] == [2, 1]


def test_what_the_figures_are_measured_on_is_said_of_the_training_that_it_was(tmp_path):
    said = {
        name: training_figures.provenance(name, PRESETS[name], History(Run(tmp_path))) for name in ("digits", "mazes")
    }
    assert "(augmented images" in said["digits"]
    assert "10 % of the training images, every epoch, averaged weights" in said["digits"]
    assert "(unchanged images" in said["mazes"]
    assert "mazes that are not learned from" in said["mazes"]
    raw = PRESETS["digits"].with_fields({"train.ema_decay": 0.0})
    assert "every epoch, weights as they are" in training_figures.provenance("raw", raw, History(Run(tmp_path)))
