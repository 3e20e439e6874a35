"""Speed of this code on this machine, as ratios measured in one run: against the plain form, and against the
machine's own matrix-multiply rate. Variants take turns, so that a noisy machine disturbs all of them alike.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vitrm.config import AnyModelConfig, Config, ModelConfig, preset, require_recursion
from vitrm.data.dataset import Dataset, Preprocess, Split
from vitrm.errors import RunError
from vitrm.families import equip, make_model
from vitrm.halting import Halt, predict
from vitrm.judge.evaluation import image_seeds
from vitrm.losses import classification_loss, halting_loss
from vitrm.model import ViTRM
from vitrm.nets.base import OneStep
from vitrm.plain import PlainViTRM
from vitrm.runs.folder import Run
from vitrm.runs.provenance import provenance
from vitrm.traces.recording import trace
from vitrm.training.augment import augment, mix
from vitrm.training.trainer import Trainer

EPOCH_IMAGES = 45_000  # CIFAR's training images, less a tenth for validation
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
    report = run.report("halting")
    if report is None:
        raise RunError(f"'{run.path}' has no halting.json: export it with --halting first")
    model = run.load_model(device)
    images, labels = model.transform.normalize(split.images[:].to(device)), split.labels
    seeds = image_seeds(0, 0, len(split)).to(device)
    policies = [Halt("fixed"), Halt("learned", report.chosen.threshold)]
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


@dataclass(frozen=True)
class Latency:
    """How long a model takes for a batch, every step run, and what memory it needs meanwhile."""

    batch: int
    median_ms: float
    low_ms: float  # quartiles
    high_ms: float
    runs: int
    peak_mb: float  # most memory torch had handed out for states and activations, without weights and input


def latencies(
    models: Sequence[AnyModelConfig],
    batch_sizes: Sequence[int] = (1, 32),
    *,
    runs: int = 15,
    seconds: float = 2.0,
    progress: Callable[[float], None] = lambda share: None,
) -> list[list[Latency]]:
    """Of each model one `Latency` per batch size, on the CPU, with as many threads as torch is set to.

    The models are untrained and the images noise: neither changes the work. They take turns, so that a noisy machine
    disturbs all alike; each is run `runs` times, or as often as `seconds` allow, after one run to warm up. `progress`
    is told the share done after every run, and may raise to stop.
    """
    torch.manual_seed(0)
    passes, peaks, wanted, times = [], [], [], []
    total = len(models) * len(batch_sizes) * (runs + 2)
    for config in models:
        model = make_model(config)
        for batch in batch_sizes:
            run = _inference(model, torch.randn(batch, config.channels, config.image_size, config.image_size))
            run()
            passes.append(run)
            peaks.append(_peak_allocated(run))
            start = time.perf_counter()
            run()
            times.append([time.perf_counter() - start])
            wanted.append(min(runs, max(1, int(seconds / times[-1][0]))))
            progress(2 * len(passes) / total)
    done = 2 * len(passes)
    for turn in range(1, runs):
        for run, taken, count in zip(passes, times, wanted, strict=True):
            done += 1
            if turn < count:
                start = time.perf_counter()
                run()
                taken.append(time.perf_counter() - start)
                progress(done / total)
    rows = []
    for k, (taken, peak) in enumerate(zip(times, peaks, strict=True)):
        low, median, high = (1000 * float(q) for q in np.quantile(taken, (0.25, 0.5, 0.75)))
        rows.append(Latency(batch_sizes[k % len(batch_sizes)], median, low, high, len(taken), peak / 1e6))
    return [rows[k : k + len(batch_sizes)] for k in range(0, len(rows), len(batch_sizes))]


def _peak_allocated(run: Callable[[], None]) -> int:
    """Most bytes that torch's allocator for the CPU had handed out at once in one call, beyond those before it."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or it tells the console of every start and stop
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profiler:
        run()
    now = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()  # below 0 for what is given back
            peak = max(peak, now)
    return peak


