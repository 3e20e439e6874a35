"""The notebook runs from top to bottom, a cell after the other, in a folder of its own."""

import ast
import json

import pytest

from vitrm.places import ROOT

FILE = ROOT / "docs" / "one_image.ipynb"


def run(source, names):
    """A cell: its statements, and the value of its last line if that is one."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, FILE.name, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), FILE.name, "eval"), names)


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path):
    book = json.loads(FILE.read_text(encoding="utf-8"))
    assert book["nbformat"] == 4
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in book["cells"] if cell["cell_type"] == "code")
    names = {}
    sizes, answers, figure, edited, table, accuracy = [run(cell, names) for cell in cells]
    assert sizes["val"] == 144
    assert [step for step, _, _ in answers] == [1, 2, 3, 4, 5, 6]
    assert figure.data[-1].name == "halting probability"
    assert edited.keys() == {"as it is", "hidden"}
    assert [row["steps"] for row in table] == sorted(row["steps"] for row in table)
    assert len(accuracy) == 1
    assert run(cells[-1], names) == accuracy  # once more: what was trained is returned
    assert (tmp_path / "runs" / "notebook" / "summary.json").is_file()
