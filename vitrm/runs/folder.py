"""The run folder: the only contract between training, the command line and the app. Only this module knows its files.

    config.json        the whole configuration, before the first step
    started.json       the command, commit, versions and hardware it was started with
    status.json        how it is (see Run.state), with the cause if it failed; written in place, even on a full disk
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
    mixture.json       the judgement of an SR-ViT's mixture on test (mixture_report.py), if it has been made

    halting.json       the judgement of its halting (halting_report.py), if it has been made; with small pictures of
                       the images it names only where these may be passed on, and in a run folder of one's own
    domain.json        the warning about foreign images (domain.py), if it has been measured
    glimpses.json      who should choose the glimpses (glimpse_report.py), if it has been measured
    difficulty.json    how it does on easy and on difficult images (difficulty.py), if it has been measured
    mazes.npz          what it makes of mazes beyond its training, and what can be read off its memory (maze_report.py)

    job.json           who asked for it and how it is started, where the app started it; before config.json
    output.txt         what the process started by the app printed

A folder in `checkpoints/` is a run folder without what only training needs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from vitrm.config import Config
from vitrm.config import preset as find_preset
from vitrm.errors import ConfigError, RunError
from vitrm.judge.mazes import MazeReport
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import Trace, load_traces, save_traces

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None
    import msvcrt

if TYPE_CHECKING:  # torch takes seconds to import, and whoever only reads JSON should not wait for it
    import torch

    from vitrm.data.dataset import Split
    from vitrm.judge.difficulty import DifficultyReport
    from vitrm.judge.domain import DomainReport
    from vitrm.judge.glimpses import GlimpseReport
    from vitrm.judge.halting import HaltingReport
    from vitrm.judge.mixture import MixtureReport
    from vitrm.model import ViTRM
    from vitrm.nets.base import OneStep

ROOT = Path(__file__).resolve().parents[2]
CONFIG, STARTED, STATUS, METRICS, WEIGHTS, STATE, SUMMARY, CARD, GALLERY, MIXTURES, HALTING, DOMAIN = (
    "config.json", "started.json", "status.json", "metrics.jsonl", "model.safetensors", "state.pt", "summary.json",
    "README.md", "gallery.npz", "mixtures.npz", "halting.json", "domain.json",
)  # fmt: skip
GLIMPSES, DIFFICULTY, MIXTURE, LOCK, CONTROL, LATEST, SNAPSHOTS, JOB, OUTPUT = (
    "glimpses.json", "difficulty.json", "mixture.json", "lock", "control.json", "latest.safetensors", "snapshots",
    "job.json", "output.txt",
)  # fmt: skip
MAZES = "mazes.npz"
_STATUS_BYTES = 4096
_HALTING_FORMAT = 5  # of halting.json; one of another format is as good as none
_DOMAIN_FORMAT = 1  # of domain.json, likewise
_GLIMPSES_FORMAT = 1  # of glimpses.json, likewise
_DIFFICULTY_FORMAT = 1  # of difficulty.json, likewise
_MIXTURE_FORMAT = 1  # of mixture.json, likewise
_THUMBNAIL = 64  # pixels at most, of a picture in halting.json
SNAPSHOT_MB, SNAPSHOT_COUNT = 64, 200  # of one run: beyond either, every other one goes
ORDERS = ("go", "pause", "step", "stop", "stop at once")


class Run:
    """A run folder on disk. Use `create_run` or `find_run` to get one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: BinaryIO | None = None

    def __del__(self) -> None:
        self.release()

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
        try:
            return str((self.path / WEIGHTS).stat().st_mtime_ns)
        except FileNotFoundError:
            return ""

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
        files = sorted(file for file in self.path.rglob("*") if file.is_file())
        return [file for file in files if file.name not in private and file.suffix != ".tmp"]

    @property
    def resumable(self) -> bool:
        """Whether a state was saved to continue from."""
        return (self.path / STATE).exists()

    def config(self) -> Config:
        """Raises RunError if config.json is absent or cannot be read."""
        return _read_config(self.path / CONFIG)

    def summary(self) -> dict[str, Any] | None:
        """None while the run is not complete."""
        return _read_json(self.path / SUMMARY)

    def status(self) -> dict[str, Any]:
        """`{"status": ..., "cause": ..., "pid": ...}`; a status of None where there is none (a bundled checkpoint)."""
        return _read_json(self.path / STATUS) or {"status": None, "cause": None, "pid": None}

    @property
    def is_running(self) -> bool:
        """Whether a process is training into this folder now: it holds the lock, which nobody can leave behind."""
        if self._lock is not None:
            return True
        try:
            with open(self.path / LOCK, "rb") as lock:
                return not _locked(lock, exclusive=False)
        except FileNotFoundError:
            return False

    def acquire(self, patience_s: float = 1.0) -> None:
        """Become the one process that trains into this folder, until `release` or the end of the process.

        Raises RunError if another one is; somebody may only be looking, for a moment, whether it is held.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = open(self.path / LOCK, "ab")  # noqa: SIM115 (held until release)
        last = time.monotonic() + patience_s
        while not _locked(lock, exclusive=True):
            if time.monotonic() >= last:
                break
            time.sleep(0.02)
        else:
            self._lock = lock
            job = self.job()
            if job is not None:  # from here on the status says how it is
                self.save_job(job | {"state": "begun"})
            return
        lock.close()
        raise RunError(f"'{self.path}' is being trained by process {self.status()['pid']}; stop that one first")

    def release(self) -> None:
        """Let others train into this folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def state(self) -> str | None:
        """waiting, starting, running, pausing, paused, stopping, finishing, interrupted (its process is gone, without
        a word), stopped, failed or finished; None for what was never trained here (a bundled checkpoint).
        """
        if self.is_complete:
            return "finished"
        status, asked = self.status()["status"], (self.job() or {}).get("state")
        if self.is_running:
            return status or "starting"
        if asked in ("waiting", "starting"):
            return asked
        if status is None:
            return asked
        return "interrupted" if status in _ALIVE else status

    def control(self) -> dict[str, Any]:
        """`{"wanted": "go" | "pause" | "stop" | "stop at once", "steps": single updates asked for so far}`."""
        with contextlib.suppress(RunError):
            return {"wanted": "go", "steps": 0} | (_read_json(self.path / CONTROL) or {})
        return {"wanted": "go", "steps": 0}

    def ask(self, order: str) -> None:
        """Ask the process that trains into this folder for one of `ORDERS`; it looks every tenth of a second."""
        if order not in ORDERS:
            raise RunError(f"'{order}' cannot be asked of a training; expected one of: {', '.join(ORDERS)}")
        control = self.control()
        control |= {"wanted": "pause", "steps": control["steps"] + 1} if order == "step" else {"wanted": order}
        self._write_text(CONTROL, json.dumps(control))

    def forget_orders(self) -> None:
        """Remove what was asked of an earlier process."""
        (self.path / CONTROL).unlink(missing_ok=True)

    def job(self) -> dict[str, Any] | None:
        """What `save_job` wrote; None where the app did not start it."""
        return _read_json(self.path / JOB)

    def save_job(self, job: dict[str, Any]) -> None:
        """Replace job.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._write_text(JOB, json.dumps(job))

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
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def metrics(self) -> list[dict[str, Any]]:
        """All events so far, each with its class name under "event". A half-written last line is left out."""
        events = []
        with (
            contextlib.suppress(FileNotFoundError),
            open(self.path / METRICS, encoding="utf-8", errors="replace") as lines,
        ):
            for line in lines:
                with contextlib.suppress(json.JSONDecodeError):
                    events.append(json.loads(line))
        return events

    def set_status(self, status: str, cause: str | None = None) -> None:
        """Overwrite status.json in place: its blocks are already allocated, so this works on a full disk."""
        short = cause and cause[:500]  # at most six bytes a character, so that all of it fits
        text = json.dumps({"status": status, "cause": short, "pid": os.getpid()}, ensure_ascii=False)
        file = self.path / STATUS
        with open(file, "r+b" if file.exists() else "wb") as out:
            out.write(text.encode(errors="replace").ljust(_STATUS_BYTES))

    def record(self, event: Any) -> None:
        """Append one event (a dataclass) to metrics.jsonl."""
        line = json.dumps({"event": type(event).__name__} | asdict(event))
        with open(self.path / METRICS, "a", encoding="utf-8") as out:
            out.write(line + "\n")

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace state.pt. The number of recorded events goes with it, so that resuming drops later ones."""
        import torch

        events = len(self.metrics())
        _replace(self.path / STATE, lambda file: torch.save(state | {"events": events}, file))

    def load_state(self) -> dict[str, Any]:
        """The last saved state; events recorded after it are dropped. Raises RunError if there is none to read."""
        import torch

        file = self.path / STATE
        if not self.resumable:
            raise RunError(f"'{self.path}' has no {STATE}: nothing was saved before it ended; start it again")
        try:
            state = torch.load(file, weights_only=True, map_location="cpu")
            events = self.metrics()[: state.pop("events")]
        except Exception as error:  # torch raises RuntimeError, EOFError, UnpicklingError and more
            reason = str(error).partition("\n")[0]  # the rest of torch's text advises to load it unsafely
            raise RunError(f"'{file}' is damaged ({reason}); start the run again") from None
        self._write_text(METRICS, "\n".join(json.dumps(event) for event in events))
        return state

    def save_weights(self, model: ViTRM | OneStep) -> None:
        """Replace model.safetensors."""
        self._save_weights(WEIGHTS, model)

    def save_latest(self, model: ViTRM | OneStep) -> None:
        """Replace latest.safetensors."""
        self._save_weights(LATEST, model)

    @property
    def latest_at(self) -> int | None:
        """When latest.safetensors was written, in ns; None before that."""
        try:
            return (self.path / LATEST).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def save_snapshot(self, epoch: int, traces: dict[str, Trace]) -> None:
        """Keep traces of the watched images after an epoch (0: before training), within the bounds of a run."""
        folder = self.path / SNAPSHOTS
        folder.mkdir(exist_ok=True)
        _replace(folder / f"epoch-{epoch:05}.npz", lambda file: save_traces(file, traces))
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
        """The traces of `save_snapshot` by image name ("val-17"). Raises TraceError if they are absent or damaged."""
        return load_traces(self.path / SNAPSHOTS / f"epoch-{epoch:05}.npz")

    def _save_weights(self, name: str, model: ViTRM | OneStep) -> None:
        import safetensors.torch

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        content = safetensors.torch.save(tensors)  # save_file would make a file that only its owner can read
        _replace(self.path / name, lambda file: Path(file).write_bytes(content))

    def gallery(self) -> dict[str, Trace]:
        """Ready-made traces by image name ("test-17": number 17 of the test split); empty where there are none.

        Raises TraceError if the file is damaged, RunError if its images are not of the size the model takes.
        """
        return self._ready_made(GALLERY, Trace)

    def mixtures(self) -> dict[str, MixtureTrace]:
        """`gallery` of an SR-ViT."""
        return self._ready_made(MIXTURES, MixtureTrace)

    def _ready_made(self, name: str, kind: type) -> dict[str, Any]:
        file = self.path / name
        traces = load_traces(file, kind) if file.exists() else {}
        model = self.config().model
        taken = (model.channels, model.image_size, model.image_size)
        for trace in traces.values():
            if trace.pixels.shape != taken:
                given, wanted = (" × ".join(map(str, shape)) for shape in (trace.pixels.shape, taken))
                raise RunError(
                    f"'{file}' holds images of {given}, but the model takes {wanted}; make it anew with "
                    "vitrm export --gallery"
                )
        return traces

    def halting(self) -> dict[str, Any] | None:
        """The stored `HaltingReport` as plain values; None where none has been made of these weights in this format.

        Under "images" it has the pictures that were stored with it, PNG in base64 by index in the test split.
        """
        return self._report(HALTING, _HALTING_FORMAT)

    def save_halting(self, report: HaltingReport, test: Split | None = None) -> None:
        """Replace halting.json; with small pictures of the images it names, if given the test split they are in."""
        named = {example.index for kind in (report.earliest, report.latest, report.made_worse) for example in kind}
        images = {} if test is None else {str(i): _picture(test.images[i].cpu().numpy()) for i in sorted(named)}
        self._save_report(HALTING, _HALTING_FORMAT, asdict(report) | {"images": images})

    def domain(self) -> dict[str, Any] | None:
        """The stored `DomainReport` as plain values; None where none has been made of these weights in this format."""
        return self._report(DOMAIN, _DOMAIN_FORMAT)

    def save_domain(self, report: DomainReport) -> None:
        """Replace domain.json."""
        self._save_report(DOMAIN, _DOMAIN_FORMAT, asdict(report))

    def glimpses(self) -> dict[str, Any] | None:
        """The stored `GlimpseReport` as plain values; None where none has been made of these weights in this format."""
        return self._report(GLIMPSES, _GLIMPSES_FORMAT)

    def save_glimpses(self, report: GlimpseReport) -> None:
        """Replace glimpses.json."""
        self._save_report(GLIMPSES, _GLIMPSES_FORMAT, asdict(report))

    def _report(self, name: str, expected: int) -> dict[str, Any] | None:
        report = _read_json(self.path / name)
        if not isinstance(report, dict) or report.get("format") != expected:
            return None
        return report if report.get("weights") == self._weights_hash() else None

    def _save_report(self, name: str, current: int, values: dict[str, Any]) -> None:
        origin = {"format": current, "weights": self._weights_hash()}
        self._write_text(name, json.dumps(values | origin))

    def _weights_hash(self) -> str | None:
        """Of what model.safetensors holds: the same in every copy of the folder, another one for other weights."""
        try:
            there = (self.path / WEIGHTS).stat()
        except FileNotFoundError:
            return None
        return _hash(self.path / WEIGHTS, there.st_mtime_ns, there.st_size)

    def difficulty(self) -> dict[str, Any] | None:
        """The stored `DifficultyReport` as plain values; None where none was made of these weights in this format."""
        return self._report(DIFFICULTY, _DIFFICULTY_FORMAT)

    def save_difficulty(self, report: DifficultyReport) -> None:
        """Replace difficulty.json."""
        self._save_report(DIFFICULTY, _DIFFICULTY_FORMAT, asdict(report))

    def mazes(self) -> MazeReport | None:
        """The stored report on mazes; None where none has been made of these weights in this format. Raises RunError if
        it is damaged.
        """
        file = self.path / MAZES
        return MazeReport.load(file, self._weights_hash()) if file.exists() else None

    def save_mazes(self, report: MazeReport) -> None:
        """Replace mazes.npz."""
        _replace(self.path / MAZES, lambda file: report.save(file, self._weights_hash()))

    def save_gallery(self, traces: dict[str, Trace]) -> None:
        """Replace gallery.npz."""
        save_traces(self.path / GALLERY, traces)

    def mixture(self) -> dict[str, Any] | None:
        """The stored `MixtureReport` as plain values; None where none has been made of these weights in this format."""
        return self._report(MIXTURE, _MIXTURE_FORMAT)

    def save_mixture(self, report: MixtureReport) -> None:
        """Replace mixture.json."""
        self._save_report(MIXTURE, _MIXTURE_FORMAT, asdict(report))

    def save_mixtures(self, traces: dict[str, MixtureTrace]) -> None:
        """Replace mixtures.npz."""
        save_traces(self.path / MIXTURES, traces)

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the model card and, last of all, summary.json: `summary` with the origin of the run added."""
        summary = summary | (_read_json(self.path / STARTED) or {})
        self._write_text(CARD, model_card(self.name, self.config(), summary))
        self._write_text(SUMMARY, json.dumps(summary, indent=2))
        self.set_status("finished")

    def load_model(self, device: torch.device | str = "cpu", *, latest: bool = False) -> ViTRM | OneStep:
        """The trained model in evaluation mode, with `.class_names` and `.transform`; best weights, or the latest.

        Reads safetensors only, never a pickle, and checks every name and shape against the configuration before
        anything is allocated. Raises RunError if weights and configuration are damaged or do not match.
        """
        import safetensors
        import torch

        from vitrm.families import equip, make_model

        config, file = self.config(), self.path / (LATEST if latest else WEIGHTS)
        if not file.exists():
            raise RunError(f"'{self.path}' has no {file.name} yet: the first epoch has not ended")
        with torch.device("meta"):
            model = make_model(config.model)
        expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        try:
            with safetensors.safe_open(file, framework="pt") as tensors:
                found = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
                if found != expected:
                    odd = sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
                    raise RunError(
                        f"'{file}' does not fit its {CONFIG}: tensor '{odd[0]}' has shape "
                        f"{found.get(odd[0], 'absent')}, expected {expected.get(odd[0], 'absent')}; "
                        "use the files of one and the same run"
                    )
                weights = {name: tensors.get_tensor(name) for name in expected}
        except (safetensors.SafetensorError, OSError) as error:
            raise RunError(f"'{file}' is damaged ({error}); copy or train it again") from None
        # Copied: what was read are views into the file, off the 64 bytes that torch aligns its own memory to, and on
        # some processors a matrix product sums in another order there.
        whole = {
            name: tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
            for name, tensor in weights.items()
        }
        model.load_state_dict(whole, assign=True)
        return equip(model.to(device).eval(), config)

    def _write_text(self, name: str, text: str) -> None:
        _replace(self.path / name, lambda file: Path(file).write_text(f"{text}\n" if text else "", encoding="utf-8"))


def build(preset: str, num_classes: int | None = None, **overrides: Any) -> ViTRM | OneStep:
    """An untrained model of a preset; overrides are fields of its model, as in `build("paper", dropout=0.0)`.

    Raises ConfigError for an unknown preset or field, or a value that makes no model.
    """
    from vitrm.families import equip, make_model

    if num_classes is not None:
        overrides["num_classes"] = num_classes
    config = find_preset(preset).with_fields({f"model.{name}": value for name, value in overrides.items()})
    return equip(make_model(config.model), Config(model=config.model))


def load(name: str | Path, device: torch.device | str = "cpu") -> ViTRM | OneStep:
    """A trained model by checkpoint name or run folder, in evaluation mode, with `.class_names` and `.transform`."""
    return find_run(name).load_model(device)


def create_run(path: str | Path, config: Config, command: str, device: torch.device | str) -> Run:
    """A new run folder with its configuration and origin written, locked for this process.

    Raises RunError if the folder already holds a run.
    """
    run = Run(Path(path))
    if (run.path / CONFIG).exists():
        raise RunError(
            f"'{run.path}' already holds a run; continue it with --resume {run.path} or choose another --name"
        )
    run.acquire()
    run.set_status("starting")
    run._write_text(STARTED, json.dumps({"command": command} | provenance(device), indent=2))
    run._write_text(CONFIG, json.dumps(config.to_dict(), indent=2))
    run.set_status("running")  # last: whoever sees it running can read what it trains
    return run


def find_run(name: str | Path) -> Run:
    """A run by folder, by name in ./runs, or by name in the bundled checkpoints. Raises RunError listing all names."""
    for path in (Path(name), Path("runs") / name, ROOT / "checkpoints" / name):
        if (path / CONFIG).is_file():
            return Run(path)
    known = ", ".join(run.name for run in list_runs()) or "none"
    raise RunError(f"no run or checkpoint '{name}'; there are: {known}")


def list_runs(runs_folder: str | Path = "runs") -> list[Run]:
    """All bundled checkpoints, then all runs, each by name."""
    folders = [ROOT / "checkpoints", Path(runs_folder)]
    return [Run(file.parent) for folder in folders for file in sorted(folder.glob(f"*/{CONFIG}"))]


def export(run: Run, path: str | Path, half: bool = False, data_name: str = "", *, hub: bool = False) -> Run:
    """Copy a finished run as a checkpoint: without `state.pt`, with bf16 weights if `half`.

    `data_name` is what the card and the app call the data, where the source is only a path. With `hub` the folder is
    in the style of the Hugging Face Hub as well: its config.json, a preprocessor_config.json, the card's front matter.
    """
    import torch

    from vitrm.runs.export import hub_config, hub_front_matter, hub_preprocessor

    target = Run(Path(path))
    if run.summary() is None:
        raise RunError(f"'{run.path}' is not finished; only a finished run can be exported")
    if target.path.resolve() == run.path.resolve():
        raise RunError(f"'{run.path}' cannot be exported onto itself; choose another folder")
    model = run.load_model()
    target.path.mkdir(parents=True, exist_ok=True)
    config = run.config()
    if data_name:
        config = config.with_fields({"data.name": data_name})
    target._write_text(CONFIG, json.dumps(hub_config(config) if hub else config.to_dict(), indent=2))
    if hub:
        target._write_text("preprocessor_config.json", json.dumps(hub_preprocessor(config), indent=2))
    for name in (STARTED, METRICS, SUMMARY):
        shutil.copyfile(run.path / name, target.path / name)
    target.save_weights(model.to(torch.bfloat16) if half else model)
    summary = target.summary()
    front = hub_front_matter(target.name, config, summary) if hub else ""
    target._write_text(CARD, front + model_card(target.name, config, summary))
    return target


def provenance(device: torch.device | str) -> dict[str, Any]:
    """What a result needs to be believed: commit, versions, hardware."""
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = f"{_cpu_name()}, {torch.get_num_threads()} threads"
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": device.type,
        "hardware": hardware,
    }


def model_card(name: str, config: Config, summary: dict[str, Any]) -> str:
    """The model card in Markdown, every number from the run itself."""
    test, split_sizes = summary["test"], summary["split_sizes"]
    percent = [f"{100 * value:.1f}" for value in test["accuracy"]]
    if config.model.halts:
        auroc = ["–" if value is None else f"{value:.2f}" for value in test["halt_auroc"]]
        table = [
            f"| supervision step | {' | '.join(str(n) for n in range(1, len(percent) + 1))} |",
            "|" + " --- |" * (len(percent) + 1),
            f"| test accuracy, % | {' | '.join(percent)} |",
            f"| mean halting probability | {' | '.join(f'{value:.2f}' for value in test['halt_prob'])} |",
            f"| AUROC of the halting logit | {' | '.join(auroc)} |",
        ]
    else:
        table = [f"Test accuracy: {percent[-1]} %."]
    trained = config.model.supervision_steps
    note = (
        "" if len(percent) == trained else f" It was trained on {trained}; the steps after that go beyond its training."
    )
    drawn = f", of {config.train.epoch_images:,} images each" if config.train.epoch_images else ""
    lines = [
        f"# {name}",
        "",
        f"A {config.model.title} with {summary['parameters']:,} parameters, trained on {config.data.title}.",
        "",
        *table,
        "",
        f"Policy: {test['policy']}.{note}",
        f"Chance is {100 / config.model.num_classes:.1f} %.",
        "",
        f"- **Data:** {config.data.title}; {split_sizes['train']:,} training, {split_sizes['val']:,} validation and "
        f"{split_sizes['test']:,} test images. The weights were chosen on validation "
        f"({100 * summary['best_val_accuracy']:.1f} %, epoch {summary['best_epoch']} of {summary['epochs']}{drawn}); "
        "test was used once, for this table.",
        f"- **Command:** `{summary['command']}`; it ended with: {summary['reason']}",
        f"- **Seed:** {config.train.seed} (split seed {config.data.split_seed}, glimpse seed {test['seed']})",
        f"- **Hardware and time:** {summary['hardware']}; {summary['seconds'] / 60:.1f} minutes of training",
        f"- **Software:** Python {summary['python']}, torch {summary['torch']}, commit {summary['commit']}",
        "",
    ]
    return "\n".join(lines)


@lru_cache(maxsize=64)
def _hash(file: Path, _changed_ns: int, _size: int) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def _picture(pixels: np.ndarray) -> str:
    """(C, H, W) uint8 as PNG in base64, made smaller where it is large."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    content = io.BytesIO()
    image.save(content, format="PNG")
    return base64.b64encode(content.getvalue()).decode()


