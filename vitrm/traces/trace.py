"""What a trace is, and its file. Pure numpy: reading a trace needs no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal, TypeVar

import numpy as np

from vitrm.errors import TraceError
from vitrm.npz import read_arrays
from vitrm.reading import Count, Positive, Seed, Share, entries, expect, read
from vitrm.traces.axes import MOST_MOMENTS, check_axes, check_numbers

CHOSEN = "chosen"  # policy of a trace whose patches somebody chose
T = TypeVar("T")
_MOST_BYTES = 2**29  # of the arrays of a file


@dataclass(frozen=True)
class _Stored:
    """What the file of traces says beside its arrays."""

    class_names: tuple[str, ...]
    patch_size: Positive
    halt_threshold: Share
    trained_steps: Positive
    seed: tuple[Seed, ...]
    label: tuple[Count | None, ...]
    names: tuple[str, ...]
    policy: tuple[Literal["random", "fixed", "learned", "chosen"], ...] | None = None  # in older files all are random
    embedding: Literal["linear", "convolutional"] = "linear"
    attention_within: Positive | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """One image's recursion, immutable: its arrays cannot be written to. Two traces are equal if they are the same one.

    N supervision steps, T recursion steps, M memory iterations, C classes, K memory tokens of width D, S patches read
    per supervision step, `depth` layers with H heads. At [n, t, m] stands the moment after memory iteration m and
    its read-out; the last m of a recursion step is its real answer. All float arrays are float32.
    """

    # By all traces of one file.
    SHARED: ClassVar = ("class_names", "patch_size", "halt_threshold", "trained_steps", "embedding", "attention_within")
    OWN: ClassVar = ("seed", "label", "policy")
    STORED: ClassVar = _Stored
    AXES: ClassVar = {
        **{"pixels": "c h h", "patches": "N S", "logits": "N T M C", "halt_logit": "N T M", "answer": "N T M D"},
        **{"memory": "N T M K D", "initial_answer": "D", "initial_memory": "K D"},
        **{"patch_attention": "N T M d H K S", "state_attention": "N T M d H K K1"},
        "answer_attention": "N T M d H K1",
    }

    class_names: tuple[str, ...]
    patch_size: int
    halt_threshold: float  # tau of the configuration
    trained_steps: int  # N, the steps in a row that it learned from
    seed: int  # of the glimpses, where they are random
    label: int | None  # the true class, where it is known; the model never sees it
    pixels: np.ndarray  # (C, H, W) uint8, exactly what the model was given, before normalisation
    patches: np.ndarray  # (N, S) row-major indices of the patches read in each supervision step
    logits: np.ndarray  # (N, T, M, C)
    halt_logit: np.ndarray  # (N, T, M)
    answer: np.ndarray  # (N, T, M, D), y
    memory: np.ndarray  # (N, T, M, K, D), z
    initial_answer: np.ndarray  # (D,), y before the first move
    initial_memory: np.ndarray  # (K, D), z before the first move
    # Attention of each memory token (row) to the patches and to [y ; z]. With joint reading one softmax runs over both,
    # so that their rows sum to 1 together; with cross reading each sums to 1. None where the layer has no attention.
    patch_attention: np.ndarray | None  # (N, T, M, depth, H, K, S)
    state_attention: np.ndarray | None  # (N, T, M, depth, H, K, 1+K)
    answer_attention: np.ndarray | None  # (N, T, M, depth, H, 1+K), of y to [y ; z] in the answer update
    policy: str = "random"  # who chose the glimpses (see nets/glimpses.py), or CHOSEN
    embedding: str = "linear"  # how patches became tokens; with "convolutional" each saw some of its neighbours
    attention_within: int | None = None  # rows and columns away that a token reads at most, y excepted; None: all

    def __post_init__(self) -> None:
        for name in _fields(Trace)[2]:
            if (array := getattr(self, name)) is not None:
                array.flags.writeable = False

    def check(self) -> None:
        """Raises RunError, naming the field, where it contradicts itself or holds what no model could have made."""
        arrays = {name: getattr(self, name) for name in self.AXES if getattr(self, name) is not None}
        length = check_axes(arrays, self.AXES)
        check_picture(self, length)
        expect(length["N"] * length["T"] * length["M"] <= MOST_MOMENTS, f"it has more than {MOST_MOMENTS:,} moments")
        expect(0 < self.halt_threshold < 1, f"halt_threshold={self.halt_threshold}: expected between 0 and 1")
        patches = (length["h"] // self.patch_size) ** 2
        inside = np.issubdtype(self.patches.dtype, np.integer)
        inside = inside and bool(((self.patches >= 0) & (self.patches < patches)).all())
        expect(inside, f"patches: expected whole numbers, 0 to {patches - 1}")
        for name in self.AXES.keys() - {"pixels", "patches"} & arrays.keys():
            limits = (0.0, 1.001) if name.endswith("attention") else ()
            check_numbers(name, arrays[name], *limits)

    @property
    def reading(self) -> str:
        """How the memory reads the patches, "joint" or "cross" (see ModelConfig); "" without attention weights."""
        if self.patch_attention is None or self.state_attention is None:
            return ""
        first = (0, 0, 0, 0, 0, 0)  # its row: of one softmax or of two
        return "cross" if self.patch_attention[first].sum() + self.state_attention[first].sum() > 1.5 else "joint"

    @property
    def probs(self) -> np.ndarray:
        """(N, T, M, C) class probabilities."""
        return probabilities(self.logits)

    @property
    def halt_prob(self) -> np.ndarray:
        """(N, T, M) halting probability, 0..1."""
        return np.exp(-np.logaddexp(0, -self.halt_logit))  # no overflow, however sure the model is

    @property
    def halt_step(self) -> int | None:
        """First supervision step (from 0) whose halting probability exceeds the threshold; None if none does."""
        above = np.flatnonzero(self.halt_prob[:, -1, -1] > self.halt_threshold)
        return int(above[0]) if len(above) else None

    @property
    def answer_norm(self) -> np.ndarray:
        """(N, T, M) length of y."""
        return np.linalg.norm(self.answer, axis=-1)

    @property
    def memory_norm(self) -> np.ndarray:
        """(N, T, M) mean length of a memory token."""
        return np.linalg.norm(self.memory, axis=-1).mean(axis=-1)

    @property
    def answer_change(self) -> np.ndarray:
        """(N, T, M) length of the change of y since the moment before; the first is measured from its learned start."""
        return _change(self.answer[..., None, :], self.initial_answer[None])

    @property
    def memory_change(self) -> np.ndarray:
        """(N, T, M) mean length of the change of a memory token since the moment before."""
        return _change(self.memory, self.initial_memory)

    @property
    def kl(self) -> np.ndarray:
        """(N, T, M) KL divergence in nats of the prediction from the one a moment before; the first entry is NaN."""
        log_probs = np.log(np.maximum(self.probs, 1e-12)).reshape(-1, self.logits.shape[-1])
        divergence = (np.exp(log_probs[1:]) * (log_probs[1:] - log_probs[:-1])).sum(axis=-1)
        return np.concatenate([[np.nan], divergence]).reshape(self.halt_logit.shape)

    def save(self, path: str | Path | BinaryIO) -> None:
        """Write the trace as compressed NPZ, to a file or into one that is open."""
        save_traces(path, {"": self})

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read `save`'s file. Raises TraceError if it is no such file; never unpickles."""
        return load_traces(path)[""]


