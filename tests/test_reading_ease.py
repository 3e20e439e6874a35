"""The lessons are in plain words: Flesch's reading ease of each is 60 or more."""

import importlib.util
from pathlib import Path

import pytest

from app.lessons.course import lessons

FILE = Path(__file__).resolve().parents[1] / "scripts" / "reading_ease.py"
_SPEC = importlib.util.spec_from_file_location("reading_ease", FILE)
reading_ease = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reading_ease)

COUNTED = {"the": 1, "made": 1, "table": 2, "memory": 3, "picture": 2, "digits": 2, "watched": 1, "started": 2}
COUNTED |= {"changes": 2, "recursion": 3, "attention": 3, "rule": 1, "weights": 1, "a": 1, "hidden": 2, "patches": 2}


@pytest.mark.parametrize(("word", "count"), COUNTED.items())
def test_syllables_are_counted_as_they_are_spoken(word, count):
    assert reading_ease.syllables(word) == count


def test_the_formula_is_flesch_s():
    assert reading_ease.reading_ease("The cat sat on the mat.") == pytest.approx(206.835 - 1.015 * 6 - 84.6)
    with pytest.raises(ValueError, match="without words"):
        reading_ease.reading_ease("96 %")


def test_hard_prose_is_found_hard():
    hard = "Contemporary architectures incorporate differentiable supervision mechanisms facilitating generalisation."
    assert reading_ease.reading_ease(hard) < reading_ease.LEAST


@pytest.mark.parametrize("lesson", lessons().values(), ids=lessons())
def test_a_lesson_is_read_with_ease(lesson):
    assert reading_ease.of_texts(lesson.texts) >= reading_ease.LEAST
