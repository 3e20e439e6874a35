"""Mazes as a data set: drawn by seed, apart from each other, with what can be guessed without a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from vitrm.config.mazes import MazeSettings
from vitrm.data.dataset import TEST_SEED, Dataset, Preprocess, Split, check_shape, mean_std
from vitrm.data.maze_guess import LOCAL_GUESS, LocalGuess
from vitrm.data.mazes import Mazes, cell_size, cells_of, draw_mazes, keys, nearest_gem, render


def maze_dataset(
    settings: MazeSettings,
    source: str,
    shape: tuple[int, ...],
    val_fraction: float,
    split_seed: int,
    *,
    classes: tuple[str, ...] = (),
) -> Dataset:
    """Mazes that no two splits share, be it in other colours; each epoch draws new ones, apart from val and test.

    Further kinds in the same source are `others`, of the same `classes`, even where they have fewer gems; their images
    are as much larger or smaller as their grids.
    """
    check_shape(source, (3, *shape[1:]), shape)
    cell_size(settings.size, shape[1])  # before they are drawn, which takes a while

    classes = classes or settings.classes
    draw_these = partial(draw_mazes, settings, colours=len(classes))
    test = draw_these(settings.test, (TEST_SEED,))
    held_out = keys(test.cells)
    val = draw_these(max(1, round(settings.train * val_fraction)), (split_seed, 0), held_out)
    held_out = np.concatenate([held_out, keys(val.cells)])
    draw = partial(_maze_epoch, partial(draw_these, settings.train, without=held_out), shape[1], split_seed)
    train = draw(0)
    guesses = {
        "nearest gem": partial(_nearest_gem, settings.size),
        LOCAL_GUESS: partial(_local_guess, settings, train),
        "colours alone": _any_colour,
    }
    return Dataset(
        source=source,
        classes=classes,
        train=train,
        val=maze_split(val, shape[1]),
        test=maze_split(test, shape[1]),
        preprocess=Preprocess(shape[1], *mean_std(train.images)),
        difficulty="length of the shortest path, in steps",
        guesses=guesses if settings.gems == len(classes) else {},  # they take it that every colour is there
        draw=draw,
        others=tuple(
            maze_dataset(
                each,
                each.source,
                (3, *2 * (settings.image_size(shape[1], each.size),)),
                val_fraction,
                split_seed,
                classes=classes,
            )
            for each in settings.also
        ),
    )


def _maze_epoch(draw: Callable[..., Mazes], image_size: int, split_seed: int, epoch: int) -> Split:
    """The training mazes of one epoch, from 0."""
    return maze_split(draw(seed=(split_seed, 1 + epoch)), image_size)


def maze_split(mazes: Mazes, image_size: int) -> Split:
    """Mazes as images of image_size x image_size, with their answers and the lengths of their paths."""
    images = torch.from_numpy(render(mazes.cells, image_size))
    return Split(images, torch.from_numpy(mazes.labels), torch.from_numpy(mazes.lengths))


def _nearest_gem(size: int, split: Split) -> Tensor:
    """The guess by distance in a straight line."""
    return torch.from_numpy(nearest_gem(cells_of(split.images.cpu().numpy(), size)))


def _local_guess(settings: MazeSettings, train: Split, split: Split) -> Tensor:
    """The guess by local features, fitted to the training mazes of the first epoch."""
    known, asked = (cells_of(part.images.cpu().numpy(), settings.size) for part in (train, split))
    return torch.from_numpy(LocalGuess(known, train.labels.cpu().numpy(), settings.gems)(asked))


def _any_colour(split: Split) -> Tensor:
    """The guess by colours: all are there in every maze, so that none is better than another."""
    return torch.zeros_like(split.labels)
