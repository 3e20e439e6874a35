"""What may be laid side by side, and what each entry has taken after every step."""

import pytest

from app.compare import comparison
from vitrm.nets.cost import multiply_adds
from vitrm.runs.checkpoints import find_run
from vitrm.sweep.row import Row


def test_only_models_of_the_same_images_and_classes_are_laid_side_by_side(model_facts):
    facts = {
        "one": model_facts(name="Set: said at length"),
        "two": model_facts(name="Set"),
        "other classes": model_facts(classes=("a", "c"), name="Set"),
        "fewer images": model_facts(n=50, name="Set"),
        "elsewhere": model_facts(source="cifar10"),
    }
    found = comparison.of_models(facts)
    assert [[each.name for each in group.entries] for group in found] == [
        ["one", "two"],
        ["other classes"],
        ["fewer images"],
        ["elsewhere"],
    ]
    assert found[0].data == "Set"
    assert len({group.key for group in found}) == len({group.title for group in found}) == 4
    said = comparison.others(found, found[0])
    assert "other classes (Set: other classes or test images)" in said
    assert "elsewhere (CIFAR-10: other data)" in said


def test_an_entry_has_the_accuracy_after_its_trained_steps_and_what_every_step_has_taken(model_facts):
    (found,) = comparison.of_models({"one": model_facts()})
    one = found.entries[0]
    assert one.accuracy == pytest.approx(70)
    assert one.training == "2 epochs, 2 minutes, CPU, 1 thread"
    steps = one.steps()
    assert [step.layers for step in steps] == [4, 8, 12, 16]  # (M + 1) * depth = 4 a step
    assert [step.beyond for step in steps] == [False, False, False, True]
    assert [step.multiply_adds for step in steps] == [multiply_adds(one.config, n) for n in (1, 2, 3, 4)]


def test_a_model_of_which_only_the_end_is_known_is_one_point_there(entry, a_vitrm):
    (step,) = entry("cell", a_vitrm, 42.0).steps()
    assert (step.number, step.accuracy, step.layers) == (3, 42.0, 12)


def test_tables_of_one_budget_are_one_comparison_and_others_are_not(a_vit):
    def result(minutes, **changes):
        usual = {"row": "r", "column": "", "accuracy": 50.0, "spread": 1.0, "seeds": (0, 1), "accuracy_by_step": ()}
        usual |= {
            "parameters": 1,
            "data": "D",
            "test_images": 10,
            "epochs": (2, 2),
            "epoch_images": 1000,
            "hardware": "H",
            "commit": "c",
        }
        return Row(minutes=minutes, model=a_vit, **usual | changes)

    again = result(4.0, column="the same weights", weights_of="r")
    found = comparison.of_tables({"a": [result(4.0), again], "b": [result(4.0, column="R = 2")], "c": [result(None)]})
    assert [[each.name for each in group.entries] for group in found] == [["r", "r, R = 2"], ["r"]]
    assert [group.scale for group in found] == ["4 minutes each, H", "1,000 images an epoch, H"]
    assert [group.trainings for group in found] == [4, 2]


def test_the_recursion_steps_of_an_sr_vit_are_its_steps():
    run = find_run("sr-vit-digits")
    facts = {"sr": (run.config(), run.summary())}
    (found,) = comparison.of_models(facts, {"sr": run.report("mixture")})
    steps = found.entries[0].steps()
    assert [step.layers for step in steps] == [3, 6, 9, 12]
    assert steps[-1].accuracy == pytest.approx(found.entries[0].accuracy, abs=1e-4)
    assert steps[-1].multiply_adds == multiply_adds(run.config().model)
