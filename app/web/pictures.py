"""The small pictures of the site, drawn from recorded traces as inline SVG in the colours of the page. Pure."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from plotly.colors import sample_colorscale

from app import colours
from app.player.payload import principal_plane
from vitrm.traces.rollout import rollout
from vitrm.traces.trace import Trace

_UNIT = 13  # of a pixel of an 8 x 8 image; site.css has an even number of pixels for it, so larger ones may have half
WIDTH, HEIGHT = 18 * _UNIT, 10 * _UNIT  # of a card's picture
_SIDE = 8 * _UNIT  # of an image in it, at most


def png(trace: Trace) -> str:
    """The image as a data: address, a pixel for each of its own."""
    planes = trace.pixels if len(trace.pixels) == 3 else np.repeat(trace.pixels, 3, axis=0)
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0))).save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def glimpse(trace: Trace, step: int, place: tuple[float, float, float] | None = None) -> str:
    """What has been seen after `step` supervision steps, unseen patches greyed, at (left, top, side); SVG elements."""
    left, top, side = place or _middle(trace)
    across = trace.pixels.shape[-1] // trace.patch_size
    seen, wide = set(trace.patches[:step].ravel().tolist()), side / across
    covers = "".join(
        f'<rect class="unseen" x="{left + k % across * wide:.2f}" y="{top + k // across * wide:.2f}" '
        f'width="{wide:.2f}" height="{wide:.2f}"/>'
        for k in range(across * across)
        if k not in seen
    )
    return _image(trace, left, top, side) + covers


def attended(trace: Trace) -> str:
    """What had reached the answer in the end, by rollout, over the image."""
    values, (left, top, side) = rollout(trace)[-1, -1, -1], _middle(trace)
    across = round(values.size**0.5)
    wide, shares = side / across, values / max(values.max(), 1e-12)
    cells = "".join(
        f'<rect x="{left + k % across * wide:.2f}" y="{top + k // across * wide:.2f}" width="{wide:.2f}" '
        f'height="{wide:.2f}" fill="{color}" fill-opacity=".72"/>'
        for k, color in enumerate(sample_colorscale(colours.SCALE, shares.tolist()))
    )
    return _image(trace, left, top, side) + cells


def halting(trace: Trace) -> str:
    """The halting probability after each supervision step, with the threshold of the configuration."""
    halt = trace.halt_prob[:, -1, -1]
    x = np.linspace(24, WIDTH - 24, len(halt))
    y = HEIGHT - 22 - (HEIGHT - 44) * halt
    limit = HEIGHT - 22 - (HEIGHT - 44) * trace.halt_threshold
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4.5"/>' for a, b in zip(x, y, strict=True))
    return (
        f'<path class="axis" d="M14 {HEIGHT - 22}H{WIDTH - 14}M14 22H{WIDTH - 14}"/>'
        f'<path class="limit" d="M14 {limit:.1f}H{WIDTH - 14}"/><path class="curve" d="{_line(x, y)}"/>{dots}'
    )


def paths(trace: Trace) -> str:
    """The way of each memory token in the plane that shows most of it."""
    states = trace.memory.reshape(-1, *trace.memory.shape[3:])
    plane, _ = principal_plane(np.concatenate([trace.initial_memory[None], states]))  # (1 + R, K, 2)
    low, high = plane.min(axis=(0, 1)), plane.max(axis=(0, 1))
    scale = min((WIDTH - 36) / (high - low)[0], (HEIGHT - 36) / (high - low)[1])
    points = (plane - (low + high) / 2) * scale * [1, -1] + [WIDTH / 2, HEIGHT / 2]
    return "".join(
        f'<path class="trail" d="{_line(way[:, 0], way[:, 1])}"/>'
        f'<circle class="dot" cx="{way[-1, 0]:.1f}" cy="{way[-1, 1]:.1f}" r="5"/>'
        for way in points.swapaxes(0, 1)
    )


def whole(trace: Trace) -> str:
    """The image as it is."""
    return _image(trace, *_middle(trace))


def card(content: str) -> str:
    """These elements as a picture; what it shows is said beside it."""
    return f'<svg class="picture" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{content}</svg>'


def strip(trace: Trace) -> str:
    """What has been seen after each supervision step, and the answer given then."""
    pixels = trace.pixels.shape[-1]
    side = 3 * pixels  # of an image pixel; site.css draws each on a whole number of the screen's
    frames = (
        f'<div style="--n:{n}"><svg class="frame" viewBox="0 0 {side} {side}" style="--pixels:{pixels}px">'
        f'{glimpse(trace, n + 1, (0, 0, side))}<rect class="edge" x="0" y="0" width="{side}" height="{side}"/></svg>'
        f"<b>{answer}</b> {100 * sure:.0f} %</div>"
        for n, (answer, sure) in enumerate(answers(trace))
    )
    given = ", ".join(name for name, _ in answers(trace))
    words = f"{strip_words(trace)} What the model answers after each: {given}."
    return f'<div class="strip" role="img" aria-label="{words}">{"".join(frames)}</div>'


def strip_words(trace: Trace) -> str:
    """What is seen of which image, in words."""
    share = trace.patches.shape[1] / (trace.pixels.shape[-1] // trace.patch_size) ** 2
    return f"True class: {trace.class_names[trace.label]}. {100 * share:.0f} % of the image is read in each step."


def answers(trace: Trace) -> Sequence[tuple[str, float]]:
    """The answer that ends each supervision step, and its probability."""
    ends = trace.probs[:, -1, -1]
    return [(trace.class_names[int(row.argmax())], float(row.max())) for row in ends]


def _middle(trace: Trace) -> tuple[float, float, float]:
    """Left, top and side of an image in the middle of a card's picture; its pixels are whole units, or parts of one."""
    whole = _UNIT * trace.pixels.shape[-1]
    side = whole / -(-whole // _SIDE)
    return (WIDTH - side) / 2, (HEIGHT - side) / 2, side


def _image(trace: Trace, left: float, top: float, side: float) -> str:
    return f'<image href="{png(trace)}" x="{left:.2f}" y="{top:.2f}" width="{side:.2f}" height="{side:.2f}"/>'


def _line(x: np.ndarray, y: np.ndarray) -> str:
    return "".join(f"{'L' if k else 'M'}{a:.1f} {b:.1f}" for k, (a, b) in enumerate(zip(x, y, strict=True)))