def check_picture(trace: Any, length: dict[str, int]) -> None:
    """What all kinds of trace have in common: pixels in whole patches, names of classes, a label among them."""
    expect(trace.pixels.dtype == np.uint8, f"pixels holds {trace.pixels.dtype}, expected uint8")
    expect(length["c"] in (1, 3), f"pixels has {length['c']} channels, expected 1 or 3")
    expect(length["h"] % trace.patch_size == 0, f"patch_size={trace.patch_size}: expected a divisor of {length['h']}")
    entries(length["C"], class_names=trace.class_names)
    expect(trace.label is None or trace.label < length["C"], f"label={trace.label}: there are {length['C']} classes")


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Class probabilities of logits (..., C)."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def save_traces(path: str | Path | BinaryIO, traces: dict[str, Any]) -> None:
    """Write several traces of one model, by name, into one compressed NPZ file."""
    entries = list(traces.values())
    shared, own, arrays_of = _fields(type(entries[0]))
    meta = {name: getattr(entries[0], name) for name in shared}
    meta |= {name: [getattr(entry, name) for entry in entries] for name in own} | {"names": list(traces)}
    arrays = {
        name: np.stack([getattr(entry, name) for entry in entries])
        for name in arrays_of
        if getattr(entries[0], name) is not None
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    if isinstance(path, str | Path):
        with open(path, "wb") as out:  # given a name, numpy would add a suffix of its own
            np.savez_compressed(out, **arrays)
    else:
        np.savez_compressed(path, **arrays)


def load_traces(path: str | Path, kind: type[T] = Trace) -> dict[str, T]:
    """Read `save_traces`'s file of traces of that kind (`Trace`, or another that names its fields as it does).

    Raises TraceError if it is damaged or no such file; never unpickles.
    """
    shared_of, own_of, arrays_of = _fields(kind)
    try:
        arrays = read_arrays(path, _MOST_BYTES)
        meta = read(kind.STORED, json.loads(arrays.pop("meta").tobytes()))
        expect(arrays.keys() <= set(arrays_of), f"expected the arrays {', '.join(arrays_of)}")
        needed = {name for name in arrays_of if not name.endswith("attention")}
        expect(needed <= arrays.keys(), f"{', '.join(sorted(needed - arrays.keys()))} is absent")
        own = {name: values for name in own_of if (values := getattr(meta, name)) is not None}
        entries(len(meta.names), **own, **arrays)
        expect(len(set(meta.names)) == len(meta.names), "names: two are the same")
        shared = {name: getattr(meta, name) for name in shared_of}
        absent = dict.fromkeys(name for name in arrays_of if name not in arrays)
        traces = {
            name: kind(**shared, **absent, **{each: values[i] for each, values in {**own, **arrays}.items()})
            for i, name in enumerate(meta.names)
        }
        for trace in traces.values():
            trace.check()
    except FileNotFoundError:
        raise TraceError(f"'{path}' does not exist") from None
    except Exception as error:  # numpy, zipfile, zlib and json each raise kinds of their own on damaged bytes
        raise TraceError(f"'{path}' is no trace file, or damaged ({str(error)[:300]})") from None
    return traces


def _fields(kind: type) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names of the fields of a kind of trace: shared by all traces of a file, of each its own, arrays."""
    plain = kind.SHARED + kind.OWN
    return kind.SHARED, kind.OWN, tuple(f.name for f in fields(kind) if f.name not in plain)


def _change(states: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Mean over tokens of the length of the difference to the moment before: (N, T, M, K, D), (K, D) -> (N, T, M)."""
    flat = states.reshape(-1, *states.shape[3:])
    before = np.concatenate([start[None], flat[:-1]])
    return np.linalg.norm(flat - before, axis=-1).mean(axis=-1).reshape(states.shape[:3])
