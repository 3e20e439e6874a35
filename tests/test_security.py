"""What docs/security.md promises a school is held by the tests that it names."""

import ast
import re

from vitrm.places import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def tables(text):
    """The rows of each table, its head first, as lists of cells."""
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()] for table in found]


def named(text):
    """The files, and the tests by name, that a text names."""
    return set(re.findall(r"`((?:tests|scripts)/[\w/]+\.py)`", text)), set(re.findall(r"`(test_\w+)`", text))


def functions_of(file):
    return {node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_every_test_and_script_that_it_names_is_there():
    files, tests = named(PAGE)
    assert len(files) > 5
    assert len(tests) > 10
    assert [file for file in sorted(files) if not (ROOT / file).is_file()] == []
    there = set().union(*map(functions_of, (ROOT / "tests").rglob("test_*.py")))
    assert sorted(tests - there) == []


def test_no_promise_stands_without_what_holds_it():
    promises = [table for table in tables(PAGE) if table[0][-1] == "held by"]
    assert len(promises) >= 4
    assert [row[0] for table in promises for row in table[2:] if not any(named(row[-1]))] == []
