"""Own pictures to train on: for their visitor and the teacher alone, without what a camera wrote, gone with a run."""

import io
import json
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from app import cache, own_data, sources, visitors
from app.visitors import Visitor
from vitrm.config import DataConfig
from vitrm.data.sources import load_dataset
from vitrm.errors import DataError, RunError
from vitrm.places import ROOT

ANN, BOB, TEACHER = Visitor("ann"), Visitor("bob"), Visitor("teacher", is_teacher=True)


def photograph(colour, **more):
    """A JPEG that says in its EXIF which camera made it."""
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x010F] = "SECRET CAMERA"
    Image.new("RGB", (600, 400), colour).save(out, "JPEG", exif=exif, **more)
    return out.getvalue()


def pets(each=4, **more):
    """A ZIP file with a folder of red and one of blue pictures, and what else is given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for k in range(each):
            archive.writestr(f"red/{k}.jpg", photograph((255, k, 0)))
            archive.writestr(f"blue/{k}.jpg", photograph((0, k, 255)))
        for name, content in more.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def take(content, visitor=ANN, most_mb=500.0):
    *shares, last = own_data.take(content, visitor, most_mb)
    assert shares == sorted(shares)
    return last


def test_pictures_become_data_to_train_on_without_what_the_camera_wrote():
    source, left_out = take(pets(red__note="a text", blue__empty=b""))
    assert left_out == [
        "“red/note”: not an image file; expected PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC",
        "“blue/empty”: empty file",
    ]
    data = load_dataset(source, image_size=16, channels=3)
    assert data.classes == ("blue", "red")
    assert sum(data.sizes.values()) == 8
    assert [int(pixels[2].float().mean() > 127) for pixels in data.test.images] == [
        int(label == 0) for label in data.test.labels
    ]
    files = [file for file in own_data.folder(source).rglob("*") if file.is_file()]
    assert all(b"SECRET" not in file.read_bytes() for file in files)
    assert all(b"note" not in file.read_bytes() for file in files)
    with Image.open(next(file for file in files if file.suffix == ".png")) as image:
        assert max(image.size) == own_data.MAX_SIDE
    assert DataConfig(source).title == "own pictures"


def test_they_are_seen_by_their_visitor_and_the_teacher_alone():
    source, _ = take(pets())
    assert own_data.owner(source) == "ann"
    assert [own_data.may_see(source, each) for each in (ANN, BOB, TEACHER)] == [True, False, True]
    assert (own_data.latest(ANN), own_data.latest(BOB)) == (source, None)
    shutil.rmtree(own_data.folder(source))
    assert [own_data.may_see(source, each) for each in (ANN, BOB, TEACHER)] == [False, False, True]


@pytest.mark.parametrize("source", ["digits", "folder:data/birds", "folder:data/.own", "folder:data/.own/x", "folder:"])
def test_other_data_is_nobodys_own(source):
    assert own_data.folder(source) is None
    assert own_data.owner(source) is None
    assert own_data.may_see(source, BOB)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"GIF89a", "not a ZIP file"),
        (pets(each=3), "too few pictures: blue 3, red 3; expected 2 classes or more, with 4 pictures or more each"),
        (pets(each=0, a__x=b"text", b__x=b"text"), "too few pictures: none; .*Left out: “a/x”: not an image file"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_and_nothing_of_it_stays(content, why):
    with pytest.raises(DataError, match=why):
        take(content)
    assert [file for file in Path("data").rglob("*") if file.is_file()] == []


def test_the_server_has_an_end(monkeypatch):
    with pytest.raises(DataError, match="this server takes no pictures"):
        take(pets(), most_mb=0)
    take(pets(), BOB)
    with pytest.raises(DataError, match=r"the pictures of all visitors take 0 of the 0 MB that this server keeps"):
        take(pets(), most_mb=0.01)
    first = own_data.take(pets(), ANN, 0.5)
    next(first)
    with pytest.raises(DataError, match="of all visitors take"):  # what the first may yet come to is counted
        take(pets(), BOB, most_mb=0.5)
    first.close()
    take(pets(), BOB, most_mb=0.5)
    monkeypatch.setattr(own_data, "SECONDS", -1.0)
    with pytest.raises(DataError, match="take longer than -1 seconds to decode"):
        take(pets())


def test_whoever_leaves_in_the_middle_leaves_nothing():
    working = own_data.take(pets(), ANN, 500.0)
    next(working)
    assert list(Path("data/.own").iterdir())
    working.close()
    assert list(Path("data/.own").iterdir()) == []


def used_by(name, source):
    run = Path("runs", name)
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"data": {"source": source}}))


def test_they_are_kept_for_as_long_as_a_run_was_trained_on_them():
    source, _ = take(pets())
    used_by("one", source)
    used_by("two", source)
    take(pets())  # what was never used gives way to the next, this does not
    for name in ("one", "two"):
        own_data.remove_unused(source, Path("runs"))
        assert own_data.folder(source).is_dir()
        shutil.rmtree(Path("runs", name))
    own_data.remove_unused(source, Path("runs"))
    assert not own_data.folder(source).exists()


def test_what_nobody_trains_on_gives_way_to_the_next_and_goes_after_an_hour(monkeypatch):
    first, _ = take(pets())
    others, _ = take(pets(), BOB)
    second, _ = take(pets())
    assert [own_data.folder(each).exists() for each in (first, others, second)] == [False, True, True]
    left = Path("data/.own", "0" * 32 + ".tmp")  # by a server that was killed
    left.mkdir()
    own_data.tidy()
    assert own_data.folder(second).exists()
    assert left.exists()
    later = time.time() + own_data.UNUSED_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    own_data.tidy()
    assert not own_data.folder(second).exists()
    assert not own_data.folder(others).exists()
    assert not left.exists()


def test_nothing_outside_is_ever_removed():
    kept = Path("data/birds/robin")
    kept.mkdir(parents=True)
    for source in ("folder:data/birds", "folder:data/.own/../birds", f"folder:{kept.resolve()}", None):
        own_data.remove_unused(source, Path("runs"))
    assert kept.is_dir()


@pytest.fixture
def learned(monkeypatch):
    """A finished run that was trained on Ann's pictures; `learned(visitor)` is what the app offers somebody."""
    source, _ = take(pets())
    folder = shutil.copytree(ROOT / "checkpoints" / "digits", "runs/mine")
    config = json.loads(Path(folder, "config.json").read_text())
    config["data"] |= {"source": source}
    Path(folder, "config.json").write_text(json.dumps(config))

    def offered(visitor):
        monkeypatch.setattr(visitors, "visitor", lambda: visitor)
        return cache.checkpoints()

    return offered


def test_a_model_that_was_trained_on_them_is_offered_to_those_who_may_see_them(learned):
    for visitor in (ANN, TEACHER):
        assert cache.checkpoint("mine") == learned(visitor)["mine"]
    learned(BOB)
    for name in ("mine", "runs/mine"):
        with pytest.raises(RunError, match=f"no run or checkpoint '{name}'; there are: .*digits") as said:
            cache.checkpoint(name)
        assert "mine" not in str(said.value).partition("there are")[2]
    assert "mine" not in learned(BOB)
    assert learned(ANN).keys() - learned(BOB).keys() == {"mine"}


@pytest.mark.parametrize("more", ["", "/red", "/../x"])
def test_the_images_of_an_upload_are_read_for_those_who_see_it_and_nothing_beside_it(more):
    source, _ = take(pets())
    assert sources.is_offered(source + more) is (more == "")
