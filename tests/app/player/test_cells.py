"""What the cells panel is sent of a maze."""

import json
from dataclasses import replace

import numpy as np
import pytest

from app.mazes.maze import SIGNS, Maze
from app.player.cells import NOT_REACHED, CellMap, Cells, cell_colours, telling, wave
from app.player.payload import payload
from vitrm.data.mazes import FIRST_GEM, WALL, render
from vitrm.runs.checkpoints import find_run

MAZE = Maze("s--ww1w2-")


def test_colours_of_cells_are_those_the_model_is_shown():
    pixels = render(MAZE.cells[None], 3)[0]
    assert cell_colours()[FIRST_GEM] == "#" + "".join(f"{value:02x}" for value in pixels[:, 1, 2])
    assert len(set(cell_colours())) == len(SIGNS)


def test_the_wave_is_the_mean_of_the_cells_at_each_distance_and_telling_counts_pairs():
    distances = np.array([0, 1, 2, -1, -1, 3, -1, -1, -1], np.int16)
    cells = Cells(MAZE.cells.ravel(), distances, maps=())
    values = np.array([[9, 1, 2, 0, 0, 3, 0, 2, 1]], float)
    groups, means = wave(values, cells)
    assert groups == [0, 1, 2, 3, NOT_REACHED]
    assert means[:, 0].tolist() == [9, 1, 2, 3, 1.5]
    # reachable 1, 2, 3 against cut off 2, 1: of six pairs three are won and two are even
    assert telling(values, cells).tolist() == [pytest.approx(4 / 6)]
    nothing_cut_off = replace(cells, codes=np.where(cells.distances < 0, WALL, cells.codes))
    assert telling(values, nothing_cut_off) is None


def test_the_player_is_sent_the_maps_and_the_colours_of_the_gems():
    trace = next(iter(find_run("digits").gallery().values()))
    values = np.zeros((trace.halt_logit.size, 9), np.float32)
    cells = Cells(MAZE.cells.ravel(), MAZE.distances.ravel(), (CellMap("a map", "how", values, "sequential", 0, 1),))
    sent = payload(trace, ("cells",), cells=cells)["cells"]
    json.dumps(sent)
    assert sent["codes"] == MAZE.cells.ravel().tolist()
    assert sent["colours"][FIRST_GEM] == "#e69f00"
    assert [each["name"] for each in sent["maps"]] == ["a map"]
    assert payload(trace, ("cells",))["cells"] is None
