"""A training's progress on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


class Bar:
    """Progress on the terminal: one bar for the run on a screen, one line per epoch in a log."""

    def __init__(self, trainer) -> None:
        from tqdm import tqdm

        total = trainer.config.train.epochs * trainer.batches
        done = trainer.epoch * trainer.batches + trainer.batch
        self.batches, self.screen = trainer.batches, sys.stderr.isatty()
        self.bar = tqdm(total=total, initial=done, unit="batch", disable=not self.screen, dynamic_ncols=True)

    def show(self, event: Any) -> None:
        name = type(event).__name__
        if name == "Progress":
            self.bar.set_description(f"epoch {event.epoch}")
            recursion = f"halting {_list(event.halt_prob, 2)} |z| {event.memory_norm:.1f} " if event.halt_prob else ""
            self.bar.set_postfix_str(
                f"loss {_list(event.loss, 2)} accuracy % {_list([100 * a for a in event.accuracy], 0)} "
                f"{recursion}{event.images_per_s:.0f} images/s {event.time_left_s / 60:.1f} min left"
            )
            self.bar.n = (event.epoch - 1) * self.batches + event.batch
            self.bar.refresh()
        elif name == "EpochEnd":
            halting = f"halting {_list(event.val_halt_prob, 2)}, " if event.val_halt_prob else ""
            self.bar.write(
                f"epoch {event.epoch}: loss {_list(event.train_loss, 3)}; validation accuracy % "
                f"{_list([100 * a for a in event.val_accuracy], 1)}, {halting}"
                f"{event.seconds:.0f} s{', best so far' if event.best else ''}"
            )

    def close(self) -> None:
        self.bar.close()


def _list(values: Sequence[float], digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)
