"""`vitrm evaluate`, run as a user runs it: its numbers are those of the run, and say what they are of."""

import json
import shutil
from argparse import Namespace

import torch

from vitrm.cli import main as cli
from vitrm.cli.evaluate import _fitted, foreign_sets
from vitrm.config import Config, DataConfig, ModelConfig, ResNetConfig
from vitrm.families import equip, make_model
from vitrm.runs.folder import Run


def test_evaluate_as_json_has_one_entry_per_supervision_step(runs, capsys):
    words = [
        "evaluate",
        str(runs / "small"),
        "--json",
        "--supervision-steps",
        "5",
        "--seed",
        "3",
        "--threads",
        "1",
        "--device",
        "cpu",
    ]
    assert cli.main(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"accuracy", "halt_prob", "halt_auroc", "data", "split", "n", "policy", "seed"}
    assert [len(result[key]) for key in ("accuracy", "halt_prob", "halt_auroc")] == [5, 5, 5]
    assert (result["split"], result["n"], result["seed"]) == ("test", 359, 3)
    assert result["data"].startswith("handwritten digits")
    assert result["policy"] == "all 5 supervision steps run for every image; no halting"


def test_evaluate_repeats_the_test_scores_of_the_summary(runs, capsys):
    cli.main(
        ["evaluate", str(runs / "small"), "--json", "--supervision-steps", "4", "--threads", "1", "--device", "cpu"]
    )
    result, summary = json.loads(capsys.readouterr().out), Run(runs / "small").summary()
    assert tuple(result["accuracy"]) == summary.test.accuracy  # twice the steps it was trained with
    assert summary.test.policy == result["policy"]


def test_evaluate_on_validation_repeats_the_best_validation_accuracy(runs, capsys):
    cli.main(["evaluate", str(runs / "small"), "--json", "--split", "val", "--threads", "1", "--device", "cpu"])
    result, summary = json.loads(capsys.readouterr().out), Run(runs / "small").summary()
    assert result["n"] == summary.split_sizes["val"]
    assert result["accuracy"][-1] == summary.best_val_accuracy


def test_evaluate_as_a_table_states_its_policy(runs, capsys):
    assert cli.main(["evaluate", str(runs / "small"), "--threads", "1", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("small on handwritten digits")
    assert lines[0].endswith("test split, n = 359, glimpse seed 0")
    assert lines[1] == "policy: all 2 supervision steps run for every image; no halting"
    assert [line.split()[0] for line in lines[3:]] == ["1", "2"]


def test_evaluate_on_other_data_takes_all_of_them_however_few_the_training_had(runs, tmp_path, capsys):
    from PIL import Image

    shutil.copytree(runs / "small", tmp_path / "few")
    file = tmp_path / "few" / "config.json"
    config = json.loads(file.read_text())
    config["data"]["train_images"] = 1200
    file.write_text(json.dumps(config))
    for digit in range(10):
        (tmp_path / "own" / str(digit)).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (8, 8), 20 * digit + i).save(tmp_path / "own" / str(digit) / f"{i}.png")
    words = ["evaluate", str(tmp_path / "few"), "--data", f"folder:{tmp_path / 'own'}", "--json", "--device", "cpu"]
    assert cli.main([*words, "--threads", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 10


def test_mazes_of_the_trained_size_are_given_as_they_were_learned_and_larger_ones_with_cells_as_large():
    trained, larger = DataConfig(source="mazes:4x4,gems=2"), DataConfig(source="mazes:6x6,gems=2")
    resnet = Config(ResNetConfig(image_size=8), data=trained)
    assert _fitted(resnet, resnet, model := object()) == (resnet, model)
    shape = {"image_size": 16, "patch_size": 2, "dim": 8, "depth": 1, "num_heads": 2, "mlp_dim": 8}  # 2 x 2 a cell
    fine = Config(ModelConfig(**shape, positions="relative"), data=trained)
    made = equip(make_model(fine.model), fine)
    assert _fitted(fine, fine, made) == (fine, made)
    config, model = _fitted(fine, Config(fine.model, data=larger), made)
    assert (config.model.image_size, model.config.image_size) == (24, 24)


def test_foreign_images_may_be_mazes_of_any_grid_with_settings_and_without_a_name(tmp_path):
    source = "mazes:5x5,gems=2,lengths=1-2,train=20,test=4"  # 32 pixels, as of other data, are no multiple of 5
    own = Namespace(val=Namespace(images=torch.zeros(1, 1, 8, 8)))
    found = foreign_sets(Namespace(domain=[source, f"mine={source}"], data_root=str(tmp_path)), own)
    assert list(found) == [source, "mine"]
    assert [tuple(split.images.shape) for split in found["mine"]] == [(2, 1, 8, 8), (4, 1, 8, 8)]
