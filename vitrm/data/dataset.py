"""Data sets behind one small interface: `load_dataset(source, ...)` -> `Dataset` with train, val and test splits.

Images are kept as one uint8 array per split, so that a run reads its data once and a GPU can hold all of it. Where
memory cannot, they are decoded into a file once and read from there (stored.py).
Validation is carved out of the training images by seed; the test split never depends on that seed.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitrm.config import SOURCES
from vitrm.data.images import IMAGE_SUFFIXES, decode_image, fit_image
from vitrm.data.maze_guess import LOCAL_GUESS, LocalGuess
from vitrm.data.mazes import Mazes, MazeSettings, cells_of, draw_mazes, keys, nearest_gem, render
from vitrm.data.stored import Room, StoredImages, store
from vitrm.errors import DataError

_TEST_SEED = 20_260_319  # carves a test split where a source has none; fixed, so that no setting can move it
_TEST_FRACTION = 0.2
_MOST_MEASURED = 20_000


@dataclass(frozen=True)
class Split:
    """Images (n, C, H, W) uint8 and labels (n,) int64, both of them where the images are."""

    images: Tensor | StoredImages
    labels: Tensor
    difficulty: Tensor | None = None  # (n,) int64, where the source knows it: see `Dataset.difficulty`

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, index: Tensor) -> Split:
        return self._each(lambda part: part.only(index) if isinstance(part, StoredImages) else part[index])

    def to(self, device: torch.device | str) -> Split:
        """All of it on the device; images that are stored, or more than half of what a GPU has free, stay there."""
        if isinstance(self.images, StoredImages):
            return self
        if torch.device(device).type == "cuda" and self.images.numel() > torch.cuda.mem_get_info(device)[0] / 2:
            return replace(self, images=StoredImages(self.images, torch.arange(len(self.images))))
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Split:
        difficulty = None if self.difficulty is None else change(self.difficulty)
        return Split(change(self.images), change(self.labels), difficulty)

    def few(self, count: int) -> Tensor:
        """Indices (count,) of a few images, or of all: the first of each class, then the second of each, ..."""
        seen: dict[int, int] = {}
        turns = []  # (how many of its class came before, class, index)
        for index, label in enumerate(self.labels.tolist()):
            turns.append((seen.get(label, 0), label, index))
            seen[label] = seen.get(label, 0) + 1
        return torch.tensor([index for *_, index in sorted(turns)[:count]])


@dataclass(frozen=True)
class Preprocess:
    """PIL image -> model input: square centre crop, resize, grey or colour, normalise by mean and std (0..1 scale)."""

    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        return len(self.mean)

    def pixels(self, image: Image.Image) -> np.ndarray:
        """(C, H, W) uint8: exactly the pixels the model is given, before normalisation."""
        return fit_image(image, self.image_size, self.channels)

    def normalize(self, pixels: Tensor) -> Tensor:
        """(..., C, H, W) uint8 -> float32."""
        mean, std = _per_channel(self.mean, pixels.device), _per_channel(self.std, pixels.device)
        return (pixels.to(torch.float32) / 255 - mean) / std

    def __call__(self, image: Image.Image) -> Tensor:
        """(C, H, W) float32."""
        return self.normalize(torch.from_numpy(self.pixels(image)))


@lru_cache(maxsize=32)
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """(C, 1, 1), kept: to bring numbers to a device anew for each batch would make the host wait for it."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device)[:, None, None]


@dataclass(frozen=True)
class Dataset:
    """A data set ready to train on: uint8 splits, class names, and how to turn pixels into model input."""

    source: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split
    preprocess: Preprocess
    skipped: tuple[str, ...] = field(default=())  # "NAME: why" for each image that could not be read
    difficulty: str = ""  # what the numbers in `Split.difficulty` are, in words
    guesses: dict[str, Callable[[Split], Tensor]] = field(default_factory=dict)  # labels (n,) without a model, by name
    draw: Callable[[int], Split] | None = None  # the training split of an epoch, from 0, where each gets one of its own
    others: tuple[Dataset, ...] = ()  # images of other sizes, of the same classes, for the same training

    @property
    def sizes(self) -> dict[str, int]:
        """How many images a training learns from and is chosen by, of all sizes, and how many the test is."""
        every = (self, *self.others)
        return {
            "train": sum(len(each.train) for each in every),
            "val": sum(len(each.val) for each in every),
            "test": len(self.test),
        }

    def split(self, name: str) -> Split:
        """The split called "train", "val" or "test"."""
        if name not in ("train", "val", "test"):
            raise DataError(f"unknown split '{name}': expected train, val or test")
        return getattr(self, name)