def bench_training(
    presets: Sequence[str],
    device: str = "cuda",
    repeats: int = 5,
    *,
    batch_sizes: Sequence[int] = (128, 1024),
    settings: dict[str, str] | None = None,
    profiled: bool = False,
) -> dict[str, Any]:
    """Training as `Trainer` does it, augmentation included, against what a reader of the paper would write.

    That is the plain form, eager, in fp32, on images that are already augmented; families without a plain form are
    compared with themselves, eager and in fp32. On a GPU ours runs in bf16 with the block compiled, unless `settings`
    say otherwise. The matrix-multiply rate is that of large bf16 matrices (fp32 on a CPU).
    """
    gpu = device.startswith("cuda")
    usual = {"train.precision": "bf16", "train.compile": "true"} if gpu else {}
    rate = _rate(device, torch.bfloat16 if gpu else torch.float32, repeats)
    rows = []
    for name in presets:
        for batch in batch_sizes:
            config = preset(name).with_fields(usual | (settings or {}) | {"train.batch_size": str(batch)})
            rows.append({"preset": name, **_bench_training(config, device, repeats, rate, profiled)})
    return {"training": rows, "matmul_gflop_per_s": rate / 1e9, **provenance(device)}


def training_table(result: dict[str, Any]) -> str:
    """The result of `bench_training` for a reader."""
    lines = [
        f"{result['hardware']}, torch {result['torch']}, commit {result['commit']}; "
        f"measured matrix-multiply rate {result['matmul_gflop_per_s'] / 1000:,.1f} TFLOP/s",
        f"{'preset':16} {'batch':>5} {'images/s':>10} {'plain form':>10} {'faster':>8} {'s/epoch':>8} {'of rate':>8} "
        f"{'augmenting':>10} {'peak GB':>8} {'plain':>6} {'waits':>6}",
    ]
    for row in result["training"]:
        ours, plain = (_or_dash(row[name], ".2f") for name in ("peak_gb", "plain_peak_gb"))
        lines.append(
            f"{row['preset']:16} {row['batch']:5} {row['images_per_s']:10,.0f} {row['plain_images_per_s']:10,.0f} "
            f"{row['speedup']:7.2f}x {row['epoch_s']:8.1f} {row['matmul_share']:8.3f} {row['augment_share']:10.2f} "
            f"{ours:>8} {plain:>6} {_or_dash(row['host_waits'], 'd'):>6}"
        )
    lines += [
        f"s/epoch: for {EPOCH_IMAGES:,} images, without validation; of rate: share of the matrix-multiply rate",
        "augmenting: share of the time, done alone; waits: of the host for the device, in a step before the last",
    ]
    for row in result["training"]:
        for share, kernel in row["profile"]:
            lines.append(f"{row['preset']:16} {row['batch']:5} {100 * share:5.1f} %  {kernel}")
    return "\n".join(lines)


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _bench_training(config: Config, device: str, repeats: int, rate: float, profiled: bool) -> dict[str, Any]:
    model, batch = config.model, config.train.batch_size
    trainer = Trainer(config, _made_up(config), device)
    images, labels = trainer.train_split.images[:batch], trainer.train_split.labels[:batch]
    means = trainer._means()

    def ours() -> None:
        for item in trainer.train_batch(images, labels):
            means.add(*item[:2])

    def augmenting() -> None:
        changed = trainer.dataset.preprocess.normalize(augment(images, config.train))
        mix(changed, labels, model.num_classes, config.train)

    torch.manual_seed(0)
    written = (PlainViTRM if isinstance(model, ModelConfig) else make_model)(model).to(device)
    ready = torch.randn(batch, model.channels, model.image_size, model.image_size, device=device)
    plain = _training_step(written, ready, labels, fused=False)
    peaks = [_peak_gb(run, device) for run in (ours, plain)]  # these warm up as well
    ours_s, plain_s, augment_s = _median_times([ours, plain, augmenting], repeats, device)
    some = 4  # counted on a few images, for a model that is not compiled
    flops = _count_flops(_training_step(make_model(model).to(device), ready[:some], labels[:some])) * batch / some
    return {
        "batch": batch,
        "precision": config.train.precision,
        "compiled": config.train.compile,
        "images_per_s": batch / ours_s,
        "plain_images_per_s": batch / plain_s,
        "speedup": plain_s / ours_s,
        "epoch_s": EPOCH_IMAGES * ours_s / batch,
        "training_gflop": flops / 1e9,
        "matmul_share": flops / ours_s / rate,
        "augment_share": augment_s / ours_s,
        "peak_gb": peaks[0],
        "plain_peak_gb": peaks[1],
        "host_waits": _host_waits(ours) if device.startswith("cuda") else None,
        "profile": _profile(ours) if profiled else [],
    }


