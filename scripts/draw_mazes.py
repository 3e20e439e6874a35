"""The figure of the README: of mazes of each size, how many `mazes` solves after each step, and its control.

    python scripts/draw_mazes.py docs/mazes.svg

As the page Mazes draws it for a paper, from the reports that are bundled with the two checkpoints.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.mazes.longer import accuracy_by_steps
from app.printed.conversion import printed
from vitrm.judge.sizes import SizeReport
from vitrm.runs.checkpoints import find_run

MODELS = ("mazes", "mazes-vit")
WIDTH = 174  # mm


def reports() -> list[SizeReport]:
    """What the two were measured to be worth by size and step."""
    return [find_run(name).report("sizes") for name in MODELS]


def drawn_from() -> bytes:
    """A comment that is another one when the reports are."""
    digest = hashlib.sha256(repr(reports()).encode()).hexdigest()[:12]
    return f"<!-- {' and '.join(MODELS)}, by size: {digest} -->".encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where to write it: .svg")
    given = parser.parse_args()
    given.file.write_bytes(printed(accuracy_by_steps(*reports()), WIDTH).svg() + drawn_from() + b"\n")


if __name__ == "__main__":
    main()
