"""What commands have in common on the command line: settings, counts, times, and where data and devices are."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from vitrm.config.settings import FOUND
from vitrm.config.words import SETTINGS, option, typed
from vitrm.errors import ConfigError
from vitrm.places import home


def split_settings(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The command line without its settings, and these: `--train.lr 1e-3` or `--train.lr=1e-3` as {"train.lr": "1e-3"}.

    They are taken out before argparse sees them, which would take their values for positional arguments. Raises
    ConfigError for a setting without a value.
    """
    words, others, settings = list(argv), [], {}
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or "." not in name:
            others.append(word)
            continue
        if not equals:
            if not words:
                raise ConfigError(f"'{word}' needs a value")
            value = words.pop(0)
        settings[name] = value
    return others, settings


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Every setting in its words, for the help; `split_settings` has taken out those that were given."""
    of_train, of_data, of_model, of_others = (
        parser.add_argument_group(
            title, "each beside its values in the paper and its authors' code; presets have others"
        )
        if about_paper
        else parser.add_argument_group(title)
        for title, about_paper in (
            ("settings of the training", True),
            ("settings of the data", True),
            ("settings of the model", True),
            ("settings of the other families: plain ViT, SR-ViT, ResNet", False),
        )
    )
    groups = {"train": of_train, "data": of_data, "model": of_model}
    for setting in SETTINGS.values():
        group = groups[setting.name.partition(".")[0]] if setting.of_vitrm else of_others
        words = f"{setting.label}. {setting.sentence} {setting.source}".strip().replace("%", "%%")
        group.add_argument(f"--{setting.name}", metavar=typed(setting.hint), default=argparse.SUPPRESS, help=words)


def no_settings(settings: dict[str, str], why: str) -> None:
    """Raises ConfigError if there are any."""
    if settings:
        raise ConfigError(f"--{next(iter(settings))} cannot be used here: {why}")


def check_source(data: str | None, settings: dict[str, str]) -> None:
    """Raises ConfigError where `--data` and a setting both say what is learned from, or one says what that decides."""
    source = settings.get("data.source")
    if data and source:
        raise ConfigError(f"--data {data} and --data.source {source} both say what is learned from; leave out one")
    for name in settings:
        if name in FOUND and name not in SETTINGS:
            raise ConfigError(f"--{name} cannot be used here: it is found when the data are read; leave it out")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Where it is computed, and with how many threads."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps or auto (default)")
    parser.add_argument("--threads", type=positive, default=min(os.cpu_count() or 1, 8), help="CPU threads")


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """Where data sets are kept."""
    parser.add_argument("--data-root", default=str(home() / "data"), help="where downloads go (default: %(default)s)")


def where_words(arguments: argparse.Namespace) -> list[str]:
    """The words by which another command has the same device, threads and place of data: where they are no defaults."""
    parser = argparse.ArgumentParser()
    add_device(parser)
    add_data_root(parser)
    words = []
    for name, default in vars(parser.parse_args([])).items():
        if (value := getattr(arguments, name)) != default:
            words += [option(name), str(value)]
    return words


def positive(text: str) -> int:
    """An argument that counts something."""
    if not text.isdecimal() or not 1 <= int(text) < 2**31:  # more overflows where torch and numpy count
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, 1 to 2,147,483,647")
    return int(text)


def port(text: str) -> int:
    """An argument that names a port of this machine."""
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, 1 to 65,535")
    return int(text)


def a_name(text: str) -> str:
    """An argument that names a folder to be made, in another that is listed: one that lies elsewhere, or is hidden, is
    never found.
    """
    if not text or text.startswith(".") or {"/", os.sep} & set(text):
        raise argparse.ArgumentTypeError(
            f"'{text}': expected a name without '{os.sep}' that begins with no '.'; --runs says in which folder"
        )
    return text


def seed(text: str) -> int:
    """An argument that randomness starts from, as far as `train.seed` goes."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, 0 to 2^63 - 1")
    return int(text)


def minutes(text: str) -> float:
    """An argument that is a time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of minutes, more than 0")
    return value
