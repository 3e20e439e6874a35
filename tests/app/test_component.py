"""What components are made of: files beside a module, and arrays as text."""

import base64

import numpy as np

from app import component


def test_files_are_read_beside_the_module_and_put_one_after_the_other(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.js").write_text(f"// {name}", encoding="utf-8")
    assert component.read(str(tmp_path / "module.py"), "one.js", tmp_path / "two.js") == "// one\n// two"


def test_shared_scripts_are_found_from_any_folder(tmp_path):
    for script in (component.DRAWING, component.TRACE):
        assert component.read(str(tmp_path / "module.py"), script) == script.read_text(encoding="utf-8")


def test_an_array_is_encoded_row_by_row_in_little_endian():
    values = np.arange(6).reshape(2, 3).T  # not contiguous
    sent = np.frombuffer(base64.b64decode(component.encoded(values)), "<f4")
    assert sent.tolist() == [0, 3, 1, 4, 2, 5]
    sent = np.frombuffer(base64.b64decode(component.encoded([7, 300], "<u2")), "<u2")
    assert sent.tolist() == [7, 300]
