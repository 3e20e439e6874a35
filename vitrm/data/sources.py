"""From a source string to a data set: `load_dataset(source, ...)` -> `Dataset` with train, val and test splits.

Images are kept as one uint8 array per split, so that a run reads its data once and a GPU can hold all of it. Where
memory cannot, they are decoded into a file once and read from there (stored.py).
Validation is carved out of the training images by seed; the test split never depends on that seed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import math
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vitrm.config import SOURCES
from vitrm.config.data import ALIASES, FASHION_CLASSES
from vitrm.config.limits import MOST_CLASSES
from vitrm.config.mazes import MazeSettings
from vitrm.data.bundled import Shown, bundled
from vitrm.data.dataset import Dataset, Preprocess, Split, carve_test, check_shape, mean_std
from vitrm.data.fetching import KINDS, fetching, is_here
from vitrm.data.images import IMAGE_SUFFIXES, decode_image, fit_image
from vitrm.data.maze_dataset import maze_dataset
from vitrm.data.stored import Room, store
from vitrm.data.zipped import SPLITS
from vitrm.errors import DataError
from vitrm.places import home


def load_dataset(
    source: str,
    image_size: int,
    channels: int,
    *,
    val_fraction: float = 0.1,
    split_seed: int = 0,
    train_images: int = 0,
    root: str | Path | None = None,
    memory_gb: float = 0.0,
    download: bool = True,
    say: Callable[[str], object] = lambda _: None,
) -> Dataset:
    """Read a data set for a model of the given input shape.

    Photographs in a folder or parquet file are fitted to that shape, mazes are drawn in it; the sets with a fixed shape
    (digits, CIFAR, Fashion-MNIST) must match it. A folder or parquet files with validation and test images of their own
    keep both; else validation is `val_fraction` of the training images, chosen by `split_seed`. Downloads go to `root`
    (default: the user's `data`); without `download` they are refused. Images that cannot be decoded are skipped and
    listed in `.skipped`. With `train_images` training has only so many images, chosen by `split_seed`; validation and
    test keep theirs. Decoded images beyond `memory_gb` (0: a third of the free memory) go into a file under `root`;
    `say` is told of it. Raises DataError if the source is unknown, absent, unreachable or does not fit.
    """
    source = ALIASES.get(source, source)
    kind, _, path = source.partition(":")
    shape = (channels, image_size, image_size)
    if kind == "mazes":
        if train_images:
            raise DataError(f"train_images={train_images:,}: for mazes the source says it, as in mazes:6x6,train=20000")
        return maze_dataset(MazeSettings.parse(source), source, shape, val_fraction, split_seed)
    root = home() / "data" if root is None else Path(root)
    decoder = _Decoder(shape, Room(root, memory_gb, say))
    val = None
    if source == "digits":
        train, test, classes = _digits()
    elif source in KINDS:
        train, test, classes = _torchvision(source, root, download, say)
    elif kind == "folder" and path:
        train, val, test, classes = _folder(Path(path), decoder)
    elif kind == "parquet" and path:
        train, val, test, classes = _parquet(Path(path), decoder)
    else:
        raise DataError(f"unknown data source '{source}': expected one of {SOURCES}")
    check_shape(source, tuple(train.images.shape[1:]), shape)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(split_seed))
    held_out = 0 if val is not None else max(1, round(len(train) * val_fraction))
    val, train = val if val is not None else train.subset(order[:held_out]), train.subset(order[held_out:])
    if train_images > len(train):
        raise DataError(
            f"train_images={train_images:,}, but {source} leaves {len(train):,} training images; 0 takes all"
        )
    if train_images:
        train = train.subset(slice(0, train_images))
    if min(len(train), len(val), len(test)) == 0:
        raise DataError(
            f"{source} leaves {len(train)} training, {len(val)} validation and {len(test)} test images with "
            f"val_fraction={val_fraction}; at least 1 of each needed"
        )
    mean, std = mean_std(train.images)
    return Dataset(
        source,
        classes,
        train,
        val,
        test,
        Preprocess(image_size, mean, std),
        tuple(decoder.skipped),
        fingerprint=decoder.fingerprint(),
    )


def stand_in(source: str, image_size: int, channels: int, *, root: str | Path | None = None) -> Shown | None:
    """Test images to look at where a data set is not under `root`: those that come with the project.

    None where the set itself is there, or none of its images come with the project. `root` is as for `load_dataset`.
    Raises DataError if the model takes images of another shape.
    """
    root, source = home() / "data" if root is None else Path(root), ALIASES.get(source, source)
    found = bundled(source, (channels, image_size, image_size))
    return None if found is None or is_here(source, root) else found


def _digits() -> tuple[Split, Split, tuple[str, ...]]:
    """Handwritten digits of scikit-learn: 1797 real 8 x 8 grey images, bundled with the library.

    Its file is read as it is, a line for each image, 64 levels of 0..16 and the label: to import the library takes as
    long as a short training.
    """
    (library,) = importlib.util.find_spec("sklearn").submodule_search_locations
    table = np.loadtxt(Path(library) / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    images = torch.from_numpy((table[:, :-1] * (255 / 16)).round().astype(np.uint8)).view(-1, 1, 8, 8)
    return *carve_test(Split(images, torch.from_numpy(table[:, -1].astype(np.int64)))), tuple("0123456789")


def _torchvision(
    source: str, root: Path, download: bool, say: Callable[[str], object]
) -> tuple[Split, Split, tuple[str, ...]]:
    import torchvision.datasets

    if not download and not is_here(source, root):
        raise DataError(f"{source} is not on this machine; `vitrm download {source}` brings it")
    try:
        for _ in fetching(source, root, download=download, say=say):
            pass
    except DataError as error:
        raise DataError(f"{error}. --data digits needs no network") from None
    factory = getattr(torchvision.datasets, KINDS[source])
    try:
        parts = [factory(root, train=train) for train in (True, False)]
    except (RuntimeError, ValueError, OSError) as error:  # damaged meanwhile, no right to read
        reason = " ".join(str(error).split())
        raise DataError(f"{source} in '{root}' cannot be read ({reason}); remove it, and download it again") from None
    splits = []
    for part in parts:
        images = torch.as_tensor(np.asarray(part.data))
        images = images.permute(0, 3, 1, 2) if images.ndim == 4 else images[:, None]
        splits.append(Split(images.contiguous(), torch.as_tensor(part.targets, dtype=torch.int64)))
    return splits[0], splits[1], FASHION_CLASSES if source == "fashion" else tuple(parts[0].classes)


def _folder(path: Path, decoder: _Decoder) -> tuple[Split, Split | None, Split, tuple[str, ...]]:
    """PATH/train/CLASS/*, PATH/val/CLASS/* and PATH/test/CLASS/*, or PATH/CLASS/* with the test split carved out.

    With a single one of val and test, that is the test split. PATH/train without either is the second form, one level
    down.
    """
    if not path.is_dir():
        what = "is a file, no folder" if path.exists() else "does not exist"
        raise DataError(f"folder '{path}' {what}; expected {path}/CLASS/image.png or {path}/train/CLASS/...")
    train_root = path / "train" if _subfolders(path / "train") else path
    apart = [_subfolder(path, "test"), _subfolder(path, "val", "validation")] if train_root != path else []
    kept = [folder for folder in apart if folder is not None]
    classes = tuple(_subfolders(train_root))
    if len(classes) < 2:
        raise DataError(f"'{train_root}' holds {len(classes)} class folders, expected at least 2")
    if SPLITS.issuperset(classes):
        found = " and ".join(classes)
        raise DataError(
            f"'{path}' has the folders {found} without any for classes; expected {path}/train/CLASS/image.png"
        )

    def read(folder: Path) -> Split:
        extra = [name for name in _subfolders(folder) if name not in classes]
        if extra:
            raise DataError(f"'{folder}' has a class folder '{extra[0]}' that '{train_root}' lacks")
        files = [
            (file, label)
            for label, name in enumerate(classes)
            for file in sorted((folder / name).glob("**/*"))
            if file.suffix.lower() in IMAGE_SUFFIXES
        ]
        rows = [_row(file, file.relative_to(path).as_posix(), label) for file, label in files]
        return decoder.split(f"'{folder}'", rows, lambda: [_stamp(file) for file, _ in files])

    train = read(train_root)
    if not kept:
        train, test = carve_test(train)
        return train, None, test, classes
    test, *val = map(read, kept)
    return train, val[0] if val else None, test, classes


