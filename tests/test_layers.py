"""The rule of the house: pages know the app, the app knows vitrm, and nothing looks the other way."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("vitrm", "app", "pages")  # each may import itself and those before it
FILES = sorted(file for layer in LAYERS for file in (ROOT / layer).rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])


def _imports(file):
    """(module, whether it is imported on loading the file) for each import of a Python file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    package = file.relative_to(ROOT).parent.parts
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            names = [".".join([*above, *([node.module] if node.module else [])])]
        else:
            continue
        found += [(name, node not in inside) for name in names]
    return found


def test_the_rule_is_checked_on_all_three_layers():
    assert {file.relative_to(ROOT).parts[0] for file in FILES} == set(LAYERS)
    assert ("vitrm.model", True) in _imports(ROOT / "vitrm" / "plain.py")
    assert ("torchvision.datasets", False) in _imports(ROOT / "vitrm" / "data" / "sources.py")


@every_file
def test_imports_run_one_way(file):
    layer = file.relative_to(ROOT).parts[0]
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    parts = {name.partition(".")[0] for name, _ in _imports(file)}
    assert parts & {*LAYERS, "tests"} <= set(allowed)


@every_file
def test_the_core_knows_no_user_interface_and_uses_torchvision_in_few_places(file):
    layer, name = file.relative_to(ROOT).parts[0], file.name
    imports = {(module.partition(".")[0], on_load) for module, on_load in _imports(file)}
    modules = {module for module, _ in imports}
    if layer == "vitrm":
        assert not modules & {"streamlit", "plotly", "captum", "matplotlib"}
        assert ("torchvision", True) not in imports  # it takes seconds, and only some data sets need it
        assert "torchvision" not in modules or name in ("sources.py", "randaugment.py", "classifiers.py")
    if file == ROOT / "app" / "figures.py":
        assert "streamlit" not in modules


@every_file
def test_no_module_is_a_drawer_for_everything(file):
    assert file.stem not in ("utils", "util", "helpers", "helper", "common", "misc")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import vitrm, vitrm.config, vitrm.runs.folder, vitrm.traces.trace", "torch"),
        ("import vitrm.cli.main, vitrm.training.trainer, vitrm.traces.recording", "torchvision sklearn pyarrow"),
    ],
)
def test_importing_is_cheap(statement, absent):
    code = f"{statement}; import sys; print(sys.modules.keys() & {absent!r}.split())"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_every_public_name_can_be_imported():
    import vitrm

    for name in vitrm.__all__:
        assert getattr(vitrm, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'vitrm' has no attribute 'nothing'"):
        vitrm.nothing  # noqa: B018
