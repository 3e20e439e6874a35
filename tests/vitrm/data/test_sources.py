"""Where data comes from: folders and parquet files; and what is said where it is damaged or not there."""

import io
import json
import os
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vitrm.data.sources import load_dataset
from vitrm.errors import DataError


def _encoded(colour, kind="PNG", size=(8, 8), mode="RGB", **options):
    content = io.BytesIO()
    Image.new(mode, size, colour).save(content, kind, **options)
    return content.getvalue()


def _fill(folder, classes, count=5):
    """`count` plain 8 x 8 images per class, each of a grey level of its own: 10 * class + number."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            (folder / name / f"{i}.png").write_bytes(_encoded((10 * label + i,) * 3))


def _levels(split):
    """The grey level that identifies each image of `_fill`."""
    return split.images[:, 0, 0, 0].tolist()


# Folders


def test_folder_with_a_test_folder_uses_it(tmp_path):
    _fill(tmp_path / "train", ["ant", "bee"])
    _fill(tmp_path / "test", ["ant", "bee"], count=2)
    dataset = load_dataset(f"folder:{tmp_path}", 8, 3)
    assert dataset.classes == ("ant", "bee")
    assert sorted(_levels(dataset.test)) == [0, 1, 10, 11]
    assert sorted(_levels(dataset.train) + _levels(dataset.val)) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert len(dataset.val) == 1
    assert [level // 10 for level in _levels(dataset.train)] == dataset.train.labels.tolist()


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_folders_for_training_validation_and_test_are_kept_apart(tmp_path, validation):
    for name, count in {"train": 5, validation: 3, "test": 2}.items():
        _fill(tmp_path / name, ["ant", "bee"], count=count)
    dataset = load_dataset(f"folder:{tmp_path}", 8, 3, val_fraction=0.4)
    assert dataset.sizes == {"train": 10, "val": 6, "test": 4}
    assert sorted(_levels(dataset.val)) == [0, 1, 2, 10, 11, 12]
    assert sorted(_levels(dataset.test)) == [0, 1, 10, 11]


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_a_validation_folder_without_a_test_folder_is_the_test(tmp_path, validation):
    for name, count in {"train": 5, validation: 3}.items():
        _fill(tmp_path / name, ["ant", "bee"], count=count)
    dataset = load_dataset(f"folder:{tmp_path}", 8, 3)
    assert dataset.sizes == {"train": 9, "val": 1, "test": 6}
    assert sorted(_levels(dataset.test)) == [0, 1, 2, 10, 11, 12]


@pytest.mark.parametrize("inside", ["", "train"])
def test_folder_without_a_test_folder_has_one_carved_out(tmp_path, inside):
    _fill(tmp_path / inside, ["ant", "bee"])
    dataset = load_dataset(f"folder:{tmp_path}", 8, 3)
    parts = [_levels(dataset.train), _levels(dataset.val), _levels(dataset.test)]
    assert [len(part) for part in parts] == [7, 1, 2]
    assert sorted(level for part in parts for level in part) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert _levels(load_dataset(f"folder:{tmp_path}", 8, 3, split_seed=9).test) == _levels(dataset.test)


def test_hidden_folders_and_other_files_are_no_data(tmp_path):
    _fill(tmp_path, ["ant", "bee"])
    (tmp_path / ".cache").mkdir()
    (tmp_path / "ant" / "notes.txt").write_text("nothing to see")
    dataset = load_dataset(f"folder:{tmp_path}", 8, 3)
    assert dataset.classes == ("ant", "bee")
    assert dataset.skipped == ()


def test_test_folder_with_an_unknown_class_is_refused(tmp_path):
    _fill(tmp_path / "train", ["ant", "bee"])
    _fill(tmp_path / "test", ["ant", "wasp"])
    with pytest.raises(DataError, match="has a class folder 'wasp' that"):
        load_dataset(f"folder:{tmp_path}", 8, 3)


def test_absent_folder_and_folder_without_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere' does not exist; expected"):
        load_dataset(f"folder:{tmp_path}/nowhere", 8, 3)
    (tmp_path / "only").mkdir()
    with pytest.raises(DataError, match="holds 1 class folders, expected at least 2"):
        load_dataset(f"folder:{tmp_path}", 8, 3)
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(DataError, match=r"notes\.txt' is a file, no folder; expected"):
        load_dataset(f"folder:{tmp_path / 'notes.txt'}", 8, 3)


def test_training_and_test_images_without_folders_of_classes_are_not_taken_for_two_classes(tmp_path):
    _fill(tmp_path, ["test", "train"])
    with pytest.raises(
        DataError, match=r"has the folders test and train without any for classes; expected .*train/CLASS"
    ):
        load_dataset(f"folder:{tmp_path}", 8, 3)
    _fill(tmp_path, ["bus"])
    assert load_dataset(f"folder:{tmp_path}", 8, 3).classes == ("bus", "test", "train")  # vehicles, for instance


def test_two_images_are_too_few_and_the_message_says_so(tmp_path):
    _fill(tmp_path, ["ant", "bee"], count=1)
    with pytest.raises(DataError, match="leaves 0 training, 1 validation and 1 test images with val_fraction=0"):
        load_dataset(f"folder:{tmp_path}", 8, 3)


def test_damaged_images_are_skipped_and_named(tmp_path):
    _fill(tmp_path, ["ant", "bee"])
    jpeg = _encoded((1, 2, 3), "JPEG", size=(64, 64))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("cat.txt", "meow")
    for name, content in {
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "empty.png": b"",
        "text.png": b"not pixels",
        "zip.png": archive.getvalue(),
    }.items():
        (tmp_path / "ant" / name).write_bytes(content)
    dataset = load_dataset(f"folder:{tmp_path}", 8, 3)
    assert len(dataset.train) + len(dataset.val) + len(dataset.test) == 10
    found = dict(line.split(": ", 1) for line in dataset.skipped)
    assert found.pop("ant/cut.jpg").startswith("damaged image (")
    assert found == {
        "ant/empty.png": "empty file",
        "ant/text.png": "not an image file",
        "ant/zip.png": "not an image file but a zip archive",
    }


@pytest.mark.parametrize("memory_gb", [1.0, 1e-9])  # in memory, and in a file
def test_what_is_called_an_image_and_is_no_file_is_skipped_and_never_waited_for(tmp_path, memory_gb):
    _fill(tmp_path / "all", ["ant", "bee"])
    ants = tmp_path / "all" / "ant"
    (ants / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (ants / "round.png").symlink_to(ants / "round.png")
    (ants / "folder.png").mkdir()
    os.mkfifo(ants / "pipe.png")
    dataset = load_dataset(f"folder:{tmp_path / 'all'}", 8, 3, root=tmp_path / "data", memory_gb=memory_gb)
    names = ("folder", "gone", "pipe", "round")
    assert dataset.skipped == tuple(f"ant/{name}.png: no file, or a link that leads to none" for name in names)
    assert sum(dataset.sizes.values()) == 10


def test_classes_without_a_training_image_are_known(tmp_path):
    _fill(tmp_path, ["ant", "bee"])
    (tmp_path / "cat").mkdir()
    assert load_dataset(f"folder:{tmp_path}", 8, 3).unlearnable == ("cat",)


def test_a_folder_of_nothing_but_damage_is_refused_with_the_first_reason(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no readable image found; 2 skipped: ant/1\.png: empty file"):
        load_dataset(f"folder:{tmp_path}", 8, 3)


# Parquet


def _write_parquet(file, levels, *, names=("ant", "bee"), column="img", image=None, labels=None):
    """The Hugging Face image layout: {bytes, path} and a label, class names in the schema's metadata."""
    rows = image or [{"bytes": _encoded((level,) * 3), "path": None} for level in levels]
    table = pa.table({column: rows, "label": labels or [level // 10 for level in levels]})
    if names:
        feature = {"names": list(names), "_type": "ClassLabel"}
        meta = {"info": {"features": {column: {"_type": "Image"}, "label": feature}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(meta)})
    pq.write_table(table, file)


@pytest.mark.parametrize("column", ["img", "image"])
def test_parquet_in_the_hugging_face_layout_is_read_with_its_class_names(tmp_path, column):
    (tmp_path / "data").mkdir()
    _write_parquet(tmp_path / "data" / "train-00000-of-00002.parquet", [0, 1, 10], column=column)
    _write_parquet(tmp_path / "data" / "train-00001-of-00002.parquet", [11, 12], column=column)
    _write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", [2, 13], column=column)
    dataset = load_dataset(f"parquet:{tmp_path}", 8, 3)
    assert dataset.classes == ("ant", "bee")
    assert sorted(_levels(dataset.train) + _levels(dataset.val)) == [0, 1, 10, 11, 12]
    assert _levels(dataset.test) == [2, 13]
    assert dataset.test.labels.tolist() == [0, 1]


def test_parquet_files_for_validation_are_validation_or_without_a_test_file_the_test(tmp_path):
    _write_parquet(tmp_path / "train.parquet", [0, 1, 10, 11])
    _write_parquet(tmp_path / "validation.parquet", [3, 13])
    alone = load_dataset(f"parquet:{tmp_path}", 8, 3)
    assert (alone.sizes["train"], _levels(alone.test)) == (3, [3, 13])
    _write_parquet(tmp_path / "test.parquet", [2, 12])
    found = load_dataset(f"parquet:{tmp_path}", 8, 3)
    assert (found.sizes["train"], _levels(found.val), _levels(found.test)) == (4, [3, 13], [2, 12])


def test_parquet_without_names_or_test_file_numbers_its_classes_and_carves_a_test_split(tmp_path):
    _write_parquet(tmp_path / "train.parquet", [0, 1, 2, 10, 11, 12, 20, 21, 22, 23], names=None)
    dataset = load_dataset(f"parquet:{tmp_path}", 8, 3)
    assert dataset.classes == ("0", "1", "2")
    assert [len(dataset.train), len(dataset.val), len(dataset.test)] == [7, 1, 2]


def test_parquet_with_bare_bytes_and_a_row_without_an_image(tmp_path):
    images = [_encoded((level,) * 3) for level in (0, 1, 10, 11)]
    _write_parquet(tmp_path / "train.parquet", (), image=[*images, None], labels=[0, 0, 1, 1, 1])
    dataset = load_dataset(f"parquet:{tmp_path}", 8, 3)
    assert len(dataset.train) + len(dataset.val) + len(dataset.test) == 4
    assert dataset.skipped == ("train row 4: empty file",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"x": [1]}, r"has columns \['x'\], expected an image column"),
        ({"img": ["a", "b"], "label": [0, 1]}, "images of type string, expected encoded bytes"),
        ({"img": [b"a", b"b"], "label": ["ant", "bee"]}, "labels of type string, 0 absent; expected whole numbers"),
        ({"img": [b"a", b"b"], "label": [0, None]}, "labels of type int64, 1 absent; expected whole numbers"),
        ({"img": [b"a", b"b"], "label": [-1, 1]}, "labels -1 to 1 but 2 class names"),
        ({"img": [b"a", b"b"], "label": [1, 2**40]}, "labels 1 to 1099511627776: expected 0 to 99,999"),
        ({"img": [b"a", b"b"], "label": [0, 0]}, "has 1 class, '0', expected at least 2"),
        ({"img": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, "have no rows"),
    ],
)
def test_parquet_of_another_layout_is_refused_with_what_was_found(tmp_path, table, message):
    pq.write_table(pa.table(table), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=message):
        load_dataset(f"parquet:{tmp_path}", 8, 3)


def test_absent_and_damaged_parquet_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no train\*.parquet under"):
        load_dataset(f"parquet:{tmp_path}", 8, 3)
    (tmp_path / "train.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match="is not a readable parquet file"):
        load_dataset(f"parquet:{tmp_path}", 8, 3)


# Sources that are not there, or do not fit


@pytest.mark.parametrize("source", ["mnist2", "folder:", "parquet:", "folder", ""])
def test_unknown_sources_are_refused_with_the_list_of_known_ones(source):
    with pytest.raises(DataError, match=f"unknown data source '{source}': expected one of digits, cifar10"):
        load_dataset(source, 8, 1)


def test_a_shape_that_does_not_fit_is_refused_with_the_settings_that_would():
    with pytest.raises(DataError, match=r"1 x 8 x 8 .*, the model expects 3 x 32 x 32") as caught:
        load_dataset("digits", 32, 3)
    assert "--model.image_size 8 --model.channels 1" in str(caught.value)
