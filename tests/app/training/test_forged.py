"""What a page sends can be forged; who sends it cannot. Spoken to the server as a browser does, without one."""

import asyncio
import contextlib
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app.training.jobs import Asked, Job, Jobs
from tests.app.training.test_queue import small
from tests.browser.driving import running_server
from vitrm.runs.folder import Run
from vitrm.runs.state import State

ELSEWHERE = "127.0.0.2"  # this machine, but not the address that makes a teacher
OWNERS = {name: f"{k:032x}" for k, name in enumerate(("running", "paused", "stopping", "waiting", "failed", "stopped"))}
TRAINING = ("running", "paused", "stopping")
STRANGER = "f" * 32
REFUSED = "and the teacher, can do that"

# What is pressed, and on which run.
ACTS = [
    ("do_Pause", "running"),
    ("do_Stop training", "running"),
    ("do_Single update", "paused"),
    ("do_Resume", "paused"),
    ("do_Stop at once", "stopping"),
    ("do_Leave the queue", "waiting"),
    ("do_Try again", "failed"),
    ("do_Start over", "stopped"),
    ("do_Resume", "stopped"),
    ("do_Finish as it is", "stopped"),
    ("rename", "stopped"),
    ("delete", "stopped"),
]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has several addresses of its own at once")


def fill(runs):
    """A run of each kind, each of another visitor, with no process to it; what is there is made anew."""
    for old in runs.glob("[!.]*"):
        if old.name not in TRAINING:
            shutil.rmtree(old)
    for name, owner in OWNERS.items():
        run, state = Run(runs / name), name if name in ("waiting", "failed") else "begun"
        settings = json.dumps(small(5 + len(name)).to_dict())
        Jobs(runs).write(run, Job(Asked("train", settings, "cpu", owner, 1.0), state))
        if state == "begun":
            (run.path / "config.json").write_text(settings)
            run.set_status(State(name))
        if name == "stopped":
            for file in ("state.pt", "model.safetensors"):
                (run.path / file).touch()
        run.ask("pause" if name == "paused" else "go")


@pytest.fixture
def folder(tmp_path):
    """The same; those that train are held by this process, so that no place is free and nothing begins."""
    with contextlib.ExitStack() as held:
        fill(tmp_path / "runs")
        for name in TRAINING:
            run = Run(tmp_path / "runs" / name)
            run.acquire()
            held.callback(run.release)
        yield tmp_path


class Browser:
    """One page of one visitor, which presses whatever it wants to."""

    def __init__(self, home, number, where):
        self.address = f"{home.replace('http', 'ws')}/_stcore/stream"
        self.number, self.where = number, where
        self.widgets, self.said, self.kept = {}, [], {}

    async def __aenter__(self):
        cookie = {"Cookie": f"vitrm_visitor={self.number}", "X-Forwarded-For": "127.0.0.1"}
        self.socket = await websockets.connect(
            self.address, subprotocols=["streamlit"], max_size=None, local_addr=(self.where, 0),
            additional_headers=cookie,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def send(self, run, press=None, forged=None, **kept):
        """Have the page run with what was chosen so far, and with a button pressed, disabled or not."""
        self.kept |= kept
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string, rerun.page_name = f"run={run}", "train"
        rerun.context_info.url = "http://127.0.0.1/train"
        for key, value in (self.kept | (forged or {})).items():
            state = rerun.widget_states.widgets.add(id=self.widgets.get(key, key))
            if isinstance(value, list):
                state.string_array_value.data.extend(value)
            elif isinstance(value, bool):
                state.bool_value = value
            else:
                state.string_value = value
        if press is not None:
            rerun.widget_states.widgets.add(id=self.widgets[press], trigger_value=True)
        self.said.clear()
        await self.socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(await self.socket.recv())
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                self._note(answer.delta.new_element)
            elif kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return  # otherwise the page begins once more

    def _note(self, element):
        kind = element.WhichOneof("type")
        if kind in ("alert", "exception"):
            self.said.append(element.alert.body or element.exception.message)
        identity = getattr(getattr(element, kind), "id", "")
        if identity.startswith("$$ID"):
            self.widgets[identity.split("-", 2)[2]] = identity

    async def act(self, press, run):
        """Press it where the page has it; whether it has."""
        await self.send(run)
        if not press.startswith("do_"):
            await self.send(run, train_view=[":material/compare: Compare"])
            await self.send(run, managed=run)
            self.kept |= {f"rename_{run}": "renamed"} if press == "rename" else {}
        if press in self.widgets:
            await self.send(run, press)
        return press in self.widgets


def spoken(words):
    """In a thread of its own: in this one a browser's test may have left its event loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, words).result()


def said(home, number, where, press, run):
    """What the page says to an act."""

    async def attempt():
        while True:  # the queue looks at what is at rest every few seconds
            async with Browser(home, number, where) as browser:
                if await browser.act(press, run):
                    return " ".join(browser.said)

    return spoken(attempt())


def files(folder):
    """All that acts can change: which folders there are, what each is asked for and what is asked of each."""
    return {run.name: (run.job(), run.control()) for run in map(Run, (folder / "runs").glob("[!.]*"))}


def test_every_act_is_refused_to_a_stranger_whatever_the_page_sends(folder):
    before = files(folder)
    with running_server(folder) as (home, _):
        for press, run in ACTS:
            answer = said(home, STRANGER, ELSEWHERE, press, run)
            assert files(folder) == before, press
            if not press.startswith("do_"):  # those are disabled, and Streamlit itself takes no press of them
                assert REFUSED in answer, press


def test_nothing_that_a_page_sends_makes_a_teacher_or_somebody_else(folder):
    before = files(folder)
    forged = {"is_teacher": True, "visitor": OWNERS["running"], "vitrm_visitor": OWNERS["running"]}

    async def claim(home, where):
        async with Browser(home, STRANGER, where) as browser:
            for press in ("do_Pause", "do_Stop training"):
                await browser.send("running")
                await browser.send("running", press, forged=forged)

    with running_server(folder) as (home, _):
        spoken(claim(home, ELSEWHERE))
    with running_server(folder, env={"VITRM_TEACHER_CODE": "secret"}) as (home, _):
        spoken(claim(home, "127.0.0.1"))
    assert files(folder) == before
