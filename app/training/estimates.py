"""How long trainings would take: measured by `vitrm train --estimate`, and remembered."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections import OrderedDict
from functools import cached_property
from typing import Any

from app.training.limits import Limits
from app.training.process import killed
from vitrm.config import Config
from vitrm.process import start_vitrm
from vitrm.training.commands import train_words

_KEPT = 64


class Estimates:
    """How long trainings would take, measured one at a time in a process of their own."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._wanted: OrderedDict[str, tuple[str, list[str]]] = OrderedDict()  # by visitor: the last one wins
        self._lock, self._more, self._ended = threading.Lock(), threading.Event(), False
        self._child: subprocess.Popen | None = None

    @cached_property
    def _thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name="estimates", daemon=True)
        thread.start()
        return thread

    def known(self, config: Config, device: str) -> dict[str, Any] | None:
        """What has been measured already."""
        return self._known.get(f"{device} {config.fingerprint()}")

    def get(self, config: Config, device: str, visitor: str) -> dict[str, Any] | None:
        """What `vitrm train --estimate` says, or `{"error": ...}`; None while it is being measured."""
        key = f"{device} {config.fingerprint()}"
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            words = [*train_words(config), "--estimate", "--device", device, "--processes", "auto"]
            self._wanted[visitor] = (key, [*words, "--threads", str(self.limits.cpu_threads)])
            self._more.set()
        assert self._thread is not None
        return None

    def close(self) -> None:
        """End a measurement that is under way."""
        self._ended = True
        self._more.set()
        with contextlib.suppress(AttributeError, OSError):
            self._child.kill()

    def _work(self) -> None:
        while not self._ended:
            self._more.wait()
            with self._lock:
                if not self._wanted:
                    self._more.clear()
                    continue
                _, (key, words) = self._wanted.popitem(last=False)
            if key in self._known or self._ended:
                continue
            try:
                result = self._measure(words)
            except OSError as error:  # no memory, no more processes
                result = {"error": str(error)}
            with self._lock:
                self._known[key] = result
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)

    def _measure(self, words: list[str]) -> dict[str, Any]:
        self._child = start_vitrm(
            words, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            out, err = self._child.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            return {"error": "a single batch takes more than minutes here; choose a smaller model or batch"}
        if self._child.returncode == 0:
            return json.loads(out.splitlines()[-1])
        if self._child.returncode < 0:
            return {"error": killed(-self._child.returncode)}
        return {"error": (err.strip().splitlines() or ["it ended without a word"])[-1].removeprefix("vitrm: ")}
