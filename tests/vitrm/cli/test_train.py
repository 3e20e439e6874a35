"""`vitrm train`, run as a user runs it, in a folder of its own."""

import json

from PIL import Image
from trainings import TINY

from vitrm.cli import main as cli
from vitrm.runs.folder import Run
from vitrm.training.trainer import Trainer


def test_training_prints_where_it_writes_each_epoch_and_the_model_card(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert cli.main(["train", "digits", *TINY, "--data-root", "my data", "--name", "first"]) == 0
    out = capsys.readouterr().out
    assert "training into runs/first (1,294 images, cpu); stop with Ctrl-C" in out
    again = "vitrm train --resume runs/first --device cpu --threads 1 --data-root 'my data'"
    assert f"continue: {again}\n" in out
    assert "epoch 1: loss" in out
    assert "all 1 epochs done; best validation accuracy" in out
    assert "# first\n" in out
    assert Run(tmp_path / "runs" / "first").summary().epochs == 1


def test_a_run_without_a_name_is_named_after_its_preset(tmp_path):
    assert cli.main(["train", "digits", *TINY, "--runs", str(tmp_path)]) == 0
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("digits-2")


def test_the_number_of_classes_is_taken_from_the_data(tmp_path):
    for name, level in (("ant", 20), ("bee", 90), ("cat", 200)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(6):
            Image.new("L", (20, 12), level + i).save(tmp_path / "pictures" / name / f"{i}.png")
    source = f"folder:{tmp_path / 'pictures'}"
    assert cli.main(["train", "digits", *TINY, "--data", source, "--train.batch_size", "8", "--runs", str(tmp_path),
                     "--name", "three"]) == 0  # fmt: skip
    config = Run(tmp_path / "three").config()
    assert config.model.num_classes == 3
    assert config.data.classes == ("ant", "bee", "cat")
    assert config.data.source == source


def test_a_class_that_cannot_be_learned_is_named(tmp_path, capsys):
    for name, count in (("ant", 6), ("bee", 6), ("cat", 0)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(count):
            Image.new("L", (8, 8), 20 * i).save(tmp_path / "pictures" / name / f"{i}.png")
    words = ["train", "digits", *TINY, "--data", f"folder:{tmp_path / 'pictures'}", "--train.batch_size", "4"]
    assert cli.main([*words, "--runs", str(tmp_path), "--name", "a"]) == 0
    assert capsys.readouterr().err == "vitrm: no training image is of 'cat', which cannot be learned; add some\n"


def test_unreadable_images_are_counted_and_named(tmp_path, capsys):
    for name in ("ant", "bee"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (8, 8), 50 * i).save(tmp_path / "pictures" / name / f"{i}.png")
    for i in range(22):
        (tmp_path / "pictures" / "ant" / f"x{i:02}.png").write_bytes(b"")
    words = [
        "train",
        "digits",
        *TINY,
        "--data",
        f"folder:{tmp_path / 'pictures'}",
        "--runs",
        str(tmp_path),
        "--name",
        "a",
        "--train.batch_size",
        "4",
    ]
    assert cli.main(words) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[:2] == ["22 unreadable images skipped:", "  ant/x00.png: empty file"]
    assert err[21] == "  and 2 more"
    assert Run(tmp_path / "a").summary().skipped == 22


def test_an_estimate_trains_a_few_batches_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "digits", *TINY, "--train.epochs=7", "--estimate"]) == 0
    estimate = json.loads(capsys.readouterr().out)
    batches = 21  # of 64, for 1,294 images
    assert estimate["seconds"] >= 7 * batches * estimate["update_s"]
    assert (estimate["epochs"], estimate["train_images"], estimate["device"]) == (7, 1294, "cpu")
    assert list(tmp_path.iterdir()) == []


def test_memory_that_runs_out_is_said_with_its_remedy(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(Trainer, "train_batch", full)
    assert cli.main(["train", "digits", *TINY, "--runs", str(tmp_path), "--name", "full"]) == 1
    cause = Run(tmp_path / "full").status()["cause"]
    assert cause.startswith("memory ran out (")
    assert "choose a smaller train.batch_size or model" in cause
    assert cause in capsys.readouterr().err


def test_data_that_are_gone_when_a_run_is_resumed_are_named_in_its_status(tmp_path, capsys):
    for name in ("ant", "bee"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(6):
            Image.new("L", (8, 8), 40 * i).save(tmp_path / "pictures" / name / f"{i}.png")
    source = f"folder:{tmp_path / 'pictures'}"
    words = ["train", "digits", *TINY, "--data", source, "--train.batch_size", "4", "--runs", str(tmp_path)]
    assert cli.main([*words, "--name", "gone"]) == 0
    run = Run(tmp_path / "gone")
    (run.path / "summary.json").unlink()
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    assert cli.main(["train", "--resume", str(run.path), "--device", "cpu"]) == 1
    assert run.state == "failed"
    assert "does not exist" in run.status()["cause"]
    (tmp_path / "elsewhere").rename(tmp_path / "pictures")
    assert cli.main(["train", "--resume", str(run.path), "--device", "cpu"]) == 0


def test_a_folder_laid_out_like_imagenet_trains_at_224_in_patches_of_16(tmp_path):
    for part, count in (("train", 5), ("val", 2)):
        for name, level in (("n01440764", 60), ("n01443537", 180)):
            (tmp_path / "imagenet" / part / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (300, 240), (level + i, 90, 40)).save(
                    tmp_path / "imagenet" / part / name / f"{i}.JPEG", format="JPEG"
                )
    words = ["train", "paper", "--data", f"folder:{tmp_path / 'imagenet'}", "--runs", str(tmp_path), "--name", "run"]
    words += ["--model.image_size", "224", "--model.patch_size", "16", "--train.batch_size", "8", *TINY[4:]]
    assert cli.main([*words, "--train.epochs", "1"]) == 0
    run = Run(tmp_path / "run")
    assert run.config().model.num_patches == 196
    assert run.config().data.classes == ("n01440764", "n01443537")
    assert run.summary().split_sizes == {"train": 9, "val": 1, "test": 4}
