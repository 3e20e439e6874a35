"""What early exit is worth in seconds: a judged checkpoint with its halting, against every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vitrm.bench.measures import median_times
from vitrm.config import require_halting
from vitrm.data.dataset import Split
from vitrm.errors import RunError
from vitrm.halting import Halt, predict
from vitrm.judge.evaluation import image_seeds
from vitrm.model import ViTRM
from vitrm.runs.folder import Run
from vitrm.runs.provenance import provenance

_OFTEN, _TURNS = 20, 9  # calls at a time of a single image, and how often


def bench_halting(run: Run, split: Split, device: str = "cpu", repeats: int = 3) -> dict[str, Any]:
    """Wall-clock of `predict` over a split, every step against learned halting at the threshold stored with the run.

    And of one image, with halting, against the operations on tensors alone that it is made of.

    Raises ConfigError for a model without halting to judge, RunError if it has not been judged (see `vitrm export
    --halting`).
    """
    require_halting(run.config().model)
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
        times = median_times(passes, repeats, device)
        hits = [float((once().cpu() == labels).double().mean()) for once in passes]
        rows[str(batch)] = {
            "every_step_s": times[0],
            "halting_s": times[1],
            "speedup": times[0] / times[1],
            "every_step_accuracy": hits[0],
            "halting_accuracy": hits[1],
        }
    alone = _alone(lambda: predict(model, images[:1], policies[1], seeds[:1]), device)
    policy = policies[1].describe(model.config.supervision_steps)
    return {
        "checkpoint": run.name,
        "n": len(split),
        "policy": policy,
        "batch": rows,
        "one_image": alone,
        **provenance(device),
    }


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
    one = result["one_image"]
    lines.append(
        f"one image: {1000 * one['predict_s']:.2f} ms, {one['predict_s'] / one['operations_s']:.2f} times as long as "
        f"the {one['operations']} operations of torch in it, called one after another"
    )
    return "\n".join(lines)


def _alone(run: Callable[[], object], device: str) -> dict[str, float]:
    """How long a call takes, and how long the operations on tensors alone that it makes, in turns."""

    class Recording(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            made.append((operation, args, kwargs or {}))
            return operation(*args, **(kwargs or {}))

    made: list[tuple[Callable, tuple, dict[str, Any]]] = []
    with Recording():
        run()

    def operations() -> None:
        with torch.inference_mode():
            for operation, args, kwargs in made:
                operation(*args, **kwargs)

    def often(once: Callable[[], object]) -> Callable[[], None]:
        return lambda: [once() for _ in range(_OFTEN)] and None

    whole, alone = (each / _OFTEN for each in median_times([often(run), often(operations)], _TURNS, device))
    return {"predict_s": whole, "operations_s": alone, "operations": len(made)}


def _predict_all(
    model: ViTRM, images: torch.Tensor, halt: Halt, seeds: torch.Tensor, batch: int
) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        starts = range(0, len(images), batch)
        return torch.cat([predict(model, images[i : i + batch], halt, seeds[i : i + batch]).label for i in starts])

    return run
