"""The pause of a training: it waits before an update, where it can make single ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from vitrm.training.distributed import Group
from vitrm.training.events import Paused, Resumed

_LOOK_S = 0.02  # between two looks, during a pause, whether it is over


class Pause:
    """Whether a training is to wait, and where it does. `hold`, `step` and `go` are safe to call from any thread."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.active = False  # it waits
        self.single = False  # the next update is made on its own, and this process reports it
        self._held, self._singles = False, 0  # asked to wait; single updates asked for

    def hold(self) -> None:
        """Wait before the next update."""
        self._held = True

    def step(self) -> None:
        """Make one update and wait again. Only after `hold`."""
        self._singles += 1

    def go(self) -> None:
        """End the wait."""
        self._held, self._singles = False, 0

    def wait(self, place: Paused, stopping: Callable[[], bool]) -> Iterator[Paused | Resumed]:
        """Where a training that is held waits, before the update at `place`, until it may go on or is `stopping`.

        In a group all processes go round here together, so that none waits in vain for the others.
        """
        self.single = False
        if self.group.any(self._held) and not self.group.any(stopping()):
            if not self.active:
                self.active = True
                yield place
            while self.group.any(self._held and not self._singles) and not self.group.any(stopping()):
                time.sleep(_LOOK_S)
            if self.group.any(self._singles > 0):
                self._singles = max(0, self._singles - 1)
                self.single = self.group.rank == 0
                return
        if self.active and not stopping():
            yield Resumed(place.updates)
        self.active = False
