"""What the exact savings are worth: a preset against the plain form with the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from vitrm.bench.measures import count_flops, inference, matmul, median_times, training_step
from vitrm.config import Config, preset, require_recursion
from vitrm.families import equip
from vitrm.model import ViTRM
from vitrm.plain import PlainViTRM
from vitrm.runs.provenance import provenance
from vitrm.traces.recording import trace

BATCH = {"paper": 32}  # images in a batch; 128 for the small presets


def bench_savings(presets: Sequence[str], device: str = "cpu", repeats: int = 7) -> dict[str, Any]:
    """Measure the presets. Times are medians in seconds; ratios above 1 mean that this code is faster."""
    return {"presets": {name: _bench_preset(name, device, repeats) for name in presets}, **provenance(device)}


def savings_table(result: dict[str, Any]) -> str:
    """The result of `bench_savings` for a reader."""
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


def _bench_preset(name: str, device: str, repeats: int) -> dict[str, Any]:
    config, train = preset(name).model, preset(name).train
    require_recursion(config, "the comparison with the plain form")
    batch = BATCH.get(name, 128)
    torch.manual_seed(0)
    model = ViTRM(config).to(device)
    plain = PlainViTRM(config).to(device)
    plain.load_state_dict(model.state_dict())
    images = torch.randn(batch, config.channels, config.image_size, config.image_size, device=device)
    labels = torch.randint(config.num_classes, (batch,), device=device)
    ours, written = (training_step(m, images, labels, train=train) for m in (model, plain))
    multiply, multiply_flops = matmul(config.dim, 2 * config.mlp_dim, batch * (config.num_patches + 1), device)
    train_s, train_plain_s, multiply_s = median_times([ours, written, multiply], repeats, device)
    infer_s, infer_plain_s = median_times([inference(m, images) for m in (model, plain)], repeats, device)
    equip(model, Config(model=config))
    one, pixels = images[:1], np.zeros(images.shape[1:], np.uint8)
    forward_s, trace_s = median_times([inference(model, one), lambda: trace(model, pixels)], 3 * repeats, device)
    flops, rate = count_flops(ours), multiply_flops / multiply_s
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
