"""A ZIP file of pictures that nobody has checked: what is in it, and what is wrong with it, file by file."""

import io
import stat
import struct
import zipfile

import pytest

from vitrm.data.zipped import Zipped, contents, read_list
from vitrm.errors import DataError

LIMITS = Zipped()
GOOD = {"cats/1.png": b"a", "cats/2.png": b"bb", "dogs/1.png": b"ccc"}


def packed(files, method=zipfile.ZIP_DEFLATED):
    """A ZIP file of names (or `ZipInfo`s) and their contents."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def read(content, limits=LIMITS):
    """What is read of each file (or why not), and what is said of those left out."""
    archive, entries, left_out = read_list(content, limits)
    return {(entry.label, entry.name): found for entry, found in contents(archive, entries, limits)}, left_out


def test_each_folder_is_a_class_also_inside_of_one_folder_around_all():
    found, left_out = read(packed(GOOD))
    assert found == {("cats", "cats/1.png"): b"a", ("cats", "cats/2.png"): b"bb", ("dogs", "dogs/1.png"): b"ccc"}
    assert left_out == []
    around, _ = read(packed({f"pets/{name}": content for name, content in GOOD.items()}))
    assert {label for label, _ in around} == {"cats", "dogs"}
    assert list(around.values()) == [b"a", b"bb", b"ccc"]


def test_what_systems_put_there_for_themselves_is_no_picture_and_not_said():
    litter = {"__MACOSX/cats/._1.png": b"x", "cats/.DS_Store": b"x", "dogs/Thumbs.db": b"x", "cats/": b""}
    assert read(packed(GOOD | litter)) == read(packed(GOOD))


@pytest.mark.parametrize(
    "name", ["../x.png", "cats/../../x.png", "/etc/x.png", "C:/x.png", "C:\\x.png", "cats\\..\\..\\x.png", "a//x.png"]
)
def test_a_name_that_leads_out_is_refused_and_the_others_are_taken(name):
    found, left_out = read(packed(GOOD | {name: b"evil"}))
    assert len(found) == 3
    assert b"evil" not in found.values()
    assert left_out == [f"“{name}”: its name leads out of the ZIP file"]


def linked():
    info = zipfile.ZipInfo("cats/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (linked(), "a link or a device"),
        ("cats/small/1.png", "expected FOLDER/PICTURE"),
        ("alone.png", "expected FOLDER/PICTURE"),
        ("train/1.png", "a class cannot be called train"),
        ("a\nb/1.png", "cannot be the name of a class"),
        (f"{61 * 'x'}/1.png", "cannot be the name of a class"),
        ("a?b/1.png", "cannot be the name of a class"),
        ("…/1.png", None),
    ],
)
def test_what_is_wrong_with_a_file_is_said_of_that_file(name, why):
    found, left_out = read(packed(GOOD | {name: b"/etc/passwd"}))
    if why is None:
        assert (len(found), left_out) == (4, [])
    else:
        assert len(found) == 3
        assert len(left_out) == 1
        assert why in left_out[0]


def test_only_ordinary_packing_is_unpacked():
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(DataError, match=r"cats/1.png”: packed in a way that is not read here.*; 0 folders"):
            read(packed(GOOD, method))


def test_too_much_is_refused_before_anything_is_unpacked():
    many = packed({f"{label}/{k}.png": b"x" for label in "ab" for k in range(6)})
    with pytest.raises(DataError, match="12 files in it; 11 are taken at most"):
        read(many, Zipped(pictures=11))
    large = packed({"a/1.png": bytes(2**21), "b/1.png": bytes(2**21)})
    assert len(large) < 2**14
    with pytest.raises(DataError, match="it would unpack to 4 MB; 3 MB are taken at most"):
        read(large, Zipped(inflated=3))
    with pytest.raises(DataError, match=r"a/1.png”: 2 MB; 1 MB are taken at most"):
        read(large, Zipped(largest=1))
    with pytest.raises(DataError, match="2 MB; 1 MB are taken at most"):
        read(packed({"a/1.png": bytes(2**21)}, zipfile.ZIP_STORED), Zipped(megabytes=1))
    with pytest.raises(DataError, match="3 folders with pictures in it, expected 2 to 2"):
        read(packed({f"{label}/1.png": b"x" for label in "abc"}), Zipped(classes=2))
    with pytest.raises(DataError, match="1 folders with pictures in it, expected 2 to 50"):
        read(packed({"a/1.png": b"x"}))


def test_a_list_of_a_million_files_is_refused_before_it_is_read():
    content = bytearray(packed(GOOD))
    at = content.rfind(b"PK\x05\x06")
    content[at + 12 : at + 16] = struct.pack("<I", 2**22)
    with pytest.raises(DataError, match="it lists more files than any class has pictures"):
        read(bytes(content))
    with_64 = content[:at] + b"PK\x06\x07" + bytes(16) + content[at:]
    with_64[at + 32 : at + 36] = struct.pack("<I", 100)
    with pytest.raises(DataError, match="it lists more files than any class has pictures"):
        read(bytes(with_64))


def lying(size):
    """A ZIP file whose list says of a file of a megabyte that it has `size` bytes, here and there."""
    content = bytearray(packed(GOOD | {"cats/3.png": bytes(2**20)}))
    at = content.find(struct.pack("<I", 2**20))
    while at >= 0:
        content[at : at + 4] = struct.pack("<I", size)
        at = content.find(struct.pack("<I", 2**20))
    return bytes(content)


@pytest.mark.parametrize("size", [1, 2**20 + 1, 2**23])
def test_a_file_that_is_not_as_long_as_the_list_says_is_named_and_read_no_further(size):
    found, left_out = read(lying(size))
    assert left_out == []
    assert found["cats", "cats/3.png"] in ("damaged in the ZIP file; pack it anew", "not as long as the ZIP file says")
    assert [found[key] for key in found if key[1] != "cats/3.png"] == [b"a", b"bb", b"ccc"]


def test_damage_is_said_wherever_it_is():
    good = packed(GOOD, zipfile.ZIP_STORED)
    for content in (b"", b"GIF89a", b"PK\x05\x06", good[:-3]):
        with pytest.raises(DataError, match="not a ZIP file; pack the folders"):
            read(content)
    found, _ = read(good.replace(b"ccc", b"cxc"))
    assert found["dogs", "dogs/1.png"] == "damaged in the ZIP file; pack it anew"
    for at in range(0, len(good), 3):  # whatever is changed, it is one clear message or a file
        content = bytearray(good)
        content[at] ^= 0xFF
        try:
            found, left_out = read(bytes(content))
        except DataError:
            continue
        assert len(found) + len(left_out) <= 3
