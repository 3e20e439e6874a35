"""`vitrm bench`: speed of this code against the plain form, on this machine."""

from __future__ import annotations

import argparse
import json

from vitrm.cli.arguments import add_data_root, add_device, no_settings, positive
from vitrm.cli.inputs import find_device, load_data
from vitrm.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure."""
    parser.add_argument("presets", nargs="*", help="default: paper tiny digits; of --training: paper")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--training",
        action="store_true",
        help="instead: the whole training step, as is usual on a GPU (takes settings)",
    )
    instead.add_argument("--halting", metavar="NAME", help="instead: what early exit saves this checkpoint")
    instead.add_argument(
        "--agreement", nargs="+", metavar="NAME", help="instead: these models here against the CPU, in fp32 and bf16"
    )
    parser.add_argument("--batch-sizes", nargs="+", type=positive, help="of --training (128 1024)")
    parser.add_argument("--profile", action="store_true", help="of --training: where the time goes, by operation")
    parser.add_argument("--repeats", type=positive, help="not of --agreement (7)")
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
        if arguments.batch_sizes or arguments.profile:
            word = "--batch-sizes" if arguments.batch_sizes else "--profile"
            raise ConfigError(f"{word} is of --training; add it, or leave this out")
    for name in settings:
        if name == "train.batch_size":
            raise ConfigError(f"--{name} cannot be used here: give --batch-sizes, of which each is measured")
        if name.startswith("data."):
            raise ConfigError(f"--{name} cannot be used here: images are made up; leave it out")
    if other and arguments.presets:
        word = "--halting" if arguments.halting else "--agreement"
        raise ConfigError(f"'{arguments.presets[0]}' cannot be used here: {word} measures what it names itself")
    if arguments.agreement and arguments.repeats:
        raise ConfigError("--agreement is no matter of time; leave out --repeats")
    repeats = arguments.repeats or 7
    if arguments.halting:
        judged = find_run(arguments.halting)
        data = load_data(judged.config(), arguments.data_root)
        check_data(str(judged.path), judged.config(), judged.summary(), data)
        result, show = bench_halting(judged, data.test, device, repeats), halting_table
    elif arguments.agreement:
        result, show = bench_agreement(arguments.agreement, device), agreement_table
    elif training:
        result = bench_training(
            arguments.presets or ["paper"],
            device,
            repeats,
            batch_sizes=arguments.batch_sizes or (128, 1024),
            settings=settings,
            profiled=arguments.profile,
        )
        show = training_table
    else:
        result = bench_savings(arguments.presets or ["paper", "tiny", "digits"], device, repeats)
    print(json.dumps(result) if arguments.json else show(result))
    return 0
