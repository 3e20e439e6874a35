"""How a training ends on Ctrl-C and SIGTERM, even where it waits for a process that is gone."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

GRACE_S = 20.0  # to end in good order after a SIGTERM; torchrun kills after 30


@contextmanager
def stops_on_signal(trainer) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the training after the batch in progress, the second one at once.

    So does the first one when there is no batch any more: while the best weights are tested.

    Outside the main thread, which alone receives signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        if trainer.stopping or trainer.finished:
            raise KeyboardInterrupt
        trainer.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ends_when_told(group, give_up: Callable[[], None]) -> Iterator[None]:
    """A process that waits for a lost one inside the driver, where no handler runs, still ends some time after SIGTERM.

    That is what torchrun sends to all the others when one is lost. `give_up` has the last word.
    """
    if group.size == 1:
        yield
        return
    told, teller = socket.socketpair()
    teller.setblocking(False)
    ended = threading.Event()

    def watch() -> None:
        while word := told.recv(1):
            if word[0] == signal.SIGTERM and not ended.wait(GRACE_S):
                give_up()
                os._exit(1)

    watcher = threading.Thread(target=watch, name="told to end", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        ended.set()
        teller.close()
        watcher.join()
        told.close()
