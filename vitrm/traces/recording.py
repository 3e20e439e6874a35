"""Making a trace: `trace(model, image) -> Trace`, everything that happens while a ViTRM looks at one image, and
`mixture_trace(model, image) -> MixtureTrace`, the soft mixture of an SR-ViT.

Besides the read-out after each recursion step, a trace holds the read-out INSIDE it: after every memory iteration
the answer update and the heads are applied to the memory as it stands, which says what the model would answer if
it had to answer now. The last of these is the real answer update.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitrm.config import GlimpsePolicy, ModelConfig, require_mixture, require_recursion
from vitrm.data.dataset import Split
from vitrm.errors import ConfigError, RunError
from vitrm.model import ViTRM
from vitrm.nets.base import evaluating
from vitrm.nets.block import LayerAttention
from vitrm.nets.srvit import SRViT
from vitrm.traces.axes import LARGEST
from vitrm.traces.edits import Edit
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import CHOSEN, Trace

T = TypeVar("T")


def trace(
    model: ViTRM,
    image: Image.Image | Tensor | np.ndarray,
    supervision_steps: int | None = None,
    seed: int = 0,
    label: int | None = None,
    *,
    recursion_steps: int | None = None,
    memory_steps: int | None = None,
    edit: Edit | None = None,
    policy: GlimpsePolicy = "random",
    patches: Sequence[Sequence[int]] | None = None,
    attention: bool = True,
) -> Trace:
    """The trace of one image: a PIL image, or its (C, H, W) uint8 pixels as a tensor or array.

    Every supervision step runs (no halting); N, T and M default to the configuration's. `seed` draws the glimpses;
    `label`, the true class, is only noted down. `edit` changes one thing on the way. `policy` says who chooses the
    glimpses; `patches`, S different row-major indices for each supervision step, takes their place, and says how many
    steps run. Without `attention` its weights are not kept: of many patches they are nearly all that a trace weighs;
    the answers, from a faster kernel, are the same up to rounding. Raises ValueError if the pixels do not fit,
    ConfigError if the edit or the patches name what is not there or the model has no recursion, RunError if its weights
    make what are no numbers.
    """
    counts = {"recursion_steps": recursion_steps, "memory_steps": memory_steps}
    choice = {"edit": edit, "policy": policy, "patches": patches, "attention": attention}
    return drained(tracing(model, image, supervision_steps, seed, label, **counts, **choice))


def drained(work: Generator[None, None, T]) -> T:
    """What some work in steps comes to."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@torch.inference_mode()
def tracing(
    model: ViTRM,
    image: Image.Image | Tensor | np.ndarray,
    supervision_steps: int | None = None,
    seed: int = 0,
    label: int | None = None,
    *,
    recursion_steps: int | None = None,
    memory_steps: int | None = None,
    edit: Edit | None = None,
    policy: GlimpsePolicy = "random",
    patches: Sequence[Sequence[int]] | None = None,
    attention: bool = True,
) -> Generator[None, None, Trace]:
    """`trace` in steps, for whoever shares the model: it rests after every update, and closing it is "stop"."""
    config = model.config
    require_recursion(config, "a trace")
    pixels = _pixels(model, image)
    edit = edit or Edit()
    edit.check(config.num_patches, config.memory_size)
    pixels = edit.pixels(pixels, config.patch_size, model.transform.mean)
    images = model.transform.normalize(torch.tensor(pixels, device=model.answer_init.device))[None]
    budget = {"recursion_steps": recursion_steps, "memory_steps": memory_steps}
    m_steps = memory_steps or config.memory_steps
    given = None
    if patches is not None:
        given = given_patches(patches, config).to(images.device)[:, None]  # (N, 1, S)
        supervision_steps = len(given)
    read, moments, earlier = [], [], None
    choice = {"edit": edit.state if edit else None, "policy": policy, "patches": given}
    with evaluating(model):
        for move in model.moves(images, supervision_steps, seed, record=attention, **choice, **budget):
            if move.memory_step is None:  # the real answer update is the read-out of the last memory iteration
                answered, answer_attention = move.state, move.attention
            else:
                if move.memory_step == 0 and move.recursion_step == 0:
                    read.append(torch.arange(config.num_patches) if move.patches is None else move.patches[0].cpu())
                memory_attention = move.attention
                if move.memory_step == m_steps - 1:
                    continue
                answered, answer_attention = model.update_answer(move.state, record=attention)
            logits, halt_logit = model.read_out(answered.answer, earlier)
            if move.closes_step:
                earlier = answered.answer if earlier is None else torch.cat([earlier, answered.answer], dim=1)
            moments.append({
                "logits": logits[0],
                "halt_logit": halt_logit[0],
                "answer": answered.answer[0, 0],
                "memory": answered.memory[0],
                **_memory_attention(memory_attention, config.memory_size, read[-1].numel()),
                "answer_attention": answer_attention
                and _stack([layer.mix for layer in answer_attention], lambda w: w[0, :, 0]),
            })  # fmt: skip
            yield
    shape = (len(read), recursion_steps or config.recursion_steps, m_steps)
    made = Trace(
        class_names=model.class_names,
        patch_size=config.patch_size,
        halt_threshold=config.halt_threshold,
        trained_steps=config.supervision_steps,
        seed=seed,
        label=label,
        pixels=pixels,
        patches=torch.stack(read).numpy(),
        policy=policy if given is None else CHOSEN,
        embedding=config.embedding,
        attention_within=config.attention_within,
        initial_answer=model.answer_init[0, 0].float().cpu().numpy(),
        initial_memory=model.initial_state(1).memory[0].float().cpu().numpy(),
        **{name: _array([moment[name] for moment in moments], shape) for name in moments[0]},
    )
    check_finite(made.logits, made.halt_logit, made.answer, made.memory)
    return made


