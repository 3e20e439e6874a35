"""A new training: preset, data, settings in their own words, how long it would take here."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import events, visitors
from app.training import cache, own_pictures, settings
from app.training import figures as training_figures
from app.training.choices import STARTED
from vitrm.config import PRESETS, SETTINGS, Config, Setting
from vitrm.config.words import in_words, named, shown, value
from vitrm.errors import VitrmError
from vitrm.places import home
from vitrm.runs.state import State
from vitrm.training.commands import train_command

SETTINGS_OPEN = "own_settings_open"  # whether the form of all settings is seen
_SOURCES = {"digits": "digits", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "fashion": "Fashion-MNIST"}
_UPLOAD = "my own pictures (a ZIP file) …"


def new_training() -> None:
    """Preset and data, start, how long it would take here; then every setting, and the command that does the same."""
    trainings = cache.trainings()
    offered = settings.EXPECTATIONS | settings.COMPARISONS
    name = st.pills("Preset", list(offered), default="digits", required=True, key="train_preset")
    st.markdown(offered[name])
    source = _choose_data(name)
    base = PRESETS[name].with_fields({"train.precision": "auto", "train.compile": "auto"})  # the fastest here
    device, chosen = _choose_device()
    start, places = st.container(), {}  # above the settings, so that nothing said there moves the button
    kept = st.session_state.setdefault("own_settings", {})  # by preset: the fields are made only where they are seen
    box = st.expander("Own settings", icon=":material/tune:", key=SETTINGS_OPEN, on_change="rerun")
    if box.open:
        with box:
            kept[name] = _own_settings(name, base, kept.get(name, {}), places)
    changes = kept.get(name, {}) | chosen
    config, why, at = None, None, None
    try:
        if source is not None:
            fitting = own_pictures.fitting(source)
            config = base.with_fields({"data.source": source} | fitting | changes)
            trainings.check(config, visitors.visitor())
    except VitrmError as error:
        why = in_words(str(error))
        at = _beside(str(error), changes, places)
        if at is not None:
            places[at].error(why)
    with start:
        _start(config if why is None else None, device)
        if why is not None:  # below the button, which stays where it is
            st.error(f"In “Own settings”: {why}" if at else why)
    if config is not None and why is None:
        st.caption("The same from a terminal, on this machine; it shows up here too:")
        st.code(train_command(config), language="sh")


def _beside(message: str, changes: dict[str, Any], places: dict[str, DeltaGenerator]) -> str | None:
    """The setting beside which a message belongs: of those that it names, one that was changed; None where none is."""
    there = [name for name in named(message) if name in places]
    return next((name for name in there if name in changes), there[0] if there else None)


def _start(config: Config | None, device: str) -> None:
    """The button, where it always is, and what pressing it leads to. Without a configuration it waits for one."""
    trainings = cache.trainings()
    same = trainings.same(config) if config is not None else None
    known = trainings.estimates.known(config, device) if config is not None else None
    # No callback: it would start what was on show before, if somebody chooses and presses start in one go.
    if st.button(
        "Join that training" if same else "Start training", type="primary", icon=":material/play_arrow:",
        key="start_training", disabled=config is None or bool(known and "error" in known),
    ):  # fmt: skip
        try:
            st.session_state[STARTED] = trainings.train(config, visitors.visitor(), device=device)
        except (VitrmError, OSError) as error:
            st.error(in_words(str(error)))
        else:
            events.happened("training started", name=st.session_state[STARTED])
            st.rerun()
    if config is None:
        return
    if same:
        st.info(f"“{same}” trains exactly this already: starting means joining it.")
    st.fragment(_estimate, run_every=None if known else 1.0)(config, device)


def _choose_data(preset: str) -> str | None:
    usual = PRESETS[preset].data.source
    if not usual.startswith("folder:"):
        if preset.startswith("digits"):
            return "digits"
        choices = [usual, *(name for name in _here() if name != usual)]
        return st.selectbox("Data", choices, format_func=lambda each: _SOURCES.get(each, each), key=f"data_{preset}")
    own = "another folder …"
    choices = [*_here(), _UPLOAD, *([own] if visitors.is_teacher() else [])]
    picked = st.selectbox("Data", choices, key="data_photos", help="Folders and parquet sets in data/ on the machine "
                          "that runs the server, or pictures of your own")  # fmt: skip
    if picked == _UPLOAD:
        return own_pictures.choose()
    if picked != own:
        return picked
    path = st.text_input("Folder on this machine", placeholder="/home/me/photos", key="data_path",
                         help="CLASS/image.jpg, train/CLASS and test/CLASS, or train*.parquet")  # fmt: skip
    if not path:
        return None
    try:
        return _source(Path(path).expanduser()) or f"folder:{path}"
    except (OSError, RuntimeError) as error:  # not to be read; no such user as in ~name
        st.error(f"“{path}” cannot be looked into ({error}); choose another folder.")
        return None


def _here() -> list[str]:
    """The image folders and parquet sets in data/."""
    folders = sorted(file for file in (home() / "data").glob("[!.]*") if file.is_dir())
    return [source for folder in folders if (source := _source(folder))]


def _source(folder: Path) -> str | None:
    return _walked(folder, folder.stat().st_mtime_ns) if folder.is_dir() else None


@st.cache_data(max_entries=256, ttl=60, show_spinner=False)
def _walked(folder: Path, changed: int) -> str | None:
    """What a folder is, last `changed` then: of one with many images to see that no file is a parquet takes long."""
    if any(folder.glob("**/train*.parquet")):
        return f"parquet:{folder}"
    classes = [file for file in folder.iterdir() if file.is_dir() and not file.name.startswith(".")]
    return f"folder:{folder}" if len(classes) >= 2 else None


def _choose_device() -> tuple[str, dict[str, Any]]:
    gpu = cache.gpu()
    if gpu is None:
        return "cpu", {}
    with st.container(horizontal=True, vertical_alignment="center"):
        use = st.toggle(f"Use the GPU ({gpu})", value=True, key="use_gpu")
        if not use:
            return "cpu", {}
        half = st.toggle("bf16", value=True, key="use_bf16", help=SETTINGS["train.precision"].sentence)
        compiled = st.toggle("compile", key="use_compile", help=SETTINGS["train.compile"].sentence)
    return "cuda", {"train.precision": "bf16" if half else "fp32", "train.compile": compiled}


def _own_settings(preset: str, base: Config, kept: dict[str, Any], places: dict[str, DeltaGenerator]) -> dict[str, Any]:
    """The form: every setting with its sentence and what was published for it; returns what differs from `base`.

    `kept` differed when the form was last open. `places` is given a place under each field, by the setting's name, for
    what is wrong with it.
    """
    changes: dict[str, Any] = {}
    groups = settings.groups(base)
    for tab, names in zip(st.tabs(list(groups)), groups.values(), strict=True):
        with tab:
            for k, name in enumerate(names):
                if k % 2 == 0:
                    columns = st.columns(2)  # a row for two, so that a telephone keeps their order
                with columns[k % 2]:
                    usual, setting = value(base, name), SETTINGS[name]
                    chosen = _widget(setting, usual, kept.get(name, usual), f"{preset}:{name}")
                    places[name] = st.empty()
                    st.caption(f"{setting.sentence} {setting.source}" if base.model.recurrent else setting.sentence)
                    if chosen != usual:
                        changes[name] = chosen
    return changes


def _widget(setting: Setting, usual: Any, now: Any, key: str) -> Any:
    hint, label = setting.hint, setting.label
    optional = typing.get_origin(hint) is types.UnionType
    kind = typing.get_args(hint)[0] if optional else hint
    if kind is bool:
        return st.toggle(label, value=now, key=key)
    if typing.get_origin(kind) is Literal:
        options = list(typing.get_args(kind))
        return st.selectbox(label, options, index=options.index(now), format_func=shown, key=key)
    if kind in (int, float) and setting.name not in ("train.lr", "train.min_lr"):
        step = 1 if kind is int else 0.01
        value = now if now is None else kind(now)
        return st.number_input(label, value=value, step=step, key=key, format=None if kind is int else "%g")
    typed = now if isinstance(now, str) else shown(now)  # 3e-4 and 0.9, 0.999 are typed as they are
    text = st.text_input(label, value=typed, key=key)
    return usual if text.strip() == shown(usual) else text.replace(" ", "")


def _estimate(config: Config, device: str) -> None:
    trainings = cache.trainings()
    result = trainings.estimates.known(config, device)
    if result is None:
        busy = any(training.state is State.RUNNING for training in trainings.known.values())
        key = f"measure {device} {config.fingerprint()}"
        if busy and not st.session_state.get(key):
            st.session_state[key] = st.button(
                "Estimate the time", icon=":material/timer:", key="estimate",
                help="Trains a few batches beside the training that is going on, and slows it down meanwhile",
            )  # fmt: skip
            if not st.session_state[key]:
                return
        trainings.estimates.get(config, device, visitors.number())
        st.caption(":material/timer: Measuring a few batches on this machine …")
        return
    if st.session_state.get("estimate_shown") != (config.fingerprint(), device):
        st.session_state["estimate_shown"] = (config.fingerprint(), device)
        st.rerun()  # to stop asking, and to let start know
    if "error" in result:
        st.error(result["error"])
        return
    st.markdown(
        f":material/timer: About **{training_figures.duration(result['seconds'])}** on this machine as it is now "
        f"({result['device']}): {result['epochs']:,} epochs of {result['train_images']:,} training images at "
        f"{result['images_per_s']:,.0f} a second, {result['parameters']:,} parameters; measured on a few batches"
        + (f", in {result['processes']} processes that train together." if result["processes"] > 1 else ".")
    )
