"""Whether a configuration fits its data."""

from dataclasses import replace

import pytest
from trainings import changed

from vitrm.config import ResNetConfig
from vitrm.errors import ConfigError
from vitrm.training.checks import fit_config
from vitrm.training.trainer import Trainer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 7}, "num_classes=7, but digits has 10 classes; use --model.num_classes 10"),
        ({"image_size": 16}, r"digits has images of shape \(1, 8, 8\), the model expects \(1, 16, 16\)"),
        ({"channels": 3}, r"digits has images of shape \(1, 8, 8\), the model expects \(3, 8, 8\)"),
    ],
)
def test_data_that_does_not_fit_the_model_is_refused_before_training(small_run, few_digits, changes, message):
    with pytest.raises(ConfigError, match=message):
        Trainer(changed(small_run, **changes), few_digits)


def test_a_shift_that_leaves_nothing_of_an_image_is_refused(small_run, few_digits):
    assert fit_config(changed(small_run, crop_pad=8), few_digits).train.crop_pad == 8
    with pytest.raises(ConfigError, match="crop_pad=9 shifts images of 8 pixels out of themselves; expected at most 8"):
        fit_config(changed(small_run, crop_pad=9), few_digits)


def test_a_single_image_is_too_few_for_batch_normalisation_whatever_the_batch_size(small_run, few_digits):
    config = replace(small_run, model=ResNetConfig(image_size=8, channels=1))
    alone = replace(few_digits, train=few_digits.train.subset(slice(0, 1)))
    with pytest.raises(ConfigError, match="batch normalisation cannot take; give it 2 or more"):
        fit_config(config, alone)


def test_a_run_remembers_what_its_data_turned_out_to_be(small_run, few_digits):
    data = fit_config(small_run, replace(few_digits, fingerprint="70 images")).data
    assert data.fingerprint == "70 images"
    assert data.classes == tuple("0123456789")
    assert (data.mean, data.std) == (few_digits.preprocess.mean, few_digits.preprocess.std)
