"""The rule of the house: pages know the app, the app knows vitrm, a room knows those before it, nobody looks back."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("vitrm", "app", "pages")  # each may import itself and those before it
ORDER = {  # of the rooms and single modules of a layer: each may import itself and those before it, lazily or not
    "vitrm": (
        "errors", "reading", "npz", "places", "process", "locks", "config", "data", "nets", "model", "families",
        "losses", "halting", "plain", "traces", "judge", "gain", "runs", "training", "bench", "sweep", "cli",
        "__main__",
    ),
    "app": (
        "paper", "figures", "state", "events", "component", "present", "sections", "background", "descriptors",
        "visitors", "own_data", "change", "words", "link", "charts", "colours", "inference", "sources", "cache",
        "downloads", "files", "picker", "inputs", "reports", "printed", "numbers", "attention", "diagram", "player",
        "uploads", "glimpses", "halting", "mazes", "mixture", "training", "compare", "lessons",
        "classroom", "sheets", "web", "bench", "Home",
    ),
}  # fmt: skip
LONGEST = 400  # lines of a file
LONGER = {}  # files that are longer, and why a reader is better off so
SHORTER = {"vitrm/model.py": 350}  # the recursion alone

FILES = sorted(file for layer in LAYERS for file in (ROOT / layer).rglob("*.py"))


@cache
def _tree(file):
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _imports(file):
    """(module, whether it is imported on loading the file) for each import of a Python file, those for types too."""
    tree = _tree(file)
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
            assert not node.level, f"{file}: imports say in full where from"
            names = [
                f"{node.module}.{alias.name}" if _file_of(f"{node.module}.{alias.name}") else node.module
                for alias in node.names
            ]
        else:
            continue
        found += [(name, node not in inside) for name in names]
    return found


def _file_of(module):
    """The file of a module of ours; None for all else."""
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _unit(layer, module):
    """Of "vitrm.judge.halting" the room "judge"; None if it is another layer's."""
    parts = module.split(".")
    return parts[1] if parts[0] == layer and len(parts) > 1 else None


def _name(path):
    return path.relative_to(ROOT).as_posix()


def _files(layer):
    return [file for file in FILES if file.is_relative_to(ROOT / layer)]


def _rooms(layer):
    names = (path.stem for path in (ROOT / layer).iterdir() if path.suffix == ".py" or any(path.rglob("*.py")))
    return {name for name in names if name != "__init__"}


def test_the_rule_is_checked_on_all_three_layers():
    assert {file.relative_to(ROOT).parts[0] for file in FILES} == set(LAYERS)
    assert ("vitrm.model", True) in _imports(ROOT / "vitrm" / "plain.py")
    assert ("torchvision.datasets", False) in _imports(ROOT / "vitrm" / "data" / "sources.py")


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_run_one_way(layer):
    others = {*LAYERS, "tests"} - set(LAYERS[: LAYERS.index(layer) + 1])
    found = {_name(file): {name.partition(".")[0] for name, _ in _imports(file)} & others for file in _files(layer)}
    assert {name: imports for name, imports in found.items() if imports} == {}


@pytest.mark.parametrize("layer", ORDER)
def test_every_room_has_its_place_in_the_order(layer):
    assert _rooms(layer) == set(ORDER[layer])
    assert len(ORDER[layer]) == len(set(ORDER[layer]))


@pytest.mark.parametrize("layer", ORDER)
def test_a_room_imports_only_rooms_before_it(layer):
    looking_up = set()
    for file in (ROOT / layer).rglob("*.py"):
        own = file.relative_to(ROOT / layer).parts[0].removesuffix(".py")
        above = set() if own == "__init__" else set(ORDER[layer][ORDER[layer].index(own) + 1 :])
        units = {_unit(layer, module) for module, _ in _imports(file)}
        looking_up |= {(_name(file), unit) for unit in units & above}
    assert looking_up == set()


def test_no_module_imports_itself_by_way_of_others():
    known = {file: {_file_of(module) for module, _ in _imports(file)} - {None, file} for file in FILES}
    while free := [file for file, needs in known.items() if not needs & known.keys()]:
        for file in free:
            del known[file]
    assert sorted(map(_name, known)) == []


def test_every_room_and_module_says_what_it_is_for():
    assert [_name(file) for file in FILES if not ast.get_docstring(_tree(file))] == ["vitrm/__main__.py"]
    folders = {file.parent for file in FILES} - {ROOT / "pages"}
    assert [_name(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_file_outgrows_its_idea():
    checked = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    lengths = {_name(file): len(file.read_text(encoding="utf-8").splitlines()) for file in checked}
    too_long = {name for name, lines in lengths.items() if lines > LONGEST}
    assert too_long == LONGER.keys()
    for name, most in SHORTER.items():
        assert lengths[name] <= most


def test_the_core_knows_no_user_interface_and_uses_torchvision_in_few_places():
    users = {}  # of a package, by its name: the files, and whether they import it on loading
    for file in _files("vitrm"):
        for module, on_load in _imports(file):
            users.setdefault(module.partition(".")[0], set()).add((file.name, on_load))
    assert users.keys() & {"streamlit", "plotly", "captum", "matplotlib"} == set()
    lazily = {(name, False) for name in ("sources.py", "fetching.py", "randaugment.py", "classifiers.py")}
    assert users["torchvision"] <= lazily  # it takes seconds, and only some data sets need it
    assert "streamlit" not in {module.partition(".")[0] for module, _ in _imports(ROOT / "app" / "figures.py")}


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [_name(file) for file in FILES if file.stem in drawers] == []


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import vitrm, vitrm.config, vitrm.runs.folder, vitrm.traces.trace", "torch"),
        (
            "import vitrm.cli.main, vitrm.training.trainer, vitrm.traces.recording; from vitrm.runs.checkpoints "
            "import load; [load(name) for name in ('digits-glimpse', 'mazes', 'sr-vit-digits', 'vit-tiny-deep')]",
            "torchvision sklearn pyarrow torch._dynamo",  # the last is torch's compiler
        ),
    ],
)
def test_importing_and_loading_a_model_is_cheap(statement, absent):
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
