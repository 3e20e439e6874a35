"""Pictures in a ZIP file that nobody has checked, one folder a class. Nothing is unpacked under a name of the file's.

A ZIP file says how many files it holds, and how large each is, twice, and may lie both times. So the list itself is
measured before it is read, what it says is believed only as far as it refuses, and no file is read beyond its limit.
"""

from __future__ import annotations

import io
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from vitrm.errors import DataError

_END, _END_64, _END_BYTES, _COMMENT = b"PK\x05\x06", b"PK\x06\x07", 22, 65_535
_LIST_BYTES = 2**21  # of the list of files; a thousand names take a tenth of it
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes to unpack a little
SPLITS = {"train", "test", "val", "validation"}  # what these folders mean elsewhere, see `load_dataset`
_LONGEST = 60  # characters of the name of a class


@dataclass(frozen=True)
class Zipped:
    """What may be in such a file."""

    pictures: int = 1000
    classes: int = 50
    each: int = 4  # pictures of a class at least
    megabytes: int = 64  # of the file
    inflated: int = 256  # megabytes of all pictures in it, before they are decoded
    largest: int = 16  # megabytes of one of them


@dataclass(frozen=True)
class Entry:
    """A file in it that may be a picture."""

    name: str  # as the file has it, for people
    label: str  # its class
    info: zipfile.ZipInfo


def read_list(content: bytes, limits: Zipped) -> tuple[zipfile.ZipFile, list[Entry], list[str]]:
    """The open file, what may be pictures in it, and a sentence for each file that is left out.

    Raises DataError if it is no ZIP file, holds more than is allowed, or has not at least two folders of pictures.
    """
    if len(content) > limits.megabytes * 2**20:
        raise DataError(f"{len(content) / 2**20:.0f} MB; {limits.megabytes} MB are taken at most")
    _check_end(content)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        infos = [info for info in archive.infolist() if not (info.is_dir() or _is_litter(info.filename))]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeError, RuntimeError) as error:
        raise DataError(f"a damaged ZIP file ({str(error)[:120]}); pack it anew") from None
    if len(infos) > limits.pictures:
        raise DataError(f"{len(infos):,} files in it; {limits.pictures:,} are taken at most")
    inflated = sum(info.file_size for info in infos) / 2**20
    if inflated > limits.inflated:
        raise DataError(f"it would unpack to {inflated:,.0f} MB; {limits.inflated} MB are taken at most")
    parts = [_parts(info.filename) for info in infos]
    whole = {path[0] for path in parts if path}
    above = 1 if len(whole) == 1 and any(path and len(path) > 2 for path in parts) else 0  # a folder around all of it
    entries, left_out = [], []
    for info, path in zip(infos, parts, strict=True):
        why = _refused(info, path and path[above:], limits)
        if why:
            left_out.append(f"{shown(info.filename)}: {why}")
        else:
            entries.append(Entry(info.filename, unicodedata.normalize("NFC", path[above]), info))
    labels = {entry.label for entry in entries}
    if not 2 <= len(labels) <= limits.classes:
        why = f"{left_out[0]}; " if left_out else ""
        raise DataError(
            f"{why}{len(labels)} folders with pictures in it, expected 2 to {limits.classes}: one for each class, "
            "as in cats/1.jpg and dogs/1.jpg"
        )
    return archive, entries, left_out


def contents(archive: zipfile.ZipFile, entries: list[Entry], limits: Zipped) -> Iterator[tuple[Entry, bytes | str]]:
    """Each file's bytes, or why they cannot be read; never more of them than the list said, or the limits allow."""
    most = limits.largest * 2**20
    for entry in entries:
        try:
            with archive.open(entry.info) as file:
                content = file.read(min(entry.info.file_size, most) + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError):
            yield entry, "damaged in the ZIP file; pack it anew"
            continue
        yield entry, content if len(content) == entry.info.file_size else "not as long as the ZIP file says"


def shown(name: str) -> str:
    """The name of a file, as a sentence can hold it."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    return f"“{printable if len(printable) <= 80 else '…' + printable[-79:]}”"


def _check_end(content: bytes) -> None:
    """Raises DataError before a list of files is read that is longer than any that will be taken."""
    at = content.rfind(_END, max(0, len(content) - _COMMENT - _END_BYTES))
    if at < 0 or len(content) < at + _END_BYTES:
        raise DataError("not a ZIP file; pack the folders of pictures into one")
    if int.from_bytes(content[at + 12 : at + 16], "little") > _LIST_BYTES or content[at - 20 : at - 16] == _END_64:
        raise DataError("it lists more files than any class has pictures; pack fewer")


def _parts(name: str) -> list[str] | None:
    """The folders and the name of a file; None if it would not stay inside a folder that it is unpacked into."""
    path = name.replace("\\", "/")
    parts = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path) or any(part in ("", ".", "..") for part in parts):
        return None
    return parts


def _is_litter(name: str) -> bool:
    """Whether a system has put it there for itself."""
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "__MACOSX" or (parts[-1].startswith(".") and parts[-1] != "..") or parts[-1] == "Thumbs.db"


def _refused(info: zipfile.ZipInfo, path: list[str] | None, limits: Zipped) -> str | None:
    if path is None:
        return "its name leads out of the ZIP file"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "a link or a device, not a picture"
    if info.flag_bits & 1:
        return "it has a password"
    if info.compress_type not in _METHODS:
        return "packed in a way that is not read here; pack it as an ordinary ZIP file"
    if info.file_size > limits.largest * 2**20:
        return f"{info.file_size / 2**20:,.0f} MB; {limits.largest} MB are taken at most"
    if len(path) != 2:
        return "expected FOLDER/PICTURE, one folder for each class"
    label = path[0]
    if not label.isprintable() or len(label) > _LONGEST or label != label.strip(" .") or set(label) & set('<>:"|?*'):
        return f"its folder cannot be the name of a class; use up to {_LONGEST} letters and digits"
    if label.lower() in SPLITS:
        return f"a class cannot be called {label}: name the folders after what is in the pictures"
    return None
