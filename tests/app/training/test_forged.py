"""What a page sends can be forged; who sends it cannot. Spoken to the server as a browser does, without one."""

import contextlib
import json
import sys
from dataclasses import dataclass

import pytest

from app.training.jobs import Asked, Job, Jobs
from tests.app.training.test_queue import small
from tests.browser.driving import running_server
from tests.browser.talking import Visitor, spoken
from vitrm.runs.folder import Run
from vitrm.runs.state import State

ELSEWHERE = "127.0.0.2"  # this machine, but not the address that makes a teacher
STRANGER = "f" * 32
REFUSED = "and the teacher, can do that"
FORGED = {"X-Forwarded-For": "127.0.0.1"}
SETTINGS = {"VITRM_TRAIN_PAUSE_MINUTES": "0"}  # what is paused stays so, however long a busy machine takes
COMPARE = [":material/compare: Compare"]


@dataclass(frozen=True)
class Act:
    """A button, and the state of the run on which it is pressed by somebody. Each has a run and an owner of its own."""

    press: str
    state: str
    who: str  # by whom

    @property
    def name(self):
        return f"{self.who}-{self.press}-{self.state}".replace("do_", "").replace(" ", "-").lower()

    @property
    def owner(self):
        return f"{ACTS.index(self) + 1:032x}"

    @property
    def trains(self):
        return self.state in ("running", "paused", "stopping")


ACTS = [Act(press, state, who) for who in ("stranger", "owner", "teacher") for press, state in (
    ("do_Pause", "running"), ("do_Stop training", "running"), ("do_Single update", "paused"),
    ("do_Resume", "paused"), ("do_Stop at once", "stopping"), ("do_Leave the queue", "waiting"),
    ("do_Try again", "failed"), ("do_Start over", "stopped"), ("do_Resume", "stopped"),
    ("do_Finish as it is", "stopped"), ("rename", "stopped"), ("delete", "stopped"),
)]  # fmt: skip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has several addresses of its own at once")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run for each act. Those that train are held by this process, so that no place is free and nothing begins."""
    folder = tmp_path_factory.mktemp("forged") / "runs"
    with contextlib.ExitStack() as held:
        for k, act in enumerate(ACTS, start=1):
            run, state = Run(folder / act.name), act.state if act.state in ("waiting", "failed") else "begun"
            settings = json.dumps(small(k).to_dict())
            Jobs(run.path.parent).write(run, Job(Asked("train", settings, "cpu", act.owner, 1.0), state))
            if state == "begun":
                (run.path / "config.json").write_text(settings)
                run.set_status(State(act.state))
            if act.state == "stopped":
                for file in ("state.pt", "model.safetensors"):
                    (run.path / file).touch()
            run.ask("pause" if act.state == "paused" else "go")
            if act.trains:
                run.acquire()
                held.callback(run.release)
        yield folder


@pytest.fixture(scope="module")
def home(runs):
    """The address of a server with them."""
    with running_server(runs.parent, env=SETTINGS) as (address, _):
        yield address


def acts_of(who):
    """That they try."""
    return [act for act in ACTS if act.who == who]


def said(home, act, number, where, **headers):
    """What the page says after an act; it must have offered it, disabled or not."""

    async def attempt():
        async with Visitor(home, number, where, **headers) as browser:
            await browser.send(f"train?run={act.name}")
            kept = {}
            if not act.press.startswith("do_"):
                await browser.send(train_view=COMPARE)
                await browser.send(managed=act.name)
                kept = {f"rename_{act.name}": f"{act.who}-renamed"} if act.press == "rename" else {}
            await browser.send(press=act.press, **kept)
            return " ".join(browser.said)

    return spoken(attempt())


def files(runs):
    """All that acts can change: which folders there are, what each is asked for and what is asked of each."""
    return {run.name: (run.job(), run.control()) for run in map(Run, runs.glob("[!.]*"))}


def done(runs, act, number):
    """Whether the folders show that it was done."""
    run = Run(runs / act.name)
    if act.trains:
        control = run.control()
        wanted = {"Pause": "pause", "Stop training": "stop", "Resume": "go", "Stop at once": "stop at once"}
        name = act.press.removeprefix("do_")
        return control["steps"] == 1 if name == "Single update" else control["wanted"] == wanted[name]
    if act.press == "do_Start over":
        return run.path.is_dir() and number in [Jobs(runs).owner(Run(new)) for new in runs.glob("digits-*")]
    return {
        "do_Leave the queue": lambda: not run.path.exists(),
        "do_Try again": lambda: run.job()["state"] == "waiting" and Jobs(runs).owner(run) == act.owner,
        "do_Resume": lambda: run.job()["asked"]["act"] == "resume",
        "do_Finish as it is": lambda: run.job()["asked"]["act"] == "finish",
        "rename": lambda: Jobs(runs).owner(Run(runs / f"{act.who}-renamed")) == act.owner and not run.path.exists(),
        "delete": lambda: not run.path.exists(),
    }[act.press]()


def test_every_act_is_refused_to_a_stranger_whatever_the_page_sends(runs, home):
    before = files(runs)
    for act in acts_of("stranger"):
        answer = said(home, act, STRANGER, ELSEWHERE, **FORGED)
        assert files(runs) == before, act
        if not act.press.startswith("do_"):  # those are disabled, and Streamlit itself takes no press of them
            assert REFUSED in answer, act


@pytest.mark.slow
@pytest.mark.parametrize("who", ["owner", "teacher"])
def test_every_act_is_done_for_the_owner_from_anywhere_and_for_the_teacher(runs, home, who):
    for k, act in enumerate(acts_of(who)):
        number, where = (act.owner, ELSEWHERE) if who == "owner" else (f"{100 + k:032x}", "127.0.0.1")
        before = files(runs)
        answer = said(home, act, number, where)
        after = files(runs)
        assert done(runs, act, number), (act, answer)
        others = before.keys() - {act.name}
        assert {name: after[name] for name in others} == {name: before[name] for name in others}, act


@pytest.mark.slow
def test_nothing_that_a_page_sends_makes_a_teacher_or_somebody_else(runs, home):
    before = files(runs)

    async def claim(home, where):
        for act in acts_of("stranger")[:2]:
            async with Visitor(home, STRANGER, where, **FORGED) as browser:
                forged = {"is_teacher": True, "visitor": act.owner, "vitrm_visitor": act.owner}
                await browser.send(f"train?run={act.name}")
                await browser.send(press=act.press, forged=forged)

    spoken(claim(home, ELSEWHERE))
    with running_server(runs.parent, env=SETTINGS | {"VITRM_TEACHER_CODE": "secret"}) as (closed, _):
        spoken(claim(closed, "127.0.0.1"))
    assert files(runs) == before
