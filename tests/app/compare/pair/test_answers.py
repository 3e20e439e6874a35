"""What two models make of one image, and where they differ."""

from dataclasses import replace

import numpy as np

from app.compare.pair import answers
from app.compare.pair.answers import Answer
from vitrm.runs.checkpoints import find_run


def test_the_same_supervision_step_is_found_in_another_trace():
    six, one = (find_run(name).gallery()["test-9"] for name in ("digits-glimpse", "digits"))
    assert answers.same_place(None, six, one) is None
    assert answers.same_place(8, six, six) == 8
    assert answers.same_place(9, six, one) == 4  # the end of its only step: M = 3, so four moves
    assert answers.same_place(4, one, six) == 3  # the end of the first of its steps: M = 2


def test_what_two_models_say_is_compared_by_class_name():
    trace = find_run("digits-glimpse").gallery()["test-9"]
    given = [trace.class_names[k] for k in trace.probs[:, -1, -1].argmax(axis=-1)]
    label = trace.class_names[trace.label]
    alone = Answer(("none", given[0]), trace.pixels, 1, np.array([0.1, 0.9]))
    agree = [n for n, said in enumerate(given, start=1) if said == given[0]]
    said = answers.said(trace, alone)
    assert f"the true class is {label}" in said
    assert f"{', '.join(map(str, agree))} of {len(given)}" in said
    assert answers.answer_rows(alone, 1) == [{"class": f"{given[0]} (true class)", "probability": 0.9}]


def test_what_is_not_alike_about_two_models_is_said(model_facts):
    one, other = model_facts()[0], model_facts(classes=("a", "c", "d"))[0]
    grey = replace(other, model=replace(other.model, image_size=8, channels=1), data=replace(other.data))
    size, classes = answers.differences(one, grey)
    assert "32 × 32 pixels in colour, the second 8 × 8 in grey" in size
    assert "(2 and 3; not in both: b, c, d)" in classes
    assert answers.differences(one, one) == []