_ALIVE = ("starting", "running", "pausing", "paused", "stopping", "finishing")  # as a process says of itself


def _locked(file: BinaryIO, exclusive: bool) -> bool:
    """Try to lock an open file, until it is closed; whether that worked. The system unlocks it when a process ends."""
    try:
        if fcntl is None:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read_config(file: Path) -> Config:
    values = _read_json(file)
    if values is None:
        raise RunError(f"'{file}' is absent; '{file.parent}' is no run folder")
    if isinstance(values, dict) and "vitrm" in values and "model_type" in values:  # in the style of the Hub
        values = values["vitrm"]
    try:
        return Config.from_dict(values)
    except ConfigError as error:
        raise RunError(f"'{file}': {error}") from None


def _read_json(file: Path) -> dict[str, Any] | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:  # no JSON, no text, or nested without end
        raise RunError(f"'{file}' is damaged ({error})") from None


def _replace(file: Path, write: Callable[[str], Any]) -> None:
    """Write beside `file`, then rename: a reader sees the old content or the new, and a full disk keeps the old.

    Raises OSError if it cannot be written.
    """
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        try:
            write(str(temporary))
        except RuntimeError as error:  # how torch.save says it
            raise OSError(f"could not write '{file}' ({error}); is the disk full?") from error
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (
            " + local changes" if git("status", "--porcelain", "-uno") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _cpu_name() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