def check_finite(*outputs: np.ndarray) -> None:
    """Raises RunError if a model has made what are no numbers, or too large to be worked with."""
    if not all((np.abs(each) <= LARGEST).all() for each in outputs):
        raise RunError("its answer is not a finite number: its weights are damaged, or its training diverged")


def given_patches(patches: Sequence[Sequence[int]], config: ModelConfig) -> Tensor:
    """(N, S) of the patches that somebody chose for each of N supervision steps.

    Raises ConfigError if a model has no glimpses, or a step has not S different patches of the image.
    """
    size, total = config.glimpse_patches, config.num_patches
    if size is None:
        raise ConfigError("patches were chosen, but this model reads every patch at every step")
    if not patches:
        raise ConfigError("no patches were chosen; expected some for at least one supervision step")
    for step, chosen in enumerate(patches, start=1):
        if len(set(chosen)) != size or len(chosen) != size or not all(0 <= patch < total for patch in chosen):
            listed = ", ".join(map(str, chosen))[:60]
            raise ConfigError(f"step {step} is to read {listed}: expected {size} different patches, 0 to {total - 1}")
    return torch.tensor([list(chosen) for chosen in patches])


def mixture_trace(model: SRViT, image: Image.Image | Tensor | np.ndarray, label: int | None = None) -> MixtureTrace:
    """What an SR-ViT makes of one image, given and checked as for `trace`: its mixture, and its answers without it.

    Raises ConfigError if the model mixes no steps.
    """
    return drained(mixture_tracing(model, image, label))


@torch.inference_mode()
def mixture_tracing(
    model: SRViT, image: Image.Image | Tensor | np.ndarray, label: int | None = None
) -> Generator[None, None, MixtureTrace]:
    """`mixture_trace` in steps: it rests after every answer."""
    config = model.config
    require_mixture(config, "the trace of a mixture")
    pixels = _pixels(model, image)
    images = model.transform.normalize(torch.tensor(pixels, device=model.class_token.device))[None]
    weights = np.full((config.stages, config.recursion_depth, 1 + config.num_patches), np.nan, np.float32)
    with evaluating(model):
        for stage, found in zip(weights, model.mix(images)[1], strict=True):
            stage[:, : found.shape[1]] = found[0].T.float().cpu().numpy()
        answers: dict[str, list[np.ndarray]] = {"logits": [], "last_logits": [], "uniform_logits": []}
        for name, mixture in (("logits", None), ("last_logits", "last"), ("uniform_logits", "uniform")):
            for depth in range(1, config.recursion_depth + 1):
                yield
                answers[name].append(model.logits_with(images, mixture, depth)[0].float().cpu().numpy())
    stacked = {name: np.stack(rows) for name, rows in answers.items()}
    check_finite(*stacked.values(), np.nan_to_num(weights))
    return MixtureTrace(
        class_names=model.class_names,
        patch_size=config.patch_size,
        layers_per_stage=config.layers_per_stage,
        mixture=config.mixture,
        normaliser=config.normaliser,
        label=label,
        pixels=pixels,
        weights=weights,
        **stacked,
    )


def mixture_gallery(model: SRViT, split: Split, count: int, name: str = "test") -> dict[str, MixtureTrace]:
    """`gallery` for an SR-ViT."""
    chosen = split.few(count).tolist()
    return {f"{name}-{i}": mixture_trace(model, split.images[i], int(split.labels[i])) for i in chosen}


def gallery(model: ViTRM, split: Split, count: int, name: str = "test", also: Sequence[int] = ()) -> dict[str, Trace]:
    """Traces of a few images of a split (`Split.few`) and those numbered `also`, called "test-INDEX" where `name` is
    the split's.
    """
    chosen = dict.fromkeys([*split.few(count).tolist(), *also])
    return {f"{name}-{i}": trace(model, split.images[i], label=int(split.labels[i])) for i in chosen}


def _pixels(model: ViTRM | SRViT, image: Image.Image | Tensor | np.ndarray) -> np.ndarray:
    """(C, H, W) uint8 of a PIL image, or of such pixels. Raises ValueError if they do not fit the model."""
    config = model.config
    if isinstance(image, Image.Image):
        pixels = model.transform.pixels(image)
    else:
        pixels = image.cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    if pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.dtype}, expected uint8 (0..255) or a PIL image")
    expected = (config.channels, config.image_size, config.image_size)
    if pixels.shape != expected:  # numpy and torch would broadcast some of them
        raise ValueError(f"pixels have shape {pixels.shape}, expected {expected}, or a PIL image of any size")
    return pixels


def _memory_attention(layers: tuple[LayerAttention, ...] | None, memory: int, patches: int) -> dict[str, Tensor | None]:
    """Rows of z, split into what goes to the patches and what goes to [y ; z]; without layers nothing was recorded."""
    if layers is None:
        return {"patch_attention": None, "state_attention": None}
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
