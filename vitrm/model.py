"""ViTRM, the Vision Tiny Recursion Model (arXiv 2603.19503): the recursion, written once.

Three streams of tokens, all of width D:

    x  patch tokens   (B, L, D)  what the image says; fixed during the recursion
    y  answer token   (B, 1, D)  what the model would answer now
    z  memory tokens  (B, K, D)  what it has worked out so far

and one small transformer block f, applied again and again:

    z <- f([x ; y ; z])  M times   Eq. 2, the memory update: the only move that reads the image
    y <- f([y ; z])      once      Eq. 3, the answer update: what y knows of the image comes through z

Both together are a recursion step, T of them a supervision step, after which the class and the halting
probability are read from y (Eq. 4). `ViTRM.moves` yields every single update; `steps`, `forward`, training
and tracing all consume it, so there is no second copy of this loop anywhere.

Three savings are exact and built in, because [x ; y ; z] is long and only its last K outputs are kept:
x's first-layer projections are computed once per image (`Block.read`), and the last layer computes
queries, feed-forward and output only where they are kept (`keep`): z in Eq. 2, y in Eq. 3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitrm.config import GlimpsePolicy, ModelConfig
from vitrm.nets.base import Step, patches_in
from vitrm.nets.block import Block, LayerAttention, Reading
from vitrm.nets.glimpses import Looks
from vitrm.nets.layers import PatchEmbed, small_start
from vitrm.nets.readout import AnswerMixer, make_head
from vitrm.nets.start import init_as_authors, init_linear


@dataclass(frozen=True)
class State:
    """What the recursion carries: the answer token (B, 1, D) and the memory (B, K, D)."""

    answer: Tensor
    memory: Tensor

    def detach(self) -> State:
        return State(self.answer.detach(), self.memory.detach())

    def of(self, images: Tensor) -> State:
        """The same for some of the images, by index."""
        return State(self.answer[images], self.memory[images])


@dataclass(frozen=True)
class Move:
    """One update, just made. All counters start at 0."""

    supervision_step: int
    recursion_step: int
    memory_step: int | None  # None: this move was the answer update that closes the recursion step
    state: State
    patches: Tensor | None  # (B, S) indices of the patches being read, row-major; None = all of them
    attention: tuple[LayerAttention, ...] | None
    closes_step: bool  # this answer update was the last move of its supervision step


class ViTRM(nn.Module):
    """The Vision Tiny Recursion Model. `config` decides every option; see `ModelConfig`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.answer_init = small_start(1, 1, config.dim)
        starts = config.memory_size if config.positions == "absolute" else 1  # with relative ones all start the same
        self.memory_init = small_start(1, starts, config.dim)
        state = 1 + config.memory_size
        self.block = Block(config, state + (config.num_patches if config.reading == "joint" else 0), reads=True)
        self.answer_block = None if config.shared_block else Block(config, state, reads=False)
        self.classifier = make_head(config, config.num_classes)
        self.halting = make_head(config, 1)
        final = self.halting if config.head == "linear" else self.halting[-1]
        if config.init == "authors":
            positions = [] if self.patch_embed.positions is None else [self.patch_embed.positions[None]]
            starts = [*positions, self.answer_init, self.memory_init]
            init_as_authors(self, starts, heads=(self.classifier, self.halting))
        else:
            init_linear(self)
            nn.init.zeros_(final.weight)
        nn.init.constant_(final.bias, config.halt_bias)
        self.mixer = AnswerMixer(config) if config.readout == "mixture" else None  # last: the rest starts as without it

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        """The modules that do nearly all the work: what is worth compiling."""
        return (self.block,) if self.answer_block is None else (self.block, self.answer_block)

    # The paper's moves, one method each

    def initial_state(self, batch: int, memory_size: int | None = None) -> State:
        """The learned y and z that every image starts from; K is the configuration's if none is given."""
        memory = self.memory_init.expand(batch, memory_size or self.config.memory_size, -1)
        return State(self.answer_init.expand(batch, -1, -1), memory)

    def state_for(self, images: Tensor) -> State:
        """The learned start for (B, C, H, W) images; with relative positions there is a memory token on each patch."""
        relative = self.config.positions == "relative"
        return self.initial_state(len(images), patches_in(images, self.config) if relative else None)

    def read(self, images: Tensor, patches: Tensor | None = None) -> Reading:
        """x (Eq. 1) of (B, C, H, W) images, ready to be read; only the given `patches` (B, S) if any."""
        return self.block.read(self.patch_embed(images, patches))

    def update_memory(
        self, reading: Reading, state: State, record: bool = False
    ) -> tuple[State, tuple[LayerAttention, ...] | None]:
        """z <- last K outputs of f([x ; y ; z]) (Eq. 2)."""
        tokens = torch.cat([state.answer, state.memory], dim=1)  # (B, 1+K, D)
        memory, attention = self.block(tokens, slice(-state.memory.shape[1], None), reading, record)
        return State(state.answer, memory), attention

    def update_answer(self, state: State, record: bool = False) -> tuple[State, tuple[LayerAttention, ...] | None]:
        """y <- first output of f([y ; z]) (Eq. 3); x is deliberately absent."""
        tokens = torch.cat([state.answer, state.memory], dim=1)  # (B, 1+K, D)
        answer, attention = (self.answer_block or self.block)(tokens, slice(0, 1), None, record)
        return State(answer, state.memory), attention

    def read_out(self, answer: Tensor, earlier: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Class logits (B, C) and halting logit (B,) of an answer token (B, 1, D) (Eq. 4).

        With `readout="mixture"` they are of its mixture with the `earlier` answers (B, n, D) that the supervision steps
        before ended with, if any; otherwise those are not looked at.
        """
        if self.mixer is not None and earlier is not None:
            answer = self.mixer(torch.cat([earlier, answer], dim=1))
        return self.classifier(answer[:, 0]), self.halting(answer[:, 0])[:, 0]

    # The recursion

    def moves(
        self,
        images: Tensor,
        supervision_steps: int | None = None,
        seeds: int | Tensor = 0,
        backprop: str = "supervision_step",
        record: bool = False,
        *,
        recursion_steps: int | None = None,
        memory_steps: int | None = None,
        edit: Callable[[State, State], State] | None = None,
        start: State | None = None,
        patches: Tensor | None = None,
        policy: GlimpsePolicy = "random",
    ) -> Generator[Move, Tensor | None, None]:
        """Every update of the recursion, in order, each computed when it is asked for.

        images (B, C, H, W); `supervision_steps` N, `recursion_steps` T and `memory_steps` M default to the config's.
        `policy` says who chooses the glimpses (see nets/glimpses.py); `seeds`, one for all images or (B,), draws random
        ones, and the draw of an image depends on its own seed alone.
        `backprop` is the gradient policy of `TrainConfig`. `record=True` attaches the attention weights. `edit` may
        replace the state after a memory update, given the one before and the one after. `start` is a state to go on
        from, in place of the learned one. `patches` are given in place of a policy: (B, S) are read at every step,
        (N, B, S) are one choice for each.
        In training mode the image is embedded anew at each supervision step, because the weights may have moved in
        between; not with `backprop="all"`, which forbids it.

        Whoever sends an index of images into the generator (`moves.send(index)`) goes on with those images alone:
        that is how images that have halted leave the batch.
        """
        n_steps = self._count("supervision_steps", supervision_steps)
        t_steps = self._count("recursion_steps", recursion_steps)
        m_steps = self._count("memory_steps", memory_steps)
        moving = backprop != "all"
        looks = Looks(self, images, n_steps, seeds, policy=policy, patches=patches, moving=moving)
        state = start or self.state_for(images)
        for n in range(n_steps):
            looks.at(n, state.memory)
            state = state.detach() if n and backprop != "all" else state
            for t in range(t_steps):
                free = backprop == "last_recursion" and t < t_steps - 1
                for m in [*range(m_steps), None]:
                    with torch.set_grad_enabled(torch.is_grad_enabled() and not free):
                        if m is None:
                            state, attention = self.update_answer(state, record)
                        else:
                            before, (state, attention) = state, self.update_memory(looks.reading, state, record)
                            state = state if edit is None else edit(before, state)
                    staying = yield Move(n, t, m, state, looks.patches, attention, m is None and t == t_steps - 1)
                    if staying is not None:
                        state = state.of(staying)
                        looks.keep(staying)

    def steps(
        self,
        images: Tensor,
        supervision_steps: int | None = None,
        seeds: int | Tensor = 0,
        backprop: str = "supervision_step",
        *,
        recursion_steps: int | None = None,
        memory_steps: int | None = None,
        edit: Callable[[State, State], State] | None = None,
        start: State | None = None,
        patches: Tensor | None = None,
        policy: GlimpsePolicy = "random",
    ) -> Generator[Step, Tensor | None, None]:
        """The read-out after each supervision step; arguments, and what can be sent, as in `moves`.

        A consumer may stop early, or update the weights between two steps (the paper's training does).
        """
        budget = {"recursion_steps": recursion_steps, "memory_steps": memory_steps}
        choice = {"edit": edit, "start": start, "patches": patches, "policy": policy}
        moves = self.moves(images, supervision_steps, seeds, backprop, **budget, **choice)
        staying, earlier = None, None
        with contextlib.suppress(StopIteration):
            while True:
                move = moves.send(staying)
                staying = None
                if move.closes_step:
                    answer = move.state.answer
                    logits, halt_logit = self.read_out(answer, earlier)
                    staying = yield Step(logits, halt_logit, answer, move.state.memory, move.patches)
                    if self.mixer is not None:  # as constants, where the weights move between the steps
                        kept = answer if backprop == "all" else answer.detach()
                        earlier = kept if earlier is None else torch.cat([earlier, kept], dim=1)
                        earlier = earlier if staying is None else earlier[staying]

    def forward(self, images: Tensor, supervision_steps: int | None = None, seeds: int | Tensor = 0) -> Tensor:
        """Class logits (B, C) after the last supervision step; no halting, as in the paper's evaluation."""
        for step in self.steps(images, supervision_steps, seeds):
            last = step
        return last.logits

    def _count(self, name: str, given: int | None) -> int:
        """How many steps to run: as given, or as configured. Raises ValueError below 1."""
        count = getattr(self.config, name) if given is None else given
        if count < 1:
            raise ValueError(f"{name}={count}: expected 1 or more")
        return count
