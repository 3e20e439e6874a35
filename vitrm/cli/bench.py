"""`vitrm bench`: speed of this code against the plain form, on this machine."""

from __future__ import annotations

import argparse
import json

from vitrm.cli.arguments import add_data_root, add_device, no_settings, positive
from vitrm.cli.inputs import find_device, load_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure."""
    parser.add_argument("presets", nargs="*", help="default: paper tiny digits; of --training: paper")
    parser.add_argument(
        "--training",
        action="store_true",
        help="instead: the whole training step, as is usual on a GPU (takes settings)",
    )
    parser.add_argument("--batch-sizes", nargs="+", type=positive, default=[128, 1024], help="of --training")
    parser.add_argument("--profile", action="store_true", help="of --training: where the time goes, by operation")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--halting", metavar="NAME", help="instead: what early exit saves this checkpoint")
    instead.add_argument(
        "--agreement", nargs="+", metavar="NAME", help="instead: these models here against the CPU, in fp32 and bf16"
    )
    parser.add_argument("--repeats", type=positive, default=7)
    parser.add_argument("--json", action="store_true")
    add_device(parser)
    add_data_root(parser)


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the table, or JSON."""
    from vitrm.bench.agreement import agreement_table, bench_agreement
    from vitrm.bench.early_exit import bench_halting, halting_table
    from vitrm.bench.savings import bench_savings, savings_table
    from vitrm.bench.training import bench_training, training_table
    from vitrm.runs.checkpoints import find_run
    from vitrm.runs.same_data import check_data

    device, show = find_device(arguments), savings_table
    other = arguments.halting or arguments.agreement
    training = arguments.training or (device.startswith("cuda") and not other)
    if not training:
        no_settings(settings, "only bench --training takes settings")
    if arguments.halting:
        judged = find_run(arguments.halting)
        data = load_data(judged.config(), arguments.data_root)
        check_data(str(judged.path), judged.config(), judged.summary(), data)
        result, show = bench_halting(judged, data.test, device, arguments.repeats), halting_table
    elif arguments.agreement:
        result, show = bench_agreement(arguments.agreement, device), agreement_table
    elif training:
        result = bench_training(
            arguments.presets or ["paper"],
            device,
            arguments.repeats,
            batch_sizes=arguments.batch_sizes,
            settings=settings,
            profiled=arguments.profile,
        )
        show = training_table
    else:
        result = bench_savings(arguments.presets or ["paper", "tiny", "digits"], device, arguments.repeats)
    print(json.dumps(result) if arguments.json else show(result))
    return 0
