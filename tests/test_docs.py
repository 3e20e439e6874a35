"""The documentation: every public name in its reference, every link leads somewhere, and it builds as a site."""

import importlib.util
import re
import subprocess
import sys
from importlib import import_module

import pytest

import vitrm
from vitrm.places import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "results" / "README.md"])


def test_the_reference_has_every_public_name_by_where_it_is_defined():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    named = {place.rpartition(".") for place in re.findall(r"^::: (\S+)$", text, re.MULTILINE)}
    assert set(vitrm.__all__) <= {name for _, _, name in named}
    for module, _, name in named:
        found = getattr(import_module(module), name)
        assert found.__doc__, f"{module}.{name} says nothing of itself"
        assert getattr(vitrm, name, found) is found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_to_what_is_there(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"\w+:", target)]
    gone = [to for to in targets if not (page.parent / (to.partition("#")[0] or page.name)).exists()]
    assert gone == []


def test_the_readme_s_figure_was_drawn_from_what_the_bundled_weights_were_measured_to_be_worth():
    from scripts import draw_mazes

    assert "](docs/mazes.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert draw_mazes.drawn_from() in (ROOT / "docs" / "mazes.svg").read_bytes()


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: `make docs` installs it"
)
def test_it_builds_strictly_as_a_site(tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site" / "reference.html").read_text(encoding="utf-8")
    assert "The trace of one image: a PIL image" in reference  # a docstring
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="results.html"' in index
    assert 'href="https://arxiv.org/abs/2603.19503"' in index


def test_every_lesson_s_question_stands_in_the_kit_with_its_link():
    from app.lessons.course import lessons

    text = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    for lesson in lessons().values():
        link = lesson.address.removeprefix("./")
        assert f"| {lesson.number} | {lesson.title} | {lesson.question.text} | `/{link}` |" in text
