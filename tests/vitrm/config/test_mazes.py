"""What a source of mazes asks for: read, written, and refused by name."""

from dataclasses import replace

import pytest

from vitrm.config import DataConfig
from vitrm.config.mazes import MazeSettings
from vitrm.data.sources import load_dataset
from vitrm.errors import DataError


def test_a_source_is_read_and_written():
    assert MazeSettings.parse("mazes") == MazeSettings.parse("mazes:") == MazeSettings()
    read = MazeSettings.parse("mazes:7x7, gems=4,walls=.45,lengths=2-9,train=100,test=50")
    assert read == MazeSettings(7, 4, 0.45, 2, 9, 100, 50)
    assert MazeSettings.parse(read.source) == read
    assert MazeSettings.parse("mazes:walls=0.00001").source.startswith("mazes:6x6,gems=2,walls=0.00001,")
    assert read.classes == ("orange", "sky blue", "bluish green", "vermillion")
    rooms = MazeSettings.parse("mazes:7x7,kind=rooms")
    assert MazeSettings.parse(rooms.source) == rooms
    assert rooms.title.startswith("rooms with loops (7 × 7 cells")
    several = MazeSettings.parse("mazes:7x7,gems=3,lengths=1-7,train=10 + 9x9,lengths=1-10")
    assert several.also == (MazeSettings(9, 3, shortest=1, longest=10, train=10),)
    assert several == replace(MazeSettings(7, 3, longest=7, train=10), also=several.also)
    assert MazeSettings.parse(several.source) == several
    assert "paths of 1 to 7; trained on 9 × 9 as well, paths of 1 to 10)" in several.title
    assert DataConfig(source="mazes:5x5").title == "mazes (5 × 5 cells, 2 gems, paths of 1 to 8)"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mazes:6", "'6' is no setting of mazes: expected mazes:6x6,gems=2"),
        ("mazes:6x7", "mazes of 6x7 cells: expected a square such as 6x6"),
        ("mazes:2x2", "mazes of 2x2 cells: expected 3x3 to 32x32"),
        ("mazes:gems=7", "gems=7: expected 2 to 6"),
        ("mazes:gem=3", "'gem=3' is no setting of mazes"),
        ("mazes:walls=40", "'walls=40' is no setting of mazes"),
        ("mazes:walls=1.0", "walls=1: expected between 0 and 1"),
        ("mazes:lengths=4", "'lengths=4' is no setting"),
        ("mazes:lengths=5-4", "lengths=5-4: expected 1 to 35, the shorter one first"),
        ("mazes:train=0", "train=0: expected 1 to 10,000,000"),
        ("mazes:kind=round", "kind=round: expected one of deep, even, rooms"),
        ("mazes:6x6,gems=3+gems=4", "gems=4 beside gems=3: expected most in the first mazes"),
        ("mazes:gems=3,gems=4", "'gems=4' in 'mazes:gems=3,gems=4' says again what was said before"),
    ],
)
def test_a_wrong_source_is_refused_by_name(source, message):
    with pytest.raises(DataError, match=message):
        load_dataset(source, 12, 3)
