"""Getting a data set: chunk by chunk, going on where it broke off, and checked by md5 before anybody reads it.

What has come of a file is kept beside it as NAME.part, and becomes NAME when it is whole. `vitrm download`, a training
that needs the set and the app's button all come here, one at a time: who comes second waits, and finds it there.
torchvision says where the files are, and unpacks them.
"""

from __future__ import annotations

import hashlib
import http.client
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from vitrm.config.data import ALIASES
from vitrm.errors import DataError
from vitrm.locks import lock

KINDS = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "fashion": "FashionMNIST"}  # what torchvision calls them
MEGABYTES = {"cifar10": 170, "cifar100": 169, "fashion": 31}  # to download
# Under `root`; torchvision knows it too, but takes seconds to import, and pages ask for every model in a list.
_ARCHIVES = {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}
_UNPACKED = {
    "cifar10": (*(f"cifar-10-batches-py/data_batch_{k}" for k in range(1, 6)), "cifar-10-batches-py/test_batch"),
    "cifar100": ("cifar-100-python/train", "cifar-100-python/test"),
    "fashion": tuple(
        f"FashionMNIST/raw/{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
    ),
}
_CHUNK = 1 << 17
_SILENCE_S = 30.0  # after which a server is taken for gone
_LOOK_S = 0.2  # between two looks whether another process has ended


@dataclass(frozen=True)
class Fetched:
    """How far a download is, in bytes; `total` is an estimate until the last file has begun."""

    done: int
    total: int

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.total)


@dataclass(frozen=True)
class _File:
    path: Path
    addresses: tuple[str, ...]  # any of them will do
    md5: str

    @property
    def part(self) -> Path:
        """What has come of it."""
        return self.path.with_name(f"{self.path.name}.part")


def is_here(source: str, root: Path) -> bool:
    """Whether all files of a set that can be downloaded are under `root`, packed or unpacked, as their sizes say."""
    source = ALIASES.get(source, source)
    return all(
        _is_whole(root / name) or _size(root / _ARCHIVES.get(source, f"{name}.gz")) > 0 for name in _UNPACKED[source]
    )


def fetching(
    source: str, root: Path, *, download: bool = True, say: Callable[[str], object] = lambda _: None
) -> Iterator[Fetched]:
    """Download what is absent of a set, in steps, and unpack it; whoever stops asking for more can go on later.

    While another process does the same it is waited for, and `say` is told. Raises DataError, with what to do, if the
    set cannot be reached, breaks off or is damaged; or if anything had to be downloaded, without `download`.
    """
    source = ALIASES.get(source, source)
    try:
        if _is_unpacked(source, root):
            return
        root.mkdir(parents=True, exist_ok=True)
        with open(root / f".{source}.lock", "ab") as held:
            yield from _until_held(held, source, root, say)
            if not _is_unpacked(source, root):  # by who was before
                yield from _fetch(source, root, download)
    except (OSError, http.client.HTTPException, _BrokenOff) as error:
        raise DataError(_words(source, root, error)) from None


def _until_held(held: BinaryIO, source: str, root: Path, say: Callable[[str], object]) -> Iterator[Fetched]:
    """How far the other process is, again and again, until this one holds the lock."""
    files, said = None, False
    while not lock(held, exclusive=True):
        if not said:
            say(f"another process is fetching {source} into '{root}'; waiting for it")
        files, said = files or _files(source, root), True
        yield Fetched(sum(max(_size(file.path), _size(file.part)) for file in files), MEGABYTES[source] * 1_000_000)
        time.sleep(_LOOK_S)


def _fetch(source: str, root: Path, download: bool) -> Iterator[Fetched]:
    from torchvision.datasets.utils import extract_archive

    total, done = MEGABYTES[source] * 1_000_000, 0
    for file in _files(source, root):
        if _is_whole(file.path.with_suffix("")):  # one file, unpacked; what packs several is no such name
            continue
        file.path.parent.mkdir(parents=True, exist_ok=True)
        if _md5(file.path) != file.md5:
            if not download:
                raise DataError(f"{source} in '{root}' is damaged; `vitrm download {source}` brings it anew")
            for size in _one(file):
                yield Fetched(done + size, max(total, done + size))
        done += file.path.stat().st_size
        extract_archive(file.path, file.path.parent)


def _is_unpacked(source: str, root: Path) -> bool:
    """Whether a set can be read as it is; where md5 are published for what it unpacks to, they are compared."""
    if not all(_is_whole(root / name) for name in _UNPACKED[source]):
        return False
    if source not in _ARCHIVES:
        return True
    kind = _kind(source)
    listed = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
    return all(_md5(root / kind.base_folder / name) == md5 for name, md5 in listed)


def _is_whole(path: Path) -> bool:
    """Whether an unpacked file is there and, where it says itself how long it is (the format of MNIST), so long."""
    size = _size(path)
    if size == 0 or not path.name.endswith("-ubyte"):
        return size > 0
    with path.open("rb") as file:
        count = file.read(4)[-1]
        lengths = [int.from_bytes(file.read(4), "big") for _ in range(count)]
    return size == 4 + 4 * count + math.prod(lengths)


def _size(path: Path) -> int:
    """Bytes; 0 where there is no such file."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


class _BrokenOff(Exception):
    """A download ended before its end, or is not what it should be."""


def _words(source: str, root: Path, error: Exception) -> str:
    reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return (
        f"could not download {source} into '{root}' ({reason}). Connect to the internet and ask again: it goes on "
        "where it was; or copy the downloaded files there from another machine"
    )


def _one(file: _File) -> Iterator[int]:
    """The bytes of one file that have come, again and again, until it is whole."""
    for number, address in enumerate(file.addresses, start=1):
        try:
            yield from _from(address, file)
            break
        except (OSError, http.client.HTTPException, _BrokenOff):
            if number == len(file.addresses):
                raise


def _from(address: str, file: _File) -> Iterator[int]:
    part = file.part
    have = _size(part)
    request = urllib.request.Request(address, headers={"User-Agent": "vitrm"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=_SILENCE_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise OSError(f"{urlsplit(address).hostname} says {error.code} {error.reason}") from None
        _finish(part, file)  # nothing is missing, or it is another file
        return
    except urllib.error.URLError as error:
        raise OSError(f"{urlsplit(address).hostname} cannot be reached: {error.reason}") from None
    with answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        size = have if goes_on else 0
        whole = size + int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        with part.open("ab" if goes_on else "wb") as out:
            while chunk := answer.read1(_CHUNK):
                out.write(chunk)
                size += len(chunk)
                yield size
    if whole is not None and size < whole:
        raise _BrokenOff(f"it broke off after {size:,} of {whole:,} bytes")
    _finish(part, file)


def _finish(part: Path, file: _File) -> None:
    if _md5(part) != file.md5:
        part.unlink(missing_ok=True)
        raise _BrokenOff(f"{file.path.name} came corrupted: its md5 is not {file.md5}; what came of it was removed")
    part.replace(file.path)


def _md5(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _files(source: str, root: Path) -> list[_File]:
    kind = _kind(source)
    if not hasattr(kind, "resources"):
        return [_File(root / kind.filename, (kind.url,), kind.tgz_md5)]
    raw = root / kind.__name__ / "raw"
    return [_File(raw / name, tuple(f"{mirror}{name}" for mirror in kind.mirrors), md5) for name, md5 in kind.resources]


def _kind(source: str):
    import torchvision.datasets

    return getattr(torchvision.datasets, KINDS[ALIASES.get(source, source)])
