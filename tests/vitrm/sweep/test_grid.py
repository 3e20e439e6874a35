"""Which trainings a sweep is made of, and which grids cannot be."""

from dataclasses import replace

import pytest

from vitrm.config import PRESETS
from vitrm.errors import ConfigError
from vitrm.nets.cost import multiply_adds
from vitrm.sweep.grid import grid


def test_the_grids_are_those_of_the_paper():
    batches = grid("batch-size")
    assert len(batches) == 7 * 5
    assert {cell.row for cell in batches} == {
        *("paper", "vit-small", "vit-base", "vit-large", "resnet18", "resnet34", "resnet50")
    }
    assert {cell.settings["train.batch_size"] for cell in batches} == {"64", "128", "256", "512", "1024"}
    ablation = grid("ablation")
    found = {(c.settings["model.memory_steps"], c.settings["model.supervision_steps"]) for c in ablation}
    assert found == {(m, n) for m in ("1", "2", "3", "6", "12") for n in ("1", "2", "4", "8", "16")}
    models = grid("models", seeds=[0, 1, 2])
    assert len(models) == 9 * 3
    assert {"vit-same-size", "vit-same-block"} <= {cell.preset for cell in models}
    assert [cell.seed for cell in models] == [0] * 9 + [1] * 9 + [2] * 9
    for cells in (batches, ablation, models):
        assert len({cell.name for cell in cells}) == len(cells)


def test_glimpses_stand_beside_the_same_model_that_sees_everything_for_about_the_same_work():
    cells = grid("glimpses", seeds=[0, 1], settings={"model.dim": "64"})
    assert [cell.seed for cell in cells] == [0, 0, 1, 1]
    glimpsing, whole = (PRESETS["tiny"].with_fields(cell.settings).model for cell in cells[:2])
    assert glimpsing.glimpse_patches == 16
    assert whole == replace(glimpsing, glimpse_patches=None, memory_steps=whole.memory_steps,
                            supervision_steps=whole.supervision_steps)  # fmt: skip
    assert 0.8 < multiply_adds(whole) / multiply_adds(glimpsing) < 1.25
    with pytest.raises(ConfigError, match="no glimpses"):
        grid("glimpses", ["digits"])


def test_a_seed_that_no_training_takes_is_refused_before_the_first():
    with pytest.raises(ConfigError, match="seed=-1: expected 0 to"):
        grid("models", seeds=[0, -1])


def test_the_mixture_grid_has_every_depth_with_and_without_it_and_what_is_laid_beside_it():
    cells = grid("mixture", seeds=[0, 1])
    places = {(cell.row, cell.column) for cell in cells}
    assert places == {
        ("sr-vit-tiny, R = 1", "last step"),  # where there is nothing to mix
        *((f"sr-vit-tiny, R = {r}", column) for r in (2, 4) for column in ("last step", "soft mixture")),
        *(("tiny", column) for column in ("last step", "soft mixture")),  # of its supervision steps
        ("vit-tiny-deep", "last step"),
    }
    models = {cell.name: PRESETS[cell.preset].with_fields(cell.settings).model for cell in cells if cell.seed == 0}
    deep = models["sr-vit-tiny-R-4-soft-mixture-seed0"]
    assert (deep.recursion_depth, deep.mixture) == (4, "token")
    assert models["sr-vit-tiny-R-4-last-step-seed0"] == replace(deep, mixture="last")
    assert len({cell.name for cell in cells}) == len(cells) == 16
    assert models["tiny-soft-mixture-seed0"] == replace(models["tiny-last-step-seed0"], readout="mixture")
