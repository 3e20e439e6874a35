"""The run folder: the only contract between training, the command line and the app. Only this module knows its files.

    config.json        the whole configuration, before the first step
    started.json       the command, commit, versions and hardware it was started with
    status.json        how it is (see Run.state), with the cause if it failed; can be written even on a full disk
    lock               held by the process that trains into the folder, for as long as it lives
    control.json       what that process is asked to do: go on, pause, make one update, stop
    metrics.jsonl      one event a line, appended and flushed
    model.safetensors  the averaged weights of the best epoch on validation, replaced atomically
    latest.safetensors the averaged weights as they stand, of the last epoch or at a pause
    snapshots/         traces of a few validation images after each epoch (thinned out in long runs)
    state.pt           everything needed to continue exactly, replaced atomically
    summary.json       last: its presence means the run is complete
    README.md          the model card, written with the summary

    gallery.npz        traces of a few test images, ready to be shown (only where the images may be passed on)
    mixtures.npz       the same for an SR-ViT: its mixture
    halting.json, glimpses.json, mixture.json, difficulty.json, domain.json, sizes.json, mazes.npz
                       the reports that have been made of it, see vitrm/judge/report.py; halting.json with small
                       pictures of test images only where these may be passed on, and in a run folder of one's own

    job.json           who asked for it and how it is started, where the app started it; before config.json
    output.txt         what the process started by the app printed

A folder in `checkpoints/` is a run folder without what only training needs.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrm.config import Config
from vitrm.errors import RunError
from vitrm.judge.report import Report, decode, encode, report_type
from vitrm.locks import Lock
from vitrm.runs.card import model_card
from vitrm.runs.files import (
    changed_at,
    clear_unfinished,
    is_unfinished,
    read_config,
    read_json,
    read_lines,
    replace,
    replace_bytes,
    replace_text,
)
from vitrm.runs.fitting import check_fit
from vitrm.runs.state import Failure, State, state_of
from vitrm.runs.status import read_control, read_status, write_control, write_status
from vitrm.runs.strays import regular_files, size_of
from vitrm.runs.summary import Summary, read_origin, read_summary
from vitrm.runs.weights import fingerprint, load_weights, packed
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import Trace, load_traces, save_traces

if TYPE_CHECKING:  # torch takes seconds to import, and whoever only reads JSON should not wait for it
    import torch

    from vitrm.model import ViTRM
    from vitrm.nets.base import OneStep

CONFIG, STARTED, STATUS, METRICS, WEIGHTS, STATE, SUMMARY, CARD, GALLERY, MIXTURES = (
    "config.json", "started.json", "status.json", "metrics.jsonl", "model.safetensors", "state.pt", "summary.json",
    "README.md", "gallery.npz", "mixtures.npz",
)  # fmt: skip
LOCK, CONTROL, LATEST, SNAPSHOTS, JOB, OUTPUT = (
    "lock", "control.json", "latest.safetensors", "snapshots", "job.json", "output.txt",
)  # fmt: skip
SNAPSHOT_MB, SNAPSHOT_COUNT = 64, 200  # of one run: beyond either, every other one goes
ORDERS = ("go", "pause", "step", "stop", "stop at once")


class Run:
    """A run folder on disk. See checkpoints.py for how to get one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock(path / LOCK)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_complete(self) -> bool:
        """Whether the run has come to its end."""
        return (self.path / SUMMARY).is_file()

    @property
    def version(self) -> str:
        """Another one whenever the weights have been replaced."""
        return str(changed_at(self.path / WEIGHTS) or "")

    @property
    def begun(self) -> int | None:
        """When its configuration was written, in ns; None before that."""
        return changed_at(self.path / CONFIG)

    @property
    def has_config(self) -> bool:
        """Whether its training got as far as having a configuration."""
        return (self.path / CONFIG).is_file()

    @property
    def has_weights(self) -> bool:
        """Whether an epoch has ended, so that there are weights to test."""
        return (self.path / WEIGHTS).is_file()

    def to_share(self) -> list[Path]:
        """The files that are worth passing on: all but those that only training needs, or the app."""
        private = {STATE, LOCK, CONTROL, JOB, OUTPUT}
        files = sorted(regular_files(self.path))
        return [file for file in files if file.name not in private and not is_unfinished(file)]

    @property
    def resumable(self) -> bool:
        """Whether a state was saved to continue from."""
        return (self.path / STATE).exists()

    def config(self) -> Config:
        """Raises RunError if config.json is absent or cannot be read."""
        return read_config(self.path / CONFIG)

    def summary(self) -> Summary | None:
        """None while the run is not complete. Raises RunError if it is damaged, or does not fit the configuration."""
        return read_summary(self.path / SUMMARY, self.config()) if self.is_complete else None

    def status(self) -> dict[str, Any]:
        """`{"status": State, "cause": ..., "failure": Failure, "pid": ...}`; all None for a bundled checkpoint.

        The failure is also None in folders that were written before there was any. Raises RunError if it is damaged.
        """
        return read_status(self.path / STATUS)

    @property
    def is_running(self) -> bool:
        """Whether a process is training into this folder now: it holds the lock, which nobody can leave behind."""
        return self._lock.is_held

    def acquire(self, patience_s: float = 1.0) -> None:
        """Become the one process that trains into this folder, until `release` or the end of the process.

        Raises RunError if another one is, and stays it for so many seconds.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._lock.take(patience_s):
            raise RunError(f"'{self.path}' is being trained by process {self.status()['pid']}; stop that one first")
        clear_unfinished(self.path)
        job = self.job()
        if job is not None:  # from here on the status says how it is
            self.save_job(job | {"state": "begun"})

    def release(self) -> None:
        """Let others train into this folder."""
        self._lock.release()

    @property
    def state(self) -> State | None:
        """How it is; None for what was never trained here (a bundled checkpoint). Raises RunError if it is damaged."""
        if self.is_complete:
            return State.FINISHED
        said, asked = self.status()["status"], (self.job() or {}).get("state")
        if self.is_running:
            return state_of(said or State.STARTING, self.path / STATUS)
        if asked in (State.WAITING, State.STARTING):
            return State(asked)
        if said is None:
            return None if asked is None else State.FAILED if asked == State.FAILED else State.INTERRUPTED
        state = state_of(said, self.path / STATUS)
        return State.INTERRUPTED if state.is_alive else state

    def control(self) -> dict[str, Any]:
        """`{"wanted": "go" | "pause" | "stop" | "stop at once", "steps": single updates asked for so far}`."""
        return read_control(self.path / CONTROL)

    def ask(self, order: str) -> None:
        """Ask the process that trains into this folder for one of `ORDERS`; it looks every tenth of a second."""
        if order not in ORDERS:
            raise RunError(f"'{order}' cannot be asked of a training; expected one of: {', '.join(ORDERS)}")
        write_control(self.path / CONTROL, self.control(), order)

    def forget_orders(self) -> None:
        """Remove what was asked of an earlier process."""
        (self.path / CONTROL).unlink(missing_ok=True)

    def job(self) -> dict[str, Any] | None:
        """What `save_job` wrote; None where the app did not start it."""
        return read_json(self.path / JOB)

    def save_job(self, job: dict[str, Any]) -> None:
        """Replace job.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        replace_text(self.path / JOB, json.dumps(job))

    @property
    def output(self) -> Path:
        """The file with what its process prints, where the app started it."""
        return self.path / OUTPUT

    @property
    def metrics_file(self) -> Path:
        """For whoever reads on from where they were; `metrics` reads all of it."""
        return self.path / METRICS

    @property
    def metrics_size(self) -> int:
        """Bytes of metrics.jsonl: it grows with every event."""
        try:
            return self.metrics_file.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def bytes(self) -> int:
        """What the folder takes on the disk."""
        return size_of(self.path)

    def metrics(self) -> list[dict[str, Any]]:
        """All events so far, each with its class name under "event"; see `vitrm.training.events.event_of`.

        A half-written last line is left out, and so is whatever holds no named values.
        """
        return read_lines(self.path / METRICS)

    def set_status(self, status: State, cause: str | None = None, failure: Failure | None = None) -> None:
        """Replace status.json, even on a full disk."""
        write_status(self.path / STATUS, status, cause, failure)

    def record(self, event: Any) -> None:
        """Append one event (a dataclass) to metrics.jsonl."""
        line = json.dumps({"event": type(event).__name__} | dataclasses.asdict(event))
        with open(self.path / METRICS, "a", encoding="utf-8") as out:
            out.write(line + "\n")

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace state.pt. The number of recorded events goes with it, so that resuming drops later ones."""
        import torch

        events = len(self.metrics())
        replace(self.path / STATE, lambda file: torch.save(state | {"events": events}, file))

    def load_state(self) -> dict[str, Any]:
        """The last saved state; events recorded after it are dropped. Raises RunError if there is none to read."""
        import torch

        file = self.path / STATE
        if not self.resumable:
            raise RunError(f"'{self.path}' has no {STATE}: nothing was saved before it ended; {self._begin_again()}")
        try:
            state = torch.load(file, weights_only=True, map_location="cpu")
            events = self.metrics()[: state.pop("events")]
        except MemoryError:
            raise
        except Exception as error:  # torch's own text advises to load it unsafely, or is empty
            reason = "it is empty" if file.stat().st_size == 0 else f"no saved state: {type(error).__name__}"
            raise RunError(f"'{file}' is damaged ({reason}); {self._begin_again()}") from None
        replace_text(self.path / METRICS, "\n".join(json.dumps(event) for event in events))
        return state

    def _begin_again(self) -> str:
        """How to train it from the beginning, as the end of a sentence."""
        return f"remove the folder and give its command again: {read_origin(self.path / STARTED)['command']}"

    def save_weights(self, model: ViTRM | OneStep) -> None:
        """Replace model.safetensors."""
        replace_bytes(self.path / WEIGHTS, packed(model))

    def save_latest(self, model: ViTRM | OneStep) -> None:
        """Replace latest.safetensors."""
        replace_bytes(self.path / LATEST, packed(model))

    @property
    def latest_at(self) -> int | None:
        """When latest.safetensors was written, in ns; None before that."""
        return changed_at(self.path / LATEST)

    def save_snapshot(self, epoch: int, traces: dict[str, Trace]) -> None:
        """Keep traces of the watched images after an epoch (0: before training), within the bounds of a run."""
        folder = self.path / SNAPSHOTS
        folder.mkdir(exist_ok=True)
        replace(folder / f"epoch-{epoch:05}.npz", lambda file: save_traces(file, traces))
        kept = self.snapshots()
        size = sum((folder / f"epoch-{number:05}.npz").stat().st_size for number in kept)
        if len(kept) > SNAPSHOT_COUNT or (size > SNAPSHOT_MB * 2**20 and len(kept) > 3):
            for number in kept[1:-1:2]:  # the first and the last stay
                (folder / f"epoch-{number:05}.npz").unlink()

    @property
    def has_snapshots(self) -> bool:
        return (self.path / SNAPSHOTS).is_dir()

    def snapshots(self) -> list[int]:
        """The epochs that a snapshot is kept of, ascending."""
        return sorted(int(file.stem.removeprefix("epoch-")) for file in (self.path / SNAPSHOTS).glob("epoch-*.npz"))

    def snapshot(self, epoch: int) -> dict[str, Trace]:
        """The traces of `save_snapshot` by image name ("val-17"). Raises what `gallery` does, TraceError if
        they are absent.
        """
        return self._ready_made(f"{SNAPSHOTS}/epoch-{epoch:05}.npz", Trace, "val")

    @property
    def has_ready_made(self) -> bool:
        """Whether there are traces of some test images, be it of `gallery` or of `mixtures`."""
        return any((self.path / name).is_file() for name in (GALLERY, MIXTURES))

    def gallery(self) -> dict[str, Trace]:
        """Ready-made traces by image name ("test-17": number 17 of the test split); empty where there are none.

        Raises TraceError if the file is damaged, RunError if its traces cannot be of the model.
        """
        return self._ready_made(GALLERY, Trace)

    def mixtures(self) -> dict[str, MixtureTrace]:
        """`gallery` of an SR-ViT."""
        return self._ready_made(MIXTURES, MixtureTrace)

    def _ready_made(self, name: str, kind: type, split: str = "test") -> dict[str, Any]:
        file = self.path / name
        traces = load_traces(file, kind) if file.exists() or split == "val" else {}
        check_fit(file, traces, self.config().model, split)
        return traces

    def report(self, kind: str) -> Report | None:
        """The stored report of a kind (see `vitrm.judge.report.KINDS`); None where none has been made of these weights.

        One in the format of another version is none. Raises RunError, saying which field of which file is at fault, if
        it is damaged or odd.
        """
        made = report_type(kind)
        file = self.path / made.file
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(f"'{file}' cannot be read ({error.strerror})") from None
        try:
            return decode(made, content, fingerprint(self.path / WEIGHTS), self.config())
        except RunError as error:
            raise RunError(f"'{file}': {error}; have the report made anew") from None

    def report_version(self, kind: str) -> int | None:
        """Another one whenever that report has been replaced; None where there is none."""
        return changed_at(self.path / report_type(kind).file)

    def keep(self, report: Report) -> None:
        """Replace the stored report of its kind. Raises OSError if it cannot be written."""
        replace_bytes(self.path / report.file, encode(report, fingerprint(self.path / WEIGHTS)))

    def save_gallery(self, traces: dict[str, Trace]) -> None:
        """Replace gallery.npz."""
        replace(self.path / GALLERY, lambda file: save_traces(file, traces))

    def save_mixtures(self, traces: dict[str, MixtureTrace]) -> None:
        """Replace mixtures.npz."""
        replace(self.path / MIXTURES, lambda file: save_traces(file, traces))

    def finish(self, summary: Summary) -> None:
        """Write the model card and, last of all, summary.json: `summary` with the origin of the run added."""
        summary = dataclasses.replace(summary, **read_origin(self.path / STARTED))
        replace_text(self.path / CARD, model_card(self.name, self.config(), summary))
        replace_text(self.path / SUMMARY, summary.text())
        self.set_status(State.FINISHED)

    def load_model(self, device: torch.device | str = "cpu", *, latest: bool = False) -> ViTRM | OneStep:
        """The trained model in evaluation mode, with `.class_names` and `.transform`; best weights, or the latest.

        Raises RunError if weights and configuration are damaged or do not match, see `load_weights`.
        """
        config, file = self.config(), self.path / (LATEST if latest else WEIGHTS)
        if not file.exists():
            raise RunError(f"'{self.path}' has no {file.name} yet: the first epoch has not ended")
        return load_weights(file, config, device)
