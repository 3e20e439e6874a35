"""The classes of a server: one file each, only ever added to, and gone when the class ends. No streamlit here.

Who may do what is decided here, at every act, and not by what a page offers. Several servers may share the folder: what
another one has written is read on from where this one stands.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.classroom.events import (
    Answered,
    Asked,
    ClassError,
    Classroom,
    Event,
    Joined,
    Led,
    Left,
    LetGo,
    Opened,
    Revealed,
    after,
    event_of,
    line,
)
from app.figures import as_written
from app.lessons.question import Question
from app.visitors import Visitor
from vitrm.places import home

LETTERS = "BCDFGHJKLMNPRSTVWXZ"  # no two look alike, and no word comes of them
LENGTH = 4
OPEN, PHONES, CHANGES = 4, 200, 30  # classes at a time; phones of each; answers of a phone to a question
MB = 8  # of a class's file; the teacher may go on for as much again
AGE_S = 24 * 3600.0
_TIDY_S = 60.0
_LOG = logging.getLogger(__name__)


@dataclass
class _File:
    path: Path
    now: Classroom
    taken: int = 0  # bytes that `now` is made of: whole lines


class Classes:
    """Every method may be called from any thread. All raise ClassError with a sentence for whoever asked."""

    def __init__(
        self, questions: Mapping[str, Question], folder: Path | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self.questions = questions
        self.folder = folder or home() / "runs" / ".classes"
        self._now, self._lock = now, threading.RLock()
        self._files: dict[str, _File] = {}
        self._seen, self._tidied = None, float("-inf")

    # What anybody may know

    def get(self, code: str) -> Classroom:
        """The class as it is at this moment."""
        with self._lock:
            self._tidy()
            return self._read(_checked(code)).now

    def open_ones(self) -> list[Classroom]:
        """Every class, the one that was opened last at first."""
        with self._lock:
            self._tidy()
            found = []
            for code in self._codes():
                with contextlib.suppress(ClassError):  # it has just ended
                    found.append(self._read(code).now)
            return sorted(found, key=lambda each: -each.opened)

    def of(self, visitor: Visitor) -> Classroom | None:
        """The class that a visitor is in; None if in none."""
        return next((each for each in self.open_ones() if phone(each, visitor) in each.phones), None)

    # What the phones do

    def join(self, code: str, visitor: Visitor) -> Classroom:
        """Be in a class, and in no other."""
        with self._lock:
            found = self.get(code)
            who = phone(found, visitor)
            if who in found.phones:
                return found
            if len(found.phones) >= PHONES:
                raise ClassError(f"There are {PHONES} phones in class {found.code}, and no more can join.")
            self.leave(visitor)
            return self._add(found.code, Joined(who))

    def leave(self, visitor: Visitor) -> None:
        """Be in no class."""
        with self._lock:
            while (found := self.of(visitor)) is not None:
                self._add(found.code, Left(phone(found, visitor)))

    def answer(self, code: str, asking: int, value: Any, visitor: Visitor) -> None:
        """Predict, or change the prediction: `asking` is the number, from 0, of the question as it was asked."""
        with self._lock:
            found = self.get(code)
            who = phone(found, visitor)
            if who not in found.phones:
                raise ClassError(f"You are not in class {found.code}; join it first.")
            if not 0 <= asking == len(found.askings) - 1:
                raise ClassError("The class is at another question by now.")
            now = found.askings[asking]
            if now.revealed:
                raise ClassError("What came out is on the screens already; nothing can be predicted any more.")
            if now.changes.get(who, 0) >= CHANGES:
                raise ClassError(f"You have answered {CHANGES} times; your last answer stays.")
            read = self.question(now.question).read(value)
            self._add(found.code, Answered(asking, who, json.dumps(read)), MB)

    # What the teacher does

    def open(self, visitor: Visitor) -> str:
        """The code of a new class."""
        with self._lock:
            _lead(visitor)
            if len(self.open_ones()) >= OPEN:
                raise ClassError(f"{OPEN} classes are open on this server; end one of them first.")
            try:
                return self._new()
            except OSError as error:
                raise ClassError(
                    f"No class can be kept in '{self.folder}' ({error.strerror}); name another folder by VITRM_HOME."
                ) from None

    def ask(self, code: str, question: str, visitor: Visitor) -> None:
        """Put a question on all screens."""
        _lead(visitor)
        self._add(code, Asked(self.question(question).key))

    def reveal(self, code: str, asking: int, result: Any, visitor: Visitor, measured: str = "") -> None:
        """Put what came out on all screens, beside everybody's own prediction, and on what that was `measured`.

        `asking` is the number of the question, as in `answer`; `result` None: nobody knows it.
        """
        with self._lock:
            _lead(visitor)
            found = self.get(code)
            if found.asking is None or found.asking.revealed:
                raise ClassError("There is no question to which the answer could be revealed; ask one first.")
            if asking != len(found.askings) - 1:
                raise ClassError("The class is at another question by now; nothing was revealed.")
            read = None if result is None else json.dumps(self.question(found.asking.question).read(result))
            self._add(code, Revealed(asking, read, measured))

    def lead(self, code: str, to: str, visitor: Visitor) -> None:
        """Have all look at one state of a page, as `app.classroom.place.read_place` reads it."""
        _lead(visitor)
        self._add(code, Led(to))

    def let_go(self, code: str, visitor: Visitor) -> None:
        """Have nobody's screen follow any more, until the next act."""
        _lead(visitor)
        self._add(code, LetGo())

    def end(self, code: str, visitor: Visitor) -> None:
        """Delete a class and all that was answered in it."""
        with self._lock:
            _lead(visitor)
            self._remove(self._path(_checked(code)))

    def question(self, key: str) -> Question:
        """A question by its key."""
        if key not in self.questions:
            raise ClassError(f"There is no question “{key[:40]}” on this server; ask another one.")
        return self.questions[key]

    # The files

    def _new(self) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        while True:
            code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
            with contextlib.suppress(FileExistsError):
                made = os.open(self._path(code), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with open(made, "wb") as out:
                    out.write(line(Opened(self._now(), secrets.token_hex(16))))
                return code

    def _path(self, code: str) -> Path:
        return self.folder / f"{code}.jsonl"

    def _codes(self) -> list[str]:
        """Of all classes; the folder is only listed when it has changed."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except OSError:
            return []
        if changed != self._seen or changed > (time.time() - 2) * 1e9:  # clocks of file systems are coarse
            self._seen = changed
            there = {path.stem for path in self.folder.glob("*.jsonl") if _is_code(path.stem) and not path.is_symlink()}
            for code in there - self._files.keys():
                self._files[code] = _File(self._path(code), Classroom(code))
            for code in self._files.keys() - there:
                del self._files[code]
        return list(self._files)

    def _read(self, code: str) -> _File:
        """Take in what has been written since."""
        file = self._files.setdefault(code, _File(self._path(code), Classroom(code)))
        try:
            if file.path.stat().st_size != file.taken:
                with open(file.path, "rb") as content:
                    content.seek(file.taken)
                    new = content.read()
                whole = new[: new.rfind(b"\n") + 1]  # the last line may be torn
                for each in whole.splitlines():
                    event = event_of(each)
                    file.now = after(file.now, event) if event is not None else file.now
                file.taken += len(whole)
        except OSError:
            self._files.pop(code, None)
            raise ClassError(f"There is no class {code}: it is over, or its code is another one.") from None
        return file

    def _add(self, code: str, event: Event, mb: int = 2 * MB) -> Classroom:
        """Write an event behind the others; `mb` is what the file may come to."""
        with self._lock:
            file = self._read(_checked(code))
            try:
                size = file.path.stat().st_size
                if size > mb * 2**20:
                    raise ClassError(f"The file of class {code} has {mb} MB, which is all that it may have.")
                torn = b"\n" if size != file.taken else b""
                out = os.open(file.path, os.O_WRONLY | os.O_APPEND)  # never made anew: it may have been deleted
                try:
                    content = torn + line(event)
                    if os.write(out, content) != len(content):
                        raise ClassError("The disk of the server is full; tell the teacher.")
                finally:
                    os.close(out)
            except OSError as error:
                raise ClassError(f"That could not be written to the file of class {code} ({error.strerror}).") from None
            return self._read(code).now

    def _tidy(self) -> None:
        """Delete classes that somebody forgot to end."""
        now = self._now()
        if now - self._tidied < _TIDY_S:
            return
        self._tidied = now
        for code in self._codes():
            with contextlib.suppress(ClassError, OSError):
                opened = self._read(code).now.opened or self._path(code).stat().st_mtime  # its first line is damaged
                if not now - AGE_S < opened <= now + AGE_S:
                    self._remove(self._path(code))

    def _remove(self, path: Path) -> None:
        self._files.pop(path.stem, None)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("'%s' could not be deleted (%s)", path, error.strerror)
            raise ClassError(f"'{path}' could not be deleted ({error.strerror}); delete it by hand.") from None


def phone(classroom: Classroom, visitor: Visitor) -> str:
    """What a visitor is called in the file of a class: not the number that is in their cookie."""
    return hashlib.sha256(f"{classroom.salt} {visitor.number}".encode()).hexdigest()[:16]


def _is_code(text: str) -> bool:
    return re.fullmatch(f"[{LETTERS}]{{{LENGTH}}}", text) is not None


def _checked(code: str) -> str:
    typed = re.sub(r"[\s-]", "", code).upper()
    if not _is_code(typed):
        expected = f"{LENGTH} letters, such as {LETTERS[3:7]}"
        raise ClassError(f"“{as_written(code)}” is no code of a class; expected {expected}.")
    return typed


def _lead(visitor: Visitor) -> None:
    if not visitor.is_teacher:
        raise ClassError("Only the teacher leads a class.")
