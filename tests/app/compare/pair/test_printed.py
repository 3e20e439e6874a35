"""Two models on one image, for a paper."""

import numpy as np

from app.compare.pair.answers import Answer
from app.compare.pair.printed import SHOWN, pair
from app.printed.conversion import printed
from app.web.recordings import recordings


def test_both_models_are_drawn_by_class_each_in_one_colour_and_can_be_printed():
    trace = next(each for each in recordings() if each.set == "digits").trace
    label = trace.label if trace.label is not None else 0
    probs = np.full(len(trace.class_names), 0.01)
    wrong = (label + 1) % len(probs)
    probs[wrong] = 1 - probs.sum() + 0.01
    once = Answer(trace.class_names, trace.pixels, label, probs)
    figure = pair(["one", "two"], [trace, once])
    names = [each.name for each in figure.data]
    assert {trace.class_names[label], trace.class_names[wrong]} <= set(names)
    assert len(set(names)) <= SHOWN
    assert {names.count(name) for name in names} == {2}
    assert all(len({each.line.color for each in figure.data if each.name == name}) == 1 for name in names)
    first = next(each for each in figure.data if each.name == trace.class_names[wrong])
    np.testing.assert_array_equal(first.y, trace.probs[:, -1, -1, wrong])
    assert printed(figure, 84).svg().startswith(b"<?xml")
