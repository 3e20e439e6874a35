"""`vitrm app`."""

import argparse
import runpy
import sys
import tomllib

from vitrm.cli import app
from vitrm.places import ROOT


def test_streamlit_is_started_with_the_settings_of_a_clone_wherever_one_stands(monkeypatch, capsys):
    begun, parser = [], argparse.ArgumentParser("vitrm app")
    app.add_arguments(parser)
    monkeypatch.setattr(runpy, "run_module", lambda *_, **__: begun.extend(sys.argv))
    monkeypatch.setattr(sys, "argv", [])
    app.execute(parser.parse_args(["--port", "8600", "--no-browser"]), {})
    assert "Runs and data are kept in" in capsys.readouterr().out
    given = dict(zip(begun[3::2], begun[4::2], strict=True))
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert given["--theme.dark.primaryColor"] == settings["theme"]["dark"]["primaryColor"]
    assert given["--runner.postScriptGC"] == "false"
    assert (given["--server.port"], given["--server.headless"]) == ("8600", "true")