def _subfolder(path: Path, *names: str) -> Path | None:
    """The first of these folders in `path` that is there."""
    return next((path / name for name in names if (path / name).is_dir()), None)


def _subfolders(path: Path) -> list[str]:
    """Names of the visible folders in `path`, sorted; none if there is no such folder."""
    return sorted(e.name for e in path.iterdir() if e.is_dir() and not e.name.startswith(".")) if path.is_dir() else []


def _parquet(path: Path, decoder: _Decoder) -> tuple[Split, Split | None, Split, tuple[str, ...]]:
    """Hugging Face image layout: train-*.parquet, validation-*.parquet and test-*.parquet with an image column
    {bytes, path} and a label; a single one of the last two is the test split.
    """
    files = {part: sorted(path.glob(f"**/{part}*.parquet")) for part in ("train", "test", "validation")}
    if not files["train"]:
        raise DataError(f"no train*.parquet under '{path}'; expected the Hugging Face image layout")
    read = {part: [_read_parquet(file) for file in found] for part, found in files.items() if found}
    names = read["train"][0][2]
    labels = sorted({label for tables in read.values() for _, part, _ in tables for label in part})
    if not labels:
        raise DataError(f"the parquet files under '{path}' have no rows")
    if names is None and labels[-1] < MOST_CLASSES:
        names = tuple(str(label) for label in range(labels[-1] + 1))
    if labels[0] < 0 or labels[-1] >= len(names or ()):
        known = f" but {len(names)} class names" if names else f": expected 0 to {MOST_CLASSES - 1:,}"
        raise DataError(f"'{path}' has labels {labels[0]} to {labels[-1]}{known}")
    if len(names) < 2:
        raise DataError(f"'{path}' has 1 class, '{names[0]}', expected at least 2")
    splits = {}
    for part, tables in read.items():
        rows = [
            _Row(f"{part} row {i}", len(image or b""), (lambda content=image: content or b""), label)
            for i, (image, label) in enumerate(
                pair for images, labels, _ in tables for pair in zip(images, labels, strict=True)
            )
        ]
        stamps = [_stamp(file) for file in files[part]]
        splits[part] = decoder.split(f"'{path}' ({part})", rows, lambda stamps=stamps: stamps)
    train, test, val = (splits.get(part) for part in ("train", "test", "validation"))
    if test is None and val is None:
        train, test = carve_test(train)
    elif test is None:
        test, val = val, None
    return train, val, test, names


