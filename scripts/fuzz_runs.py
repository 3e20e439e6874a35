"""Damage run folders in every way and open the pages over them: `python scripts/fuzz_runs.py --count 10000`.

Each case is one file of one folder, damaged as a seed and its number say, so that a finding can be repeated:
`--start N --count 1`. A page may say what is wrong; it may not end in a traceback. Exit status 1 if one did.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402

_ODD = (None, True, -1, 0, 7, 1e308, 2**70, 0.5, "", "x", "none", [], {}, [[]], [1, "a", None], {"a": 1}, float("nan"))
_TYPES = (torch.int64, torch.bool, torch.float16, torch.float64, torch.complex64, torch.uint8)
_PAGES = {  # which pages show a folder, and the session key that names it
    "digits-glimpse": {"checkpoint": ("step", "attention", "halting", "glimpses", "compare")},
    "mazes": {"maze_model": ("mazes", "compare"), "checkpoint": ("halting",)},
    "sr-vit-digits": {"mixture_model": ("mixture", "compare"), "checkpoint": ("step",)},
    "trained": {"run": ("train",), "checkpoint": ("compare", "step")},
}


@dataclass(frozen=True)
class Case:
    """A folder, which of its files is damaged and how, and the pages to open over it."""

    number: int
    folder: str
    file: str
    content: bytes
    pages: tuple[tuple[str, str], ...]  # session key and page


def cases(sources: dict[str, Path], start: int, count: int, seed: int = 0) -> Iterator[Case]:
    """Damaged files of the folders in `sources`, by the names of `_PAGES`."""
    files = [
        (name, file.relative_to(folder).as_posix())
        for name, folder in sorted(sources.items())
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix in (".json", ".jsonl", ".npz", ".safetensors")
    ]
    for number in range(start, start + count):
        rng = random.Random(f"{seed} {number}")
        folder, file = files[number % len(files)]
        pages = tuple((key, page) for key, some in _PAGES[folder].items() for page in some)
        yield Case(number, folder, file, damaged(sources[folder] / file, rng), pages)


def damaged(file: Path, rng: random.Random) -> bytes:
    """The content of a file, damaged: as bytes, or as what such a file holds."""
    content = file.read_bytes()
    if rng.random() < 0.25:
        return _bytes(content, rng)
    kinds: dict[str, Callable[[bytes, random.Random], bytes]] = {
        ".json": _json,
        ".jsonl": _lines,
        ".npz": _arrays,
        ".safetensors": _weights,
    }
    return kinds[file.suffix](content, rng)


def _bytes(content: bytes, rng: random.Random) -> bytes:
    way = rng.randrange(5)
    if way == 0:
        return b""
    if way == 1:
        return content[: rng.randrange(len(content) + 1)]
    changed = bytearray(content)
    for _ in range(rng.choice((1, 4, 64))):
        place = rng.randrange(len(changed))
        if way == 2:
            changed[place] = rng.randrange(256)
        elif way == 3:
            changed[place : place + rng.randrange(1, 9)] = b""
        else:
            changed[place:place] = rng.randbytes(rng.randrange(1, 9))
        if not changed:
            break
    return bytes(changed)


def _json(content: bytes, rng: random.Random) -> bytes:
    return json.dumps(odd(json.loads(content), rng)).encode()


def odd(values: Any, rng: random.Random) -> Any:
    """JSON values with one place changed: another type or length, a large number, nothing, or something unknown."""
    places = list(_places(values))
    parent, key = rng.choice(places) if places else (None, None)
    if parent is None or rng.random() < 0.03:
        return rng.choice(_ODD)
    way = rng.randrange(5)
    if way == 0:
        del parent[key]
    elif way == 1 and isinstance(parent, list):
        parent[key:key] = [parent[key]] * rng.randrange(1, 4)
    elif way == 2 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] = rng.choice((-1, 0.5, 3, 1000, 10**6)) * (parent[key] or 1)
    elif way == 3 and isinstance(parent, dict):
        parent[f"{key}?"] = parent.pop(key)
    else:
        parent[key] = rng.choice(_ODD)
    return values


def _places(values: Any) -> Iterator[tuple[Any, Any]]:
    inside = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in inside:
        yield values, key
        yield from _places(value)


def _lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines()
    for _ in range(rng.choice((1, 5, len(lines)))):
        k = rng.randrange(len(lines))
        try:
            lines[k] = _json(lines[k], rng)
        except ValueError:
            continue
    return b"\n".join(lines) + b"\n"


def _arrays(content: bytes, rng: random.Random) -> bytes:
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    name = rng.choice([*arrays, "meta"])
    if name == "meta":
        changed = _json(arrays["meta"].tobytes(), rng)
        arrays["meta"] = np.frombuffer(changed, np.uint8)
    else:
        arrays[name] = _array(arrays[name], rng)
        if arrays[name] is None:
            del arrays[name]
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def _array(values: np.ndarray, rng: random.Random) -> np.ndarray | None:
    ways = {
        "absent": lambda: None,
        "empty": lambda: values[:0],
        "shorter": lambda: values[..., :-1],
        "longer": lambda: np.concatenate([values, values], axis=-1),
        "flat": lambda: values.reshape(-1),
        "more axes": lambda: values[..., None],
        "other type": lambda: values.astype(rng.choice([np.float16, np.float64, np.int64, bool, np.complex64])),
        "nan": lambda: _changed(values, rng, np.nan),
        "large": lambda: _changed(values, rng, 1e30),
        "negative": lambda: _changed(values, rng, -1),
    }
    return ways[rng.choice(list(ways))]()


def _changed(values: np.ndarray, rng: random.Random, to: float) -> np.ndarray:
    changed = values.copy()
    with np.errstate(all="ignore"):
        changed.reshape(-1)[rng.randrange(max(changed.size, 1))] = np.array(to).astype(values.dtype)
    return changed


def _weights(content: bytes, rng: random.Random) -> bytes:
    tensors = safetensors.torch.load(content)
    name = rng.choice(list(tensors))
    way = rng.randrange(5)
    if way == 0:
        del tensors[name]
    elif way == 1:
        tensors[name] = tensors[name].to(rng.choice(_TYPES))
    elif way == 2:
        tensors[name] = tensors[name].flatten()[:-1]
    else:
        tensors[name] = tensors[name].float().clone()
        tensors[name].view(-1)[0] = (float("nan"), 1e38, -1e38)[way - 2]
    return safetensors.torch.save(tensors)


def sources(folder: Path) -> dict[str, Path]:
    """The folders that cases are made of: bundled checkpoints, and a small training made for it."""
    from vitrm.config import preset
    from vitrm.training.fit import fit

    small = {"dim": 16, "num_heads": 2, "mlp_dim": 16, "depth": 1, "supervision_steps": 2, "memory_steps": 1}
    config = preset("digits").with_fields({f"model.{name}": value for name, value in small.items()})
    fit(config.with_fields({"train.epochs": 2, "train.batch_size": 64}), folder / "trained")
    return {name: ROOT / "checkpoints" / name for name in _PAGES if name != "trained"} | {"trained": folder / "trained"}


def stand_in(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Do without a browser and without the queue's thread, so that nothing is trained."""
    from app import visitors
    from app.training.queue import Trainings

    put(visitors, "cookie", lambda: "")
    put(visitors, "address", lambda: None)
    put(Trainings, "start", lambda queue: (queue.look(everything=True), queue)[1])


