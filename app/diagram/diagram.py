"""The model in one picture, drawn from its configuration: ViTRM's two moves, or the soft mixture of an SR-ViT."""

from __future__ import annotations

from random import Random

import streamlit as st

from app.component import picture, read
from vitrm.config import ModelConfig, SRViTConfig

_TEMPLATE, _MIXTURE = read(__file__, "diagram.html"), read(__file__, "mixture.html")
_component = picture("vitrm_diagram", __file__, css="diagram.css")


def diagram(config: ModelConfig, key: str) -> None:
    """Show the picture in the colours of the page's theme."""
    _component(data={"html": drawing(config, dark=st.context.theme.type == "dark")}, key=key)


def mixture_diagram(config: SRViTConfig, key: str) -> None:
    """Show the picture of a soft mixture in the colours of the page's theme."""
    _component(data={"html": mixture_drawing(config, dark=st.context.theme.type == "dark")}, key=key)


def mixture_drawing(config: SRViTConfig, dark: bool) -> str:
    """One stage of an SR-ViT as HTML with inline SVG; every value in it is a number of the configuration."""
    shown = min(config.recursion_depth, 4)  # steps that are drawn; the last of them is R
    names = [str(r + 1) for r in range(shown - 1)] + [str(config.recursion_depth)]
    gap = " …" if config.recursion_depth > shown else ""
    left = [4 + 59 * r for r in range(shown)]
    blocks = "".join(
        f'<rect class="block" x="{x}" y="10" width="42" height="42" rx="8"/>'
        f'<text class="f" x="{x + 21}" y="38">f</text>'
        f'<text class="mid" x="{x + 21}" y="94">h<tspan class="sub" dy="3">{name}</tspan></text>'
        f'<path class="arrow" d="M{x + 21} 54v22"/>'
        for x, name in zip(left, names, strict=True)
    )
    blocks += "".join(f'<path class="arrow" d="M{x + 43} 31h13"/>' for x in left[:-1])
    # Two tokens with weights of their own: any that differ would do, these fall and rise towards the later steps.
    weights = []
    for row, rising in ((14, False), (56, True)):
        heights = [26 * (r + 1 if rising else shown - r) / shown for r in range(shown)]
        weights += [
            f'<rect class="bar" x="{36 + 34 * r}" y="{row + 30 - height:.1f}" width="26" height="{height:.1f}" rx="2"/>'
            for r, height in enumerate(heights)
        ]
        weights.append(f'<rect class="x" x="6" y="{row + 14}" width="14" height="14" rx="3"/>')
    layers = config.layers_per_stage
    return _MIXTURE.format(
        theme="dark" if dark else "light",
        patches=_patches(config.image_size // config.patch_size),
        x=_tokens("x", min(config.num_patches, 6)),
        count=config.num_patches,
        blocks=blocks,
        weights="".join(weights),
        steps=config.recursion_depth,
        router="from a small router" if config.mixture == "token" else "without a router",
        between=" … w" if config.recursion_depth > 2 else ", w",
        plus=" + … + w" if config.recursion_depth > 2 else " + w",
        gap=gap,
        layers=f"{layers} layer{'s' * (layers > 1)}",
        stages="one stage" if config.stages == 1 else f"{config.stages} stages",
    )


def drawing(config: ModelConfig, dark: bool) -> str:
    """The picture as HTML with inline SVG; every value in it is a number of the configuration."""
    reads = config.glimpse_patches or config.num_patches
    across = config.image_size // config.patch_size
    seen = set(Random(0).sample(range(config.num_patches), reads)) if config.glimpse_patches else None
    return _TEMPLATE.format(
        theme="dark" if dark else "light",
        patches=_patches(across, seen),
        x=_tokens("x", min(reads, 6)),
        z=_tokens("z", min(config.memory_size, 6)),
        x_count=f"{reads} of {config.num_patches} a step" if seen else f"all {reads} of them",
        x_changes="Each step is given other patches, but no update changes them." if seen else "It never changes.",
        z_count=f"{config.memory_size} memory tokens",
        layers=f"{config.depth} layer{'s' * (config.depth > 1)}",
        memory_steps=config.memory_steps,
        supervision_steps=f"{config.supervision_steps} time{'s' * (config.supervision_steps > 1)}",
    )


def _patches(across: int, seen: set[int] | None = None) -> str:
    """The patches of an image; grey where only some are seen, and these are not."""
    side = 96 / across
    return "".join(
        f'<rect class="{"x" if seen is None or k in seen else "unseen"}" x="{(k % across) * side + 1:.1f}" '
        f'y="{(k // across) * side + 1:.1f}" width="{side - 2:.1f}" height="{side - 2:.1f}" rx="2"/>'
        for k in range(across * across)
    )


def _tokens(name: str, count: int) -> str:
    return "".join(f'<rect class="{name}" x="{18 * k}" y="0" width="14" height="14" rx="3"/>' for k in range(count))
