"""What is typed and cannot be meant is answered with one line, or the usage."""

import shlex

import pytest

from vitrm.cli import main as cli


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
        ("train digits --device meta", "device 'meta' is not available here; usable: cpu"),
        ("evaluate fashion --data digits", "to train on these add --model.image_size 8 --model.channels 1"),
        ("evaluate digits --supervision-steps 100000", "--supervision-steps 100000: expected 1 to 1,000"),
        ("train digits --data.mean 0.5", "--data.mean cannot be used here: it is found when the data are read"),
        (
            "train digits --data cifar10 --data.source fashion",
            "--data cifar10 and --data.source fashion both say what is learned from; leave out one",
        ),
        (
            "sweep models --data cifar10 --data.source fashion",
            "--data cifar10 and --data.source fashion both say what is learned from; leave out one",
        ),
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
        ("evaluate x --domain --save --data digits", "leave out --data, or --save"),
        (
            "evaluate x --sizes --data mazes:9x9",
            "--data cannot be used here: --sizes draws mazes like those of the training",
        ),
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
        (
            "bench --training --device cpu --train.batch_size 8",
            "--train.batch_size cannot be used here: give --batch-sizes",
        ),
        ("bench --training --device cpu --data.source x", "--data.source cannot be used here: images are made up"),
        ("bench digits --halting x", "'digits' cannot be used here: --halting measures what it names itself"),
        ("bench --agreement x --repeats 2", "leave out --repeats"),
        ("bench --halting digits", "supervision_steps=1: a judgement of halting needs 2 or more"),
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
        "evaluate x --seed 99999999999999999999",
        "evaluate x --seeds 0 -1",
        "evaluate x --split train",
        "export x y --gallery -1",
        "train x --threads 0",
        "train digits --name ../up",
        "train digits --name .hidden",
        "sweep models --name a/b",
        "bench --training --halting x",
        "app --port 65536",
        "nonsense",
        "",
    ],
)
def test_arguments_that_make_no_sense_are_answered_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(shlex.split(words))
    assert caught.value.code == 2
    assert "usage: vitrm" in capsys.readouterr().err


def test_evaluate_on_data_with_other_classes_is_refused(runs, tmp_path, capsys):
    from PIL import Image

    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("L", (8, 8), i).save(tmp_path / name / f"{i}.png")
    message = _fails(capsys, "evaluate", str(runs / "small"), "--data", f"folder:{tmp_path}")
    assert f"folder:{tmp_path} has the classes ant, bee, but small was trained on 0, 1, 2" in message
    assert "give data with these classes, or train a model on that" in message


def test_a_number_too_large_to_count_with_is_refused(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "digits", "--threads", "99999999999"])
    assert "'99999999999': expected a whole number, 1 to 2,147,483,647" in capsys.readouterr().err
