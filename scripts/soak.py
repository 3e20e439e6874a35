"""A class of thirty for an hour: they reload, look at everything, upload pictures and train. Nothing may pile up.

    python scripts/soak.py                              # an hour; prints one JSON object, fails where it grew
    python scripts/soak.py --minutes 2 --clients 5
    python scripts/soak.py --minutes 20 --kill-trainings 50 --kill-server 10

A real server, and clients that speak Streamlit's protocol as a browser does. Counted: what a page showed as a failure,
lines in the server's log, memory, descriptors and threads of the server, and descriptors that are left when everybody
has gone. After the first ten minutes (a sixth of a shorter time) memory may grow by at most five percent.
With `--kill-trainings` and `--kill-server` so many of them are ended by `kill -9` at random moments; what was training
is resumed, and its epochs must be as many as its history says, none of them twice.

It must run on Linux, and is not a test: its figures belong to a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import websockets
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.driving import running_server  # noqa: E402
from vitrm.errors import RunError  # noqa: E402
from vitrm.runs.folder import Run  # noqa: E402

PAGES = ("", "your_image", "step", "attention", "halting", "glimpses", "mazes", "mixture", "compare", "train")
GROWTH = 0.05
_JUDGED_MINUTES = 30  # in less time not everything has been loaded once
_LEFT_S = 75  # how long a session that was left is kept, and a little more


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--files", type=int, help="descriptors that the server may have, as of `ulimit -n`")
    parser.add_argument("--kill-trainings", type=int, default=0)
    parser.add_argument("--kill-server", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = Soak(Path(folder), arguments).run()
    print(json.dumps(result, indent=2))
    return 0 if result["passed"] else 1


class Soak:
    """One server after another, and everybody who uses it."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder, self.arguments = folder, arguments
        self.dice = random.Random(arguments.seed)
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.samples: list[dict[str, float]] = []
        self.stack = contextlib.ExitStack()
        self.home, self.server, self.port = "", None, None
        self.ends = time.monotonic() + 60 * arguments.minutes

    def run(self) -> dict:
        """All of it; what was counted."""
        log = self.folder / "server.log"
        with self.stack, open(log, "ab") as self.log:
            self.start()
            asyncio.run(self.everybody())
            for run in self.trainings():
                run.ask("stop at once")
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        after = self.samples[len(self.samples) // 6 :]  # of the time, as everything is loaded by then
        # Memory is compared within the life of one server.
        alike = [each for each in after if each["pid"] == after[-1]["pid"]]
        third = max(1, len(alike) // 3)
        first, last = (
            statistics.median(each["memory_mb"] for each in part) for part in (alike[:third], alike[-third:])
        )
        grown = last / first - 1
        grew = grown > GROWTH and self.arguments.minutes >= _JUDGED_MINUTES
        passed = not self.problems and not grew and self.samples[-1]["descriptors"] < 200
        return {
            "passed": passed,
            "clients": self.arguments.clients,
            "minutes": self.arguments.minutes,
            "counts": dict(self.counts),
            "problems": self.problems[:20],
            "memory_mb_then": round(first),
            "memory_mb_at_the_end": round(last),
            "grown_percent": round(100 * grown, 1),
            "descriptors_at_most": max(each["descriptors"] for each in self.samples),
            "descriptors_when_all_had_left": self.samples[-1]["descriptors"],
            "threads_at_most": max(each["threads"] for each in self.samples),
            "lines_in_the_log": len(lines),
            "last_of_them": lines[-5:],
            "load_average": [round(value, 1) for value in os.getloadavg()],
        }

    def start(self) -> None:
        """A server, at the same address as the one before."""
        limit = self.arguments.files
        more = {"preexec_fn": lambda: _limit_files(limit)} if limit else {}
        environment = {"OMP_NUM_THREADS": "1", "VITRM_TRAIN_THREADS": "1"}
        self.home, self.server = self.stack.enter_context(
            running_server(self.folder, self.port, env=environment, stdout=self.log, **more)
        )
        self.port = int(self.home.rpartition(":")[2])

    async def everybody(self) -> None:
        """The class, whoever watches over it, and whoever disturbs it."""
        clients = [asyncio.create_task(self.client(k)) for k in range(self.arguments.clients)]
        others = [asyncio.create_task(self.sample())]
        for count, act in (
            (self.arguments.kill_trainings, self.kill_training),
            (self.arguments.kill_server, self.kill),
        ):
            if count:
                others.append(asyncio.create_task(self.now_and_then(count, act)))
        await asyncio.gather(*clients)
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(_LEFT_S)
        with contextlib.suppress(OSError):  # what was left is let go when the next one leaves
            async with Client(self, "0" * 32) as last:
                await last.open("train")
        await asyncio.sleep(2)
        self.note()

    async def client(self, k: int) -> None:
        """One learner, who opens one page after another and does something there."""
        number = f"{k:032x}"
        await asyncio.sleep(self.dice.random() * 5)
        while time.monotonic() < self.ends:
            try:
                async with Client(self, number) as browser:
                    await self.something(browser)
            except (OSError, websockets.WebSocketException, TimeoutError) as error:
                self.counts["lost connections"] += 1
                if not self.arguments.kill_server:
                    self.problems.append(f"a connection was lost ({type(error).__name__}: {error})"[:300])
                await asyncio.sleep(1)
            await asyncio.sleep(self.dice.random() * 4)

    async def something(self, browser: Client) -> None:
        choice = self.dice.random()
        if choice < 0.15:
            await browser.open("train")
            if "start_training" not in browser.widgets:
                await browser.send(train_view=["New training"])
            if "start_training" in browser.widgets:
                # Everybody another one, or they would all join the first.
                await browser.send(**{"digits:train.seed": self.dice.randrange(10**6), "digits:train.epochs": 40})
                await browser.send(press="start_training")
                self.counts["asked for a training"] += 1
        elif choice < 0.3:
            await browser.open("your_image")
            await browser.upload(_picture(self.dice))
            self.counts["uploads"] += 1
        else:
            await browser.open(self.dice.choice(PAGES))
            for _ in range(self.dice.randrange(3)):
                await asyncio.sleep(self.dice.random() * 2)
                await browser.send()
        self.counts["pages"] += 1

    async def sample(self) -> None:
        while True:
            self.note()
            await asyncio.sleep(max(1.0, self.arguments.minutes))

    def note(self) -> None:
        """How the server is doing."""
        with contextlib.suppress(OSError):
            process = Path(f"/proc/{self.server.pid}")
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            self.samples.append({
                "pid": self.server.pid,
                "memory_mb": int(status["VmRSS"].split()[0]) / 1024,
                "threads": int(status["Threads"]),
                "descriptors": len(list((process / "fd").iterdir())),
            })  # fmt: skip

    async def now_and_then(self, count: int, act) -> None:
        pause = 60 * self.arguments.minutes / (count + 1)
        for _ in range(count):
            await asyncio.sleep(pause * (0.5 + self.dice.random()))
            await act()

    def trainings(self) -> list[Run]:
        return [run for run in map(Run, (self.folder / "runs").glob("[!.]*")) if run.is_running]

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

    async def kill(self) -> None:
        self.server.kill()
        self.server.wait()
        self.counts["servers killed"] += 1
        await asyncio.to_thread(self.start)


class Client:
    """One browser, as far as the server can tell."""

    def __init__(self, soak: Soak, number: str) -> None:
        self.soak, self.number = soak, number
        self.page, self.session, self.widgets, self.kept = "", "", {}, {}
        self.uploader = ""

    async def __aenter__(self) -> Client:
        self.socket = await websockets.connect(
            f"{self.soak.home.replace('http', 'ws')}/_stcore/stream", subprotocols=["streamlit"], max_size=None,
            additional_headers={"Cookie": f"vitrm_visitor={self.number}"}, open_timeout=120,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_) -> None:
        await self.socket.close()

    async def open(self, page: str) -> None:
        await self.send(page)

    async def send(self, page: str | None = None, press: str | None = None, files=None, **kept) -> None:
        """Have the page run with what was chosen so far, until all of the answer is there."""
        self.kept |= kept
        message = BackMsg()
        rerun = message.rerun_script
        self.page = self.page if page is None else page
        rerun.page_name, rerun.context_info.url = self.page, f"http://127.0.0.1/{self.page}"
        for key, value in self.kept.items():
            state = rerun.widget_states.widgets.add(id=self.widgets.get(key, key))
            if isinstance(value, list):
                state.string_array_value.data.extend(value)
            else:
                state.int_value = value
        if press is not None and press in self.widgets:
            rerun.widget_states.widgets.add(id=self.widgets[press], trigger_value=True)
        if files is not None:
            rerun.widget_states.widgets.add(id=self.uploader).file_uploader_state_value.CopyFrom(files)
        await self.socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(), 300))
            kind = answer.WhichOneof("type")
            if kind == "new_session":
                self.session = answer.new_session.initialize.session_id or self.session
            elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                self.note(answer.delta.new_element)
            elif kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return

    def note(self, element) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.soak.problems.append(f"a traceback: {element.exception.type}: {element.exception.message}"[:300])
        identity = getattr(getattr(element, kind), "id", "")
        if identity.startswith("$$ID"):
            self.widgets[identity.split("-", 2)[2]] = identity
        if kind == "file_uploader":
            self.uploader = identity

    async def upload(self, picture: bytes) -> None:
        """One picture, where the page has a place for it."""
        if not self.uploader:
            self.soak.problems.append("the page has no place for a picture")
            return
        message = BackMsg()
        message.file_urls_request.request_id, message.file_urls_request.session_id = "1", self.session
        message.file_urls_request.file_names.append("picture.png")
        await self.socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(), 300))
            if answer.WhichOneof("type") == "file_urls_response":
                break
        place = answer.file_urls_response.file_urls[0]
        await asyncio.to_thread(_put, self.soak.home, place.upload_url, picture)
        state = BackMsg().rerun_script.widget_states.widgets.add().file_uploader_state_value
        state.uploaded_file_info.add(file_id=place.file_id, name="picture.png", size=len(picture), file_urls=place)
        await self.send(files=state)


def _put(home: str, place: str, content: bytes) -> None:
    """As a form with one file and the token against forged requests, which is how Streamlit takes it."""
    with urllib.request.urlopen(f"{home}/_stcore/health", timeout=120) as answer:
        token = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    edge = "soak"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="picture.png"\r\n\r\n'.encode()
    body = head + content + f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}", "X-Xsrftoken": token,
               "Cookie": f"_streamlit_xsrf={token}"}  # fmt: skip
    urllib.request.urlopen(urllib.request.Request(home + place, body, headers, method="PUT"), timeout=120).close()


def _picture(dice: random.Random) -> bytes:
    side, content = dice.randrange(40, 400), io.BytesIO()
    Image.frombytes("RGB", (side, side), dice.randbytes(3 * side * side)).save(content, "PNG")
    return content.getvalue()


def _limit_files(count: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (count, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


if __name__ == "__main__":
    sys.exit(main())
