"""Settings: strict reading, readable refusals, and values typed on a command line."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from vitrm.config import (
    PRESETS,
    Config,
    DataConfig,
    ModelConfig,
    ResNetConfig,
    TrainConfig,
    ViTConfig,
    preset,
)
from vitrm.errors import ConfigError


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name):
    config = PRESETS[name]
    assert Config.from_dict(config.to_dict()) == config
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_what_the_data_turned_out_to_be_survives_json():
    config = Config(
        ModelConfig(num_classes=2),
        data=DataConfig(classes=("cat", "dog"), mean=(0.5, 0.25, 0.125), std=(1.0, 0.5, 0.25)),
    )
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_absent_keys_take_their_defaults():
    assert Config.from_dict({"model": {"dim": 96}}) == Config(model=ModelConfig(dim=96))


def test_paper_preset_is_the_published_setting():
    model, train = preset("paper").model, preset("paper").train
    assert (model.image_size, model.patch_size, model.dim, model.num_heads, model.mlp_dim) == (32, 4, 384, 6, 512)
    assert (model.depth, model.memory_steps, model.recursion_steps, model.supervision_steps) == (3, 3, 1, 1)
    assert (model.memory_size, model.feed_forward, model.halt_threshold, model.dropout) == (64, "swiglu", 0.5, 0.1)
    assert (train.batch_size, train.lr, train.weight_decay, train.betas) == (128, 3e-4, 0.05, (0.9, 0.999))
    assert (train.epochs, train.warmup_epochs, train.min_lr, train.patience) == (1000, 30, 1e-6, 10)
    assert (train.ema_decay, train.crop_pad, train.flip) == (0.999, 4, True)
    assert (train.randaugment_ops, train.randaugment_magnitude) == (2, 9)
    assert (train.mixup_alpha, train.cutmix_alpha, train.label_smoothing) == (0.2, 1.0, 0.0)


def test_what_is_said_to_be_the_papers_is_what_the_preset_paper_has():
    config = preset("paper")
    for part in (config.model, config.train):
        for each in fields(part):
            published = each.metadata.get("published", {})
            assert published.keys() <= {"paper", "code"}
            if "paper" in published and "code" not in published:
                assert published["paper"] == getattr(part, each.name), each.name


# What docs/models.md lists as changed by `paper`: the test holds list and preset together.
CHANGED = {
    "model.init": "authors",
    "model.halt_bias": 0.0,
    "train.schedule": "epoch",
    "train.decay": "all",
    "train.grad_clip": 0.0,
    "train.ema_warmup": False,
    "train.halt_target": "label",
    "train.cutmix_box": "even",
    "train.seed": 42,
}


def test_as_published_has_every_choice_of_the_authors_code_and_the_list_names_each():
    published = preset("paper-as-published")
    assert published.differences(preset("paper")) == CHANGED
    for part in (published.model, published.train):
        for each in fields(part):
            values = each.metadata.get("published", {})
            assert getattr(part, each.name) == values.get("code", values.get("paper", getattr(part, each.name)))
    listed = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    missing = [name for name in CHANGED if f"`{name}`" not in listed]
    assert not missing


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        Config().train.lr = 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"dmi": 64}}, r"unknown key 'dmi' in config.model; did you mean 'dim'\?"),
        ({"modle": {}}, r"unknown key 'modle' in config; did you mean 'model'\?"),
        ({"train": {"zzzz": 1}}, r"unknown key 'zzzz' in config.train; expected one of: epochs, batch_size"),
        ({"model": []}, "config.model is list, expected an object"),
        ("text", "config is str, expected an object"),
        ({"model": {"dim": "wide"}}, "config.model.dim='wide': expected a whole number"),
        ({"model": {"dim": 96.5}}, "config.model.dim=96.5: expected a whole number"),
        ({"model": {"dim": True}}, "config.model.dim=True: expected a whole number"),
        ({"model": {"dim": None}}, "config.model.dim=None: expected a whole number"),
        ({"model": {"dim": float("inf")}}, "config.model.dim=inf: expected a whole number"),
        ({"model": {"memory_tokens": "many"}}, "config.model.memory_tokens='many': expected a whole number"),
        ({"model": {"feed_forward": "relu"}}, "feed_forward='relu': expected one of 'swiglu', 'gelu'"),
        ({"model": {"final_norm": "maybe"}}, "final_norm='maybe': expected true or false"),
        ({"model": {"final_norm": 2}}, "final_norm=2: expected true or false"),
        ({"train": {"compile": 1}}, "compile=1: expected one of false, true, 'auto'"),
        ({"train": {"lr": "fast"}}, "config.train.lr='fast': expected a number"),
        ({"train": {"lr": [1e-3]}}, r"config.train.lr=\[0.001\]: expected a number"),
        ({"train": {"betas": [0.9]}}, r"betas=\[0.9\]: expected 2 values"),
        ({"data": {"classes": 3}}, "classes=3: expected a list"),
        ({"data": {"source": None}}, "source=None: expected text"),
    ],
)
def test_unknown_keys_and_wrong_types_are_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        Config.from_dict(values)


def test_files_without_a_family_are_of_vitrm_and_the_family_decides_the_rest():
    assert Config.from_dict({"model": {"dim": 96}}).model == ModelConfig(dim=96)
    assert Config.from_dict({"model": {"family": "vit", "dim": 96}}).model == ViTConfig(dim=96)
    assert Config.from_dict({"model": {"family": "resnet", "layers": 50}}).model == ResNetConfig(layers=50)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"family": "vti"}, r"unknown config.model.family 'vti'; did you mean 'vit'\?"),
        ({"family": 7}, "unknown config.model.family '7'; expected one of: vitrm, vit, resnet"),
        ({"family": ["vit"]}, "unknown config.model.family"),
        ({"family": "vit", "memory_tokens": 3}, "unknown key 'memory_tokens' in config.model"),
        ({"family": "vit", "supervision_steps": 3}, "unknown key 'supervision_steps' in config.model"),
        ({"family": "resnet", "layer": 50}, r"unknown key 'layer' in config.model; did you mean 'layers'\?"),
        ({"family": "resnet", "layers": 51}, "config.model.layers=51: expected one of 18, 34, 50"),
        ({"family": "vit", "dim": 100}, "dim=100 is not a multiple of num_heads=8"),
        ({"family": "vit", "image_size": 33}, "image_size=33 is not a multiple of patch_size=4"),
        ({"family": "resnet", "channels": 2}, "channels=2: expected 1"),
        ({"family": "vit", "drop_path": 1.0}, "drop_path=1.0: expected 0 <= drop_path < 1"),
    ],
)
def test_mistakes_are_named_within_their_family(model, message):
    with pytest.raises(ConfigError, match=message):
        Config.from_dict({"model": model})


def test_a_setting_of_another_family_is_refused_and_the_family_stays():
    with pytest.raises(
        ConfigError, match=r"unknown setting 'model.memory_steps' of a plain ViT \(8 layers of width 512\)"
    ):
        preset("vit-small").with_fields({"model.memory_steps": "2"})
    with pytest.raises(ConfigError, match=r"model.family='vit': the family comes with the preset"):
        preset("paper").with_fields({"model.family": "vit"})
    assert preset("resnet18").with_fields({"model.layers": "34"}).model == ResNetConfig(layers=34)


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        ("train.lr", "1e-3", 1e-3),
        ("train.epochs", "7", 7),
        ("train.betas", "0.8,0.99", (0.8, 0.99)),
        ("train.flip", "false", False),
        ("train.flip", "Yes", True),
        ("train.compile", "1", True),
        ("train.compile", "False", False),
        ("train.compile", "auto", "auto"),
        ("model.memory_tokens", "null", None),
        ("model.memory_tokens", "none", None),
        ("model.memory_tokens", "12", 12),
        ("model.glimpse_patches", "16", 16),
        ("model.reading", "cross", "cross"),
        ("model.halt_bias", "-3", -3.0),
        ("data.source", "folder:my pictures", "folder:my pictures"),
        ("data.mean", "0.1,0.2,0.3", (0.1, 0.2, 0.3)),
    ],
)
def test_values_typed_on_a_command_line_become_the_type_of_the_field(setting, text, value):
    section, name = setting.split(".")
    found = getattr(getattr(Config().with_fields({setting: text}), section), name)
    assert found == value
    assert type(found) is type(value)


def test_changed_fields_leave_the_others_and_the_original_alone():
    config = preset("digits")
    changed = config.with_fields({"train.lr": "0.5", "model.dim": "32"})
    assert (changed.train.lr, changed.model.dim) == (0.5, 32)
    assert replace(changed.train, lr=config.train.lr) == config.train
    assert replace(changed.model, dim=config.model.dim) == config.model
    assert config == preset("digits")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.ir", r"unknown setting 'train.ir'; did you mean 'train.lr'\?"),
        ("model.lr", "unknown setting 'model.lr'; did you mean"),
        ("lr", "unknown setting 'lr'"),
        ("to_dict.x", "unknown setting 'to_dict.x'"),
        ("model", "unknown setting 'model'"),
    ],
)
def test_unknown_settings_are_refused_with_the_nearest_name(setting, message):
    with pytest.raises(ConfigError, match=message):
        Config().with_fields({setting: "1"})


def test_unknown_preset_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"unknown preset 'papper'; did you mean 'paper'\?"):
        preset("papper")
    with pytest.raises(ConfigError, match="expected one of: paper, paper-as-published, tiny"):
        preset("?")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({name: 0}, f"{name}=0: expected 1 to")
            for name in (
                *("num_classes", "image_size", "patch_size", "dim", "depth", "num_heads", "mlp_dim"),
                *("memory_tokens", "memory_steps", "recursion_steps", "supervision_steps"),
            )
        ),
        ({"dim": 10**12}, "dim=1000000000000: expected 1 to 16,384"),
        ({"depth": 10**9}, "depth=1000000000: expected 1 to 256"),
        ({"supervision_steps": 10**9}, "supervision_steps=1000000000: expected 1 to 1,000"),
        ({"image_size": 4096, "patch_size": 1}, "16,777,216 patches: expected at most 65,536"),
        ({"image_size": 33}, "image_size=33 is not a multiple of patch_size=4"),
        ({"dim": 100}, "dim=100 is not a multiple of num_heads=6"),
        ({"channels": 2}, r"channels=2: expected 1 \(grey\) or 3 \(colour\)"),
        ({"dropout": 1.0}, "dropout=1.0: expected 0 <= dropout < 1"),
        ({"halt_threshold": 0.0}, "halt_threshold=0.0: expected between 0 and 1"),
        ({"halt_bias": float("nan")}, "halt_bias=nan: expected a finite number"),
        ({"glimpse_patches": 0}, "glimpse_patches=0: expected 1 to 64"),
        ({"glimpse_patches": 65}, "glimpse_patches=65: expected 1 to 64"),
        ({"positions": "relative", "memory_tokens": 16}, "positions='relative' needs memory_tokens=None and"),
        ({"positions": "relative", "glimpse_patches": 16}, "one memory token per patch"),
        ({"positions": "relative", "reading": "cross"}, "needs token_mixing='attention' and reading='joint'"),
        ({"embedding": "convolutional", "patch_size": 8}, "embedding='convolutional' needs patch_size=4, .* found 8"),
        ({"embedding": "convolutional", "dim": 360}, "needs a dim that is a multiple of 16, found 360"),
        ({"embedding": "convolutional", "glimpse_patches": 16}, "needs glimpse_patches=None: convolutions see over"),
        ({"glimpse_patches": 16, "token_mixing": "mlp"}, "glimpse_patches needs token_mixing='attention' or reading"),
    ],
)
def test_models_that_cannot_be_built_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs=0: expected 1 or more"),
        ({"batch_size": 0}, "batch_size=0: expected 1 or more"),
        ({"lr": 0.0}, "lr=0.0: expected more than 0"),
        ({"lr": float("nan")}, "lr=nan: expected more than 0"),
        ({"lr": float("inf")}, "lr=inf: expected more than 0"),
        ({"min_lr": 1.0}, "min_lr=1.0: expected between 0 and lr=0.0003"),
        ({"betas": (0.9, 1.0)}, r"betas=\(0.9, 1.0\): expected two values, 0 <= beta < 1"),
        ({"ema_decay": 1.0}, "ema_decay=1.0: expected 0 <= ema_decay < 1"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0: expected 0 <= value < 1"),
        *(
            ({name: -1}, f"{name}=-1: expected 0 or more")
            for name in (
                *("warmup_epochs", "weight_decay", "grad_clip", "halt_weight", "patience", "crop_pad", "affine"),
                *("randaugment_ops", "memory_noise", "start_noise", "epoch_images"),
            )
        ),
        ({"mixup_alpha": -1}, r"mixup_alpha=-1: expected 0 \(none\), or 0.01 to 100"),
        ({"cutmix_alpha": 1e300}, r"cutmix_alpha=1e\+300: expected 0 \(none\), or 0.01 to 100"),
        ({"weight_decay": float("nan")}, "weight_decay=nan: expected 0 or more"),
        ({"randaugment_magnitude": 31}, "randaugment_magnitude=31: 0 to 30"),
        ({"seed": -1}, "seed=-1: expected 0 to"),
        ({"seed": 2**63}, "seed=9223372036854775808: expected 0 to"),
        ({"backprop": "all"}, "backprop='all' needs update='batch'"),
    ],
)
def test_recipes_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**changes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"classes": ("cat", "dog")}, "data.classes has 2 entries, but the model needs 10"),
        ({"mean": (0.5,)}, "data.mean has 1 entries, but the model needs 3"),
        ({"std": (0.5,) * 4}, "data.std has 4 entries, but the model needs 3"),
    ],
)
def test_data_and_model_that_do_not_fit_are_refused(data, message):
    with pytest.raises(ConfigError, match=message):
        Config(data=DataConfig(**data))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_fraction": 0.0}, "val_fraction=0.0: expected between 0 and 1"),
        ({"val_fraction": 1.0}, "val_fraction=1.0: expected between 0 and 1"),
        ({"split_seed": -1}, "split_seed=-1: expected 0 to"),
        ({"std": (0.0,)}, r"std=\(0.0,\): expected values above 0"),
        ({"mean": (float("nan"),)}, r"mean=\(nan,\): expected finite values"),
    ],
)
def test_data_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        DataConfig(**changes)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_effective_depth_is_that_of_the_passes(name):
    model = PRESETS[name].model
    passes = list(model.passes())
    assert model.unrolled_layers == sum(len(each.layers) for each in passes)
    assert {layer for each in passes for layer in each.layers} == set(range(model.unique_layers))
    assert {each.step for each in passes} == set(range(model.supervision_steps))


def test_a_recursion_is_deep_without_having_many_layers():
    model = ModelConfig(depth=2, memory_steps=3, recursion_steps=2, supervision_steps=4)
    assert (model.unique_layers, model.unrolled_layers) == (2, 4 * 2 * (3 + 1) * 2)
    assert [(each.step, each.name, each.layers) for each in model.passes()][2:5] == [
        (0, "memory", (0, 1)),
        (0, "answer", (0, 1)),
        (0, "memory", (0, 1)),
    ]
    two_blocks = replace(model, shared_block=False)
    assert two_blocks.unique_layers == 4
    assert next(each for each in two_blocks.passes() if each.name == "answer").layers == (2, 3)
