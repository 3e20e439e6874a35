"""What a student's page sends can be forged; the class follows only the teacher. Spoken as a browser does."""

import json
import sys

import pytest

from app.classroom.classes import Classes
from app.classroom.questions import QUESTIONS
from tests.browser.driving import running_server
from tests.browser.talking import Visitor, spoken

ANN, BOB, TEACHER = "a" * 32, "b" * 32, "c" * 32
STUDENTS = "127.0.0.2"  # this machine, but not the address that makes a teacher
FORGED = {"X-Forwarded-For": "127.0.0.1"}
ACTS = ("class_open", "class_ask", "class_reveal", "class_let_go", "class_bring", "class_end", "class_another")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has several addresses of its own at once")


def test_the_class_follows_its_teacher_and_nothing_that_a_student_sends(tmp_path):
    folder = tmp_path / "runs" / ".classes"

    def there():
        return Classes(QUESTIONS, folder).open_ones()[0]

    async def forge(ann, teacher):
        """Every act that the teacher's page has offered so far, and claims to be somebody else."""
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        ann.widgets = teacher.widgets | ann.widgets
        for act in ACTS:
            if act in ann.widgets:
                forged = {"is_teacher": True, "visitor": TEACHER, "vitrm_visitor": TEACHER, "class_next": 7}
                await ann.send(press=act, forged=forged)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        ann.tracebacks.clear()  # Streamlit stumbles over widgets that there are not, on the forger's page alone

    async def lesson(home):
        async with (
            Visitor(home, TEACHER) as teacher,
            Visitor(home, ANN, STUDENTS, **FORGED) as ann,
            Visitor(home, BOB, "127.0.0.3") as bob,
        ):
            await ann.send("class")
            assert "class_open" not in ann.widgets
            await teacher.send("class")
            await teacher.send(press="class_open")
            code = there().code
            await ann.send(class_code=code)  # typed; Bob has the link
            await ann.send(press="class_join")
            await bob.send(f"class?code={code}")
            assert len(there().phones) == 2
            await forge(ann, teacher)
            await teacher.send(press="class_ask")  # of the first lesson: how many percent?
            for student in (ann, bob):
                await student.send()
            await forge(ann, teacher)
            key = f"class_answer_{code}_0"
            await ann.send(told=(key, "answer", 3))
            await bob.send(told=(key, "answer", 101))  # it ends at 100 %
            assert "101 is no answer" in " ".join(bob.said)
            assert list(map(json.loads, there().asking.answers.values())) == [3]
            assert ann.tracebacks == []
            await teacher.send(press="class_reveal_only")
            assert there().stage == "result"
            await ann.send(told=(key, "answer", 1))
            assert list(map(json.loads, there().asking.answers.values())) == [3]
            await teacher.send(class_link=f"{home}/step?image=test-4")
            await teacher.send(press="class_bring")
            assert (there().stage, there().led_to) == ("led", "step?image=test-4")
            await forge(ann, teacher)
            await teacher.send(press="class_let_go")
            assert there().stage == "waiting"
            await teacher.send(**{f"class_sure_{code}": True})
            await forge(ann, teacher)
            await teacher.send(press="class_end")
            assert list(folder.iterdir()) == []
            assert teacher.tracebacks == []

    with running_server(tmp_path) as (home, _):
        spoken(lesson(home))
