"""Everything that happens while the model looks at one image, as arrays: `trace(model, image) -> Trace`.

Besides the read-out after each recursion step, a trace holds the read-out INSIDE it: after every memory iteration
the answer update and the heads are applied to the memory as it stands, which says what the model would answer if
it had to answer now. The last of these is the real answer update.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitrm.model import LayerAttention, ViTRM


class TraceError(ValueError):
    """A trace file that cannot be read; the message says why."""


@dataclass(frozen=True)
class Trace:
    """One image's recursion, immutable.

    N supervision steps, T recursion steps, M memory iterations, C classes, K memory tokens of width D, S patches read
    per supervision step, `depth` layers with H heads. At [n, t, m] stands the moment after memory iteration m and
    its read-out; the last m of a recursion step is its real answer. All float arrays are float32.
    """

    class_names: tuple[str, ...]
    patch_size: int
    halt_threshold: float  # tau of the configuration
    trained_steps: int  # N the model was trained with; later steps go beyond its training
    seed: int  # of the glimpses
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

    @property
    def probs(self) -> np.ndarray:
        """(N, T, M, C) class probabilities."""
        shifted = np.exp(self.logits - self.logits.max(axis=-1, keepdims=True))
        return shifted / shifted.sum(axis=-1, keepdims=True)

    @property
    def halt_prob(self) -> np.ndarray:
        """(N, T, M) halting probability, 0..1."""
        return 1 / (1 + np.exp(-self.halt_logit))

    @property
    def halt_step(self) -> int | None:
        """First supervision step (from 0) whose halting probability exceeds the threshold; None if none does."""
        above = np.flatnonzero(self.halt_prob[:, -1, -1] > self.halt_threshold)
        return int(above[0]) if len(above) else None

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

    def save(self, path: str | Path) -> None:
        """Write the trace as compressed NPZ."""
        save_traces(path, {"": self})

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read `save`'s file. Raises TraceError if it is no such file; never unpickles."""
        return load_traces(path)[""]


@torch.inference_mode()
def trace(
    model: ViTRM, image: Image.Image | Tensor | np.ndarray, supervision_steps: int | None = None, seed: int = 0
) -> Trace:
    """The trace of one image: a PIL image, or its (C, H, W) uint8 pixels as a tensor or array.

    Every supervision step runs (no halting). `seed` draws the glimpses. Raises ValueError if the pixels do not fit.
    """
    config = model.config
    pixels = model.transform.pixels(image) if isinstance(image, Image.Image) else np.array(image)
    if pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.dtype}, expected uint8 (0..255) or a PIL image")
    images = model.transform.normalize(torch.tensor(pixels, device=model.answer_init.device))[None]
    was_training = model.training
    model.eval()
    patches, moments = [], []
    for move in model.moves(images, supervision_steps, seed, record=True):
        if move.memory_step is None:
            continue  # the read-out after the last memory iteration is this very update
        if move.memory_step == 0 and move.recursion_step == 0:
            patches.append(torch.arange(config.num_patches) if move.patches is None else move.patches[0].cpu())
        answered, answer_attention = model.update_answer(move.state, record=True)
        logits, halt_logit = model.read_out(answered.answer)
        moments.append({
            "logits": logits[0],
            "halt_logit": halt_logit[0],
            "answer": answered.answer[0, 0],
            "memory": answered.memory[0],
            **_memory_attention(move.attention, config.memory_size, patches[-1].numel()),
            "answer_attention": _stack([layer.mix for layer in answer_attention], lambda w: w[0, :, 0]),
        })  # fmt: skip
    model.train(was_training)
    shape = (len(patches), config.recursion_steps, config.memory_steps)
    return Trace(
        class_names=model.class_names,
        patch_size=config.patch_size,
        halt_threshold=config.halt_threshold,
        trained_steps=config.supervision_steps,
        seed=seed,
        pixels=pixels,
        patches=torch.stack(patches).numpy(),
        initial_answer=model.answer_init[0, 0].float().cpu().numpy(),
        initial_memory=model.memory_init[0].float().cpu().numpy(),
        **{name: _array([moment[name] for moment in moments], shape) for name in moments[0]},
    )


def save_traces(path: str | Path, traces: dict[str, Trace]) -> None:
    """Write several traces of one model, by name, into one compressed NPZ file."""
    entries = list(traces.values())
    plain = {f.name: getattr(entries[0], f.name) for f in fields(Trace) if f.name in _PLAIN}
    meta = plain | {"names": list(traces), "seeds": [entry.seed for entry in entries]}
    arrays = {
        f.name: np.stack([getattr(entry, f.name) for entry in entries])
        for f in fields(Trace)
        if f.name not in _PLAIN and getattr(entries[0], f.name) is not None
    }
    np.savez_compressed(path, meta=np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8), **arrays)


def load_traces(path: str | Path) -> dict[str, Trace]:
    """Read `save_traces`'s file. Raises TraceError if it is damaged or no such file; never unpickles."""
    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(file["meta"].tobytes())
            arrays = {f.name: file[f.name] if f.name in file else None for f in fields(Trace) if f.name not in _PLAIN}
        plain = {name: meta[name] for name in _PLAIN} | {"class_names": tuple(meta["class_names"])}
        return {
            name: Trace(
                **plain | {"seed": meta["seeds"][i]},
                **{field: None if values is None else values[i] for field, values in arrays.items()},
            )
            for i, name in enumerate(meta["names"])
        }
    except FileNotFoundError:
        raise TraceError(f"'{path}' does not exist") from None
    except (OSError, KeyError, ValueError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise TraceError(f"'{path}' is no trace file, or damaged ({error})") from None


_PLAIN = ("class_names", "patch_size", "halt_threshold", "trained_steps", "seed")


def _memory_attention(layers: tuple[LayerAttention, ...], memory: int, patches: int) -> dict[str, Tensor | None]:
    """Rows of z, split into what goes to the patches and what goes to [y ; z]."""
    if layers[0].cross is not None:
        to_patches = _stack([layer.cross for layer in layers], lambda w: w[0])
        to_state = _stack([layer.mix for layer in layers], lambda w: w[0, :, -memory:])
    else:
        to_patches = _stack([layer.mix for layer in layers], lambda w: w[0, :, -memory:, :patches])
        to_state = _stack([layer.mix for layer in layers], lambda w: w[0, :, -memory:, patches:])
    return {"patch_attention": to_patches, "state_attention": to_state}


def _stack(weights: Sequence[Tensor | None], pick) -> Tensor | None:
    return None if weights[0] is None else torch.stack([pick(w) for w in weights])


def _array(values: Sequence[Tensor | None], shape: tuple[int, ...]) -> np.ndarray | None:
    if values[0] is None:
        return None
    stacked = torch.stack(list(values)).float().cpu().numpy()
    return stacked.reshape(*shape, *stacked.shape[1:])


def _change(states: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Mean over tokens of the length of the difference to the moment before: (N, T, M, K, D), (K, D) -> (N, T, M)."""
    flat = states.reshape(-1, *states.shape[3:])
    before = np.concatenate([start[None], flat[:-1]])
    return np.linalg.norm(flat - before, axis=-1).mean(axis=-1).reshape(states.shape[:3])