def _read_parquet(file: Path) -> tuple[list[bytes | None], list[int], tuple[str, ...] | None]:
    """Encoded images, labels, and the class names where the file's metadata has them."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"'{file}' is not a readable parquet file ({error})") from None
    image = next((c for c in ("img", "image") if c in table.column_names), None)
    label = next((c for c in ("label", "labels", "fine_label") if c in table.column_names), None)
    if image is None or label is None:
        raise DataError(f"'{file}' has columns {table.column_names}, expected an image column (img) and a label column")
    images, labels = table[image], table[label]
    if pyarrow.types.is_struct(images.type) and images.type.get_field_index("bytes") >= 0:
        images = pyarrow.compute.struct_field(images, "bytes")
    if not (pyarrow.types.is_binary(images.type) or pyarrow.types.is_large_binary(images.type)):
        raise DataError(f"'{file}' has images of type {images.type}, expected encoded bytes, or a struct that has them")
    if not pyarrow.types.is_integer(labels.type) or labels.null_count:
        raise DataError(
            f"'{file}' has labels of type {labels.type}, {labels.null_count} absent; expected whole numbers"
        )
    try:
        meta = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        names = meta.get("info", {}).get("features", {}).get(label, {}).get("names")
    except (ValueError, AttributeError):
        names = None  # metadata of some other kind
    return images.to_pylist(), labels.to_pylist(), tuple(names) if names else None


def _known(file: Path) -> os.stat_result | None:
    """What the system knows of a file; None for a folder, a pipe, which could be read for ever, or a broken link."""
    with contextlib.suppress(OSError):
        there = file.stat()
        return there if stat.S_ISREG(there.st_mode) else None


def _stamp(file: Path) -> str:
    """Another one when a file has changed."""
    there = _known(file)
    return f"{file.resolve()} {there.st_size} {there.st_mtime_ns}" if there else f"{file} none"


class _Row(NamedTuple):
    """An image as it was found: the name it is known by, its bytes and how to read them, and its label."""

    name: str
    size: int
    read: Callable[[], bytes]
    label: int


def _row(file: Path, name: str, label: int) -> _Row:
    there = _known(file)
    return _Row(name, there.st_size, file.read_bytes, label) if there else _Row(name, 0, _no_file, label)


def _no_file() -> bytes:
    raise DataError("no file, or a link that leads to none")


@dataclass
class _Decoder:
    """Makes splits of what was found, for a model's input (C, H, W); what cannot be read goes to `skipped`."""

    shape: tuple[int, ...]
    room: Room
    skipped: list[str] = field(default_factory=list)  # "NAME: why"
    kept: list[tuple[str, int, int]] = field(default_factory=list)  # name, bytes and label of each that could be read

    def fingerprint(self) -> str:
        """Of what was read: the same wherever the same files lie, another one if any was added, renamed or changed."""
        if not self.kept:
            return ""
        return f"{len(self.kept):,} images {hashlib.sha256(json.dumps(self.kept).encode()).hexdigest()[:12]}"

    def split(self, where: str, rows: Sequence[_Row], stamps: Callable[[], list[str]]) -> Split:
        """Decode every row; `stamps` tell files apart. Raises DataError, naming `where` they are from, without any."""
        if not rows:
            raise DataError(f"{where} holds no images; put some there, or remove it")
        size = len(rows) * math.prod(self.shape)
        if self.room.holds(size):
            images, failures = self._decoded(rows)
            kept = [number for number in range(len(rows)) if number not in failures]
        else:
            self.room.say(
                f"{len(rows):,} images take {size / 1e9:.3g} GB when decoded, which is more than "
                "memory has room for (data.memory_gb); they are read from a file"
            )
            names = [row.name for row in rows]
            images, failures = store(self.room, names, stamps(), lambda n: self._decode(rows[n]), self.shape)
            kept = images.rows.tolist()
        self.skipped += [f"{rows[number].name}: {why}" for number, why in sorted(failures.items())]
        if not kept:
            reason = f": {self.skipped[0]}" if self.skipped else ""
            raise DataError(f"no readable image found; {len(self.skipped)} skipped{reason}")
        self.kept += [(rows[number].name, rows[number].size, rows[number].label) for number in kept]
        return Split(images, torch.tensor([rows[number].label for number in kept], dtype=torch.int64))

    def _decoded(self, rows: Sequence[_Row]) -> tuple[Tensor, dict[int, str]]:
        """The images (n, C, H, W) that can be read; and, by number, why one cannot."""
        images, failures = [], {}
        for number, row in enumerate(rows):
            try:
                images.append(self._decode(row))
            except (DataError, OSError) as error:
                failures[number] = str(error)
        return torch.from_numpy(np.stack(images) if images else np.empty((0, *self.shape), np.uint8)), failures

    def _decode(self, row: _Row) -> np.ndarray:
        return fit_image(decode_image(row.read()), self.shape[1], self.shape[0])
