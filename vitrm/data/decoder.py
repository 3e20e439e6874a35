"""Decoding pictures in a process of its own: whatever a file does to a decoder, it does not do it here, nor for long.

    python -m vitrm.data.decoder    reads pictures from its input and writes pixels, until the input ends

Both ways a message is its length (4 bytes) and then so many bytes; the first byte of an answer says what it is. Before
all else it says that it has started, as that takes seconds on a busy machine and is no picture's fault.
"""

from __future__ import annotations

import atexit
import contextlib
import struct
import subprocess
import sys
import threading
from typing import BinaryIO

from PIL import Image

from vitrm.data.images import FRAMES, PHONE_READERS, as_seen, decode_image, quiet_decoders
from vitrm.errors import DataError
from vitrm.process import environment

SECONDS = 10.0  # for a picture; the slowest that are accepted take one, see scripts/fuzz_images.py
START_SECONDS = 60.0
_READY, _PIXELS, _REFUSED, _MEMORY = b"s", b"p", b"r", b"m"


class Decoder:
    """A process that decodes pictures, one at a time for whoever asks; it is started when it is needed, and again
    whenever one has brought it down.
    """

    def __init__(
        self,
        max_side: int,
        seconds: float = SECONDS,
        words: tuple[str, ...] = (),
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.max_side, self.seconds, self.start_seconds = max_side, seconds, start_seconds
        self.words = words or (sys.executable, "-m", "vitrm.data.decoder", str(max_side))
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def decode(self, content: bytes) -> Image.Image:
        """The picture as people see it, mode "L" or "RGB", `max_side` pixels at most; `info` as of `decode_image`.

        Raises DataError with the reason if it cannot be used, or takes longer than `seconds`, or no process starts
        within `start_seconds`; MemoryError.
        """
        with self._lock:
            self._start()
            try:
                answer = self._answer(self.seconds, content)
            except TimeoutError:
                raise DataError(
                    f"it took longer than {self.seconds:g} seconds to decode; save it as JPEG or PNG"
                ) from None
            except EOFError:
                raise DataError("damaged image (its decoder broke off); save it as JPEG or PNG") from None
        kind, rest = answer[:1], answer[1:]
        if kind == _MEMORY:
            raise MemoryError
        if kind == _REFUSED:
            raise DataError(rest.decode(errors="replace"))
        grey, several, width, height = struct.unpack("<??II", rest[:10])
        image = Image.frombytes("L" if grey else "RGB", (width, height), rest[10:])
        image.info[FRAMES] = several
        return image

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _start(self) -> None:
        """Raises DataError where no process can be had that is ready for a picture."""
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self.words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment()
        )
        try:
            self._answer(self.start_seconds)
        except (TimeoutError, EOFError):
            raise DataError(
                "pictures cannot be read just now: the process that does it has not started; try again"
            ) from None

    def _answer(self, seconds: float, content: bytes | None = None) -> bytes:
        """The next message of the process, which is sent `content` unless that is None.

        Raises TimeoutError if that takes longer than `seconds`, EOFError if it breaks off; the process is ended then.
        """
        process, late = self._process, threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        clock = threading.Timer(seconds, end)
        clock.start()
        try:
            if content is not None:
                _send(process.stdin, content)
            return _receive(process.stdout)
        except (OSError, EOFError):
            self._end()
            raise (TimeoutError if late.is_set() else EOFError) from None
        finally:
            clock.cancel()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            self._process = None


def _send(pipe: BinaryIO, content: bytes) -> None:
    pipe.write(struct.pack("<I", len(content)) + content)
    pipe.flush()


def _receive(pipe: BinaryIO) -> bytes:
    """The next message. Raises EOFError at the end."""
    head = pipe.read(4)
    content = pipe.read(struct.unpack("<I", head)[0]) if len(head) == 4 else b""
    if not content:
        raise EOFError
    return content


def _answer(content: bytes, max_side: int) -> bytes:
    try:
        decoded = decode_image(content, max_side, PHONE_READERS)
        several, image = decoded.info[FRAMES], as_seen(decoded, max_side)
    except DataError as error:
        return _REFUSED + str(error).encode()
    except MemoryError:
        return _MEMORY
    return _PIXELS + struct.pack("<??II", image.mode == "L", several, *image.size) + image.tobytes()


def main() -> None:
    """Answer until the input ends."""
    quiet_decoders()
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        _send(sys.stdout.buffer, _READY)
        while True:
            _send(sys.stdout.buffer, _answer(_receive(sys.stdin.buffer), int(sys.argv[1])))


if __name__ == "__main__":
    main()
