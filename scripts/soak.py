"""A class of thirty for an hour: they reload, upload, step and train. Nothing may pile up.

    python scripts/soak.py --files 256                  # an hour; prints one JSON object, fails where it grew
    python scripts/soak.py --minutes 2 --clients 5
    python scripts/soak.py --minutes 30 --servers 2 --kill-trainings 50 --kill-servers 50 --clock --read-only

Real servers, and clients that speak Streamlit's protocol as a browser does. Counted: tracebacks on pages and in the
log, lost connections, memory, descriptors, threads and sessions, and what is left of them when everybody has gone.
After the first ten minutes (a sixth of a shorter time) memory may grow by at most five percent.

What else may happen, at random moments:
`--kill-trainings`, `--kill-servers` end so many of them by `kill -9`; what is killed must be readable, its epochs
without a gap, none twice. `--servers` on one folder of runs share the clients. `--clock` sets the clock of all Python
processes by days and years, forward and back (by a module that is loaded before theirs: the system's own clock stays).
`--read-only` takes the right to write from the folders of runs for the third tenth of the time. Root may write
whatever the mode says, so the servers are started without that right (CAP_DAC_OVERRIDE).

It needs Linux, and is not a test: its figures belong to a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import io
import json
import os
import random
import re
import resource
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import websockets
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.driving import running_server  # noqa: E402
from tests.browser.talking import Visitor  # noqa: E402
from vitrm.errors import RunError  # noqa: E402
from vitrm.runs.folder import Run  # noqa: E402

PAGES = ("", "your_image", "step", "attention", "halting", "glimpses", "mazes", "mixture", "compare", "train")
GROWTH = 0.05
_JUDGED_MINUTES = 30  # in less time not everything has been loaded once
_LEFT_S = 75  # how long a session that was left is kept, and a little more
_OVERRIDE, _DROP = 1, 24  # CAP_DAC_OVERRIDE, and PR_CAPBSET_DROP of prctl(2)
_JUMPS_S = (86_400, -86_400, 366 * 86_400, -366 * 86_400, 0)
_CLOCK = """import time
_real = time.time
def _set():
    try:
        return _real() + float(open({file!r}).read() or 0)
    except (OSError, ValueError):
        return _real()
time.time = _set
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--files", type=int, help="descriptors that a server may have, as of `ulimit -n`")
    parser.add_argument("--kill-trainings", type=int, default=0)
    parser.add_argument("--kill-servers", type=int, default=0)
    parser.add_argument("--clock", action="store_true")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=Path, help="a file for what is measured, as it is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = Soak(Path(folder), arguments).run()
    print(json.dumps(result, indent=2))
    return 0 if result["passed"] else 1


