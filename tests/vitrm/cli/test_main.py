"""The command line, run as a user runs it, in a folder of its own."""

import json
import shlex
import shutil
import subprocess
import sys

import pytest
import torch

from vitrm.cli import main as cli
from vitrm.places import ROOT
from vitrm.runs.folder import Run
from vitrm.training.trainer import Trainer

TINY = shlex.split(
    "--train.epochs 1 --train.batch_size 64 --model.dim 16 --model.num_heads 2 --model.mlp_dim 16 --model.depth 1 "
    "--model.memory_tokens 3 --model.memory_steps 1 --model.supervision_steps 2 --threads 1 --device cpu"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with one finished run, "small"."""
    folder = tmp_path_factory.mktemp("runs")
    assert cli.main(["train", "digits", *TINY, "--runs", str(folder), "--name", "small"]) == 0
    return folder


def _fails(capsys, *words):
    """The one line on stderr with which a command fails."""
    capsys.readouterr()
    assert cli.main(list(words)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert err.startswith("vitrm: ")
    return err.removeprefix("vitrm: ").removesuffix("\n")


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


@pytest.mark.parametrize(
    "words",
    [
        ["train", "digits", "--train.lr", "1e-4", "--model.halt_bias", "-3", "--name", "spelt"],
        ["train", "--train.lr=1e-4", "--name", "spelt", "--model.halt_bias=-3", "digits"],
        ["train", "--train.lr", "1e-4", "--name=spelt", "digits", "--model.halt_bias", "-3"],
    ],
)
def test_settings_may_stand_anywhere_and_be_spelt_both_ways(words, tmp_path):
    assert cli.main([*words, *TINY, "--runs", str(tmp_path)]) == 0
    config = Run(tmp_path / "spelt").config()
    assert (config.train.lr, config.model.halt_bias) == (1e-4, -3.0)


HELP = """
import sys
from vitrm.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules)
"""


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_does_not_wait_for_torch(command):
    words = [sys.executable, "-c", HELP, *command.split(), "--help"]
    out = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.startswith(f"usage: vitrm {command}".rstrip())
    modules = out.splitlines()[-1].split()
    assert "torch" not in modules
    if not command:
        assert not {f"vitrm.cli.{name}" for name in cli.COMMANDS} & {*modules}


def test_settings_reach_the_run(runs):
    config = Run(runs / "small").config()
    assert (config.model.dim, config.model.supervision_steps, config.train.batch_size) == (16, 2, 64)


def test_a_run_without_a_name_is_named_after_its_preset(tmp_path):
    assert cli.main(["train", "digits", *TINY, "--runs", str(tmp_path)]) == 0
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("digits-2")


def test_the_number_of_classes_is_taken_from_the_data(tmp_path):
    from PIL import Image

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


def test_evaluate_on_data_with_other_classes_is_refused(runs, tmp_path, capsys):
    from PIL import Image

    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("L", (8, 8), i).save(tmp_path / name / f"{i}.png")
    message = _fails(capsys, "evaluate", str(runs / "small"), "--data", f"folder:{tmp_path}")
    assert f"folder:{tmp_path} has the classes ant, bee, but small was trained on 0, 1, 2" in message


def test_export_writes_a_checkpoint_with_ready_made_traces(runs, tmp_path, capsys):
    words = ["export", str(runs / "small"), str(tmp_path / "exported"), "--bf16", "--gallery", "3"]
    assert cli.main(words) == 0
    target = Run(tmp_path / "exported")
    assert capsys.readouterr().out == f"exported to {target.path}\n"
    assert [trace.label for trace in target.gallery().values()] == [0, 1, 2]
    assert not target.resumable


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("export digits-glimpse unwritten --gallery 1 --gallery-images -1", "the test split has images 0 to 358"),
        ("export vit-tiny-deep unwritten --gallery 1", "a gallery needs a model with supervision steps"),
        ("export digits unwritten --mixture", "a judgement of the mixture needs an SR-ViT"),
        ("export digits unwritten --domain folder:nowhere", "folder 'nowhere' does not exist"),
        ("train", "say what to train: vitrm train PRESET, one of paper, paper-as-published, tiny, digits"),
        ("train digts", "unknown preset 'digts'; did you mean 'digits'?"),
        ("train digits --train.ir 1", "unknown setting 'train.ir'; did you mean 'train.lr'?"),
        ("train digits --train.lr", "'--train.lr' needs a value"),
        ("train digits --train.lr fast", "train.lr='fast': expected a number"),
        ("train digits --model.dim 30", "dim=30 is not a multiple of num_heads=4"),
        ("train digits --lr 1", "unknown argument '--lr'; settings look like --train.lr 1e-3"),
        ("train digits extra", "unknown argument 'extra'"),
        ("train digits --data digit", "unknown data source 'digit': expected one of digits, cifar10"),
        ("train digits --data folder:nowhere", "folder 'nowhere' does not exist"),
        ("train digits --data parquet:nowhere", "no train*.parquet under 'nowhere'"),
        ("train tiny --data digits", "digits has images of shape 1 x 8 x 8"),
        ("train digits --model.num_classes 7", "num_classes=7, but digits has 10 classes; use --model.num_classes 10"),
        ("train digits --train.batch_size 9999", "train.batch_size=9999, but digits has 1,294 training images"),
        ("train digits --device tpu", "device 'tpu' is not available here; usable: cpu"),
        ("train digits --device cpu:x", "device 'cpu:x' is not available here; usable: cpu"),
        ("train --resume nowhere", "no run or checkpoint 'nowhere'; there are: "),
        ("train --resume small --train.lr 1", "--train.lr cannot be used here: a resumed run keeps its settings"),
        ("train digits --runs file.txt", "Not a directory"),
        ("train paper --resume x", "'paper' is about a new training, --resume continues 'x'; leave out one"),
        ("train --data cifar10 --resume x", "--data is about a new training, --resume continues 'x'"),
        ("train --name new --resume x", "--name is about a new training, --resume continues 'x'"),
        ("train --runs elsewhere --resume x", "--runs is about a new training, --resume continues 'x'"),
        ("train digits --estimate --budget-minutes 1", "the whole training; leave out --budget-minutes"),
        ("ask nowhere pause", "no run or checkpoint 'nowhere'; there are: "),
        ("ask digits pause", "no process is training into "),
        ("evaluate nowhere", "no run or checkpoint 'nowhere'; there are: "),
        ("evaluate small --train.lr 1", "--train.lr cannot be used here: evaluate takes no settings"),
        (
            "evaluate x --save",
            "--save keeps what --by-difficulty, --mazes, --sizes, --domain, --mixture, --policies find, ",
        ),
        ("evaluate x --halting --save", "what --halting finds is kept by vitrm export --halting"),
        ("evaluate x --mazes --save --data digits", "leave out --data, or --save"),
        ("evaluate x --sizes --within 3 --save", "leave out --within"),
        ("evaluate x --mixture --split val --save", "leave out --split"),
        ("evaluate x --control y", "--control is of --by-difficulty and --policies; add it, or leave this out"),
        ("evaluate x --policies --kinds deep", "--kinds is of --sizes; add it, or leave this out"),
        ("evaluate x --within 3", "--within is of --sizes"),
        ("evaluate x --seeds 1", "--seeds is of --policies"),
        (
            "evaluate x --supervision-steps 3 --sizes",
            "--supervision-steps cannot be used here: --sizes runs as many as",
        ),
        ("bench --device cpu --profile", "--profile is of --training; add it, or leave this out"),
        ("bench digits --halting x", "'digits' cannot be used here: --halting measures what it names itself"),
        ("bench --agreement x --repeats 2", "leave out --repeats"),
        ("export nowhere folder", "no run or checkpoint 'nowhere'; there are: "),
        ("export digits-glimpse unwritten --gallery-images 3", "--gallery-images is of --gallery"),
    ],
)
def test_every_mistake_is_answered_with_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("no folder")
    assert message in _fails(capsys, *shlex.split(words))
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    "words",
    [
        "evaluate x --supervision-steps 0",
        "evaluate x --supervision-steps -1",
        "evaluate x --split train",
        "train x --threads 0",
        "bench --training --halting x",
        "nonsense",
        "",
    ],
)
def test_arguments_that_make_no_sense_are_answered_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(shlex.split(words))
    assert caught.value.code == 2
    assert "usage: vitrm" in capsys.readouterr().err


def test_unreadable_images_are_counted_and_named(tmp_path, capsys):
    from PIL import Image

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


def test_the_number_of_threads_is_the_one_asked_for(runs):
    cli.main(["evaluate", str(runs / "small"), "--threads", "2", "--device", "cpu"])
    assert torch.get_num_threads() == 2


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
    from PIL import Image

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


def test_a_stopped_run_can_be_finished_as_it_is(tmp_path, capsys):
    words = ["train", "digits", *TINY, "--train.epochs", "3", "--runs", str(tmp_path), "--name", "run"]
    assert cli.main(words) == 0
    run = Run(tmp_path / "run")
    whole = run.summary()
    lines = run.metrics()
    second = max(i for i, event in enumerate(lines) if event["event"] == "EpochEnd" and event["epoch"] == 2)
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in lines[: second + 1]))
    assert cli.main(["finish", str(run.path)]) == 1
    assert "is complete already" in capsys.readouterr().err
    (run.path / "summary.json").unlink()
    assert cli.main(["finish", str(run.path), "--device", "cpu", "--threads", "1"]) == 0
    finished = run.summary()
    assert finished.reason == "stopped after epoch 2 of 3"
    assert finished.epochs == 2
    assert finished.test == whole.test  # the same weights file
    assert "stopped after epoch 2 of 3" in capsys.readouterr().out


def test_a_folder_laid_out_like_imagenet_trains_at_224_in_patches_of_16(tmp_path):
    from PIL import Image

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
