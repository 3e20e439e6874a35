"""The images that the landing page is chosen from: a wrong class first, the true one then, once and for good."""

import importlib.util
from pathlib import Path

import numpy as np

from app import state
from vitrm.runs.checkpoints import find_run

FILE = Path(__file__).resolve().parents[1] / "scripts" / "rank_changes.py"
_SPEC = importlib.util.spec_from_file_location("rank_changes", FILE)
rank_changes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rank_changes)


def course(*first):
    """The probabilities of two classes of three, when that of the first is as given after each step."""
    return [[p, 0.9 - p, 0.1] for p in first]


def test_only_one_change_to_the_true_class_counts_and_the_clearest_comes_first():
    probs = np.array(
        [
            course(0.8, 0.5, 0.1),  # sure of 0, in the end of 1
            course(0.5, 0.1, 0.1),  # hardly sure of 0
            course(0.1, 0.1, 0.1),  # true from the beginning
            course(0.8, 0.1, 0.8),  # and back
            course(0.1, 0.8, 0.1),  # true, wrong, true
            course(0.7, 0.7, 0.1),  # the true class is 2
        ]
    )
    found = rank_changes.ranked(probs, np.array([1, 1, 1, 1, 1, 2]))
    assert [(change.index, change.first, change.truth, change.step) for change in found] == [(0, 0, 1, 3), (1, 0, 1, 2)]
    assert found[0].clearness == 0.8
    assert found[1].clearness == 0.5


def test_what_the_first_page_opens_on_is_ready_made_and_changes_from_a_wrong_answer_to_the_true_one():
    trace = find_run(state.LANDING[state.CHECKPOINT]).gallery()[state.LANDING[state.IMAGE]]
    assert rank_changes.ranked(trace.probs[None, :, -1, -1], np.array([trace.label]))
