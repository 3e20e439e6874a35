"""`vitrm evaluate`: accuracy and halting per supervision step on held-out data, and the reports."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from vitrm.cli.arguments import add_data_root, add_device, no_settings, positive, seed
from vitrm.cli.inputs import find_device, load_data
from vitrm.config import GLIMPSE_POLICIES, Config, require_halting
from vitrm.config.data import ALIASES
from vitrm.config.limits import MOST_STEPS
from vitrm.config.mazes import KINDS, MazeSettings
from vitrm.config.words import option
from vitrm.errors import ConfigError, DataError, RunError
from vitrm.judge.sizes import COUNT, SIZES

_KEPT = ("by_difficulty", "mazes", "sizes", "domain", "mixture", "policies")  # with --save
_OWN_STEPS = ("mixture", "mazes", "sizes", "domain", "policies")  # reports that say themselves how many steps are run
_OF = {  # what is said of some reports alone
    "control": ("by_difficulty", "policies"),
    "seeds": ("policies",),
    "kinds": ("sizes",),
    "within": ("sizes",),
    "count": ("sizes",),
}
DOMAIN_HELP = "measure the warning about foreign images, on these data sets beside four that need no data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the data, and the reports to make."""
    parser.add_argument("name", help="a checkpoint or run folder")
    parser.add_argument("--data", help="other data than it was trained on")
    parser.add_argument("--split", default="test", choices=("val", "test"))
    parser.add_argument("--supervision-steps", type=positive, help="default: as trained")
    parser.add_argument("--seed", type=seed, default=0, help="of the glimpses")
    parser.add_argument("--halting", action="store_true", help="judge the learned halting (takes val and test)")
    parser.add_argument("--mixture", action="store_true", help="judge the soft mixture of an SR-ViT")
    parser.add_argument(
        "--policies",
        nargs="*",
        metavar="POLICY",
        help=f"compare who chooses the glimpses, of {', '.join(GLIMPSE_POLICIES)} (default: all; takes val and test)",
    )
    parser.add_argument("--seeds", nargs="+", type=seed, help="of --policies: draws (0 1 2)")
    parser.add_argument(
        "--by-difficulty", action="store_true", help="accuracy and exit step by how difficult an image is (mazes)"
    )
    parser.add_argument("--control", metavar="NAME", help="of --by-difficulty and --policies: another model")
    parser.add_argument(
        "--mazes",
        action="store_true",
        help="with more steps than it learned from in a row, on other mazes, and a probe of the memory",
    )
    parser.add_argument(
        "--sizes",
        nargs="*",
        type=positive,
        metavar="CELLS",
        help="mazes of so many cells along a side, other kinds too, and up to 96 steps (default: 7 9 11 13 15 21)",
    )
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), help="of --sizes: of mazes")
    parser.add_argument("--within", type=positive, metavar="CELLS", help="of --sizes: cells read no farther than that")
    parser.add_argument("--count", type=positive, help=f"of --sizes: mazes of each ({COUNT})")
    parser.add_argument("--domain", nargs="*", metavar="NAME=SOURCE", help=DOMAIN_HELP)
    parser.add_argument(
        "--save",
        action="store_true",
        help=f"keep what {', '.join(map(option, _KEPT))} find, for the app",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    add_device(parser)
    add_data_root(parser)


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the scores and the reports, or JSON."""
    from vitrm.judge.evaluation import evaluate
    from vitrm.judge.report import measured
    from vitrm.runs.checkpoints import find_run
    from vitrm.runs.same_data import check_data

    no_settings(settings, "evaluate takes no settings")
    _check(arguments)
    run = find_run(arguments.name)
    version = run.version
    config, model = run.config(), run.load_model(find_device(arguments))
    if arguments.halting:
        require_halting(config.model, arguments.supervision_steps)  # before the scores, which take a while
    if arguments.data:
        other = replace(config, data=replace(config.data, source=arguments.data, name="", train_images=0))
        config, model = _fitted(config, other, model)
    dataset = load_data(config, arguments.data_root)
    if dataset.classes != model.class_names:
        raise DataError(
            f"{dataset.source} has the classes {', '.join(dataset.classes)}, "
            f"but {run.name} was trained on {', '.join(model.class_names)}; give data with these classes, or "
            "train a model on that (vitrm train PRESET --data ...)"
        )
    if not arguments.data:
        check_data(str(run.path), config, run.summary(), dataset)
    scores = evaluate(
        model, model.transform, dataset.split(arguments.split), arguments.supervision_steps, seed=arguments.seed
    )
    result = {
        "accuracy": scores.accuracy,
        "halt_prob": scores.halt_prob,
        "halt_auroc": scores.halt_auroc,
        "data": config.data.title,
        "split": arguments.split,
        "n": scores.n,
        "policy": scores.policy,
        "seed": arguments.seed,
    }
    reports = [measured(kind, model, dataset, **how) for kind, how in _asked(arguments, config, model, dataset)]
    result |= {report.kind: report.numbers() for report in reports}
    if arguments.save and run.version != version:
        raise RunError(f"'{run.path}' has got other weights meanwhile, so nothing is kept; say it again")
    for report in reports:
        if arguments.save and report.kind != "halting":  # which `vitrm export` keeps
            run.keep(report)
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(f"{run.name} on {result['data']}, {arguments.split} split, n = {scores.n:,}, glimpse seed {arguments.seed}")
    print(f"policy: {scores.policy}")
    if scores.halt_prob:
        print("step  accuracy %  halting probability  AUROC of halting")
        for n, (accuracy, halt, area) in enumerate(
            zip(scores.accuracy, scores.halt_prob, scores.halt_auroc, strict=True), start=1
        ):
            print(f"{n:4}  {100 * accuracy:10.2f}  {halt:19.3f}  {'–' if area is None else f'{area:.3f}':>16}")
    else:
        print(f"accuracy: {100 * scores.accuracy[-1]:.2f} %")
    for report in reports:
        print(*report.lines(), sep="\n")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raises ConfigError for arguments that exclude each other, or that no report listens to which was asked for."""

    def wanted(*reports: str) -> list[str]:
        return [option(name) for name in reports if getattr(arguments, name) not in (None, False)]

    for name, reports in _OF.items():
        if getattr(arguments, name) is not None and not wanted(*reports):
            raise ConfigError(f"{option(name)} is of {' and '.join(map(option, reports))}; add it, or leave this out")
    if arguments.supervision_steps and (others := wanted(*_OWN_STEPS)):
        raise ConfigError(f"--supervision-steps cannot be used here: {others[0]} runs as many as it needs")
    if arguments.data and (others := wanted("mazes", "sizes")):
        raise ConfigError(
            f"--data cannot be used here: {others[0]} draws mazes like those of the training; leave it out"
        )
    if (arguments.supervision_steps or 0) > MOST_STEPS:
        raise ConfigError(f"--supervision-steps {arguments.supervision_steps}: expected 1 to {MOST_STEPS:,}")
    if not arguments.save:
        return
    if not wanted(*_KEPT):
        also = "; what --halting finds is kept by vitrm export --halting" if arguments.halting else ""
        raise ConfigError(f"--save keeps what {', '.join(map(option, _KEPT))} find, of which none is asked for{also}")
    if arguments.data:
        raise ConfigError("--save keeps with the run what it is worth on its own data; leave out --data, or --save")
    if arguments.mixture and arguments.split != "test":
        raise ConfigError("--mixture --save keeps what a model is worth on its test split; leave out --split")
    if arguments.within:
        raise ConfigError("--sizes --save keeps what a model makes of mazes as it is; leave out --within")


def _asked(arguments: argparse.Namespace, config: Config, model, dataset) -> Iterator[tuple[str, dict[str, Any]]]:
    """The reports that were asked for beside the scores: their kinds, and how to make them."""
    seed, steps = {"seed": arguments.seed}, {"supervision_steps": arguments.supervision_steps}
    if arguments.halting:
        yield "halting", seed | steps
    if arguments.mixture:
        yield "mixture", {"split": arguments.split}
    if arguments.by_difficulty:
        yield "difficulty", seed | steps | {"control": _control(arguments, model)}
    if arguments.mazes:
        yield "mazes", {}
    if arguments.sizes is not None:
        how = {"kinds": arguments.kinds or tuple(KINDS), "count": arguments.count or COUNT, "within": arguments.within}
        yield "sizes", how | {"sizes": arguments.sizes or SIZES}
    if arguments.domain is not None:
        yield "domain", seed | {"foreign": foreign_sets(arguments, dataset)}
    if arguments.policies is not None:
        yield (
            "glimpses",
            {
                "policies": arguments.policies or GLIMPSE_POLICIES,
                "seeds": arguments.seeds or (0, 1, 2),
                "training_seed": config.train.seed,
                "control": _glimpse_control(arguments),
            },
        )


def _fitted(trained: Config, config: Config, model):
    """For mazes of another size than it was trained on: the same weights for that size, where positions allow it."""
    from vitrm.families import resized

    known, asked = trained.data.mazes, config.data.mazes
    if known is None or asked is None or asked.size == known.size:
        return config, model
    model = resized(model, known.image_size(config.model.image_size, asked.size))
    return replace(config, model=model.config), model


def _control(arguments: argparse.Namespace, model):
    """The control of --by-difficulty with its name, for images of the model's size; None if none is named."""
    from vitrm.families import resized
    from vitrm.runs.checkpoints import find_run

    if not arguments.control:
        return None
    run = find_run(arguments.control)
    other = run.load_model(find_device(arguments))
    if other.config.image_size != model.config.image_size:
        other = resized(other, model.config.image_size)
    return run.name, other


def _glimpse_control(arguments: argparse.Namespace):
    """The control of --policies; None if none is named."""
    from vitrm.judge.at_once import Control
    from vitrm.runs.checkpoints import find_run

    if not arguments.control:
        return None
    run = find_run(arguments.control)
    return Control(run.name, run.load_model(find_device(arguments)), run.config().train.seed)


def foreign_sets(arguments: argparse.Namespace, dataset) -> dict[str, tuple[Any, Any]]:
    """The sets of foreign images that `--domain` names, made for the model's input."""
    from vitrm.data.sources import load_dataset
    from vitrm.judge.domain import fitted

    channels, size = dataset.val.images.shape[1:3]
    foreign = {}
    for text in arguments.domain:
        name, equals, source = text.partition("=")
        if not equals or ":" in name:  # what follows a colon is a path, or settings of mazes
            name = source = text
        own = {"digits": (8, 1), "fashion": (28, 1)}.get(ALIASES.get(source, source), (32, 3))
        if source.partition(":")[0] == "mazes":
            own = 4 * MazeSettings.parse(source).size, 3
        data = load_dataset(source, *own, root=arguments.data_root)
        foreign[name] = fitted(data.val, channels, size), fitted(data.test, channels, size)
    return foreign
