"""Which images a model changes its mind on, the clearest first: python scripts/rank_changes.py fashion-glimpse

Of the test images that come with the project, or of the whole test split where the set has none that do, those are
listed whose answer is another, wrong one first, then the true class, and stays there: a few of each two classes. What
stands in app/state.py as `LANDING` is picked from this list by eye: the reason should be one that can be seen (a
sleeve, a collar, a heel). Export the checkpoint again with `--gallery-images NUMBER`, so that it is on screen at once.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


class Change(NamedTuple):
    """An image on which the answer changes once, from a wrong class to the true one. Steps count from 1."""

    index: int  # among the images that were given
    first: int  # the class that is answered first
    truth: int
    step: int  # the first with the true class
    before: float  # the highest probability of the wrong class while it is the answer
    after: float  # the probability of the true class after the last step

    @property
    def clearness(self) -> float:
        """How sure it is of both, 0..1: a change from hardly sure to hardly surer shows nothing."""
        return min(self.before, self.after)


def ranked(probs: np.ndarray, labels: np.ndarray) -> list[Change]:
    """The changes of n images after N steps, the clearest first; `probs` (n, N, C), `labels` (n,)."""
    answers, found = probs.argmax(axis=-1), []
    for index, (said, truth) in enumerate(zip(answers, labels, strict=True)):
        turn = int((said == truth).argmax())
        first = said[0]
        if turn and (said[:turn] == first).all() and (said[turn:] == truth).all():
            before, after = probs[index, :turn, first].max(), probs[index, -1, truth]
            found.append(Change(index, int(first), int(truth), turn + 1, float(before), float(after)))
    return sorted(found, key=lambda change: -change.clearness)


def main() -> None:
    """Run the model over the images, with the glimpses that its pages begin with, and list what changes."""
    import torch

    from vitrm.data.bundled import bundled, every
    from vitrm.data.sources import load_dataset
    from vitrm.runs.checkpoints import find_run
    from vitrm.traces.recording import trace

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of a checkpoint or run")
    parser.add_argument(
        "--show", type=int, default=3, metavar="N", help="how many of each pair of classes (default: 3)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run = find_run(arguments.name)
    config, model = run.config(), run.load_model()
    size, channels, source = config.model.image_size, config.model.channels, config.data.source
    shown = bundled(source, (channels, size, size)) or every(load_dataset(source, size, channels).test)
    made = [trace(model, shown.images.images[k], attention=False) for k in range(len(shown))]
    changes = ranked(np.stack([each.probs[:, -1, -1] for each in made]), shown.images.labels.numpy())
    print(f"{len(changes)} of {len(shown):,} images change once, from a wrong class to the true one")
    names = model.class_names
    listed = Counter()
    for change in changes:
        pair = change.first, change.truth
        listed[pair] += 1
        if listed[pair] > arguments.show:
            continue
        number = int(shown.numbers[change.index])
        stop = made[change.index].halt_step
        halts = "never halts" if stop is None else f"halts after {stop + 1}"
        first, truth = (
            f"{names[change.first]} {100 * change.before:.0f} %",
            f"{names[change.truth]} {100 * change.after:.0f} %",
        )
        print(
            f"{first:>16} -> {truth:<16} at step {change.step}, {halts}   /?checkpoint={run.name}&image=test-{number}"
        )


if __name__ == "__main__":
    main()