def load_dataset(
    source: str,
    image_size: int,
    channels: int,
    *,
    val_fraction: float = 0.1,
    split_seed: int = 0,
    train_images: int = 0,
    root: str | Path = "data",
    memory_gb: float = 0.0,
    say: Callable[[str], object] = lambda _: None,
) -> Dataset:
    """Read a data set for a model of the given input shape.

    Photographs in a folder or parquet file are fitted to that shape, mazes are drawn in it; the sets with a fixed shape
    (digits, CIFAR, Fashion-MNIST) must match it. Downloads go to `root`. Images that cannot be decoded are skipped and
    listed in `.skipped`. With `train_images` training has only so many images, chosen by `split_seed`; validation and
    test keep theirs. Decoded images beyond `memory_gb` (0: a third of the free memory) go into a file under `root`;
    `say` is told of it. Raises DataError if the source is unknown, absent, unreachable or does not fit.
    """
    kind, _, path = source.partition(":")
    shape = (channels, image_size, image_size)
    skipped: list[str] = []
    if kind == "mazes":
        if train_images:
            raise DataError(f"train_images={train_images:,}: for mazes the source says it, as in mazes:6x6,train=20000")
        return _mazes(MazeSettings.parse(source), source, shape, val_fraction, split_seed)
    room = Room(Path(root), memory_gb, say)
    if source == "digits":
        train, test, classes = _digits()
    elif source in _TORCHVISION:
        train, test, classes = _torchvision(source, Path(root))
    elif kind == "folder" and path:
        train, test, classes = _folder(Path(path), shape, skipped, room)
    elif kind == "parquet" and path:
        train, test, classes = _parquet(Path(path), shape, skipped, room)
    else:
        raise DataError(f"unknown data source '{source}': expected one of {SOURCES}")
    _check_shape(source, tuple(train.images.shape[1:]), shape)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(split_seed))
    held_out = max(1, round(len(train) * val_fraction))
    val, train = train.subset(order[:held_out]), train.subset(order[held_out:])
    if train_images > len(train):
        raise DataError(
            f"train_images={train_images:,}, but {source} leaves {len(train):,} training images; 0 takes all"
        )
    if train_images:
        train = train.subset(slice(0, train_images))
    if len(train) == 0 or len(test) == 0:
        raise DataError(f"{source} leaves {len(train)} training and {len(test)} test images; at least 1 of each needed")
    mean, std = _mean_std(train.images)
    return Dataset(source, classes, train, val, test, Preprocess(image_size, mean, std), tuple(skipped))