class Soak:
    """The servers, one after another, and everybody who uses them."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder, self.arguments = folder, arguments
        self.dice = random.Random(arguments.seed)
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.samples: list[dict[str, float]] = []
        self.stack = contextlib.ExitStack()
        self.homes, self.servers = [""] * arguments.servers, [None] * arguments.servers
        self.runs, self.clock = folder / "runs", folder / "clock"
        self.runs.mkdir()
        if arguments.clock:
            self.clock.mkdir()
            (self.clock / "sitecustomize.py").write_text(_CLOCK.format(file=str(self.clock / "shift")))
        self.began = time.monotonic()
        self.ends = self.began + 60 * arguments.minutes

    def run(self) -> dict:
        """All of it; what was counted."""
        log = self.folder / "server.log"
        with self.stack, open(log, "ab") as self.log:
            for k in range(self.arguments.servers):
                self.start(k)
            asyncio.run(self.everybody())
            for run in self.trainings():
                run.ask("stop at once")
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        self.problems += [line[:300] for line in lines if re.match(r"Traceback|\w*Error\b", line)]
        # Memory is compared within the life of one server, when all has been loaded.
        last = self.samples[-1]
        since = min(600.0, 10 * self.arguments.minutes)
        alike = [each for each in self.samples[:-1] if each["pid"] == last["pid"] and each["at_s"] >= since] or [last]
        third = max(1, len(alike) // 3)
        first, end = (statistics.median(each["memory_mb"] for each in part) for part in (alike[:third], alike[-third:]))
        grew = end / first - 1 > GROWTH and self.arguments.minutes >= _JUDGED_MINUTES
        return {
            "passed": not self.problems and not grew and last["descriptors"] < 200,
            "asked_for": {name: value for name, value in vars(self.arguments).items() if name != "samples"},
            "counts": dict(self.counts),
            "runs": dict(Counter(str(run.state) for run in map(Run, self.runs.glob("[!.]*")))),
            "problems": len(self.problems),
            "some_of_them": self.problems[:20],
            "memory_mb_after_a_while": round(first),
            "memory_mb_at_the_end": round(end),
            "grown_percent": round(100 * (end / first - 1), 1),
            "at_most": {
                name: max(each[name] for each in self.samples) for name in ("descriptors", "threads", "sessions")
            },
            "when_all_had_left": last,
            "lines_in_the_log": len(lines),
            "last_of_them": lines[-5:],
            "load_average": [round(value, 1) for value in os.getloadavg()],
        }  # fmt: skip

    def start(self, k: int) -> None:
        """A server, at the same address as the one before."""
        environment = {"OMP_NUM_THREADS": "1", "VITRM_TRAIN_THREADS": "1", "HOME": str(self.folder)}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (self.clock, ROOT)))
        port = int(self.homes[k].rpartition(":")[2]) if self.homes[k] else None
        self.homes[k], self.servers[k] = self.stack.enter_context(
            running_server(self.folder, port, env=environment, stdout=self.log, preexec_fn=self.limited)
        )

    def limited(self) -> None:
        """What becomes a server may have fewer descriptors, and no more rights to files than their modes say."""
        if self.arguments.files:
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.arguments.files, hard))
        is_root = os.getuid() == 0
        if self.arguments.read_only and is_root and ctypes.CDLL(None).prctl(_DROP, _OVERRIDE, 0, 0, 0):
            raise PermissionError("root keeps its rights to write")

    async def everybody(self) -> None:
        """The class, whoever watches over it, and whoever disturbs it."""
        clients = [asyncio.create_task(self.client(k)) for k in range(self.arguments.clients)]
        acts = [
            (self.arguments.kill_trainings, self.kill_training),
            (self.arguments.kill_servers, self.kill_server),
            (20 * self.arguments.clock, self.set_clock),
        ]
        others = [self.sample()] + [self.now_and_then(count, act) for count, act in acts if count]
        if self.arguments.read_only:
            others.append(self.read_only())
        others = [asyncio.create_task(each) for each in others]
        await asyncio.gather(*clients)
        for each in others:
            each.cancel()
        for each in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(each, Exception):
                self.problems.append(f"a disturber was disturbed: {each!r}")
        await asyncio.sleep(_LEFT_S)
        for home in self.homes:
            with contextlib.suppress(OSError):  # what was left is let go when the next one leaves
                async with Visitor(home, "0" * 32) as last:
                    await last.send("train")
        await asyncio.sleep(2)
        self.note()

    async def client(self, k: int) -> None:
        """One learner, who opens one page after another and does something there."""
        await asyncio.sleep(self.dice.random() * 5)
        while time.monotonic() < self.ends:
            browser = Visitor(self.homes[k % len(self.homes)], f"{k:032x}")
            try:
                async with browser:
                    await self.something(browser)
            except (OSError, websockets.WebSocketException, TimeoutError) as error:
                self.counts["lost connections"] += 1
                if not self.arguments.kill_servers:
                    self.problems.append(f"a connection was lost ({type(error).__name__}: {error})"[:300])
                await asyncio.sleep(1)
            self.problems += [each[:300] for each in browser.tracebacks]
            await asyncio.sleep(self.dice.random() * 4)

    async def something(self, browser: Visitor) -> None:
        choice = self.dice.random()
        if choice < 0.15:
            await self.train(browser)
        elif choice < 0.3:
            await browser.send("your_image")
            await browser.upload(_picture(self.dice))
            self.counts["uploads"] += 1
        elif choice < 0.5:
            await browser.send(f"step?image=test-{self.dice.randrange(360)}&glimpse_seed={self.dice.randrange(3)}")
            for _ in range(self.dice.randrange(4)):
                await browser.send(press="random_image")
                self.counts["images stepped through"] += 1
        else:
            await browser.send(self.dice.choice(PAGES))
            for _ in range(self.dice.randrange(3)):
                await asyncio.sleep(self.dice.random() * 2)
                await browser.send()
        self.counts["pages"] += 1

    async def train(self, browser: Visitor) -> None:
        """Ask for a training; or, where something is training, have a hand in it, which may well not be theirs."""
        await browser.send("train")
        for press in ("do_Pause", "do_Single update", "do_Resume"):
            if press in browser.widgets:
                await browser.send(press=press)
                self.counts[press] += 1
        if "start_training" not in browser.widgets:
            await browser.send(train_view=[":material/add_circle: New training"])
        if "start_training" in browser.widgets:
            await browser.send(own_settings_open=True)
            # Everybody another one, or they would all join the first.
            await browser.send(**{"digits:train.seed": self.dice.randrange(10**6), "digits:train.epochs": 40})
            await browser.send(press="start_training")
            self.counts["asked for a training"] += 1

    async def sample(self) -> None:
        while True:
            await asyncio.to_thread(self.note)
            await asyncio.sleep(max(1.0, self.arguments.minutes / 2))

    def note(self) -> None:
        """How the first server is doing."""
        with contextlib.suppress(OSError):
            pid = self.servers[0].pid
            process = Path(f"/proc/{pid}")
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            with urllib.request.urlopen(f"{self.homes[0]}/_stcore/metrics", timeout=60) as answer:
                sessions = re.search(r"^active_sessions (\d+)", answer.read().decode(), re.MULTILINE)
            self.samples.append({
                "at_s": round(time.monotonic() - self.began),
                "pid": pid,
                "memory_mb": int(status["VmRSS"].split()[0]) / 1024,
                "threads": int(status["Threads"]),
                "descriptors": len(list((process / "fd").iterdir())),
                "sessions": int(sessions[1]) if sessions else 0,
                "runs": len(list(self.runs.glob("[!.]*"))),
            })  # fmt: skip
            if self.arguments.samples:
                with self.arguments.samples.open("a") as out:
                    print(json.dumps(self.samples[-1] | {"problems": len(self.problems)} | self.counts), file=out)

    async def now_and_then(self, count: int, act: Callable[[], Awaitable[None]]) -> None:
        pause = 60 * self.arguments.minutes / (count + 1)
        for _ in range(count):
            await asyncio.sleep(pause * (0.5 + self.dice.random()))
            await act()

    def trainings(self) -> list[Run]:
        return [run for run in map(Run, self.runs.glob("[!.]*")) if run.is_running]

    async def kill_training(self) -> None:
        for run in self.dice.sample(self.trainings(), 1) if self.trainings() else ():
            with contextlib.suppress(RunError, ProcessLookupError, TypeError):
                os.kill(run.status()["pid"], signal.SIGKILL)
                self.counts["trainings killed"] += 1
            await asyncio.sleep(1)
            self.check(run)

    def check(self, run: Run) -> None:
        """Whether what was killed can be read, and lost and doubled nothing."""
        try:
            epochs = [event["epoch"] for event in run.metrics() if event["event"] == "EpochEnd"]
            if epochs != list(range(1, len(epochs) + 1)):
                self.problems.append(f"{run.name} has the epochs {epochs}")
            if run.resumable:
                run.load_state()
        except RunError as error:
            self.problems.append(str(error))

    async def kill_server(self) -> None:
        k = self.dice.randrange(len(self.servers))
        self.servers[k].kill()
        self.servers[k].wait()
        self.counts["servers killed"] += 1
        await asyncio.to_thread(self.start, k)

    async def set_clock(self) -> None:
        (self.clock / "shift").write_text(str(self.dice.choice(_JUMPS_S)))
        self.counts["clock set"] += 1

    async def read_only(self) -> None:
        """Take the right to write from all of the runs, and give it back."""
        await asyncio.sleep(6 * self.arguments.minutes * 2)
        folders = [self.runs, *(each for each in self.runs.rglob("*") if each.is_dir())]
        try:
            for each in folders:
                each.chmod(0o555)
            await asyncio.sleep(6 * self.arguments.minutes)
        finally:
            for each in folders:
                with contextlib.suppress(FileNotFoundError):
                    each.chmod(0o755)
        before = len([run for run in map(Run, self.runs.glob("[!.]*")) if run.is_complete])
        while len([run for run in map(Run, self.runs.glob("[!.]*")) if run.is_complete]) <= before:
            await asyncio.sleep(1)
        self.counts["finished after it could be written again"] += 1


def _picture(dice: random.Random) -> bytes:
    side, content = dice.randrange(40, 400), io.BytesIO()
    Image.frombytes("RGB", (side, side), dice.randbytes(3 * side * side)).save(content, "PNG")
    return content.getvalue()


if __name__ == "__main__":
    sys.exit(main())