def _made_up(config: Config) -> Dataset:
    """Noise in the shape that a model takes: what the pixels are makes no difference to the time."""
    model, size = config.model, config.train.batch_size
    shape = (size, model.channels, model.image_size, model.image_size)
    split = Split(torch.randint(0, 256, shape, dtype=torch.uint8), torch.randint(model.num_classes, (size,)))
    few = split.subset(torch.arange(min(8, size)))
    names = tuple(str(i) for i in range(model.num_classes))
    half = (0.5,) * model.channels
    return Dataset("noise", names, split, few, few, Preprocess(model.image_size, half, half))


def _rate(device: str, dtype: torch.dtype, repeats: int) -> float:
    """Floating-point operations a second of a large matrix product."""
    side = 8192 if device.startswith("cuda") else 1024
    multiply, flops = _matmul(side, side, side, device, dtype)
    return flops / _median_times([multiply], repeats, device)[0]


def _peak_gb(run: Callable[[], None], device: str) -> float | None:
    """Most memory allocated on the GPU during two calls; the first one compiles, and does not count."""
    run()
    if not device.startswith("cuda"):
        return None
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) / 1e9


def _host_waits(run: Callable[[], None]) -> int:
    """How often the host waits for the GPU in one call, as torch sees it."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return sum("synchronizing" in str(each.message) for each in caught)


def _profile(run: Callable[[], None], rows: int = 12) -> list[tuple[float, str]]:
    """Where the time of a call goes: share of the device's time (the CPU's, without a GPU) by operation."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        run()
    events = profiler.key_averages()
    name = "self_device_time_total" if any(e.self_device_time_total for e in events) else "self_cpu_time_total"
    total = sum(getattr(e, name) for e in events) or 1
    longest = sorted(events, key=lambda e: -getattr(e, name))[:rows]
    return [(getattr(e, name) / total, e.key[:80]) for e in longest]


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


def _training_step(
    model: ViTRM | OneStep, images: torch.Tensor, labels: torch.Tensor, fused: bool = True
) -> Callable[[], None]:
    """All supervision steps of one batch, each with its own update, as the paper trains."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=fused or None)

    def run() -> None:
        model.train()
        for step in model.steps(images):
            optimizer.zero_grad(set_to_none=True)
            loss = classification_loss(step.logits, labels)
            if step.halt_logit is not None:
                loss = loss + halting_loss(step.halt_logit, step.logits, labels)
            loss.backward()
            optimizer.step()

    return run


def _inference(model: ViTRM, images: torch.Tensor) -> Callable[[], None]:
    @torch.inference_mode()
    def run() -> None:
        model.eval()(images)

    return run


def _matmul(
    width_in: int, width_out: int, rows: int, device: str, dtype: torch.dtype = torch.float32
) -> tuple[Callable[[], None], int]:
    """A linear map, often enough to be timed, and its floating-point operations."""
    times = max(1, int(2e10 / (2 * rows * width_in * width_out)))
    if device.startswith("cuda"):
        times = max(times, 20)
    tokens = torch.randn(rows, width_in, device=device, dtype=dtype)
    weight = torch.randn(width_out, width_in, device=device, dtype=dtype)

    def run() -> None:
        for _ in range(times):
            F.linear(tokens, weight)

    return run, times * 2 * rows * width_in * width_out


def _median_times(variants: Sequence[Callable[[], None]], repeats: int, device: str) -> list[float]:
    """Median seconds of each variant; they take turns, after one warm-up each."""
    wait = (lambda: torch.cuda.synchronize(device)) if device.startswith("cuda") else (lambda: None)
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
