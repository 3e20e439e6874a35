"""`vitrm export`: turn a finished run into a checkpoint folder."""

from __future__ import annotations

import argparse
from typing import Any

from vitrm.cli.arguments import add_data_root, no_settings, positive
from vitrm.cli.evaluate import DOMAIN_HELP, foreign_sets
from vitrm.cli.inputs import load_data
from vitrm.config import AnyModelConfig, require_halting, require_mixture, require_recursion
from vitrm.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the folder, and what to add."""
    parser.add_argument("name")
    parser.add_argument("folder", help="for instance checkpoints/my-model")
    parser.add_argument("--bf16", action="store_true", help="half the size")
    parser.add_argument("--data-name", default="", help="what to call the data on the card, if its source is a path")
    parser.add_argument(
        "--gallery", type=positive, default=0, metavar="N", help="add ready-made traces of N test images"
    )
    parser.add_argument(
        "--gallery-images",
        type=int,
        nargs="+",
        default=[],
        metavar="NUMBER",
        help="with --gallery: these test images, too",
    )
    parser.add_argument(
        "--halting", action="store_true", help="add the judgement of its halting (with --gallery: and pictures)"
    )
    parser.add_argument("--mixture", action="store_true", help="add the judgement of an SR-ViT's soft mixture")
    parser.add_argument("--domain", nargs="*", metavar="NAME=SOURCE", help=f"add it: {DOMAIN_HELP}")
    parser.add_argument("--onnx", action="store_true", help="add model.onnx: one supervision step, state in and out")
    parser.add_argument("--hugging-face", action="store_true", help="lay the folder out for the Hugging Face Hub")
    add_data_root(parser)


def _check(arguments: argparse.Namespace, model: AnyModelConfig) -> None:
    """Raises ConfigError, before there is a folder, for what cannot be added to the export of such a model."""
    from vitrm.runs.export import check_onnx

    if arguments.onnx:
        check_onnx(model)
    if arguments.halting:
        require_halting(model)
    if arguments.mixture:
        require_mixture(model, "a judgement of the mixture")
    if arguments.gallery_images and not arguments.gallery:
        raise ConfigError("--gallery-images is of --gallery; add it, or leave this out")
    if arguments.gallery and not model.mixes:
        require_recursion(model, "a gallery")


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Copy the run, and measure what is to be added."""
    from vitrm.judge.report import measured
    from vitrm.runs.checkpoints import find_run
    from vitrm.runs.export import ONNX, check_target, export, save_onnx
    from vitrm.runs.same_data import check_data
    from vitrm.traces.recording import gallery, mixture_gallery

    no_settings(settings, "export takes no settings")
    run = find_run(arguments.name)
    check_target(run, arguments.folder)
    _check(arguments, run.config().model)
    measures = arguments.gallery or arguments.halting or arguments.mixture or arguments.domain is not None
    if measures:
        dataset = load_data(run.config(), arguments.data_root)
        check_data(str(run.path), run.config(), run.summary(), dataset)
        if wrong := [number for number in arguments.gallery_images if not 0 <= number < len(dataset.test)]:
            raise ConfigError(f"--gallery-images {wrong[0]}: the test split has images 0 to {len(dataset.test) - 1:,}")
        foreign = None if arguments.domain is None else foreign_sets(arguments, dataset)
    made = export(run, arguments.folder, arguments.bf16, arguments.data_name, hub=arguments.hugging_face)
    if arguments.onnx:
        save_onnx(made.load_model(), made.path / ONNX)
    if measures:
        model = made.load_model()
        if arguments.gallery and model.config.mixes:
            made.save_mixtures(mixture_gallery(model, dataset.test, arguments.gallery))
        elif arguments.gallery:
            made.save_gallery(gallery(model, dataset.test, arguments.gallery, also=arguments.gallery_images))
        kinds: dict[str, dict[str, Any]] = {}
        if arguments.halting:
            kinds["halting"] = {"pictures": bool(arguments.gallery)}  # of images that may be passed on
        if arguments.mixture:
            kinds["mixture"] = {}
        if foreign is not None:
            kinds["domain"] = {"foreign": foreign}
        for kind, how in kinds.items():
            made.keep(measured(kind, model, dataset, **how))
    print(f"exported to {made.path}")
    return 0
