"""Images that memory has no room for: decoded once into a file, and read from there batch by batch.

    ROOT/.decoded/KEY/images     uint8, (n, C, H, W): what memory would hold
                     done        uint8, (n,): 0 not yet, 1 decoded, 2 could not be read the last time

KEY stands for the files (name, size, time of change) and the shape, so that whoever trains on them finds the file.
Decoding goes on where it was interrupted, and what could not be read is tried again by whoever comes next: the decoder
for it may have been installed, the disk may answer again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitrm.errors import DataError

SHARE = 1 / 3  # of the free memory, for decoded images: choosing among them copies them
REPORT_S = 15.0
CHUNK = 1024  # images between two marks of how far it is
_UNKNOWN_MEMORY = 16e9  # where the system does not say how much is free


class StoredImages:
    """Images (n, C, H, W) uint8 that stay where they are, on the disk or on the host; an index brings them as a tensor.

    `rows` are the numbers, in the file, of the images that these are.
    """

    device = torch.device("cpu")

    def __init__(self, stored: Tensor, rows: Tensor) -> None:
        self.stored, self.rows = stored, rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.rows), *self.stored.shape[1:]))

    def __getitem__(self, index: int | slice | Tensor) -> Tensor:
        """A copy: (C, H, W) for a number, (m, C, H, W) for several."""
        return self.stored[self.rows[index]]

    def only(self, index: slice | Tensor) -> StoredImages:
        """Some of them, still where they are."""
        return StoredImages(self.stored, self.rows[index])


@dataclass
class Room:
    """How much memory decoded images may take, and where they go beyond that."""

    folder: Path
    memory_gb: float = 0.0  # 0: a share of what is free
    say: Callable[[str], object] = lambda _: None
    stored: bool = False  # whether a part of the data was: then all are

    def __post_init__(self) -> None:
        self.left = self.memory_gb * 1e9 or SHARE * free_memory()

    def holds(self, size: int) -> bool:
        """Whether so many bytes fit, with what has been put there before."""
        self.left -= size
        self.stored = self.stored or self.left < 0
        return not self.stored


def free_memory() -> float:
    """Bytes, as the system says, or the container that this runs in."""
    free = _UNKNOWN_MEMORY
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(1024 * float(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="utf-8") for name in ("max", "current"))
        return min(free, float(most) - float(used))  # "max", no limit, is no number
    except (OSError, ValueError, StopIteration):
        return free


def store(
    room: Room, names: Sequence[str], stamps: Sequence[str], decode: Callable[[int], np.ndarray], shape: tuple[int, ...]
) -> tuple[StoredImages, dict[int, str]]:
    """The images that `decode(number)` gives, (C, H, W) uint8 each, in a file; and, by number, why one cannot be read.

    `decode` raises DataError or OSError for such a one. Raises DataError if the disk has no room.
    """
    count, size = len(names), math.prod(shape)
    key = hashlib.sha256(json.dumps([names, stamps, shape]).encode()).hexdigest()[:16]
    place = room.folder / ".decoded" / key
    place.mkdir(parents=True, exist_ok=True)
    done = _mapped(place / "done", (count,))
    todo, new = np.flatnonzero(done != 1), np.count_nonzero(done == 0)
    free = shutil.disk_usage(place).free
    if len(todo) * size > free:
        raise DataError(
            f"the decoded images need {len(todo) * size / 1e9:.1f} GB more in '{place}', where {free / 1e9:.1f} GB are "
            "free; make room, name another disk with --data-root, or choose a smaller model.image_size"
        )
    images, failures = _mapped(place / "images", (count, *shape)), {}
    if new:
        room.say(f"decoding {new:,} of {count:,} images once into {place} ({count * size / 1e9:.1f} GB)")
    for share in _fill(images, done, todo, decode, failures):
        room.say(f"  {100 * share:.0f} % decoded")
    return StoredImages(torch.from_numpy(images), torch.from_numpy(np.flatnonzero(done == 1))), failures


def _fill(
    images: np.ndarray,
    done: np.ndarray,
    todo: np.ndarray,
    decode: Callable[[int], np.ndarray],
    failures: dict[int, str],
) -> Iterator[float]:
    """Decode the images `todo`, on all cores; an image counts as done when it is safely in the file.

    Yields from time to time what share of it is done. Why one cannot be read is added to `failures` by its number.
    """

    def one(number: int) -> str | None:
        try:
            images[number] = decode(number)
        except (DataError, OSError) as error:
            return str(error)
        return None

    said = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoders let go of Python's lock
        for start in range(0, len(todo), CHUNK):
            part = todo[start : start + CHUNK]
            reasons = dict(zip(part.tolist(), pool.map(one, part.tolist()), strict=True))
            bad = {number: why for number, why in reasons.items() if why is not None}
            failures.update(bad)
            images.flush()
            done[part] = [2 if number in bad else 1 for number in part.tolist()]
            done.flush()
            if time.monotonic() - said > REPORT_S:
                said = time.monotonic()
                yield (start + len(part)) / len(todo)


def _mapped(file: Path, shape: tuple[int, ...]) -> np.memmap:
    """A file of that shape as an array of uint8, zeros where it is new."""
    with open(file, "ab") as there:
        there.truncate(math.prod(shape))  # sparse: it takes room as it is filled
    return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)


def ahead(items: Sequence[Tensor], read: Callable[[Tensor], tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    """`read(item)` of each, the next one being read while this one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming: deque[Future] = deque()
        for item in items:
            coming.append(pool.submit(read, item))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
