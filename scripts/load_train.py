"""Thirty browsers watch a training: how quickly does the page follow, and what does that cost the training?

    python scripts/load_train.py                    # 30 viewers; prints one JSON object
    python scripts/load_train.py --viewers 10 --window 30 --rounds 2

A real server, a real training (`digits`), and clients that speak Streamlit's websocket protocol as a browser does:
each opens the Train page and asks for news at the interval that the page sets. The latency is from asking to the end
of the answer. The speed of training is measured in turns, without and with viewers, so that a noisy machine disturbs
both alike. Not a test: it takes minutes, and its figures belong to a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.training.limits import Limits  # noqa: E402
from app.training.queue import Trainings  # noqa: E402
from app.visitors import Visitor  # noqa: E402
from tests.browser.driving import running_server  # noqa: E402
from vitrm.config import PRESETS  # noqa: E402
from vitrm.runs.folder import Run  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--viewers", type=int, default=30)
    parser.add_argument("--window", type=float, default=20.0, help="seconds of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements without and with viewers, in turns")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as (home, server):
        os.chdir(folder)
        trainings = Trainings(limits=Limits(at_once=1))
        try:
            name = trainings.train(PRESETS["digits"].with_fields({"train.epochs": 100_000}), Visitor("load"))
            run = Run(trainings.runs / name)
            address = f"{home.replace('http', 'ws')}/_stcore/stream"
            asyncio.run(Viewer(address, name).open())  # with its first visitor the server looks after the queue
            while len([event for event in run.metrics() if event["event"] == "EpochEnd"]) < 3:
                time.sleep(0.2)
            result = asyncio.run(measure(run, address, server.pid, arguments))
            print(json.dumps(result, indent=2))
        finally:
            trainings.look(everything=True)
            for job in trainings.known.values():
                if job.is_active and Run(trainings.runs / job.name).is_running:
                    os.kill(Run(trainings.runs / job.name).status()["pid"], signal.SIGKILL)
            trainings.close()
            os.chdir(ROOT)


async def measure(run: Run, address: str, server: int, arguments: argparse.Namespace) -> dict:
    """Speeds in turns, and every latency of every viewer."""
    alone, watched, latencies, sizes, server_load = [], [], [], [], []
    for _ in range(arguments.rounds):
        alone.append(await speed(run, arguments.window))
        viewers = [Viewer(address, run.name) for _ in range(arguments.viewers)]
        await asyncio.gather(*(viewer.open() for viewer in viewers))
        watching = [asyncio.create_task(viewer.watch()) for viewer in viewers]
        await asyncio.sleep(3)
        for viewer in viewers:
            viewer.latencies.clear()
        before = cpu_seconds(server)
        watched.append(await speed(run, arguments.window))
        server_load.append((cpu_seconds(server) - before) / arguments.window)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for viewer in viewers:
            latencies += viewer.latencies
            sizes += viewer.sizes
            await viewer.close()
        await asyncio.sleep(1)
    latencies.sort()
    slower = 1 - statistics.median(watched) / statistics.median(alone)
    return {
        "viewers": arguments.viewers,
        "cores": os.cpu_count(),
        "updates": len(latencies),
        "latency_median_ms": round(1000 * statistics.median(latencies)),
        "latency_p95_ms": round(1000 * latencies[int(0.95 * len(latencies))]),
        "latency_max_ms": round(1000 * latencies[-1]),
        "update_kb": round(statistics.median(sizes) / 1024, 1),
        "server_cores": round(statistics.median(server_load), 3),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "batches_per_s_alone": [round(value, 1) for value in alone],
        "batches_per_s_watched": [round(value, 1) for value in watched],
        "training_slower_percent": round(100 * slower, 1),
    }


def cpu_seconds(process: int) -> float:
    """What a process has used so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def speed(run: Run, seconds: float) -> float:
    """Batches per second of wall time, validation and all."""

    def done() -> tuple[float, float]:
        last = [event for event in run.metrics() if event["event"] == "Progress"][-1]
        return (last["epoch"] - 1) * last["batches"] + last["batch"], run.metrics_file.stat().st_mtime

    before, began = done()
    await asyncio.sleep(seconds)
    after, ended = done()
    return (after - before) / (ended - began)


class Viewer:
    """One browser on the Train page, as far as the server can tell."""

    def __init__(self, address: str, run: str) -> None:
        self.address, self.run = address, run
        self.latencies: list[float] = []
        self.sizes: list[int] = []
        self.page, self.fragment, self.interval = "", "", 1.5

    async def open(self) -> None:
        """Connect and load the page."""
        self.socket = await websockets.connect(self.address, subprotocols=["streamlit"], max_size=None)
        await self.ask()
        assert self.fragment, "the page polls nothing: is the training going on?"

    async def close(self) -> None:
        await self.socket.close()

    async def watch(self) -> None:
        """Ask for news as often as the page says, for ever."""
        await asyncio.sleep(random.random() * self.interval)
        while True:
            began = time.perf_counter()
            size = await self.ask(self.fragment)
            self.latencies.append(time.perf_counter() - began)
            self.sizes.append(size)
            await asyncio.sleep(max(0.0, self.interval - (time.perf_counter() - began)))

    async def ask(self, fragment: str = "") -> int:
        """Have the page (or a fragment of it) run, and take in all of the answer; returns its bytes."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = f"run={self.run}"
        state.page_name = "" if self.page else "train"
        state.page_script_hash = self.page
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        state.context_info.url = "http://127.0.0.1/train"
        await self.socket.send(message.SerializeToString())
        size = 0
        while True:
            content = await self.socket.recv()
            size += len(content)
            answer = ForwardMsg.FromString(content)
            kind = answer.WhichOneof("type")
            if kind == "new_session" and answer.new_session.page_script_hash:
                self.page = answer.new_session.page_script_hash
            elif kind == "auto_rerun":
                self.fragment, self.interval = answer.auto_rerun.fragment_id, answer.auto_rerun.interval
            elif kind == "script_finished":
                return size


if __name__ == "__main__":
    main()
