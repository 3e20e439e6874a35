"""The settings in words: every one has some, and they are used where something is wrong."""

import subprocess
import sys
from dataclasses import fields

import pytest

from vitrm.config import PRESETS, SETTINGS, Config
from vitrm.config.words import in_words, typed
from vitrm.errors import ConfigError
from vitrm.places import ROOT

# the preset decides the first, the data the others
FOUND = {"model.family", "data.classes", "data.mean", "data.std", "data.fingerprint"}


def test_every_setting_of_every_family_has_words():
    every = {
        f"{part.name}.{each.name}"
        for config in PRESETS.values()
        for part in fields(Config)
        for each in fields(getattr(config, part.name))
    }
    assert set(SETTINGS) == every - FOUND
    assert all(setting.label and setting.sentence.endswith(".") for setting in SETTINGS.values())
    labels = [setting.label for setting in SETTINGS.values()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("model.dim", "Paper: 384."),
        ("model.feed_forward", "Paper: gelu; authors' code: swiglu."),
        ("train.grad_clip", "Authors' code: 0."),
        ("model.halt_bias", "Authors' code: 0."),
        ("train.seed", "Authors' code: 42."),
        ("data.val_fraction", "Paper: none, it chose the weights on the test split."),
        ("model.glimpse_patches", "Paper: none."),
        ("train.compile", "Paper: none."),
        ("model.stem", ""),
    ],
)
def test_a_setting_says_whose_value_is_whose(name, source):
    assert SETTINGS[name].source == source


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model.dim": 65}, "Width D = 65 is not a multiple of Attention heads = 4"),
        ({"train.lr": "fast"}, "Learning rate = 'fast': expected a number"),
        ({"train.min_lr": 1.0}, "Final learning rate = 1.0: expected between 0 and Learning rate = 0.002"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_by_its_label(changes, said):
    with pytest.raises(ConfigError) as caught:
        PRESETS["digits"].with_fields(changes)
    assert in_words(str(caught.value)) == said


def test_only_names_of_settings_become_labels():
    assert in_words("lower model.dim, model.depth or model.mlp_dim") == "lower Width D, Layers k or Feed-forward width"
    for sentence in ("your run waits; the depth of a queue is no setting", "folder 'seed' does not exist", "x=3"):
        assert in_words(sentence) == sentence


@pytest.mark.parametrize(
    ("name", "what"),
    [("model.dim", "N"), ("train.lr", "X"), ("train.betas", "X,X"), ("model.memory_tokens", "N|none"),
     ("train.flip", "{true,false}"), ("model.feed_forward", "{swiglu,gelu}"), ("train.start", "TEXT")],
)  # fmt: skip
def test_what_may_be_typed(name, what):
    assert typed(SETTINGS[name].hint) == what


def test_the_help_of_train_lists_every_setting_with_its_words_and_the_papers_value():
    words = [sys.executable, "-m", "vitrm", "train", "--help"]
    text = " ".join(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    for setting in SETTINGS.values():
        said = f"--{setting.name} {typed(setting.hint)} {setting.label}. {setting.sentence} {setting.source}"
        assert " ".join(said.replace("- ", "-").split()).replace(" ", "") in text.replace(" ", "")
