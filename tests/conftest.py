"""Small configurations, data and runs that the tests share."""

from dataclasses import replace

import pytest
import torch

from vitrm.config import Config, DataConfig, ModelConfig, TrainConfig
from vitrm.data.dataset import load_dataset

LONGEST = ("test_browser.py", "test_train.py", "test_jobs.py")


def pytest_collection_modifyitems(items):
    """The longest files first, so that of several processes none is left with one of them at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def _one_thread_for_fixtures():
    """As below, for what is made once for many tests."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_start():
    """Every test draws the same numbers and sums in the same order, whichever tests (or commands) ran before it.

    One thread also means no fight over cores with whatever else the machine is doing.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny():
    """A model small enough to be compared element by element: L = 16, K = 3."""
    return ModelConfig(
        image_size=8,
        channels=1,
        patch_size=2,
        dim=16,
        depth=2,
        num_heads=2,
        mlp_dim=24,
        memory_tokens=3,
        memory_steps=2,
        recursion_steps=2,
        supervision_steps=2,
        dropout=0.0,
    )


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's handwritten digits, with the split of `DataConfig`'s defaults."""
    return load_dataset("digits", image_size=8, channels=1)


@pytest.fixture(scope="session")
def few_digits(digits):
    """70 training images and 40 of the others, for tests in which training must only happen, not succeed."""
    return replace(
        digits,
        train=digits.train.subset(torch.arange(70)),
        val=digits.val.subset(torch.arange(40)),
        test=digits.test.subset(torch.arange(40)),
    )


@pytest.fixture(scope="session")
def small_run(tiny):
    """A two-epoch training on digits with every random ingredient switched on, T = 1 and N = 2."""
    return Config(
        model=replace(tiny, recursion_steps=1, dropout=0.1),
        train=TrainConfig(
            epochs=2,
            batch_size=16,
            lr=1e-3,
            warmup_epochs=0.5,
            crop_pad=1,
            randaugment_ops=0,
            patience=0,
            stop_unrolling=False,
        ),
        data=DataConfig(source="digits"),
    )
