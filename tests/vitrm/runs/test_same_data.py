"""Pictures of one's own that have changed since: no image that was learned from is ever called a test."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

import vitrm
from vitrm.cli import main as cli
from vitrm.config import PRESETS
from vitrm.errors import DataError
from vitrm.runs.checkpoints import find_run
from vitrm.runs.folder import Run
from vitrm.runs.same_data import check_data
from vitrm.training.events import EpochEnd

SMALL = {
    "model.dim": 8, "model.num_heads": 2, "model.mlp_dim": 8, "model.depth": 1, "model.memory_steps": 1,
    "model.memory_tokens": 3, "model.supervision_steps": 1, "train.batch_size": 8, "train.epochs": 2,
}  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures of each of two classes."""
    for name, level in (("ant", 20), ("bee", 150)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(12):
            Image.new("L", (8, 8), level + 5 * i).save(tmp_path / "pictures" / name / f"{i:02}.png")
    return tmp_path / "pictures"


@pytest.fixture
def config(pictures):
    """A training on them."""
    return PRESETS["digits"].with_fields(SMALL | {"data.source": f"folder:{pictures}"})


def _says(capsys, *words):
    """What a command says that fails with one line."""
    capsys.readouterr()
    assert cli.main([*words, *(() if words[0] == "export" else ("--device", "cpu", "--threads", "1"))]) == 1
    out = capsys.readouterr()
    assert out.err.count("\n") == 1
    return out.err


def test_a_run_is_judged_on_the_pictures_it_was_trained_on_and_no_others(config, pictures, tmp_path, capsys):
    run = vitrm.fit(config, tmp_path / "run", device="cpu")
    known = run.config().data.fingerprint
    assert known.startswith("24 images ")
    shutil.copy(pictures / "ant" / "00.png", pictures / "ant" / "new.png")
    commands = (("evaluate", str(run.path)), ("export", str(run.path), str(tmp_path / "exported"), "--gallery", "1"))
    for words in commands:
        said = _says(capsys, *words)
        assert f"folder:{pictures} is not what {run.path} was trained on: expected {known}, found 25 images " in said
        assert f"on other data: vitrm evaluate {run.path} --data folder:{pictures}" in said
    assert not (tmp_path / "exported").exists()
    assert cli.main(["evaluate", str(run.path), "--data", f"folder:{pictures}", "--device", "cpu"]) == 0
    (pictures / "ant" / "new.png").unlink()
    moved = shutil.move(pictures, tmp_path / "elsewhere")
    assert vitrm.load_dataset(f"folder:{moved}", 8, 1).fingerprint == known
    (moved / "bee" / "03.png").rename(moved / "bee" / "30.png")
    assert vitrm.load_dataset(f"folder:{moved}", 8, 1).fingerprint != known


def test_a_run_goes_on_and_is_finished_with_the_pictures_it_began_with_and_no_others(
    config, pictures, tmp_path, capsys
):
    def interrupt(event):
        if isinstance(event, EpochEnd):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vitrm.fit(config, tmp_path / "run", device="cpu", watch=interrupt)
    (pictures / "bee" / "11.png").write_bytes(b"none")
    resume, finish = (words.format(tmp_path / "run").split() for words in ("train --resume {}", "finish {}"))
    for words in (resume, finish):
        capsys.readouterr()
        assert cli.main([*words, "--device", "cpu", "--threads", "1"]) == 1
        assert "found 23 images" in (said := capsys.readouterr().err)
        assert "(1 more cannot be read)" in said
    with pytest.raises(DataError, match="expected 24 images"):
        vitrm.fit(config, tmp_path / "run", device="cpu", resume=True)
    Image.new("L", (8, 8), 150 + 5 * 11).save(pictures / "bee" / "11.png")
    assert cli.main([*finish, "--device", "cpu", "--threads", "1"]) == 0
    assert Run(tmp_path / "run").is_complete


def test_of_a_run_that_knows_no_fingerprint_sizes_and_means_are_compared(config, pictures, tmp_path, capsys):
    run = vitrm.fit(config.with_fields({"train.epochs": 1}), tmp_path / "run", device="cpu")
    values = json.loads((run.path / "config.json").read_text())
    del values["data"]["fingerprint"]
    (run.path / "config.json").write_text(json.dumps(values))
    before, summary = run.config(), run.summary()
    data = vitrm.load_dataset(f"folder:{pictures}", 8, 1)
    check_data("run", before, summary, data)
    near = tuple(value + 0.001 for value in data.preprocess.mean)  # as an earlier version measured it
    check_data("run", before, None, replace(data, preprocess=replace(data.preprocess, mean=near)))
    Image.new("L", (8, 8)).save(pictures / "ant" / "new.png")
    assert "expected 17 train, 2 val, 5 test images, found 18 train, 2 val, 5" in _says(
        capsys, "evaluate", str(run.path)
    )
    for i in range(12):
        Image.new("L", (8, 8), 250).save(pictures / "ant" / f"{i:02}.png")
    with pytest.raises(DataError, match=r"expected mean and deviation 0\.\d+, 0\.\d+, found mean and deviation 0\."):
        check_data("run", before, None, vitrm.load_dataset(f"folder:{pictures}", 8, 1))


@pytest.mark.parametrize("name", ["cifar10-tiny", "photo", "sr-vit-tiny-r4", "vit-tiny-deep"])
def test_bundled_models_of_files_are_judged_on_files_of_the_same_photographs(name):
    run = find_run(name)
    config, summary = run.config(), run.summary()
    first = {"mean": [value + 0.0012 for value in config.data.mean], "std": list(config.data.std)}  # 20,000 of 45,000
    data = SimpleNamespace(
        source=config.data.source, fingerprint="60,000 images 0123", sizes=summary.split_sizes,
        preprocess=SimpleNamespace(**first), skipped=(),
    )  # fmt: skip
    check_data(name, config, summary, data)
    data.sizes = data.sizes | {"test": 9_999}
    with pytest.raises(DataError, match=r"10,000 test images, found .* 9,999 test images; images that"):
        check_data(name, config, summary, data)
