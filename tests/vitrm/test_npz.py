"""Arrays are read only after their declared sizes have been believed."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from vitrm.errors import RunError, TraceError
from vitrm.npz import read_arrays
from vitrm.places import ROOT
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import load_traces


def saved(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def with_header(header, content=b""):
    """An NPZ file of one array that says of itself what it likes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        text = header.encode().ljust(117) + b"\n"
        parts.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content)
    return out.getvalue()


def test_sound_arrays_come_back_as_they_were():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False])}
    found = read_arrays(saved(**arrays), 1000)
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], each) and found[name].dtype == each.dtype for name, each in arrays.items())


def test_a_small_file_that_would_inflate_to_gigabytes_is_refused_before_an_array_is_made():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (2**26,)})
        with parts.open("logits.npy", "w", force_zip64=True) as array:
            array.write(head.getvalue())
            for _ in range(256):
                array.write(bytes(2**20))
    content = out.getvalue()
    assert len(content) < 300_000
    tracemalloc.start()
    with pytest.raises(RunError, match=r"it declares 0\.27 GB of arrays, expected at most 0\.10 GB"):
        read_arrays(content, 10**8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", "shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (100,)}", "declares"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 0)}", "shape"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "holds objects"),
    ],
)
def test_a_header_that_lies_is_refused(header, reason):
    with pytest.raises(RunError, match=reason):
        read_arrays(with_header(header, bytes(8)), 10**9)


def changed(file, **arrays):
    """A file of traces with arrays replaced, or left out where they are None."""
    with np.load(file) as there:
        kept = {name: there[name] for name in there.files} | arrays
    return saved(**{name: each for name, each in kept.items() if each is not None})


def filled(shape, value, kind=np.float32):
    return np.full(shape, value, kind)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("logits", lambda a: a[..., :-1], "class_names has 10 entries, expected 9"),
        ("logits", lambda a: a.astype(np.float64), "logits holds float64, expected float32"),
        ("logits", lambda a: filled(a.shape, np.nan), "logits: expected"),
        ("memory", lambda a: a[:, :, :, :, :-1], "axis of"),
        ("memory", lambda a: filled(a.shape, 1e30), "memory: expected -1e+09 to 1e+09"),
        ("patches", lambda a: a + 1000, "patches: expected whole numbers, 0 to 15"),
        ("patches", lambda a: a.astype(np.float32), "patches: expected whole numbers"),
        ("pixels", lambda a: a.astype(bool), "pixels holds bool, expected uint8"),
        ("pixels", lambda a: a[:, :, :7, :7], "patch_size=2: expected a divisor of 7"),
        ("halt_logit", lambda a: None, "halt_logit"),
        ("answer_attention", lambda a: -a - 1, "answer_attention: expected 0 to 1.001"),
    ],
)
def test_a_trace_that_no_model_can_have_made_is_refused_with_the_name_of_its_field(name, change, reason, tmp_path):
    file = ROOT / "checkpoints" / "digits-glimpse" / "gallery.npz"
    with np.load(file) as there:
        array = change(there[name])
    (tmp_path / "gallery.npz").write_bytes(changed(file, **{name: array}))
    with pytest.raises(TraceError) as caught:
        load_traces(tmp_path / "gallery.npz")
    assert reason in str(caught.value)


def test_a_mixture_of_nothing_is_refused(tmp_path):
    file = ROOT / "checkpoints" / "sr-vit-digits" / "mixtures.npz"
    with np.load(file) as there:
        none = np.zeros_like(there["weights"])
    (tmp_path / "mixtures.npz").write_bytes(changed(file, weights=none))
    with pytest.raises(TraceError, match="weights: those of a token are all 0"):
        load_traces(tmp_path / "mixtures.npz", MixtureTrace)
