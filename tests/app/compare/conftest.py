"""Entries, comparisons and facts about models that the tests of this folder share."""

from dataclasses import replace

import pytest

from app.compare.comparison import Comparison, Entry
from vitrm.config import Config, DataConfig, ModelConfig, SRViTConfig, ViTConfig
from vitrm.runs.summary import Scores, Summary


@pytest.fixture(scope="session")
def a_vitrm():
    """12 layers applied, 2 of them its own."""
    return ModelConfig(dim=32, num_heads=2, mlp_dim=32, depth=2, memory_steps=1, supervision_steps=3)


@pytest.fixture(scope="session")
def a_vit():
    return ViTConfig(dim=32, num_heads=2, mlp_dim=32, depth=2)


@pytest.fixture(scope="session")
def entry():
    """Makes an entry of a name, a configuration and an accuracy."""

    def make(name, config, accuracy, **changes):
        usual = {"parameters": 1000, "spread": None, "seeds": (0,), "accuracy_by_step": (), "training": "1 epoch"}
        return Entry(name=name, config=config, accuracy=accuracy, **usual | changes)

    return make


@pytest.fixture(scope="session")
def compared():
    """Makes a comparison of entries."""

    def make(*entries, **changes):
        usual = {"key": "k", "title": "t", "data": "CIFAR-10 (JPEG)", "classes": (), "num_classes": 10}
        usual |= {"test_images": 10_000, "scale": "4 minutes each", "is_grid": True}
        return Comparison(entries=entries, **usual | changes)

    return make


@pytest.fixture(scope="session")
def model_facts(a_vitrm):
    """Makes a configuration and a summary, as a finished run has them."""

    def make(source="digits", classes=("a", "b"), n=100, **changes):
        config = Config(
            model=replace(a_vitrm, num_classes=len(classes)), data=DataConfig(source=source, classes=classes, **changes)
        )
        measured = Scores(n, (1.0,) * 4, (0.5, 0.6, 0.7, 0.65), (0.5,) * 4, (0.5,) * 4, "", 0)
        sizes = {"train": 800, "val": 100, "test": n}
        summary = Summary(source, sizes, 0, 1234, "", 2, 1, 0.7, measured, 90.0, 3, hardware="CPU, 1 threads")
        return config, summary

    return make


@pytest.fixture(scope="session")
def mixed(entry, a_vitrm):
    """The cells of a grid over recursion depth and mixture, and a model of another family."""

    def cell(depth, mixture, accuracy):
        config = SRViTConfig(image_size=32, patch_size=4, dim=32, num_heads=2, depth=2, mlp_dim=32)
        config = replace(config, recursion_depth=depth, mixture=mixture)
        name = f"sr-vit-tiny, R = {depth}, {'soft mixture' if mixture == 'token' else 'last step'}"
        return entry(name, config, accuracy, spread=0.3, seeds=(0, 1, 2))

    return (
        cell(1, "last", 60.0),
        cell(2, "token", 60.1),
        cell(2, "last", 60.0),
        cell(4, "last", 63.0),
        cell(4, "token", 60.0),
        entry("tiny, last step", a_vitrm, 50.0),
    )
