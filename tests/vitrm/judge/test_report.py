"""Every kind of report: kept in the run folder, read back as it was, none of other weights, refused when damaged."""

import contextlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from vitrm.errors import RunError
from vitrm.judge.report import KINDS, Progress, Report, Tally, report_type
from vitrm.places import ROOT
from vitrm.runs.folder import Run

BUNDLED = {  # a checkpoint that has each of them
    "halting": "digits-glimpse",
    "glimpses": "digits-glimpse",
    "mixture": "sr-vit-digits",
    "mazes": "mazes",
    "difficulty": "mazes",
    "domain": "digits-glimpse",
}
JSON = [kind for kind in KINDS if report_type(kind).file.endswith(".json")]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def run(kind, tmp_path):
    """A copy of a run that has such a report."""
    if kind not in BUNDLED:
        pytest.skip("no bundled checkpoint has one")
    return Run(Path(shutil.copytree(ROOT / "checkpoints" / BUNDLED[kind], tmp_path / "run")))


def file_of(run, kind):
    return run.path / report_type(kind).file


def test_every_kind_names_itself_and_a_file_of_its_own(kind):
    made = report_type(kind)
    assert issubclass(made, Report)
    assert made.kind == kind
    assert [report_type(each).file for each in KINDS].count(made.file) == 1


def test_a_report_comes_back_as_it_was_kept(run, kind):
    before = run.report(kind)
    file_of(run, kind).unlink()
    assert run.report(kind) is None
    assert run.report_version(kind) is None
    run.keep(before)
    after = run.report(kind)
    assert after.numbers() == before.numbers()
    assert list(after.lines()) == list(before.lines())
    (values, arrays), (wanted, wanted_arrays) = after.packed(), before.packed()
    assert json.dumps(values) == json.dumps(wanted)
    for name, array in wanted_arrays.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_numbers_are_plain_json(run, kind):
    numbers = run.report(kind).numbers()
    assert json.loads(json.dumps(numbers)).keys() == numbers.keys()


def test_a_report_of_weights_that_have_been_replaced_is_none(run, kind):
    model, report = run.load_model(), run.report(kind)
    run.save_weights(model)
    run.keep(report)
    run.save_weights(model)
    assert run.report(kind) is not None  # the same weights, written again
    with torch.no_grad():
        next(model.parameters()).add_(1)
    run.save_weights(model)
    assert run.report(kind) is None


def test_a_report_in_another_format_is_none(run, kind, monkeypatch):
    monkeypatch.setattr(report_type(kind), "format", 99)
    assert run.report(kind) is None


@pytest.mark.parametrize("content", [b"", b"{", b"PK\x03\x04", b"\xff\xfe", b"[" * 100_000], ids=range(5))
def test_damaged_files_are_said(run, kind, content):
    file_of(run, kind).write_bytes(content)
    with pytest.raises(RunError, match=rf"{file_of(run, kind).name}': it is damaged .*; have the report made anew"):
        run.report(kind)


def test_what_is_no_file_is_said(run, kind):
    file_of(run, kind).unlink()
    file_of(run, kind).mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        run.report(kind)


@pytest.mark.parametrize("kind", JSON)
def test_every_field_that_is_absent_or_odd_is_named(run, kind):
    whole = json.loads(file_of(run, kind).read_text())
    optional = {"images", "control"} if kind in ("halting", "glimpses") else set()
    for name in whole.keys() - {"format", "weights"} - optional:
        for change in ({}, {name: {"odd": []}}):
            file_of(run, kind).write_text(json.dumps({k: v for k, v in whole.items() if k != name} | change))
            with pytest.raises(RunError, match=name):
                run.report(kind)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("halting", lambda v: v["halt_auroc"].pop(), "halt_auroc has 5 entries, expected 6"),
        ("halting", lambda v: v["earliest"][0].update(label=10), "label=10: there are 10 classes"),
        ("halting", lambda v: v["latest"][0].update(index=359), "index=359: there is no such test image"),
        ("halting", lambda v: v["budgeted"].pop("entropy"), r"budgeted\[entropy\] is absent"),
        ("halting", lambda v: v["leaving"].pop(0), "leaving: expected to begin with threshold 0"),
        ("halting", lambda v: v["leaving"].reverse(), "leaving: expected to begin with threshold 0"),
        ("halting", lambda v: v["leaving"][2].update(images=[1] * 6), r"leaving\[2\].images: expected all test images"),
        (
            "halting",
            lambda v: v["leaving"][0].update(right=[360, 0, 0, 0, 0, 0]),
            r"leaving\[0\].right: more than have",
        ),
        ("halting", lambda v: v["images"].update({"3": "YQ=="}), r"images\[3\] is no picture"),
        ("glimpses", lambda v: v["policies"]["fixed"]["accuracy"].pop(), r"policies\[fixed\].accuracy has 5 entries"),
        ("glimpses", lambda v: v.update(patches=15), "patches=15: expected 16"),
        ("mixture", lambda v: v["own"].append(1.0), "own has 5 entries, expected 4"),
        ("mixture", lambda v: v["replaced"].pop(), "replaced: expected every mixture at every step"),
        ("difficulty", lambda v: v["levels"][0].update(mean_exit=None), r"levels\[0\].mean_exit"),
        ("domain", lambda v: v["parts"][0].update(spread=0), r"parts\[0\].spread=0: expected more than 0"),
    ],
)
def test_what_contradicts_itself_or_the_model_is_named(run, kind, change, said):
    values = json.loads(file_of(run, kind).read_text())
    change(values)
    file_of(run, kind).write_text(json.dumps(values))
    with pytest.raises(RunError, match=said):
        run.report(kind)


@pytest.mark.parametrize("kind", ["halting"])
def test_a_report_of_another_family_of_models_is_refused(run, kind):
    config = json.loads((ROOT / "checkpoints" / "sr-vit-digits" / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="it is of a model with halting, which this is not"):
        run.report(kind)


@pytest.mark.parametrize("kind", ["mazes"])
def test_odd_arrays_are_named(run, kind):
    report = run.report(kind)
    _, arrays = report.packed()
    for name, wrong in (
        ("lengths0", arrays["lengths0"][None]),
        ("right1", arrays["right1"][:, :-1]),
        ("halt0", arrays["halt0"].astype(np.float64)),
        ("nearest0", arrays["nearest0"][None]),
        ("probe_weights", arrays["probe_weights"] * np.nan),
        ("probe_called", arrays["probe_called"][:, :-1]),
    ):
        with pytest.raises(RunError, match=name):
            report.unpacked(report.packed()[0], arrays | {name: wrong})


@pytest.mark.parametrize("kind", ["mazes"])
def test_a_file_that_would_be_unpacked_to_gigabytes_is_refused(run, kind):
    with zipfile.ZipFile(file_of(run, kind), "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("meta.npy", bytes(2**26 + 1))
    with pytest.raises(RunError, match=r"of arrays, expected at most 67\.11 MB"):
        run.report(kind)


@pytest.mark.parametrize("kind", ["mazes"])
def test_bytes_that_were_changed_on_the_way_never_end_in_a_traceback(run, kind):
    whole, generator = file_of(run, kind).read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            content[place] ^= int(generator.integers(1, 256))
        file_of(run, kind).write_bytes(content)
        with contextlib.suppress(RunError):
            found = run.report(kind)
            assert found is None or list(found.lines())


def test_a_tally_counts_images_over_all_splits():
    tally = Tally(30)
    assert tally.add() == Progress(0, 30)
    assert tally.add(10).share == pytest.approx(1 / 3)
    assert tally.add(20).is_complete
    assert Tally(0).add().share == 1
