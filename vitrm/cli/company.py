"""`vitrm train --processes`: processes beside this one that train the same model, as torchrun's would."""

from __future__ import annotations

import argparse
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitrm.process import start_vitrm

if TYPE_CHECKING:
    from vitrm.config import Config
    from vitrm.data.dataset import Dataset
    from vitrm.training.distributed import Group

COMPANION = "VITRM_COMPANION"  # set in the processes that another one started beside itself
_POLL_S = 0.2


@dataclass(frozen=True)
class Told:
    """What the first process tells its companions."""

    config: Config
    resume: str | None  # the run to go on with
    try_it: bool  # how much it brings is not known yet
    only_try: bool  # and then part


def count(text: str) -> int | None:
    """What `--processes` says; None: "auto". For argparse."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"'{text}': expected auto, or a whole number from 1 to 256")
    return int(text)


def without(words: Sequence[str]) -> list[str]:
    """The words of a command without what they say of processes."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if "--processes" not in (before, word.partition("=")[0])
    ]


def is_companion() -> bool:
    """Whether this process was started beside another one, which says what to train."""
    return COMPANION in os.environ


def joined(arguments: argparse.Namespace, config: Config, dataset: Dataset, device: str) -> tuple[Group, float]:
    """The group that trains: this process alone, or with companions if `--processes` says so or "auto" finds it pays.

    And how many times as fast it is as this process alone, where that was tried. With "auto" each thread of `--threads`
    becomes a process if that is faster; on a GPU it stays one. With `--estimate` it is tried and nothing more.
    """
    from vitrm.training.distributed import Group
    from vitrm.training.several import GAIN, SHORTEST_S, alone, faster

    alone_anyway = device != "cpu" or config.train.keeps  # images stay in one process
    processes = arguments.processes or (1 if alone_anyway else arguments.threads)
    if processes == 1:
        return Group(), 1.0
    try_it = arguments.processes is None or arguments.estimate
    batch, whole = alone(config, dataset, device) if try_it else (math.inf, math.inf)
    if arguments.processes is None and whole < SHORTEST_S:
        return Group(), 1.0
    group = _started(processes, arguments, device)
    told = Told(config, arguments.resume, try_it, only_try=arguments.estimate)
    group.from_first(lambda: told)
    gain = faster(batch, config, dataset, device, group) if told.try_it else 1.0
    if group.from_first(lambda: not told.only_try and (not told.try_it or gain > GAIN)):
        return group, gain
    group.leave()
    _set_threads(arguments.threads)
    return Group(), gain


def accompany(arguments: argparse.Namespace, device: str, train: Callable[[Told, Dataset, Group], int]) -> int:
    """What a companion does: learn what is to be trained, find out with the others whether it pays, and `train`."""
    from vitrm.cli.inputs import load_data
    from vitrm.training.distributed import join_group
    from vitrm.training.several import faster

    group = join_group(device)
    told = group.from_first(lambda: None)
    dataset = load_data(told.config, arguments.data_root)
    if told.try_it:
        faster(0.0, told.config, dataset, device, group)
    if group.from_first(lambda: None):
        return train(told, dataset, group)
    group.leave()
    return 0


def _started(processes: int, arguments: argparse.Namespace, device: str) -> Group:
    """This process and its new companions, as a group. The companions end when this one does."""
    from vitrm.training.distributed import join_group

    threads = max(1, arguments.threads // processes)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    words = ["train", "--device", device, "--threads", str(threads), "--data-root", arguments.data_root]
    companions = [
        start_vitrm(
            words,
            more=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank), COMPANION: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for rank in range(1, processes)
    ]
    there = threading.Event()
    threading.Thread(target=_watch, args=(companions, there), daemon=True).start()
    _set_threads(threads)
    before = dict(os.environ)
    os.environ.update(shared | {"RANK": "0", "LOCAL_RANK": "0"})
    try:
        return join_group(device)
    finally:
        there.set()
        for name in (*shared, "RANK", "LOCAL_RANK"):
            os.environ.pop(name, None)
            with suppress(KeyError):
                os.environ[name] = before[name]


def _watch(companions: list[subprocess.Popen], there: threading.Event) -> None:
    """End this process, in words, if a companion ends before all have met: the driver would wait for it for minutes.

    Nothing has been begun by then. Afterwards a lost companion is missed by the training itself.
    """
    while not there.wait(_POLL_S):
        for companion in companions:
            if companion.poll():
                print(
                    f"vitrm: a process that was to train beside this one ended at once (status "
                    f"{companion.returncode}); leave out --processes",
                    file=sys.stderr,
                    flush=True,
                )
                for other in companions:
                    other.kill()
                os._exit(1)
    for companion in companions:
        companion.wait()  # so that none is left as a zombie


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
