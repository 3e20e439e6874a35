"""What a player shows, for a paper."""

import numpy as np
import pytest

from app.player.printed import figures, seen
from app.printed.conversion import printed
from app.web.recordings import recordings

PANELS = ("memory", "attention", "attribution", "cells")


@pytest.mark.parametrize("model", ["digits", "digits-glimpse"])
def test_every_figure_of_a_player_can_be_printed(model):
    recording = next(each for each in recordings() if each.set == model)
    made = figures(recording.trace, PANELS)
    assert len(made) == 6
    for make in made.values():
        drawing = printed(make(), 84)
        assert drawing.svg().startswith(b"<?xml")


def test_what_was_not_seen_is_grey_in_its_picture_and_the_answer_stands_below(shown):
    drawing = printed(seen(shown), 174)
    names = list(drawing.numbers)
    assert len(names) == len(shown.patches)
    steps = [np.array(list(columns.values())) for columns in drawing.numbers.values()]
    new = set(shown.patches[-1].tolist()) - set(shown.patches[:-1].ravel().tolist())
    assert (steps[-1] != steps[0]).any() == bool(len(np.unique(shown.patches)) > len(shown.patches[0]))
    assert len(new) == 0 or (steps[-1] != steps[-2]).any()
    last = shown.class_names[int(shown.probs[-1, -1, -1].argmax())]
    assert names[-1].startswith(f"{len(shown.patches)}: {last}, ")
