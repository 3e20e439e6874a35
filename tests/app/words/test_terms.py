"""Every term of the pages has one definition."""

import ast
import re
from pathlib import Path

import pytest

from app.words.terms import NOT_TERMS, TERMS, by_writing
from app.words.words import pattern
from vitrm.places import ROOT

SHORT = re.compile(r"(?<![\w.`/%{-])(?:[A-Z]|[A-Z]{2,}|[A-Z]+[a-z]*-?[A-Z]\w*)(?![\w({}_/-])")  # N, KL, SR-ViT
FIELD = (  # what a lecture may not have had; "-" stands for a blank, or for itself
    "attention", "attribution", "AUROC", "averaged-weights", "batch", "bootstrap", "bottleneck", "calibration",
    "chance", "checkpoint", "class-token", "cosine", "cross-attention", "deletion-curve", "dropout", "entropy",
    "epoch", "gradient", "glimpse", "halting-probability", "integrated-gradients", "learning-rate", "logit", "loss",
    "memory-iteration", "memory-token", "mixture", "multiply-adds", "nats", "norm", "normalisation", "overfitting",
    "parameters", "patch-token", "perplexity", "posterior", "quantile", "recursion-step", "residual", "rollout",
    "router", "saliency", "seed", "single-update", "softmax", "Spearman", "stage", "supervision-step", "test-split",
    "threshold", "training-split", "validation", "variance", "weight-decay",
)  # fmt: skip


def texts():
    """(file, text) of what the app may put on the screen: code, components and the pages of the site."""
    for file in sorted([*(ROOT / "app").rglob("*"), *(ROOT / "pages").glob("*.py")]):
        if (ROOT / "app" / "words") not in file.parents and not file.name.endswith(".min.js"):
            for text in {".py": in_python, ".js": in_javascript, ".html": in_html}.get(file.suffix, lambda _: ())(file):
                yield file.relative_to(ROOT).as_posix(), re.sub(r"`[^`]*`", "", text)


def in_python(file):
    """String literals with a blank, without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and " " in text.strip() and text not in docstrings:
            yield text


def in_javascript(file):
    """String literals with a blank, in double quotes or backticks; no paths of SVG, no selectors."""
    code = re.sub(r"(?m)^\s*//.*|\s// .*", "", file.read_text(encoding="utf-8"))
    for plain, filled in re.findall(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', code):
        text = re.sub(r"\$\{[^{}]*\}", " ", plain or filled)
        if (
            " " in text.strip()
            and not re.match(r"[MLA][\s\d]|[\[.#]|\W*$", text)
            and "$" not in text
            and "querySel" not in text
        ):
            yield text


def in_html(file):
    """What stands between the tags, and what is said of a picture."""
    html = re.sub(r"(?s)<(script|style)\b.*?</\1>|<!--.*?-->", "", file.read_text(encoding="utf-8"))
    yield from re.findall(r'(?:aria-label|title)="([^"]+)"', html)
    yield from (text for text in re.findall(r">([^<>]+)<", re.sub(r"\{[^{}]*\}|\$\w+", " ", html)) if text.strip())


def test_the_texts_of_components_are_found_too():
    said = {Path(file).name: set() for file, _ in texts()}
    for file, text in texts():
        said[Path(file).name].add(text)
    assert "KL from the prediction before, nats" in said["chart.js"]
    assert any(text.startswith("All   steps were run.") for text in said["player.js"])
    assert "halting probability" in said["player.html"]


def test_a_definition_is_short_and_stands_by_itself():
    assert len(by_writing()) >= len(TERMS)  # raises where two share a writing
    for term in TERMS:
        assert term.meaning.endswith((".", "?")), term
        assert 20 < len(term.meaning) < 230, term
    assert not NOT_TERMS & by_writing().keys()
    assert all(re.fullmatch(r"[\w -]+", way) for way in by_writing())  # as they are in a regular expression


def test_every_abbreviation_and_letter_on_the_pages_has_a_definition():
    known = by_writing().keys() | NOT_TERMS
    missing = {}
    for file, text in texts():
        for short in SHORT.findall(text):
            if short not in known and "_" not in short and not short.endswith("Config"):  # names of code
                missing.setdefault(short, set()).add(file)
    assert missing == {}


def test_every_word_of_the_field_on_the_pages_has_a_definition():
    missing = {}
    written = {way.lower() for way in by_writing()}
    for word in FIELD:
        spaced = word.replace("-", " ")
        if written & {word.lower(), spaced.lower()}:
            continue
        for file, text in texts():
            if re.search(rf"\b({word}|{spaced})s?\b", text):
                missing.setdefault(word, set()).add(file)
    assert missing == {}


def test_the_words_of_the_documentation_are_the_same():
    table = Path(ROOT / "docs" / "words.md").read_text(encoding="utf-8")
    last = [line.split("|")[-2].strip() for line in table.splitlines() if line.startswith("| `") or "`(B" in line]
    known = by_writing().keys() | {"answer", "memory", "side", "most"}  # plain words, or told in the form
    named = [name for name in last if " " not in name or name in known]
    assert {"threshold", "memory iteration", "supervision step", "halting probability"} <= {*named}
    assert [name for name in named if name not in known] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Memory tokens and N steps, not Nth.", ["Memory tokens", "N"]),
        ("the SR-ViT, a plain ViT and ViTRM", ["SR-ViT", "plain ViT", "ViTRM"]),
        ("supervision\n  steps", ["supervision\n  steps"]),
        ("x-axis, multiply-adds, prechance", ["multiply-adds"]),
        ("Intel(R), R = 2 (N steps)", ["R", "N"]),
    ],
)
def test_the_longest_writing_is_found_as_a_word_of_its_own(text, found):
    assert re.findall(pattern(), text) == found
