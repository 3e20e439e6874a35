"""The warning about foreign images: scores computed by hand, and what is stored can be measured again."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrm.cli.main import main
from vitrm.data.dataset import Split
from vitrm.judge.domain import CANDIDATES, DomainReport, Part, fitted, image_statistics
from vitrm.judge.evaluation import predict_steps
from vitrm.judge.report import measured
from vitrm.runs.checkpoints import find_run


def judged(*parts, mean=(), precision=(), threshold=0.5):
    """A report with these parts, (score, median, spread) each."""
    return DomainReport(
        parts=tuple(Part(*part) for part in parts),
        threshold=threshold,
        val_false_alarms=0.05,
        test_false_alarms=0.05,
        split_sizes={"train": 1, "val": 1, "test": 1},
        seed=0,
        candidates={},
        sets=(),
        mean=mean,
        precision=precision,
    )


def test_softmax_and_energy_are_those_of_the_definition():
    logits, pixels = np.log(np.array([[1.0, 1.0, 2.0]])), np.zeros((1, 1, 8, 8), np.uint8)
    assert judged(("softmax", 0.0, 1.0)).score(pixels, logits)[0] == pytest.approx(0.5)
    assert judged(("energy", 0.0, 1.0)).score(pixels, logits)[0] == pytest.approx(np.log(4))


def test_of_a_pair_the_lower_score_on_the_common_scale_counts():
    logits, pixels = np.log(np.array([[1.0, 1.0, 2.0]])), np.zeros((1, 1, 8, 8), np.uint8)
    parts = ("softmax", 0.6, 0.2), ("energy", 0.0, 1.0)  # of the first: (0.5 - 0.6) / 0.2 = -0.5
    assert judged(*parts).score(pixels, logits)[0] == pytest.approx(-0.5)
    assert judged(*parts, threshold=-0.4).is_foreign(pixels[0], logits[0])
    assert not judged(*parts, threshold=-0.6).is_foreign(pixels[0], logits[0])


def test_statistics_are_the_mahalanobis_distance():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    values = image_statistics(pixels)
    precision = np.diag(np.arange(1, values.shape[1] + 1))
    report = judged(("statistics", 0.0, 1.0), mean=values[0], precision=precision)
    score = report.score(pixels, np.zeros((3, 10)))
    assert score[0] == pytest.approx(0)
    by_hand = -sum((k + 1) * (values[1, k] - values[0, k]) ** 2 for k in range(values.shape[1]))
    assert score[1] == pytest.approx(by_hand)


def test_statistics_see_brightness_black_and_colour():
    grey, red = np.full((1, 3, 8, 8), 51, np.uint8), np.zeros((1, 3, 8, 8), np.uint8)
    red[:, 0] = 255
    plain, coloured = image_statistics(grey)[0], image_statistics(red)[0]
    np.testing.assert_allclose(plain[-12:], 0.2)  # four quarters of three channels
    np.testing.assert_allclose(coloured[-12:], [1] * 4 + [0] * 8)
    assert plain[:7] == pytest.approx(np.log(1e-5))  # no edge, no contrast, no colour
    assert coloured[5] == pytest.approx(np.log(2 / 9 + 1e-5), rel=1e-5)  # (4/9 + 1/9 + 1/9) / 3
    assert image_statistics(np.zeros((2, 1, 7, 7), np.uint8)).shape[0] == 2  # odd sizes too


@pytest.mark.parametrize("name", ["digits", "digits-glimpse", "cifar10-tiny"])
def test_a_bundled_checkpoint_has_its_warning_measured(name):
    report = find_run(name).report("domain")
    assert report.val_false_alarms == pytest.approx(0.05, abs=0.01)
    assert report.test_false_alarms < 0.10
    assert set(report.candidates) == {" and ".join(parts) for parts in CANDIDATES}
    assert " and ".join(part.score for part in report.parts) == max(report.candidates, key=report.candidates.get)
    detected = {foreign.name: foreign.detected for foreign in report.sets}
    assert len(detected) == 5
    other = "handwritten digits" if name == "cifar10-tiny" else "CIFAR-10 (JPEG)"
    assert detected[other] > 0.9
    assert detected["noise"] > 0.9


def test_the_stored_false_alarm_rate_of_digits_can_be_measured_again(digits):
    run = find_run("digits")
    report, model = run.report("domain"), run.load_model()
    logits = predict_steps(model, model.transform, digits.test).logits[-1].numpy()
    warned = report.score(digits.test.images.numpy(), logits) < report.threshold
    assert warned.mean() == pytest.approx(report.test_false_alarms, abs=0.003)


def test_the_threshold_comes_from_validation_and_the_rates_from_test(digits):
    model = find_run("digits").load_model()
    report = measured("domain", model, digits)
    black = Split(torch.zeros(30, 1, 8, 8, dtype=torch.uint8), torch.zeros(30, dtype=torch.int64))
    other = measured("domain", model, replace(digits, test=black))
    assert (other.threshold, other.parts) == (report.threshold, report.parts)
    assert other.test_false_alarms == 1
    assert report.val_false_alarms == pytest.approx(0.05, abs=0.01)


def test_images_of_another_shape_are_fitted(digits):
    small = fitted(digits.test, 3, 32, most=5)
    assert small.images.shape == (5, 3, 32, 32)
    assert torch.equal(small.images[:, 0], small.images[:, 2])
    assert small.labels.tolist() == digits.test.labels[:5].tolist()


def test_the_command_measures_and_keeps_it(tmp_path, capsys):
    assert main(["export", "digits", str(tmp_path / "mine")]) == 0
    assert find_run(tmp_path / "mine").report("domain") is None
    command = [
        "evaluate",
        str(tmp_path / "mine"),
        "--domain",
        "the same digits=digits",
        "--save",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    assert main([*command, "--data", "fashion"]) == 1  # what it is worth on them is not kept as what it is worth
    assert "leave out --data, or --save" in capsys.readouterr().err
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "false alarms on test: " in printed
    assert "caught of the same digits (n = 359)" in printed
    stored = find_run(tmp_path / "mine").report("domain")
    same = next(foreign for foreign in stored.sets if foreign.name == "the same digits")
    assert same.detected == pytest.approx(stored.test_false_alarms)

    # A run made again under the same name has other weights, of which it says nothing.
    mine, model = find_run(tmp_path / "mine"), find_run("digits").load_model()
    mine.save_weights(model)
    assert mine.report("domain") == stored
    with torch.no_grad():
        model.answer_init += 1
    mine.save_weights(model)
    assert mine.report("domain") is None
