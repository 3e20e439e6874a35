"""Damage pictures in every way and put them through the decoder: `python scripts/fuzz_images.py --count 100000`.

Each case is made from a seed and its number alone, so that a finding can be repeated: `--start N --count 1`. A case
may end in pixels or in a DataError, in less than 2 s of processor time, with the process below 300 MB, and without a
word on stderr. The cases run in a process of their own; when one takes that down, it is noted, and a new process goes
on behind it. Exit status 1 if anything was found.
"""

from __future__ import annotations

import argparse
import base64
import io
import queue
import random
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from vitrm.data.images import as_seen, decode_image, fit_image, quiet_decoders  # noqa: E402
from vitrm.errors import DataError  # noqa: E402

LIMIT_S, LIMIT_MB = 2.0, 300
_SILENCE_S = 60  # without a sign of life, a process counts as hung
_MAX_SIDE = 1024  # shrunk, as the app does with what comes in
_HEIC = (  # 16 x 16, white above black
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9j"
    "AAAAAERAAAEAAQAAAAABoAABAAAAAAAAADAAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/Glw"
    "cnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AA"
    "AAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABA"
    "AAAAQAAAAChjbGFwAAAAEAAAAAEAAAAQAAAAAf///9AAAAAC////0AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYEC"
    "AwWEAAAAOG1kYXQAAAAsKAGvEyFgYsDl+oen+dk0Zl/qiWYIXwI82vfo+laTmVDU2O8whkaP8q/gOPA="
)


def seeds() -> list[bytes]:
    """Sound pictures of every format and of the kinds that decoders treat apart."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:72, 0:96]
    smooth = np.stack([2 * x, 3 * y, x + y], axis=-1).astype(np.uint8)
    colour = Image.fromarray(smooth ^ rng.integers(0, 16, smooth.shape, dtype=np.uint8))
    grey, alpha = colour.convert("L"), colour.copy()
    alpha.putalpha(grey)
    palette = colour.quantize(32)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    floating = Image.fromarray(np.asarray(grey).astype(np.float32) / 7)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    frames = [colour.rotate(90 * k).quantize(16) for k in range(3)]
    wanted = [
        *((image, "PNG", {}) for image in (colour, grey, alpha, palette, deep, grey.convert("1"), grey.convert("LA"))),
        (palette, "PNG", {"transparency": 3}),
        (colour, "PNG", {"exif": exif}),
        (frames[0], "PNG", {"save_all": True, "append_images": frames[1:]}),
        (colour, "JPEG", {"exif": exif}),
        (colour, "JPEG", {"progressive": True, "subsampling": 0}),
        (grey, "JPEG", {}),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour, "WEBP", {"exif": exif}),
        (alpha, "WEBP", {"lossless": True}),
        (colour, "WEBP", {"save_all": True, "append_images": [colour.rotate(180)]}),
        (frames[0], "GIF", {"save_all": True, "append_images": frames[1:], "transparency": 2}),
        (palette, "GIF", {"interlace": 1}),
        *((image, "BMP", {}) for image in (colour, grey, palette, alpha)),
        *((colour, "TIFF", {"compression": name}) for name in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg")),
        *((image, "TIFF", {"compression": "tiff_lzw"}) for image in (deep, floating, alpha, palette)),
        (colour.convert("LAB"), "TIFF", {}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}),
        (colour, "PPM", {}),
        (deep, "PPM", {}),
    ]  # fmt: skip
    found = [base64.b64decode(_HEIC)]
    for image, kind, options in wanted:
        content = io.BytesIO()
        image.save(content, kind, **options)
        found.append(content.getvalue())
    return found


def mutated(originals: list[bytes], seed: int, number: int) -> bytes:
    """Case `number`: one of the sound pictures with some things changed."""
    rng = random.Random(seed * 1_000_003 + number)
    content = bytearray(rng.choice(originals))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 10))):
        if not content:
            break
        # most of what decides is at the front
        at = min(int(rng.expovariate(1 / 60)) if rng.random() < 0.5 else rng.randrange(len(content)), len(content) - 1)
        kind = rng.randrange(8)
        if kind == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at] = rng.choice((0, 1, 127, 128, 254, 255, rng.randrange(256)))
        elif kind == 2:  # a number in a header becomes extreme, large end first or last
            value = rng.choice((0, 1, 2, 255, 4096, 65535, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1))
            code = rng.choice(("<I", ">I", "<H", ">H"))
            packed = struct.pack(code, value & (0xFFFFFFFF if code[1] == "I" else 0xFFFF))
            content[at : at + len(packed)] = packed
        elif kind == 3:
            del content[at : at + rng.choice((1, 2, 4, 16, 200))]
        elif kind == 4:
            content[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16, 200)))
        elif kind == 5:  # a piece is repeated
            content[at:at] = content[at : at + rng.choice((4, 12, 64))] * rng.choice((1, 1, 2, 50))
        elif kind == 6:
            del content[at:]
        else:  # a piece of another picture
            other = rng.choice(originals)
            start = rng.randrange(len(other))
            content[at : at + 64] = other[start : start + 64]
    result = bytes(content)
    return _right_checksums(result) if rng.random() < 0.7 else result


def _right_checksums(content: bytes) -> bytes:
    """A PNG whose chunks have right checksums again, or nothing behind the first chunk would ever be read."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    parts, at = [content[:8]], 8
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        body = content[at + 4 : at + 8 + length]
        if at + 12 + length > len(content):
            break
        parts += [content[at : at + 4], body, zlib.crc32(body).to_bytes(4, "big")]
        at += 12 + length
    return b"".join(parts) + content[at:]


