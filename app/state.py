"""Every session key and its default, in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import paper
from app.figures import as_written
from vitrm.config import GLIMPSE_POLICIES

CHECKPOINT = "checkpoint"  # name of the model on show
IMAGE = "image"  # "test-17": number 17 of the test split the model was trained with
SHOWN = "images_shown"  # for each data set, by its source, the image seen there; the last comes last
GLIMPSE_SEED = "glimpse_seed"
POSITION = "position"  # in the player, in moves made; None: where it starts by itself
VIEW = "view"  # layer.head.token.patch of the attention panel
EDIT = "edit"  # what the edits panel changes
THRESHOLD = "threshold"  # of the halting probability, 0..1; None: the checkpoint's own
PRESENT = "present"  # "1": for a room with a beamer, the player alone
PANELS = "panels"  # of the player, then: "look,answer,curves"; "": the usual ones
DEPTH = "depth"  # how many times the trained number of supervision steps is run
PART = "part"  # of the page about glimpses
POLICY = "policy"  # who chooses the glimpses
DECK = "deck"  # which images the game is played with, by number
MIXTURE_MODEL = "mixture_model"  # the SR-ViT on show
MIXTURE_VIEW = "mixture_view"  # stage.token.scale of its panel
RUN = "run"  # name of the training on show
SHOW = "show"  # which view of the trainings
PHOTO_MODEL = "photo_model"  # the models for the learner's own pictures
DRAWING_MODEL = "drawing_model"
MAZE = "maze"  # the learner's maze as text (app/mazes/maze.py); empty: one that is drawn for the model
MAZE_MODEL = "maze_model"
TRAY = "tray"  # these pictures themselves (app/uploads/tray.py)
COMPARED = "compared"  # which models are compared: key of a `Comparison`; "": the usual ones
ALONG = "along"  # what the accuracy of each step is drawn against
AGAINST = "against"  # and that of each model
PAPER, PAPER_DATA, PAPER_BATCH = "paper", "paper_data", "paper_batch"  # which of the paper's results are on show
LEFT, RIGHT = "left", "right"  # the two models that are given the same image
MODELS = (CHECKPOINT, MIXTURE_MODEL, MAZE_MODEL, PHOTO_MODEL, DRAWING_MODEL, LEFT, RIGHT)  # which hold a model's name
OPEN = "open"  # names of the sections that are open, with commas between them (app/sections.py)
CODE = "code"  # of the class that somebody joins
LESSON = "lesson"  # key of the one whose book is open (app/lessons); "": none
PRINT = "print"  # which sheet is on show, ready for the printer (app/sheets); "": none
PAGE = "page"  # the one on show

DEFAULTS = {
    CHECKPOINT: "digits-glimpse",
    IMAGE: "test-9",
    SHOWN: {},
    GLIMPSE_SEED: 0,
    POSITION: None,
    VIEW: "",
    EDIT: "",
    THRESHOLD: None,
    PRESENT: "",
    PANELS: "",
    DEPTH: 1,
    PART: "watch",
    POLICY: "random",
    DECK: 0,
    MIXTURE_MODEL: "sr-vit-digits",
    MIXTURE_VIEW: "",
    PHOTO_MODEL: "photo",
    DRAWING_MODEL: "digits-glimpse",
    COMPARED: "",
    ALONG: "step",
    AGAINST: "parameters",
    PAPER: "parameters",
    PAPER_DATA: "CIFAR-10",
    PAPER_BATCH: 128,
    LEFT: "digits-glimpse",
    RIGHT: "digits",
    MAZE: "",
    MAZE_MODEL: "mazes",
    OPEN: "",
    CODE: "",
    LESSON: "",
    PRINT: "",
}
# What the pages open on for whoever brings no link; a link that leaves something out means the defaults, and says at
# least which model it is about. Chosen by eye from scripts/rank_changes.py; the image has to be in the checkpoint's
# gallery.
LANDING = {
    CHECKPOINT: "fashion-glimpse",
    IMAGE: "test-5532",  # a shirt, until its neck and sleeves are seen
    SHOWN: {"fashion": "test-5532"},  # whose number it is: of other images it means nothing
    LEFT: "fashion-glimpse",
    RIGHT: "fashion",
}
DEPTHS = (1, 2, 4, 8, 16)  # times the trained steps; the last two on Mazes alone
PARTS = ("watch", "draws", "choose", "guess", "policies")
ALONGS = ("step", "layers", "multiply_adds")
AGAINSTS = ("parameters", "multiply_adds", "layers")
PAPERS = ("parameters", "batch-size", "ablation")
COMPARE = (COMPARED, ALONG, AGAINST, PAPER, PAPER_DATA, PAPER_BATCH, LEFT, RIGHT)  # in a link of the page that compares


def _small_int(text: str) -> int:
    number = int(text)
    if abs(number) > 10**9:  # torch takes seeds of 64 bits, JavaScript counts to 2**53
        raise ValueError(f"{text} is too large")
    return number


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(f"{text} is not within 0..1")
    return share


def _depth(text: str) -> int:
    if int(text) not in DEPTHS:
        raise ValueError(f"{text} is none of {DEPTHS}")
    return int(text)


def _one_of(choices: Sequence[Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        found = [choice for choice in choices if str(choice) == text]
        if not found:
            raise ValueError(f"{text} is none of {choices}")
        return found[0]

    return read


_READ = "link_read"  # whether what no page knows has been said
IN_URL = {
    CHECKPOINT: str,
    IMAGE: str,
    GLIMPSE_SEED: _small_int,
    POSITION: _small_int,
    VIEW: str,
    EDIT: str,
    THRESHOLD: _share,
    PRESENT: _one_of(("", "1")),
    PANELS: str,
    DEPTH: _depth,
    PART: _one_of(PARTS),
    POLICY: _one_of(GLIMPSE_POLICIES),
    DECK: _small_int,
    COMPARED: str,
    ALONG: _one_of(ALONGS),
    AGAINST: _one_of(AGAINSTS),
    PAPER: _one_of(PAPERS),
    PAPER_DATA: _one_of(tuple(paper.TABLES)),
    PAPER_BATCH: _one_of(paper.BATCH_SIZES),
    LEFT: str,
    RIGHT: str,
    MAZE: str,
    MAZE_MODEL: str,
    MIXTURE_MODEL: str,
    MIXTURE_VIEW: str,
    OPEN: str,
    CODE: str,
    LESSON: str,
    PRINT: _one_of(("", "worksheet", "solutions", "test")),
}  # what a link carries, and how it is read


def start(**defaults: object) -> None:
    """Give every key its value: what the session has, else what the link says, else the default."""
    for key, default in (DEFAULTS | defaults).items():
        if key not in st.session_state:
            st.session_state[key] = _from_url(key, default)
    if _READ not in st.session_state:
        st.session_state[_READ] = True
        if unknown := [name for name in st.query_params if name not in (*IN_URL, RUN, SHOW)]:
            st.warning(f"The link names {', '.join(map(as_written, unknown))}, which no page here knows; left out.")


def land() -> None:
    """Begin with `LANDING`, where neither the session nor the link says anything; before `start`."""
    if CHECKPOINT not in st.session_state and not any(key in st.query_params for key in IN_URL):
        st.session_state.update(LANDING)


def enter(page: str) -> None:
    """Note which page is on show: the open sections of another one are forgotten, and what was to be printed."""
    if st.session_state.get(PAGE) != page:
        st.session_state[PAGE] = page
        for key in (OPEN, PRINT):
            st.session_state.pop(key, None)


_TRACE = (CHECKPOINT, IMAGE, GLIMPSE_SEED)


def address(*more: str, about: tuple[str, ...] = _TRACE) -> dict[str, str | None]:
    """What the address says about the trace on show, open sections, the lesson and the keys `more`; None for a default.

    The model is said even so: whoever brings an address that says nothing is shown `LANDING`. `about` are the keys that
    say which trace it is, on a page whose trace is not a ViTRM's.

    The player writes it, with its own position, view, edit and threshold: writing `st.query_params` would add an entry
    to the browser's history at every move, and each of them would have to be gone back through.
    """
    return {
        key: str(st.session_state[key]) if key == CHECKPOINT or st.session_state[key] != DEFAULTS[key] else None
        for key in (*about, *more, OPEN, LESSON)
    }


def to_url(*more: str, about: tuple[str, ...] = _TRACE) -> None:
    """Write the address of a page on which nothing else does it, the keys `more` included.

    Whatever can be moved on a page writes the address itself, in the browser (see `address`).
    """
    others = {key: st.query_params.get_all(key) for key in st.query_params if key not in IN_URL}
    wanted = {
        key: [value] for key, value in address(*more, PRESENT, PANELS, about=about).items() if value is not None
    } | others
    if wanted != {key: st.query_params.get_all(key) for key in st.query_params}:  # each write is a message
        st.query_params.from_dict(wanted)


def _from_url(key: str, default: object) -> object:
    if key not in IN_URL or key not in st.query_params:
        return default
    try:
        return IN_URL[key](st.query_params[key])
    except ValueError:
        st.warning(
            f"The link says {key}={as_written(st.query_params[key])}, which cannot be read. "
            "Showing the usual one instead."
        )
        return default
