"""One maze on screen: which model, which maze, its answer and the model's, step by step."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import cache, events, inputs, reports, sections, state
from app.cache import Checkpoint
from app.figures import as_written, measured
from app.mazes import cache as maze_cache
from app.mazes import words
from app.mazes.board.board import maze_board
from app.mazes.cells import cell_maps
from app.mazes.maze import Maze, answer_words, longest_trained, offered_lengths, offered_sizes, unlike_training
from app.player.page import choices_in, keep
from app.player.player import player
from vitrm.config import Config
from vitrm.config.mazes import COLOURS, MazeSettings
from vitrm.errors import DataError, VitrmError
from vitrm.judge.mazes import check_size

_VERSION = "maze_version"  # another one whenever the page, not the learner, has set the maze
_GUESS, _ANSWER, _LENGTH = "maze_guess", "maze_answer", "maze_length"
_RARE, _SIZE = "maze_rare", "maze_size"
_TRAIN = (
    "`vitrm train mazes-small --name mazes-small`, then `vitrm train mazes-first --train.start mazes-small --name "
    "mazes-first`, then `vitrm train mazes --train.start mazes-first --name mazes`"
)


class Asked(NamedTuple):
    """The model that is asked about mazes."""

    checkpoint: Checkpoint
    config: Config
    mazes: MazeSettings  # of its training


def choose_model(place: DeltaGenerator) -> Asked | None:
    """Pick, in that place, one of the models that were trained on mazes; None, and how to have one, without any."""
    trained, wanted = maze_cache.models(), st.session_state[state.MAZE_MODEL]
    names = [name for name, config in trained.items() if config.model.recurrent]
    if wanted not in names:
        instead = f"showing “{names[0]}”" if names else "nor was any other model here"
        if wanted in trained:
            st.warning(f"“{wanted}” answers once, without steps that could be watched; {instead}.")
        elif wanted in cache.checkpoints():
            st.warning(f"“{wanted}” was not trained on mazes; {instead}.")
        elif wanted != state.DEFAULTS[state.MAZE_MODEL]:
            st.warning(f"There is no model “{as_written(wanted)}” here{f'; {instead}' if names else ''}.")
        if names:
            st.session_state[state.MAZE_MODEL] = names[0]
    if not names:
        st.info(
            "No model on this machine has been trained on mazes, so none can be asked. You can draw mazes and see them "
            f"solved. To train one, on the Train page or in a terminal: {_TRAIN}."
        )
        return None
    with place:
        name = inputs.select("Model", names, state.MAZE_MODEL)
    checkpoint = inputs.checkpoint(name)
    config = inputs.configuration(checkpoint)
    return Asked(checkpoint, config, config.data.mazes)


def choose_maze(asked: Asked | None) -> Maze:
    """The maze of the session or the link; another one, and why, if it cannot be used."""
    settings = _settings(asked)
    text = st.session_state[state.MAZE]
    if text:
        try:
            maze = Maze.read(text, settings.gems)
            if asked:
                check_size(asked.config.model, settings, maze.size)
        except DataError as error:
            st.warning(f"The maze “{as_written(text)}” cannot be read: {error}. Showing another one.")
        except VitrmError as error:
            st.warning(f"“{asked.checkpoint.name}” cannot be asked about this maze: {error}. Showing another one.")
        else:
            return maze
    try:
        slow = maze_cache.needs_longer(asked.checkpoint) if asked else None
        ready = [slow] if slow else list(maze_cache.ready(asked.checkpoint)) if asked else []
    except VitrmError as error:
        st.error(f"The mazes that are kept with “{asked.checkpoint.name}” cannot be shown: {error}")
        ready = []
    return _show((ready or maze_cache.pool(settings.source, (settings.shortest + settings.longest) // 2))[0])


def show_board(asked: Asked | None, maze: Maze) -> bool:
    """The board, and what there is to do with it; whether the answer is on show."""
    settings = _settings(asked)
    st.session_state.setdefault(_VERSION, 0)
    left, right = st.columns([1, 1.15], gap="large")
    with right:
        _choose_new(asked, settings, maze)
        st.segmented_control(
            "Which gem can be reached from S? Guess before you look",
            range(settings.gems),
            format_func=COLOURS.__getitem__,
            key=_GUESS,
            on_change=_look,
            disabled=maze.solution is None,
        )
        shown = st.toggle("Show the answer on the maze", key=_ANSWER, disabled=maze.solution is None)
        if maze.solution is None:
            why = f"{maze.trouble[0].upper()}{maze.trouble[1:]}."
            st.warning(why + (" The model may be asked all the same." * bool(asked)))
        elif shown:
            guess = st.session_state[_GUESS]
            judged = "" if guess is None else "**Right.** " if guess == maze.solution.label else "**No.** "
            st.markdown(judged + answer_words(maze.solution))
        else:
            st.markdown("The dots will show the shortest path.")
        if asked:
            st.button("Watch the model answer", icon=":material/play_circle:", type="primary", key="watch_answer",
                      on_click=sections.lead_to, args=("answer",))  # fmt: skip
    with left:
        maze_board(
            "maze_board",
            maze,
            version=st.session_state[_VERSION],
            gems=settings.gems,
            shown=shown,
            address=state.address(about=(state.MAZE_MODEL,)),
            on_maze=_draw,
        )
    return shown and maze.solution is not None


def _settings(asked: Asked | None) -> MazeSettings:
    return asked.mazes if asked else MazeSettings()


def _choose_new(asked: Asked | None, settings: MazeSettings, maze: Maze) -> None:
    """Another maze, by the length of its shortest path; in a larger grid, too, if the model can be given one."""
    sizes = offered_sizes(settings) if asked and asked.config.model.positions == "relative" else [settings.size]
    if st.session_state.get(_SIZE) not in sizes:
        st.session_state[_SIZE] = maze.size if maze.size in sizes else settings.size
    lengths = offered_lengths(settings, st.session_state[_SIZE])
    length = maze.solution.length if maze.solution else lengths[(len(lengths) - 1) // 2]
    if st.session_state.get(_LENGTH) not in lengths:  # as the maze on the board
        st.session_state[_LENGTH] = length if length in lengths else lengths[-1]

    trained, longest = {each.size for each in (settings, *settings.also)}, longest_trained(settings)

    def new() -> None:
        alike = replace(settings, size=st.session_state[_SIZE], also=())
        found = maze_cache.pool(alike.source, st.session_state[_LENGTH])
        if found:
            _show(random.choice(found))
        st.session_state[_RARE] = not found

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Shortest path of a new maze",
            lengths,
            format_func=lambda n: f"{n} step{'s' * (n > 1)}" + (", beyond training" * (n > longest)),
            key=_LENGTH,
            width=230,
        )
        if len(sizes) > 1:
            st.selectbox(
                "Its cells",
                sizes,
                format_func=lambda n: f"{n} × {n}" + (", beyond training" * (n not in trained)),
                key=_SIZE,
                width=200,
            )
        st.button("New maze", icon=":material/casino:", key="new_maze", on_click=new)
    if st.session_state.pop(_RARE, False):
        st.warning("A path that long is too rare in such a grid to be drawn by chance. Choose a shorter one.")


def _show(maze: Maze) -> Maze:
    """Put a maze on the board."""
    st.session_state[_VERSION] = st.session_state.get(_VERSION, 0) + 1
    _draw(maze.text)
    return maze


def _draw(text: str) -> None:
    """Take the text of the maze from the board: whatever the browser sent, read at the next rerun."""
    st.session_state.update({state.MAZE: text, _GUESS: None, _ANSWER: False})


def _look() -> None:
    guessed = st.session_state[_ANSWER] = st.session_state[_GUESS] is not None
    if guessed:
        events.happened("gem guessed")
        sections.show("answer")


def ask(asked: Asked, maze: Maze, seen: bool) -> None:
    """What the model makes of the maze, step by step; what tells the true answer, once that has been `seen`."""
    told = seen or maze.solution is None
    unlike = unlike_training(maze, asked.mazes)
    if unlike and told:  # it speaks of single gems
        st.caption(f"Unlike the mazes of its training: {'; '.join(unlike)}. Does what it has learned carry as far?")
    depth = inputs.choose_depth(asked.config.model.supervision_steps, state.DEPTHS)
    try:
        trace = maze_cache.trace(asked.checkpoint, maze, depth)
    except VitrmError as error:
        st.error(f"“{asked.checkpoint.name}” cannot be asked: {error}")
        return
    shown = replace(trace, label=maze.solution.label) if seen else trace
    report = reports.readable(asked.checkpoint, "mazes")
    probe = report.probe if report and maze.size == asked.mazes.size else None
    by_cell = cell_maps(
        shown,
        maze,
        tied=asked.config.model.positions == "relative",
        reachable=None if probe is None else probe.reachable(shown.memory),
        probe_words="" if probe is None else words.probe_words(probe),
    )
    chosen, panels = choices_in("maze_player", shown, predict=True), ("cells",) if told else ()
    if not told:
        st.caption("Guess first: what the memory holds of each cell is shown beside the true distances after that.")
    player(
        shown,
        key="maze_player",
        panels=panels,
        predict=True,
        chosen=chosen,
        cells=by_cell,
        name="maze",
        address=state.address(about=(state.MAZE_MODEL, state.DEPTH)),
    )
    summary = cache.facts(asked.checkpoint)[1]
    worth = measured(
        asked.checkpoint.name, asked.config, summary, f"images of {asked.config.data.title}, drawn anew every epoch"
    )
    caption = f"The maze on the board, {_origin(asked.checkpoint, maze)}. {worth}"
    st.caption(caption)
    keep(shown, asked.checkpoint, panels, caption, image="maze", cells=by_cell)


def _origin(checkpoint: Checkpoint, maze: Maze) -> str:
    """Where a maze is from, as the caption says it: one that was picked says less of a model than one that was not."""
    with contextlib.suppress(VitrmError):  # what is wrong with the files of a model is said where they are shown
        if maze in maze_cache.ready(checkpoint):
            return "of the test split"
        if maze == maze_cache.needs_longer(checkpoint):
            return "of no split, picked because this model needs more steps for it than its training had"
    return "of no split"
