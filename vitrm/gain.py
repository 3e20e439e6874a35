"""What a group of learners gained between the same questions before and after: the normalised gain, with its interval.

Hake, "Interactive-engagement versus traditional methods", American Journal of Physics 66 (1998): of what could still be
gained, the share that was, <g> = (after - before) / (1 - before), of the group's mean shares of right answers.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitrm.errors import DataError
from vitrm.judge.bootstrap import drawn_means

BEFORE, AFTER, RIGHT = "before-", "after-", "right"  # how columns begin, and what the row with the key is called
FEW = 10  # learners; with fewer an interval of the bootstrap is too narrow
_LARGEST = 2**22  # bytes


@dataclass(frozen=True)
class Gain:
    """The shares of right answers before and after, of the learners who answered all questions both times."""

    before: float
    after: float
    gain: float
    low: float  # the middle 95 % of the bootstrap over learners
    high: float
    learners: int
    left_out: int  # rows in which an answer is absent
    questions: int

    def lines(self) -> list[str]:
        """As the command line prints it."""
        found = [
            f"{self.learners} learners answered {self.questions} questions before and after"
            + (f"; {self.left_out} rows with an answer missing are left out" if self.left_out else ""),
            f"right before: {100 * self.before:.1f} %   right after: {100 * self.after:.1f} %",
            f"normalised gain {self.gain:.2f}, 95 % interval {self.low:.2f} to {self.high:.2f} (of a bootstrap)",
        ]
        if self.learners < FEW:
            found.append(f"{self.learners} learners are few: the interval is too narrow, and says little.")
        found.append("Without a group that was taught otherwise, it does not say what the gain came from.")
        return found


def gain(right: np.ndarray) -> Gain:
    """Of whether each of n learners was right (n, 2, Q) before and after. Raises DataError where there is no gain."""
    learners, _, questions = right.shape
    shares = right.mean(axis=2).T  # (2, n)
    before, after = (float(each) for each in shares.mean(axis=1))
    if before == 1:
        raise DataError("everybody was right in everything before: there was nothing to gain; ask harder questions")
    drawn = drawn_means(shares)
    possible = drawn[:, 0] < 1
    if not possible.all():
        raise DataError(
            f"of {learners} learners so many were right in everything before that no interval can be given; ask more "
            "learners, or harder questions"
        )
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / (1 - drawn[:, 0]), (0.025, 0.975))
    return Gain(before, after, (after - before) / (1 - before), float(low), float(high), learners, 0, questions)


def read_gain(file: Path) -> Gain:
    """Of a table as a class saves it: columns before-NAME and after-NAME, a row “right”, and one for each learner.

    Raises DataError that says which line or column is wrong, and what was expected.
    """
    rows = _rows(file)
    head, *rows = rows
    pairs = _pairs(file, head)
    keys = [row for row in rows if row[0].strip().lower() == RIGHT]
    if len(keys) != 1:
        raise DataError(f"'{file}' has {len(keys)} rows that begin with “{RIGHT}”, expected one: the right answers")
    key = {at: keys[0][at].strip().upper() for pair in pairs.values() for at in pair}
    for name, (before, after) in pairs.items():
        known = key[before] or key[after]
        if not known or (key[before] and key[after] and key[before] != key[after]):
            raise DataError(
                f"'{file}': the row “{RIGHT}” has “{key[before]}” for {BEFORE}{name} and “{key[after]}” for "
                f"{AFTER}{name}, expected the same answer; reveal each question in class, or fill it in"
            )
        key[before] = key[after] = known
    learners = [row for row in rows if row is not keys[0] and any(each.strip() for each in row[1:])]
    whole = [row for row in learners if all(row[at].strip() for pair in pairs.values() for at in pair)]
    if len(whole) < 2:
        raise DataError(
            f"'{file}' has {len(whole)} learners who answered all {len(pairs)} questions before and after, of "
            f"{len(learners)} in all; expected two or more"
        )
    right = [
        [[row[pair[when]].strip().upper() == key[pair[when]] for pair in pairs.values()] for when in (0, 1)]
        for row in whole
    ]
    found = gain(np.array(right, dtype=float))
    return Gain(**{**vars(found), "left_out": len(learners) - len(whole)})


def _rows(file: Path) -> list[list[str]]:
    """All lines that say anything, each as long as the first."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"'{file}' cannot be read ({error.strerror}); expected a table as a class saves it") from None
    if len(content) > _LARGEST:
        raise DataError(f"'{file}' has {len(content) >> 20} MB, at most {_LARGEST >> 20} MB are read")
    try:
        text = content.decode("utf-8-sig")
        delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
        rows = [
            row for row in csv.reader(text.splitlines(), delimiter=delimiter, strict=True) if any(map(str.strip, row))
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{file}' is no table of comma-separated values ({error})") from None
    if not rows:
        raise DataError(f"'{file}' is empty; expected a table as a class saves it")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise DataError(f"'{file}', row {number}: {len(row)} cells, expected {len(rows[0])} as in the first row")
    return rows


def _pairs(file: Path, head: list[str]) -> dict[str, tuple[int, int]]:
    """By the name of a question, its columns before and after; the last ones where it was asked again."""
    at = {title.strip().partition(" (")[0].lower(): k for k, title in enumerate(head)}
    named = {title.removeprefix(BEFORE) for title in at if title.startswith(BEFORE)}
    named |= {title.removeprefix(AFTER) for title in at if title.startswith(AFTER)}
    if not named:
        raise DataError(f"'{file}' has the columns {', '.join(head)[:80]}; expected {BEFORE}NAME and {AFTER}NAME")
    for name in sorted(named):
        for title in (BEFORE + name, AFTER + name):
            if title not in at:
                raise DataError(f"'{file}' has no column “{title}”; each question is asked before and after")
    return {name: (at[BEFORE + name], at[AFTER + name]) for name in sorted(named)}