def peak_mb() -> float:
    """Most memory that this process has ever held, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1024)


def work(seed: int, start: int, count: int) -> None:
    """Run cases; one line each for whoever watches: number, what it ended in, processor seconds, peak MB."""
    quiet_decoders()
    originals = seeds()
    for number in range(start, start + count):
        content, began = mutated(originals, seed, number), time.process_time()
        try:
            pixels = fit_image(as_seen(decode_image(content, _MAX_SIDE), _MAX_SIDE), 32, 3)
            end = "pixels" if pixels.shape == (3, 32, 32) and pixels.dtype == np.uint8 else "fault"
        except DataError as error:
            end = "refused" if str(error) and len(str(error)) < 300 and "\n" not in str(error) else "fault"
        except Exception:
            traceback.print_exc()
            end = "fault"
        print(number, end, f"{time.process_time() - began:.3f} {peak_mb():.0f}", flush=True)


def watched(seed: int, start: int, count: int, log) -> Iterator[tuple[int, str, float, float]]:
    """The lines of `work`, run in processes of its own; a crash or a hang is a line of its own kind."""
    stop = start + count
    while start < stop:
        command = [sys.executable, __file__, "--seed", str(seed), "--start", str(start), "--count", str(stop - start)]
        process = subprocess.Popen([*command, "--worker"], stdout=subprocess.PIPE, stderr=log, text=True)
        said: queue.Queue[str | None] = queue.Queue()

        def listen(process=process, said=said) -> None:
            for line in process.stdout:
                said.put(line)
            said.put(None)

        threading.Thread(target=listen, daemon=True).start()
        while start < stop:
            try:
                line = said.get(timeout=_SILENCE_S)
            except queue.Empty:
                process.kill()
                line = None
                yield start, "hung", float(_SILENCE_S), 0.0
            else:
                if line is None:
                    yield start, f"crashed with status {process.wait()}", 0.0, 0.0
            if line is None:
                start += 1
                break
            number, end, seconds, peak = line.split()
            start = int(number) + 1
            yield int(number), end, float(seconds), float(peak)
        process.wait()
        process.stdout.close()


def main() -> int:
    """Run the cases and say what was found; 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.seed, arguments.start, arguments.count)
        return 0
    ends: dict[str, int] = {}
    found, slowest, highest, began = [], 0.0, 0.0, time.monotonic()
    with tempfile.TemporaryFile() as log:
        for number, end, seconds, peak in watched(arguments.seed, arguments.start, arguments.count, log):
            ends[end] = ends.get(end, 0) + 1
            slowest, highest = max(slowest, seconds), max(highest, peak)
            if end not in ("pixels", "refused") or seconds > LIMIT_S or peak > LIMIT_MB:
                found.append(number)
                if len(found) <= 20:
                    print(f"case {number}: {end}, {seconds:.2f} s, peak {peak:.0f} MB")
        log.seek(0)
        noise = log.read().decode(errors="replace").splitlines()
    print(
        f"{sum(ends.values()):,} cases, seed {arguments.seed}: "
        + ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
        + f"; slowest {slowest:.2f} s of processor time, peak {highest:.0f} MB; {len(noise)} lines on stderr; "
        f"{time.monotonic() - began:.0f} s in all"
    )
    for line in noise[:20]:
        print(f"  stderr: {line[:200]}")
    return 1 if found or noise else 0


if __name__ == "__main__":
    sys.exit(main())
