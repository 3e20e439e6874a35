"""Getting a data set: chunk by chunk, going on where it broke off, and checked by md5 before anybody reads it.

What has come of a file is kept beside it as NAME.part, and becomes NAME when it is whole. `vitrm download`, a training
that needs the set and the app's button all come here; torchvision says where the files are, and unpacks them.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vitrm.config.data import ALIASES
from vitrm.errors import DataError

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


def is_here(source: str, root: Path) -> bool:
    """Whether all files of a set that can be downloaded are under `root`, packed or unpacked."""
    source = ALIASES.get(source, source)
    return all(
        (root / name).exists() or (root / _ARCHIVES.get(source, f"{name}.gz")).exists() for name in _UNPACKED[source]
    )


def fetching(source: str, root: Path) -> Iterator[Fetched]:
    """Download what is absent of a set, in steps; whoever stops asking for more can go on later where it was.

    Raises DataError, with what to do, if it cannot be reached, breaks off or is damaged.
    """
    source = ALIASES.get(source, source)
    total, done = MEGABYTES[source] * 1_000_000, 0
    if is_here(source, root):
        return
    for file in _files(source, root):
        try:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            for size in () if _md5(file.path) == file.md5 else _one(file):
                yield Fetched(done + size, max(total, done + size))
        except (OSError, http.client.HTTPException, _BrokenOff) as error:
            raise DataError(_words(source, root, error)) from None
        done += file.path.stat().st_size


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
    part = file.path.with_name(file.path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
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
