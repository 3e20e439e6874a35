"""What training costs as `Trainer` does it, against what a reader of the paper would write."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from vitrm.bench.measures import count_flops, matmul, median_times, training_step
from vitrm.config import Config, ModelConfig, preset
from vitrm.data.dataset import Dataset, Preprocess, Split
from vitrm.families import make_model
from vitrm.plain import PlainViTRM
from vitrm.runs.provenance import provenance
from vitrm.training.augment import augment, mix
from vitrm.training.batches import usual_unlearned
from vitrm.training.means import Means
from vitrm.training.trainer import Trainer

EPOCH_IMAGES = 45_000  # CIFAR's training images, less a tenth for validation


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
    say otherwise. With `progress_steps` each batch makes as many before those that learn as a training does on average,
    and is timed without them as well. The matrix-multiply rate is that of large bf16 matrices (fp32 on a CPU).
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
        f"{'augmenting':>10} {'progress':>8} {'peak GB':>8} {'plain':>6} {'waits':>6}",
    ]
    for row in result["training"]:
        ours, plain = (_or_dash(row[name], ".2f") for name in ("peak_gb", "plain_peak_gb"))
        lines.append(
            f"{row['preset']:16} {row['batch']:5} {row['images_per_s']:10,.0f} {row['plain_images_per_s']:10,.0f} "
            f"{row['speedup']:7.2f}x {row['epoch_s']:8.1f} {row['matmul_share']:8.3f} {row['augment_share']:10.2f} "
            f"{_or_dash(row['progress_cost'], '.2f'):>8} {ours:>8} {plain:>6} {_or_dash(row['host_waits'], 'd'):>6}"
        )
    lines += [
        f"s/epoch: for {EPOCH_IMAGES:,} images, without validation; of rate: share of the matrix-multiply rate",
        "augmenting: share of the time, done alone; waits: of the host for the device, in a step before the last",
        "progress: how many times as long a batch takes as without the steps before those that learn",
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
    means = Means(model.supervision_steps, trainer.device)
    usual = usual_unlearned(config.train)

    def ours(unlearned: int = usual) -> None:
        for item in trainer.train_batch(images, labels, unlearned):
            means.add(*item[:2])

    def without() -> None:
        if usual:
            ours(0)

    def augmenting() -> None:
        changed = trainer.dataset.preprocess.normalize(augment(images, config.train))
        mix(changed, labels, model.num_classes, config.train)

    torch.manual_seed(0)
    written = (PlainViTRM if isinstance(model, ModelConfig) else make_model)(model).to(device)
    ready = torch.randn(batch, model.channels, model.image_size, model.image_size, device=device)
    schedule = {"train": config.train, "unlearned": usual}
    plain = training_step(written, ready, labels, fused=False, **schedule)
    peaks = [_peak_gb(run, device) for run in (ours, plain)]  # these warm up as well
    ours_s, plain_s, augment_s, without_s = median_times([ours, plain, augmenting, without], repeats, device)
    some = min(4, batch)  # counted on a few images, for a model that is not compiled
    counted = training_step(make_model(model).to(device), ready[:some], labels[:some], **schedule)
    flops = count_flops(counted) * batch / some
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
        "progress_cost": ours_s / without_s if usual else None,
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
    multiply, flops = matmul(side, side, side, device, dtype)
    return flops / median_times([multiply], repeats, device)[0]


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
