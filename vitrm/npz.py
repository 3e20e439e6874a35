"""Arrays in a file (NPZ), read only after what it says of their sizes has been believed."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from vitrm.reading import expect

_MOST_ARRAYS = 256
_LONGEST_HEADER = 10_000  # characters, as numpy has it


def read_arrays(source: Path | str | bytes, most: int) -> dict[str, np.ndarray]:
    """All arrays of an NPZ file, or of its content, by name. Never unpickles.

    A file of a few megabytes can declare arrays of many gigabytes. So every array's header is read first, and no array
    before all of them together have been found to take at most `most` bytes, each as many as its place in the file
    holds. Raises RunError where they do not, OSError for a file that cannot be opened, and whatever numpy, zipfile and
    zlib raise on damaged bytes.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as content:
        with zipfile.ZipFile(content) as parts:
            members = parts.infolist()
            expect(len(members) <= _MOST_ARRAYS, f"it holds {len(members):,} arrays, expected at most {_MOST_ARRAYS}")
            declared = sum(member.file_size for member in members)
            expect(declared <= most, f"it declares {_size(declared)} of arrays, expected at most {_size(most)}")
            for member in members:
                with parts.open(member) as array:
                    _check(member, array)
        content.seek(0)
        with np.load(content, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def _check(member: zipfile.ZipInfo, array: BinaryIO) -> None:
    """Raises RunError unless the header of an array speaks of as many bytes as the file has of it."""
    version = npy.read_magic(array)
    expect(version in ((1, 0), (2, 0)), f"{member.filename} is of version {version}, expected (1, 0) or (2, 0)")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, kind = read(array, max_header_size=_LONGEST_HEADER)
    expect(not kind.hasobject, f"{member.filename} holds objects, expected numbers")
    header = array.tell()
    size = math.prod(shape) * kind.itemsize
    expect(all(0 <= length <= member.file_size for length in shape), f"{member.filename} has the shape {shape}")
    expect(header + size == member.file_size, f"{member.filename} declares {_size(size)} and holds another number")


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"
