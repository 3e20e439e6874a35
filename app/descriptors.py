"""How many files and connections the server may have open at once.

Streamlit keeps a session for a while after its page was closed or reloaded, in case it comes back, and each has an
event loop of its own: three descriptors, beside the one of a connection. Where a process may open only 256 (the usual
on macOS) a class that reloads would use them up, so the server asks for more as it starts.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Protocol

try:
    import resource
except ModuleNotFoundError:  # Windows has no such limit
    resource = None

WANTED = 4096
_KEPT, _EACH = 400, 4  # sessions that were closed, files and threads; and what one that is open takes
ENOUGH = _KEPT + 100 * _EACH
_LOG = logging.getLogger(__name__)


class Limited(Protocol):
    """What the module `resource` does for this."""

    RLIMIT_NOFILE: int
    RLIM_INFINITY: int

    def getrlimit(self, which: int) -> tuple[int, int]: ...

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None: ...


def raise_limit(system: Limited | None = resource) -> int | None:
    """Allow this process what the system lets it have; says one line if that is little. Returns the new limit."""
    if system is None:
        return None
    soft, hard = system.getrlimit(system.RLIMIT_NOFILE)
    if soft == system.RLIM_INFINITY:
        return None
    wanted = WANTED if hard == system.RLIM_INFINITY else min(WANTED, hard)
    if soft < wanted:
        try:
            system.setrlimit(system.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (ValueError, OSError):  # macOS refuses some that it says it allows
            pass
    if soft < ENOUGH:
        _LOG.warning(
            "this server may open only %d files at once, enough for about %d visitors; start it after `ulimit -n %d`",
            soft, max(1, (soft - 100) // (2 * _EACH)), WANTED,
        )  # fmt: skip
    return soft


@cache
def at_start() -> None:
    """Once per server."""
    raise_limit()
