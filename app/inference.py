"""The one model that everybody shares: who has it, for how long, and what is too much to ask of it."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx

from vitrm.config import AnyModelConfig, GlimpsePolicy
from vitrm.errors import ConfigError, LimitError
from vitrm.nets.cost import multiply_adds, working_bytes

T = TypeVar("T")
VARIABLES = {
    "giga_multiply_adds": "VITRM_ANSWER_GIGA_MULTIPLY_ADDS",
    "gb": "VITRM_ANSWER_GB",
    "seconds": "VITRM_ANSWER_SECONDS",
    "report_minutes": "VITRM_REPORT_MINUTES",
}  # of `Limits`
INFERENCE = threading.Lock()  # one model copy for everybody; one image at a time keeps two cores responsive
_SLICE_S = 0.1  # of work, before others may have a turn
_PAUSE_S = 0.005  # without it this thread would have the lock back before others wake up


@dataclass(frozen=True)
class Limits:
    """What one answer, or one report, may take on this server, by environment variables."""

    giga_multiply_adds: float = 200.0
    gb: float = 4.0
    seconds: float = 60.0  # at work, without the time that others had the model
    report_minutes: float = 60.0  # from its beginning to its end

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """Raises ConfigError if a variable is no number above 0."""
        values = {}
        for name, variable in VARIABLES.items():
            if variable not in environment:
                continue
            try:
                values[name] = float(environment[variable])
            except ValueError:
                values[name] = math.nan
            if not 0 < values[name] < math.inf:
                raise ConfigError(f"{variable}={environment[variable]}: expected a number above 0")
        return cls(**values)

    def check(
        self, config: AnyModelConfig, images: int = 1, policy: GlimpsePolicy = "random", **counts: int | None
    ) -> None:
        """Raises LimitError if some images ask more of a model than is allowed; `counts` as `multiply_adds` has them.

        Counted, before anything is made.
        """
        products = images * multiply_adds(config, **counts, policy=policy)
        self.check_cost(products, working_bytes(config, images=images, **counts))

    def check_cost(self, products: int, memory: int) -> None:
        """The same for work whose multiply-adds and bytes are counted where it is done."""
        for what, asked, name in (
            ("billion multiply-adds", products / 1e9, "giga_multiply_adds"), ("GB of memory", memory / 1e9, "gb"),
        ):  # fmt: skip
            if asked > getattr(self, name):
                raise LimitError(
                    f"the model needs {asked:,.1f} {what} for this, and the server allows {getattr(self, name):,g} "
                    f"({VARIABLES[name]}); choose a smaller model or fewer steps"
                )


def is_here(session: str | None = None) -> bool:
    """Whether a visitor still has the page open; by default the one for whom this thread works, if for any."""
    if session is None:
        context = get_script_run_ctx(suppress_warning=True)
        session = context and context.session_id
    return session is None or not exists() or get_instance().is_active_session(session)


def visitor() -> str | None:
    """The session for which this thread works."""
    context = get_script_run_ctx(suppress_warning=True)
    return context and context.session_id


def run(
    work: Generator[Any, None, T],
    config: AnyModelConfig,
    *,
    images: int = 1,
    policy: GlimpsePolicy = "random",
    limits: Limits | None = None,
    here: Callable[[], bool] = is_here,
    clock: Callable[[], float] = time.monotonic,
    **counts: int | None,
) -> T:
    """What some work with a model in steps comes to; between two of them others may have the model.

    It is stopped when its visitor has left. Raises LimitError if it would take more than the server allows, counted
    before it begins, or has taken more time.
    """
    limits = limits or Limits.from_environment()
    limits.check(config, images, policy, **counts)
    taken = 0.0
    try:
        while True:
            with INFERENCE:
                began = clock()
                held = 0.0
                while held < _SLICE_S:
                    try:
                        next(work)
                    except StopIteration as end:
                        return end.value
                    held = clock() - began
                taken += held
            if taken > limits.seconds:
                raise LimitError(
                    f"the model was stopped after {taken:,.0f} seconds at work, and the server allows "
                    f"{limits.seconds:,g} ({VARIABLES['seconds']}); choose a smaller model or fewer steps"
                )
            if not here():
                raise StopException  # as a page ends that nobody looks at any more
            time.sleep(_PAUSE_S)
    finally:
        work.close()
