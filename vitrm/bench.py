"""Speed of this code on this machine, as ratios measured in one run: against the plain form, and against the
machine's own matrix-multiply rate. Variants take turns, so that a noisy machine disturbs all of them alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vitrm.config import Config, preset, require_recursion
from vitrm.data import Split
from vitrm.errors import RunError
from vitrm.evaluation import image_seeds
from vitrm.halting import Halt, predict
from vitrm.losses import classification_loss, halting_loss
from vitrm.model import ViTRM
from vitrm.plain import PlainViTRM
from vitrm.runs import Run, equip, provenance
from vitrm.tracing import trace

BATCH = {"paper": 32}  # images in a batch; 128 for the small presets


def bench(presets: Sequence[str], device: str = "cpu", repeats: int = 7) -> dict[str, Any]:
    """Measure the presets. Times are medians in seconds; ratios above 1 mean that this code is faster."""
    return {"presets": {name: _bench_preset(name, device, repeats) for name in presets}, **provenance(device)}


def table(result: dict[str, Any]) -> str:
    """The result for a reader."""
    lines = [
        f"{result['hardware']}, torch {result['torch']}, fp32, commit {result['commit']}",
        f"{'preset':16} {'batch':>5} {'training':>9} {'inference':>10} {'of matmul rate':>15} {'trace cost':>11}",
    ]
    for name, row in result["presets"].items():
        lines.append(
            f"{name:16} {row['batch']:5} {row['training_speedup']:8.2f}x {row['inference_speedup']:9.2f}x "
            f"{row['matmul_share']:15.2f} {row['trace_cost']:10.2f}x"
        )
    lines.append("training, inference: speed against the plain form with the same weights")
    lines.append("trace cost: time of a whole trace of one image against one plain forward of the same steps")
    return "\n".join(lines)


def bench_halting(run: Run, split: Split, device: str = "cpu", repeats: int = 3) -> dict[str, Any]:
    """Wall-clock of `predict` over a split, every step against learned halting at the threshold stored with the run.

    Raises RunError if its halting has not been judged (see `vitrm export --halting`).
    """
    report = run.halting()
    if report is None:
        raise RunError(f"'{run.path}' has no halting.json: export it with --halting first")
    model = run.load_model(device)
    images, labels = model.transform.normalize(split.images.to(device)), split.labels
    seeds = image_seeds(0, 0, len(split)).to(device)
    policies = [Halt("fixed"), Halt("learned", report["chosen"]["threshold"])]
    rows = {}
    for batch in (1, 256):
        passes = [_predict_all(model, images, halt, seeds, batch) for halt in policies]
        times = _median_times(passes, repeats, device)
        hits = [float((once().cpu() == labels).double().mean()) for once in passes]
        rows[str(batch)] = {
            "every_step_s": times[0],
            "halting_s": times[1],
            "speedup": times[0] / times[1],
            "every_step_accuracy": hits[0],
            "halting_accuracy": hits[1],
        }
    policy = policies[1].describe(model.config.supervision_steps)
    return {"checkpoint": run.name, "n": len(split), "policy": policy, "batch": rows, **provenance(device)}


def halting_table(result: dict[str, Any]) -> str:
    """The result of `bench_halting` for a reader."""
    lines = [
        f"{result['checkpoint']}, test split, n = {result['n']:,}; {result['hardware']}, commit {result['commit']}",
        f"{result['policy']}, against every step",
    ]
    for batch, row in result["batch"].items():
        lines.append(
            f"batch {batch:>3}: {row['speedup']:.2f}x faster, {100 * row['halting_accuracy']:.2f} % right "
            f"({100 * row['every_step_accuracy']:.2f} % with every step)"
        )
    return "\n".join(lines)


def _predict_all(
    model: ViTRM, images: torch.Tensor, halt: Halt, seeds: torch.Tensor, batch: int
) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        starts = range(0, len(images), batch)
        return torch.cat([predict(model, images[i : i + batch], halt, seeds[i : i + batch]).label for i in starts])

    return run


def _bench_preset(name: str, device: str, repeats: int) -> dict[str, Any]:
    config = preset(name).model
    require_recursion(config, "the comparison with the plain form")
    batch = BATCH.get(name, 128)
    torch.manual_seed(0)
    model = ViTRM(config).to(device)
    plain = PlainViTRM(config).to(device)
    plain.load_state_dict(model.state_dict())
    images = torch.randn(batch, config.channels, config.image_size, config.image_size, device=device)
    labels = torch.randint(config.num_classes, (batch,), device=device)
    train, train_plain = (_training_step(m, images, labels) for m in (model, plain))
    multiply, multiply_flops = _matmul(config.dim, 2 * config.mlp_dim, batch * (config.num_patches + 1), device)
    train_s, train_plain_s, multiply_s = _median_times([train, train_plain, multiply], repeats, device)
    infer_s, infer_plain_s = _median_times([_inference(m, images) for m in (model, plain)], repeats, device)
    equip(model, Config(model=config))
    one, pixels = images[:1], np.zeros(images.shape[1:], np.uint8)
    forward_s, trace_s = _median_times([_inference(model, one), lambda: trace(model, pixels)], 3 * repeats, device)
    flops, rate = _count_flops(train), multiply_flops / multiply_s
    return {
        "batch": batch,
        "training_s": train_s,
        "training_plain_s": train_plain_s,
        "training_speedup": train_plain_s / train_s,
        "inference_s": infer_s,
        "inference_plain_s": infer_plain_s,
        "inference_speedup": infer_plain_s / infer_s,
        "trace_cost": trace_s / forward_s,
        "trace_ms": 1000 * trace_s,
        "training_gflop": flops / 1e9,
        "matmul_gflop_per_s": rate / 1e9,
        "matmul_share": flops / train_s / rate,
    }


def _training_step(model: ViTRM, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """All supervision steps of one batch, each with its own update, as the paper trains."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def run() -> None:
        model.train()
        for step in model.steps(images):
            optimizer.zero_grad(set_to_none=True)
            loss = classification_loss(step.logits, labels) + halting_loss(step.halt_logit, step.logits, labels)
            loss.backward()
            optimizer.step()

    return run


def _inference(model: ViTRM, images: torch.Tensor) -> Callable[[], None]:
    @torch.inference_mode()
    def run() -> None:
        model.eval()(images)

    return run


def _matmul(width_in: int, width_out: int, rows: int, device: str) -> tuple[Callable[[], None], int]:
    """A linear map of the model's own shape, often enough to be timed, and its floating-point operations."""
    times = max(1, int(2e10 / (2 * rows * width_in * width_out)))
    tokens, weight = torch.randn(rows, width_in, device=device), torch.randn(width_out, width_in, device=device)

    def run() -> None:
        for _ in range(times):
            F.linear(tokens, weight)

    return run, times * 2 * rows * width_in * width_out


def _median_times(variants: Sequence[Callable[[], None]], repeats: int, device: str) -> list[float]:
    """Median seconds of each variant; they take turns, after one warm-up each."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    times: list[list[float]] = [[] for _ in variants]
    for repeat in range(repeats + 1):
        for variant, measured in zip(variants, times, strict=True):
            wait()
            start = time.perf_counter()
            variant()
            wait()
            if repeat:
                measured.append(time.perf_counter() - start)
    return [statistics.median(measured) for measured in times]


def _count_flops(run: Callable[[], None]) -> int:
    """Floating-point operations of the matrix products in one call (a multiply-add counts as two)."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops()
