"""The core's own lines, read from its file: what a page shows as source cannot drift from what runs."""

from __future__ import annotations

import ast
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import vitrm

_CORE = Path(vitrm.__file__).parent


@cache
def method_source(file: str, name: str) -> dict[str, Any]:
    """`{"source", "file", "line"}` of `Class.method` in vitrm/`file`, without its docstring. Needs no import of it."""
    text = (_CORE / file).read_text(encoding="utf-8")
    class_name, method_name = name.split(".")
    owner = next(n for n in ast.parse(text).body if isinstance(n, ast.ClassDef) and n.name == class_name)
    method = next(n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == method_name)
    first = method.body[1] if ast.get_docstring(method) else method.body[0]
    lines = text.splitlines()[first.lineno - 1 : method.end_lineno]
    return {"source": textwrap.dedent("\n".join(lines)), "file": f"vitrm/{file}", "line": first.lineno}
