"""How easy the lessons are to read: `python scripts/reading_ease.py`; it fails where one is below 60.

Flesch's reading ease (R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32, 1948): 206.835 less
1.015 times the words of a sentence and 84.6 times the syllables of a word. 60 to 70 is plain English, read with ease at
13 to 15 years. Syllables are counted by rule, so nothing has to be downloaded. Titles and options, which are no
sentences, are left out; words that a lesson has to teach count as any other.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

LEAST = 60.0
_VOWELS = re.compile(r"[aeiouy]+")


def syllables(word: str) -> int:
    """Of an English word, by rule: groups of vowels, without a silent e at the end, or in -es and -ed; at least one."""
    text = re.sub(r"[^a-z]", "", word.lower())
    groups = len(_VOWELS.findall(text))
    silent = re.search(r"[^aeiouyl]e$|[^aeiouylscxzgh]es$|[^aeiouytd]ed$|[aeiouy]le$", text)
    return max(1, groups - bool(silent))


def sentences(text: str) -> list[str]:
    """Pieces that end with a full stop, a question mark, an exclamation mark or a paragraph."""
    return [piece for piece in re.split(r"(?<=[.?!])\s+|\n+", text) if re.search(r"[A-Za-z]", piece)]


def reading_ease(text: str) -> float:
    """Flesch's reading ease of a text. Raises ValueError where it has no words."""
    words = re.findall(r"[A-Za-z][A-Za-z’'-]*", text)
    if not words:
        raise ValueError("a text without words has no reading ease")
    return 206.835 - 1.015 * len(words) / len(sentences(text)) - 84.6 * sum(map(syllables, words)) / len(words)


def of_texts(texts: Iterable[str]) -> float:
    """Of several paragraphs."""
    return reading_ease("\n".join(texts).replace("**", ""))


def main() -> int:
    """One line for each lesson; 1 where one is too hard to read."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from app.lessons.course import lessons

    found = {lesson.title: of_texts(lesson.texts) for lesson in lessons().values()}
    for title, ease in found.items():
        print(f"{ease:5.1f}  {title}")
    return int(min(found.values()) < LEAST)


if __name__ == "__main__":
    sys.exit(main())