def _check_shape(source: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise DataError(
            f"{source} has images of shape {_shape(found)}, the model expects {_shape(expected)}; "
            f"add --model.image_size {found[1]} --model.channels {found[0]} and a patch_size that divides it, "
            "or choose another preset"
        )


# Sources


def _mazes(
    settings: MazeSettings, source: str, shape: tuple[int, ...], val_fraction: float, split_seed: int
) -> Dataset:
    """Mazes that no two splits share, be it in other colours; each epoch draws new ones, apart from val and test.

    Further kinds in the same source are `others`, their images as much larger or smaller as their grids.
    """
    _check_shape(source, (3, *shape[1:]), shape)

    test = draw_mazes(settings, settings.test, (_TEST_SEED,))
    held_out = keys(test.cells)
    val = draw_mazes(settings, max(1, round(settings.train * val_fraction)), (split_seed, 0), held_out)
    held_out = np.concatenate([held_out, keys(val.cells)])
    draw = partial(_maze_epoch, settings, shape[1], split_seed, held_out)
    train = draw(0)
    return Dataset(
        source=source,
        classes=settings.classes,
        train=train,
        val=_maze_split(val, shape[1]),
        test=_maze_split(test, shape[1]),
        preprocess=Preprocess(shape[1], *_mean_std(train.images)),
        difficulty="length of the shortest path, in steps",
        guesses={
            "nearest gem": partial(_nearest_gem, settings.size),
            LOCAL_GUESS: partial(_local_guess, settings, train),
            "colours alone": _any_colour,
        },
        draw=draw,
        others=tuple(
            _mazes(each, each.source, (3, *2 * (shape[1] // settings.size * each.size,)), val_fraction, split_seed)
            for each in settings.also
        ),
    )


def _maze_epoch(settings: MazeSettings, image_size: int, split_seed: int, held_out: np.ndarray, epoch: int) -> Split:
    """The training mazes of one epoch, from 0."""
    return _maze_split(draw_mazes(settings, settings.train, (split_seed, 1 + epoch), held_out), image_size)


def _maze_split(mazes: Mazes, image_size: int) -> Split:
    images = torch.from_numpy(render(mazes.cells, image_size))
    return Split(images, torch.from_numpy(mazes.labels), torch.from_numpy(mazes.lengths))


def _nearest_gem(size: int, split: Split) -> Tensor:
    """The guess by distance in a straight line."""
    return torch.from_numpy(nearest_gem(cells_of(split.images.cpu().numpy(), size)))


def _local_guess(settings: MazeSettings, train: Split, split: Split) -> Tensor:
    """The guess by local features, fitted to the training mazes of the first epoch."""
    known, asked = (cells_of(part.images.cpu().numpy(), settings.size) for part in (train, split))
    return torch.from_numpy(LocalGuess(known, train.labels.cpu().numpy(), settings.gems)(asked))


def _any_colour(split: Split) -> Tensor:
    """The guess by colours: all are there in every maze, so that none is better than another."""
    return torch.zeros_like(split.labels)


def _digits() -> tuple[Split, Split, tuple[str, ...]]:
    """Handwritten digits of scikit-learn: 1797 real 8 x 8 grey images, bundled with the library.

    Its file is read as it is, a line for each image, 64 levels of 0..16 and the label: to import the library takes as
    long as a short training.
    """
    (library,) = importlib.util.find_spec("sklearn").submodule_search_locations
    table = np.loadtxt(Path(library) / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    images = torch.from_numpy((table[:, :-1] * (255 / 16)).round().astype(np.uint8)).view(-1, 1, 8, 8)
    return *_carve_test(Split(images, torch.from_numpy(table[:, -1].astype(np.int64)))), tuple("0123456789")


_TORCHVISION = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "fashion_mnist": "FashionMNIST"}


def _torchvision(source: str, root: Path) -> tuple[Split, Split, tuple[str, ...]]:
    import torchvision.datasets

    factory = getattr(torchvision.datasets, _TORCHVISION[source])
    try:
        parts = [factory(root, train=train, download=True) for train in (True, False)]
    except (RuntimeError, OSError, http.client.HTTPException) as error:  # OSError: no network, no space, no right
        reason = " ".join(str(error).split())
        raise DataError(
            f"could not download {source} into '{root}' ({reason}). Connect to the internet once, or copy the "
            "downloaded files there from another machine; --data digits needs no network"
        ) from None
    splits = []
    for part in parts:
        images = torch.as_tensor(np.asarray(part.data))
        images = images.permute(0, 3, 1, 2) if images.ndim == 4 else images[:, None]
        splits.append(Split(images.contiguous(), torch.as_tensor(part.targets, dtype=torch.int64)))
    return splits[0], splits[1], tuple(parts[0].classes)


def _folder(path: Path, shape: tuple[int, ...], skipped: list[str], room: Room) -> tuple[Split, Split, tuple[str, ...]]:
    """PATH/train/CLASS/* and PATH/test/CLASS/* (or val), or PATH/CLASS/* with the test split carved out.

    PATH/train without a test folder is the second form, one level down.
    """
    if not path.is_dir():
        raise DataError(f"folder '{path}' does not exist; expected {path}/CLASS/image.png or {path}/train/CLASS/...")
    held_out = next((path / name for name in ("test", "val", "validation") if (path / name).is_dir()), None)
    train_root = path / "train" if _subfolders(path / "train") else path
    separate = train_root != path and held_out is not None
    classes = tuple(_subfolders(train_root))
    if len(classes) < 2:
        raise DataError(f"'{train_root}' holds {len(classes)} class folders, expected at least 2")

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
        rows = [(str(file.relative_to(path)), file.read_bytes, label) for file, label in files]
        return _decode_all(rows, shape, skipped, room, lambda: [_stamp(file) for file, _ in files])

    if separate:
        return read(train_root), read(held_out), classes
    return *_carve_test(read(train_root)), classes


def _subfolders(path: Path) -> list[str]:
    """Names of the visible folders in `path`, sorted; none if there is no such folder."""
    return sorted(e.name for e in path.iterdir() if e.is_dir() and not e.name.startswith(".")) if path.is_dir() else []


def _parquet(
    path: Path, shape: tuple[int, ...], skipped: list[str], room: Room
) -> tuple[Split, Split, tuple[str, ...]]:
    """Hugging Face image layout: train-*.parquet and test-*.parquet with an image column {bytes, path} and a label."""
    files = {part: sorted(path.glob(f"**/{part}*.parquet")) for part in ("train", "test", "validation")}
    if not files["train"]:
        raise DataError(f"no train*.parquet under '{path}'; expected the Hugging Face image layout")
    read = {part: [_read_parquet(file) for file in found] for part, found in files.items() if found}
    names = read["train"][0][2]
    labels = sorted({label for tables in read.values() for _, part, _ in tables for label in part})
    if not labels:
        raise DataError(f"the parquet files under '{path}' have no rows")
    if names is None:
        names = tuple(str(label) for label in range(labels[-1] + 1))
    if labels[0] < 0 or labels[-1] >= len(names):
        raise DataError(f"'{path}' has labels {labels[0]} to {labels[-1]} but {len(names)} class names")
    splits = {}
    for part, tables in read.items():
        rows = [
            (f"{part} row {i}", (lambda content=image: content or b""), label)
            for i, (image, label) in enumerate(
                pair for images, labels, _ in tables for pair in zip(images, labels, strict=True)
            )
        ]
        stamps = [_stamp(file) for file in files[part]]
        splits[part] = _decode_all(rows, shape, skipped, room, lambda stamps=stamps: stamps)
    held_out = splits.get("test") or splits.get("validation")
    return (splits["train"], held_out, names) if held_out else (*_carve_test(splits["train"]), names)


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


def _stamp(file: Path) -> str:
    """Another one when a file has changed."""
    there = file.stat()
    return f"{file.resolve()} {there.st_size} {there.st_mtime_ns}"


def _decode_all(
    rows: Sequence[tuple[str, Callable[[], bytes], int]],
    shape: tuple[int, ...],
    skipped: list[str],
    room: Room,
    stamps: Callable[[], list[str]],
) -> Split:
    """Decode every (name, read, label); what cannot be read goes to `skipped` by name. `stamps` tell files apart."""
    images, labels = [], []
    if not room.holds(len(rows) * math.prod(shape)):
        return _store_all(rows, shape, skipped, room, stamps())
    for name, read, label in rows:
        try:
            images.append(fit_image(decode_image(read()), shape[1], shape[0]))
        except (DataError, OSError) as error:
            skipped.append(f"{name}: {error}")
        else:
            labels.append(label)
    if not images:
        raise DataError(f"no readable image found; {len(skipped)} skipped{': ' + skipped[0] if skipped else ''}")
    return Split(torch.from_numpy(np.stack(images)), torch.tensor(labels, dtype=torch.int64))


def _store_all(
    rows: Sequence[tuple[str, Callable[[], bytes], int]],
    shape: tuple[int, ...],
    skipped: list[str],
    room: Room,
    stamps: list[str],
) -> Split:
    """The same, into a file."""
    room.say(
        f"{len(rows):,} images take {len(rows) * math.prod(shape) / 1e9:.3g} GB when decoded, which is more than "
        "memory has room for (data.memory_gb); they are read from a file"
    )
    names, reads, labels = zip(*rows, strict=True)

    def decode(number: int) -> np.ndarray:
        return fit_image(decode_image(reads[number]()), shape[1], shape[0])

    images, failures = store(room, names, stamps, decode, shape)
    skipped += [f"{names[number]}: {why}" for number, why in sorted(failures.items())]
    if not len(images):
        raise DataError(f"no readable image found; {len(skipped)} skipped{': ' + skipped[0] if skipped else ''}")
    return Split(images, torch.tensor(labels, dtype=torch.int64)[images.rows])


def _carve_test(everything: Split) -> tuple[Split, Split]:
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(_TEST_SEED))
    held_out = max(1, round(len(everything) * _TEST_FRACTION))
    return everything.subset(order[held_out:]), everything.subset(order[:held_out])


def _mean_std(images: Tensor | StoredImages) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel, 0..1 scale, rounded so that a config prints them; a constant channel gets std 1.

    Of images that are stored, the first 20,000 count, in the order that the split seed has put them in.
    """
    if isinstance(images, StoredImages):
        images = images.only(slice(0, _MOST_MEASURED))
    counts = torch.zeros(images.shape[1], 256, dtype=torch.float64)
    for start in range(0, len(images), 1024):  # bincount needs eight bytes a pixel
        part = images[start : start + 1024]
        counts += torch.stack([torch.bincount(c.reshape(-1).to(torch.int64), minlength=256) for c in part.unbind(1)])
    levels = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(dim=1, keepdim=True)
    mean = weights @ levels
    std = ((weights @ levels.square()) - mean.square()).clamp_min(0).sqrt()
    return _rounded(mean), tuple(value or 1.0 for value in _rounded(std))


def _rounded(values: Tensor | Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) + " (channels x height x width)"
