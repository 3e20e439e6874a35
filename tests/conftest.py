"""Small configurations, data and runs that the tests share, and what keeps one test from seeing another or the user."""

import functools
import os
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vitrm.config import Config, DataConfig, ModelConfig, TrainConfig
from vitrm.data.sources import load_dataset

ROOT = Path(__file__).resolve().parents[1]
LONGEST = ("tests/browser/", "tests/app/training/", "tests/vitrm/training/", "tests/vitrm/runs/", "tests/test_")


def pytest_addoption(parser):
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and tests in them, in an order so drawn")


def pytest_collection_modifyitems(config, items):
    """The longest files first, so that of several processes none is left with one of them at the end."""
    items.sort(key=lambda item: [not item.nodeid.startswith(folder) for folder in LONGEST])
    if (seed := config.getoption("shuffle")) is not None:
        dice = random.Random(seed)
        files = {path: dice.random() for path in dict.fromkeys(item.path for item in items)}
        dice.shuffle(items)
        items.sort(key=lambda item: files[item.path])


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """The files that took longest, and whether browser tests were skipped and why, in a line."""
    spent = Counter()
    for each in (each for kind in terminalreporter.stats.values() for each in kind if hasattr(each, "duration")):
        spent[each.nodeid.partition("::")[0]] += each.duration
    if len(spent) > 50:  # most of the tests, not a few
        terminalreporter.section(f"{sum(spent.values()):.0f} s of tests in {len(spent)} files, the longest:")
        for file, seconds in spent.most_common(10):
            terminalreporter.write_line(f"{seconds:6.1f} s  {file}")
    skipped = [each for each in terminalreporter.stats.get("skipped", []) if each.nodeid.startswith("tests/browser/")]
    for reason, count in Counter(each.longrepr[-1].removeprefix("Skipped: ") for each in skipped).items():
        terminalreporter.write_line(f"{count} browser tests were skipped: {reason}")


@pytest.fixture(scope="session", autouse=True)
def users(tmp_path_factory):
    """Fixtures and tests see neither the user's folder (with `runs`, `data`), nor their home, nor their settings.

    Whatever the product reads or writes of a user's, it finds by the working folder, HOME or a variable VITRM_...
    Yields the environment as it was.
    """
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("VITRM_", "XDG_"))]:
            patch.delenv(name)
        home = str(tmp_path_factory.mktemp("home"))
        patch.setenv("HOME", home)
        patch.setenv("USERPROFILE", home)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        torch.set_num_threads(1)
        yield before


@pytest.fixture(scope="session", autouse=True)
def _installed_components():
    """What components the installed packages bring is looked up once, not by every AppTest: 0.15 s, most of its run."""
    if "streamlit.testing.v1" not in sys.modules:
        yield
        return
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        once = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _same_start():
    """Every test draws the same numbers and sums in the same order, whichever tests (or commands) ran before it.

    One thread also means no fight over cores with whatever else the machine is doing.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


@pytest.fixture(scope="session")
def close():
    """`close(found, expected)` asserts that float32 results of the same mathematics by different kernels agree.

    So are softmax and matrix products in another shape, at another place in memory, or with gradients to be kept. Bit
    equality is for the same kernel on the same memory.
    """

    def tensor(values):
        return values.detach() if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values, np.float32))

    def assert_close(found, expected):
        torch.testing.assert_close(tensor(found), tensor(expected), rtol=1e-4, atol=1e-5, equal_nan=True)

    return assert_close


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
