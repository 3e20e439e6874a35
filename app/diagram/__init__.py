"""The model in one picture: x, y, z, the one shared block and its two moves, drawn from a configuration."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from vitrm.config import ModelConfig

_FOLDER = Path(__file__).parent
_TEMPLATE = (_FOLDER / "diagram.html").read_text(encoding="utf-8")
_component = st.components.v2.component(  # a component, because st.html drops SVG
    "vitrm_diagram",
    html="<div class='host'></div>",
    css=(_FOLDER / "diagram.css").read_text(encoding="utf-8"),
    js="export default ({ data, parentElement }) => { parentElement.querySelector('.host').innerHTML = data.html }",
)


def diagram(config: ModelConfig, key: str) -> None:
    """Show the picture in the colours of the page's theme."""
    _component(data={"html": drawing(config, dark=st.context.theme.type == "dark")}, key=key)


def drawing(config: ModelConfig, dark: bool) -> str:
    """The picture as HTML with inline SVG; every value in it is a number of the configuration."""
    reads = config.glimpse_patches or config.num_patches
    across = config.image_size // config.patch_size
    seen = {(7 * k + 2) % (across * across) for k in range(reads)} if config.glimpse_patches else None
    side = 96 / across
    patches = "".join(
        f'<rect class="{"x" if seen is None or k in seen else "unseen"}" x="{(k % across) * side + 1:.1f}" '
        f'y="{(k // across) * side + 1:.1f}" width="{side - 2:.1f}" height="{side - 2:.1f}" rx="2"/>'
        for k in range(across * across)
    )
    return _TEMPLATE.format(
        theme="dark" if dark else "light",
        patches=patches,
        x=_tokens("x", min(reads, 6)),
        z=_tokens("z", min(config.memory_size, 6)),
        x_count=f"{reads} of {config.num_patches} a step" if seen else f"all {reads} of them",
        x_changes="Each step is given other patches, but no update changes them." if seen else "It never changes.",
        z_count=f"{config.memory_size} memory tokens",
        layers=f"{config.depth} layer{'s' * (config.depth > 1)}",
        memory_steps=config.memory_steps,
        supervision_steps=f"{config.supervision_steps} time{'s' * (config.supervision_steps > 1)}",
    )


def _tokens(name: str, count: int) -> str:
    return "".join(f'<rect class="{name}" x="{18 * k}" y="0" width="14" height="14" rx="3"/>' for k in range(count))
