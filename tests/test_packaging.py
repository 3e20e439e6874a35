"""What pyproject.toml would install."""

from setuptools import Distribution

from vitrm.process import ROOT


def test_every_file_of_the_two_packages_is_installed(monkeypatch):
    monkeypatch.chdir(ROOT)
    project = Distribution({"script_name": "setup.py"})
    project.parse_config_files(["pyproject.toml"])
    build = project.get_command_obj("build_py")
    build.ensure_finalized()
    found = {file for package in ("vitrm", "app") for file in (ROOT / package).rglob("*") if file.is_file()}
    wanted = {
        str(file.relative_to(ROOT)) for file in found if file.suffix != ".tmp" and file.parent.name != "__pycache__"
    }
    assert {"app/glimpses/play/picks.js", "app/js/trace.js"} <= wanted
    assert set(build.get_output_mapping().values()) == wanted
