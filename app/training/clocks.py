"""How long each run has trained, been paused or been about to begin, and which of that is longer than is allowed.

Measured by a clock that only goes forward: setting the system's makes nothing late, and nothing early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from app.training.limits import Limits
from vitrm.runs.state import State

START_S = 120.0  # a process that has not begun by then never will
_LONGEST_LOOK_S = 1.0  # a machine that slept between two looks did not train meanwhile


class Seen(Protocol):
    """What is asked of a run."""

    state: State | None
    position: int
    visitor: str | None


class Clocks:
    """One look after another at all runs there are."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits, self.clock = limits, clock
        self._since: dict[tuple[str, State], float] = {}  # by name and state: when it was first seen so
        self._trained: dict[str, tuple[float, float]] = {}  # by name: for how long, until when

    def look(self, known: Mapping[str, Seen]) -> Iterable[tuple[str, str]]:
        """Which runs are to be stopped now, each with the reason."""
        now, late = self.clock(), []
        states = {(name, run.state) for name, run in known.items()}
        self._since = {each: self._since.get(each, now) for each in states if each[1] in (State.PAUSED, State.STARTING)}
        # What is at rest begins anew when it is resumed.
        self._trained = {name: each for name, each in self._trained.items()
                         if name in known and known[name].state and known[name].state.is_alive}  # fmt: skip
        waiting = any(run.position for run in known.values())
        for name, run in known.items():
            if run.state is State.PAUSED and self.limits.pause_minutes:
                if not waiting:
                    self._since[name, State.PAUSED] = now
                elif now - self._since[name, State.PAUSED] > 60 * self.limits.pause_minutes:
                    late.append((name, f"Stopped: paused for {self.limits.pause_minutes:g} minutes while others wait."))
            if run.state is State.RUNNING and run.visitor is not None and self.limits.minutes:
                trained, until = self._trained.get(name, (0.0, now))
                trained += min(now - until, _LONGEST_LOOK_S)
                self._trained[name] = trained, now
                if trained > 60 * self.limits.minutes:
                    late.append((name, f"Stopped after {self.limits.minutes:g} minutes, the limit of this server."))
        return late

    def never_began(self, name: str) -> bool:
        """Whether a run has been about to begin for too long."""
        return self.clock() - self._since.get((name, State.STARTING), self.clock()) > START_S
