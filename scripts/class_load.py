"""A class of a hundred phones answers while a training runs: how soon is an answer on the teacher's screen?

    python scripts/class_load.py                                   # 100 phones; prints one JSON object
    python scripts/class_load.py --phones 30 --questions 2 --within 2 --no-training
    python scripts/class_load.py --within 0                        # all join in one instant, and answer in one

A real server, a real training (`digits`), and clients that speak Streamlit's websocket protocol as browsers do: the
teacher from the machine itself, each phone from an address of its own in 127.0.0.0/8 (Linux). All ask for news as often
as their pages do. A phone joins at some moment of `--within` seconds, and answers as soon after each question; the
latency is from there until the teacher's page has been sent a count that includes as many answers. Not a test: it takes
minutes, and its figures belong to a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from load_train import cpu_seconds  # noqa: E402

from app.classroom.classes import Classes  # noqa: E402
from app.classroom.follow import STUDENT_S  # noqa: E402
from app.classroom.questions import FIVE, QUESTIONS  # noqa: E402
from app.classroom.teacher import TEACHER_S  # noqa: E402
from app.training.limits import Limits  # noqa: E402
from app.training.queue import Trainings  # noqa: E402
from app.visitors import Visitor  # noqa: E402
from tests.browser.driving import running_server  # noqa: E402
from vitrm.config import PRESETS  # noqa: E402
from vitrm.runs.folder import Run  # noqa: E402

TEACHER = Visitor("f" * 32, is_teacher=True)
_COUNT = re.compile(r"<b>(\d+)</b> of \d+ have answered")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--phones", type=int, default=100)
    parser.add_argument("--questions", type=int, default=3)
    parser.add_argument("--within", type=float, default=20.0, help="seconds within which all join, and all answer")
    parser.add_argument("--no-training", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as (home, server):
        os.chdir(folder)
        try:
            with contextlib.nullcontext() if arguments.no_training else training():
                print(json.dumps(asyncio.run(measure(home, Path(folder), server.pid, arguments)), indent=2))
        finally:
            os.chdir(ROOT)


@contextlib.contextmanager
def training():
    """One that goes on for as long as this does."""
    trainings = Trainings(limits=Limits(at_once=1)).start()
    name = trainings.train(PRESETS["digits"].with_fields({"train.epochs": 100_000}), Visitor("load"))
    run = Run(trainings.runs / name)
    try:
        while not any(event["event"] == "EpochEnd" for event in run.metrics()):
            time.sleep(0.2)
        yield
    finally:
        trainings.close()
        os.kill(run.status()["pid"], signal.SIGKILL)


async def measure(home: str, folder: Path, server: int, arguments: argparse.Namespace) -> dict:
    """Every answer of every phone to every question."""
    classes = Classes(QUESTIONS, folder / "runs" / ".classes")
    code = classes.open(TEACHER)
    teacher = Client(home, TEACHER.number, "127.0.0.1")
    await teacher.open("class")
    phones = [Client(home, f"{k + 1:032x}", f"127.0.{1 + k // 250}.{1 + k % 250}") for k in range(arguments.phones)]
    joined = await asyncio.gather(*(join(phone, code, arguments.within) for phone in phones))
    polls = [asyncio.create_task(phone.poll("class_pulse", STUDENT_S)) for phone in phones]
    polls.append(asyncio.create_task(teacher.poll("class_lead", TEACHER_S)))
    await asyncio.sleep(2 * STUDENT_S)
    idle = await load(server, 10.0)
    latencies, shown = [], []
    busy, began = cpu_seconds(server), time.perf_counter()
    for number in range(arguments.questions):
        asked = time.perf_counter()
        classes.ask(code, f"before-{FIVE[number % len(FIVE)].question.key}", TEACHER)
        teacher.counts.clear()
        answering = (answer(phone, f"class_answer_{code}_{number}", arguments.within) for phone in phones)
        moments = await asyncio.gather(*answering)
        shown += [screen - asked for screen, _ in moments]
        sent = sorted(moment for _, moment in moments)
        await until(lambda: teacher.counts and teacher.counts[-1][1] == len(phones))
        for k, moment in enumerate(sent, start=1):
            latencies.append(next(at for at, count in teacher.counts if count >= k) - moment)
    busy = (cpu_seconds(server) - busy) / (time.perf_counter() - began)
    for task in polls:
        task.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    lost = sum(len(phones) - len(asking.answers) for asking in classes.get(code).askings)
    waits = [each for phone in phones for each in phone.waits]
    return {
        "phones": len(phones),
        "phones_in_the_class": len(classes.get(code).phones),
        "training": not arguments.no_training,
        "cores": os.cpu_count(),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "answers": len(latencies),
        "answers_lost": lost,
        "all_answer_within_s": arguments.within,
        "answer_on_the_teachers_screen_s": spread(latencies),
        "question_on_the_phones_s": spread(shown),
        "a_poll_of_a_phone_s": spread(waits),
        "a_poll_of_a_phone_kb": round(statistics.median(size for phone in phones for size in phone.sizes) / 1024, 2),
        "a_phone_has_joined_s": spread(joined),
        "server_cores_waiting": round(idle, 3),
        "server_cores_answering": round(busy, 3),
        "server_memory_mb": memory_mb(server),
    }


async def join(phone: Client, code: str, within: float) -> float:
    """How long it takes to join, at some moment within so many seconds."""
    await asyncio.sleep(random.random() * within)
    began = time.perf_counter()
    await phone.open("class", f"code={code}")
    return time.perf_counter() - began


async def answer(phone: Client, component: str, within: float) -> tuple[float, float]:
    """When the question was on the screen of a phone, and when its answer was sent."""
    await until(lambda: component in phone.widgets)
    screen = time.perf_counter()
    await asyncio.sleep(random.random() * within)
    moment = time.perf_counter()
    await phone.send(component, "answer", random.randrange(4))
    return screen, moment


async def until(holds: Callable[[], object], patience: float = 120.0) -> None:
    """Wait until something holds. Raises TimeoutError."""
    last = time.perf_counter() + patience
    while not holds():
        if time.perf_counter() > last:
            raise TimeoutError("the server did not answer")
        await asyncio.sleep(0.02)


async def load(process: int, seconds: float) -> float:
    """How many cores a process keeps busy."""
    before = cpu_seconds(process)
    await asyncio.sleep(seconds)
    return (cpu_seconds(process) - before) / seconds


def memory_mb(process: int) -> int:
    """What a process holds in memory (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """The median, the 95th percentile and the largest."""
    ordered = sorted(seconds)
    found = {"median": statistics.median(ordered), "p95": ordered[int(0.95 * len(ordered))], "max": ordered[-1]}
    return {name: round(value, 3) for name, value in found.items()}


class Client:
    """One browser, as far as the server can tell."""

    def __init__(self, home: str, number: str, where: str) -> None:
        self.home, self.number, self.where = home, number, where
        self.widgets: dict[str, tuple[str, str]] = {}  # by key: identity and the fragment that it stands in
        self.counts: list[tuple[float, int]] = []  # what the teacher's screen has said, and when
        self.waits: list[float] = []
        self.sizes: list[int] = []
        self._name, self._query, self._page = "", "", ""
        self._asked, self._size = 0.0, 0  # since when news have been waited for, and the bytes that came

    async def open(self, page: str, query: str = "") -> None:
        """Connect and load a page."""
        self._name, self._query = page, query
        self.socket = await websockets.connect(
            f"{self.home.replace('http', 'ws')}/_stcore/stream", subprotocols=["streamlit"], max_size=None,
            local_addr=(self.where, 0), open_timeout=120,
            additional_headers={"Cookie": f"vitrm_visitor={self.number}"},
        )  # fmt: skip
        self._listening = asyncio.create_task(self._listen())
        await self.send()
        await until(lambda: {"class_pulse", "class_lead"} & self.widgets.keys())

    async def send(self, component: str = "", event: str = "", value: object = None) -> None:
        """Have the page run, or for an event of a component the fragment that this stands in."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.context_info.url = self._query, f"http://127.0.0.1/{self._name}"
        state.page_name, state.page_script_hash = "" if self._page else self._name, self._page
        if component:
            identity, state.fragment_id = self.widgets[component]
            state.widget_states.widgets.add(id=identity, json_value="{}")
            trigger = state.widget_states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{identity}__events")
            trigger.json_trigger_value = json.dumps([{"event": event, "value": value}])
        await self.socket.send(message.SerializeToString())

    async def poll(self, component: str, seconds: float) -> None:
        """Ask for news as the page does, for ever."""
        await asyncio.sleep(random.random() * seconds)
        while True:
            self._asked, self._size = self._asked or time.perf_counter(), 0
            await self.send(component, "beat", 0)
            await asyncio.sleep(seconds * random.uniform(0.9, 1.1))

    async def _listen(self) -> None:
        while True:
            content = await self.socket.recv()
            self._size += len(content)
            answer = ForwardMsg.FromString(content)
            kind = answer.WhichOneof("type")
            if kind == "navigation":
                self._page = answer.navigation.page_script_hash
            elif kind == "script_finished":
                if self._asked:
                    self.waits.append(time.perf_counter() - self._asked)
                    self.sizes.append(self._size)
                self._asked = 0.0
            elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                self._note(answer.delta.new_element, answer.delta.fragment_id)

    def _note(self, element: object, fragment: str) -> None:
        kind = element.WhichOneof("type")
        if kind == "html" and (found := _COUNT.search(element.html.body)):
            self.counts.append((time.perf_counter(), int(found[1])))
        identity = getattr(getattr(element, kind), "id", "")
        if identity.startswith("$$ID"):
            self.widgets[identity.split("-", 2)[2]] = (identity, fragment)


if __name__ == "__main__":
    main()