SECTIONS = (  # of all pages: a closed one makes nothing, and a name that a page does not have is said
    "answer", "worth", "steps", "how", "published", "leaving", "rules", "meaning", "further", "best", "costs",
    "mixture", "numbers", "pair", "length", "exits", "beyond", "flood", "maps", "edits", "attribution",
)  # fmt: skip


class Opener:
    """Opens pages over damaged folders, all in one session: `runs/` of the current folder is used."""

    def __init__(self, sources: dict[str, Path]) -> None:
        from streamlit.testing.v1 import AppTest

        from app.training import cache

        self.sources, self.forget = sources, cache.trainings.clear
        self.app = AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=120)
        self.app.run()

    def open(self, case: Case, pages: tuple[tuple[str, str], ...] | None = None) -> list[str]:
        """What went wrong: a page and its traceback each."""
        run = Path("runs") / f"{case.folder}-{case.number}"
        shutil.copytree(self.sources[case.folder], run)
        (run / case.file).write_bytes(case.content)
        found = []
        try:
            for key, page in pages or case.pages:
                self.app.session_state[key] = run.name
                self.app.session_state["train_view"] = ("Watch", "Compare")[case.number % 3 == 2]
                self.app.session_state["look_inside"] = True
                self.app.session_state["page"], self.app.session_state["open"] = page, ",".join(SECTIONS)
                self.forget()
                self.app.switch_page(f"../pages/{page}.py").run()
                for error in self.app.exception:
                    trace = "\n".join(error.stack_trace[-8:])
                    found.append(f"case {case.number}, {page}, {case.folder}/{case.file}: {error.message}\n{trace}")
        finally:
            shutil.rmtree(run, ignore_errors=True)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pages", type=int, help="open only so many of a case's pages, in turn; default: all")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so long")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        torch.set_num_threads(1)
        stand_in()
        made = sources(Path(place) / "sources")
        opener, found, opened = Opener(made), 0, 0
        began = said = time.monotonic()
        done = 0
        for done, case in enumerate(cases(made, arguments.start, arguments.count, arguments.seed), start=1):
            pages = case.pages
            if arguments.pages:
                pages = tuple(pages[(case.number + k) % len(pages)] for k in range(min(arguments.pages, len(pages))))
            for sentence in opener.open(case, pages):
                found += 1
                print(sentence, flush=True)
            opened += len(pages)
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"{done:,} cases, {opened:,} pages, {found} tracebacks", flush=True)
            if time.monotonic() - began > 60 * arguments.minutes:
                break
        os.chdir(ROOT)
    print(f"{done:,} cases, {opened:,} pages opened, {found} tracebacks")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
