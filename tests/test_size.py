"""The repository stays small; the files of a checkpoint are measured in tests/vitrm/runs/test_checkpoints.py."""

import os
import shutil
import subprocess

import pytest

from vitrm.places import ROOT

MOST = 25_000_000


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="no clone")
def test_all_files_together_take_less_than_25_mb():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    files = [os.path.join(ROOT, os.fsdecode(name)) for name in listed.split(b"\0") if name]
    assert len(files) > 100
    assert sum(os.path.getsize(file) for file in files if os.path.exists(file)) < MOST
