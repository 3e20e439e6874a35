"""What the first page of a server has done before anything else."""

import subprocess
import sys

from app import Home


def test_pandas_is_there_before_plotly_looks_for_it():
    """Plotly takes what it finds in sys.modules: of two first visitors at once, one ended with an AttributeError."""
    code = "import sys, app.Home; loaded = [*sys.modules, 'plotly']; "
    code += "assert loaded.index('pandas') < loaded.index('plotly')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_navigation_has_every_page_once_in_five_groups_at_the_address_it_always_had(monkeypatch):
    monkeypatch.setattr(Home.st, "Page", lambda file, **more: (file.stem, more))
    groups = Home.story()
    assert len(groups) <= 5
    pages = [page for group in groups.values() for page in group]
    known = {"watch", "step", "attention", "halting", "glimpses", "mazes", "mixture", "compare", "your_image", "train"}
    assert {file.stem for file in (Home.ROOT / "pages").glob("*.py")} == known
    assert sorted(name for name, _ in pages) == sorted(known)
    assert not any("url_path" in more for _, more in pages)  # else it is the name of the file
