"""What tests of mazes share: a maze as one draws it."""

import numpy as np
import pytest

from vitrm.data.mazes import FIRST_GEM, FREE, START, WALL


@pytest.fixture(scope="session")
def drawn():
    """`drawn("S.# ### 1.2")`: the cells of a maze, row by row; its gems are numbers."""
    codes = {"#": WALL, ".": FREE, "S": START} | {str(colour): FIRST_GEM + colour for colour in range(6)}
    return lambda text: np.array([[codes[letter] for letter in row] for row in text.split()], dtype=np.uint8)
