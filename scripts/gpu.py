"""Measure and train on a GPU, in steps that can be cut off and taken up again: python scripts/gpu.py

Each call works for at most --minutes at the first steps that are not done, stops what is running so that it can be
resumed, and writes what is known so far into RESULTS/gpu.md. Call it until it says that all is done; --list shows what
there is, --only takes some. A call that was killed has lost what was being measured, and of a training what came after
its last saved state. The cheapest and most telling steps come first; trainings of one step share the GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vitrm.bench.agreement import agreement_table
from vitrm.bench.training import training_table
from vitrm.process import start_vitrm
from vitrm.runs.folder import Run

GRACE_S = 45  # to save a state in, after being asked to stop
FAST = ("--train.precision", "bf16", "--train.compile", "true")
TABLES = {"agreement": agreement_table, "bench": training_table}


@dataclass(frozen=True)
class Measure:
    """A command that prints one JSON object, kept in FOLDER/NAME.json."""

    name: str
    words: tuple[str, ...]

    def is_done(self, folder: Path) -> bool:
        return self.file(folder).exists()

    def file(self, folder: Path) -> Path:
        return folder / f"{self.name}.json"

    def start(self, folder: Path, settings: Sequence[str], where: Sequence[str]) -> subprocess.Popen:
        """Its output goes into a file that only becomes the result once the command has ended well."""
        with open(folder / f"{self.name}.out", "wb") as out, open(folder / f"{self.name}.log", "ab") as log:
            return start_vitrm([*self.words, *settings, "--json", *where], stdout=out, stderr=log)

    def ended(self, folder: Path, code: int) -> None:
        if code == 0:
            os.replace(folder / f"{self.name}.out", self.file(folder))


@dataclass(frozen=True)
class Train:
    """A training in FOLDER/NAME, begun or resumed. A setting may name an earlier one as {folder}/NAME."""

    name: str
    words: tuple[str, ...]

    def is_done(self, folder: Path) -> bool:
        return Run(folder / self.name).is_complete

    def start(self, folder: Path, settings: Sequence[str], where: Sequence[str]) -> subprocess.Popen:
        """A resumed training keeps the settings that it has."""
        run = Run(folder / self.name)
        words = ["--resume", str(run.path)]
        if not run.resumable:
            if run.path.exists():  # cut off before its first state was saved
                run.path.rename(folder / f"{self.name}.cut-{time.time_ns()}")
            words = [word.format(folder=folder) for word in self.words]
            words += [*settings, "--name", self.name, "--runs", str(folder)]
        with open(folder / f"{self.name}.log", "ab") as log:
            return start_vitrm(["train", *words, *where], stdout=log, stderr=log)

    def ended(self, folder: Path, code: int) -> None:
        """The run folder says how."""


Job = Measure | Train


@dataclass(frozen=True)
class Step:
    """Lanes run beside each other; the jobs of a lane one after the other."""

    name: str
    about: str
    lanes: tuple[tuple[Job, ...], ...]

    def jobs(self) -> Iterator[Job]:
        return (job for lane in self.lanes for job in lane)


def steps(photographs: Sequence[str], seeds: Sequence[int]) -> list[Step]:
    """In the order of work. `photographs` are the words that name CIFAR-10 or what stands for it."""

    def trained(name: str, *words: str) -> tuple[Train, ...]:
        return (Train(name, words),)

    def each(preset: str, *words: str) -> tuple[tuple[Train, ...], ...]:
        return tuple(trained(f"{preset}-{seed}", preset, "--train.seed", str(seed), *words) for seed in seeds)

    def mazes(seed: int) -> tuple[Train, ...]:
        small, first = f"mazes-small-{seed}", f"mazes-first-{seed}"
        seeded = ("--train.seed", str(seed))
        return (
            Train(small, ("mazes-small", *seeded)),
            Train(first, ("mazes-first", *seeded, "--train.start", f"{{folder}}/{small}")),
            Train(f"mazes-{seed}", ("mazes", *seeded, "--train.start", f"{{folder}}/{first}")),
        )

    names = ("digits-glimpse", "cifar10-tiny", "mazes", "sr-vit-digits", "paper")
    agreement = (Measure("agreement", ("bench", "--agreement", *names)),)
    bench = (Measure("bench", ("bench", "--training", "paper", "--profile")),)
    half_an_hour = (*photographs, *FAST, "--budget-minutes", "28")
    return [
        Step("agreement", "Does it compute what the CPU does?", (agreement,)),
        Step("bench", "How fast is training?", (bench,)),
        Step("fashion-glimpse", "Clothes in glimpses", each("fashion-glimpse")),
        Step("photo", "The model for photographs", each("photo", *photographs)),
        Step("paper", "The paper's model in half an hour", (trained("paper", "paper", *half_an_hour),)),
        Step("best", "The best recipe in half an hour", (trained("best", "best", *half_an_hour),)),
        Step("mazes", "Mazes, three stages", tuple(mazes(seed) for seed in seeds)),
        Step("fashion", "Clothes, all at once", each("fashion")),
        Step("fashion-glimpse-vit", "The control that sees the same patches", each("fashion-glimpse-vit")),
        Step(
            "table-1", "The paper's CIFAR-10 row, at full length", (trained("table-1", "paper", *photographs, *FAST),)
        ),
    ]


def work(step: Step, folder: Path, settings: Sequence[str], where: Sequence[str], ends: float) -> list[str]:
    """Go on with a step until it is done or the clock shows `ends`; the jobs that failed, each with its log."""
    lanes = [[job for job in lane if not job.is_done(folder)] for lane in step.lanes]
    alive: dict[int, tuple[Job, subprocess.Popen]] = {}
    failed = []
    try:
        while alive or any(lanes):
            for number, lane in enumerate(lanes):
                if number not in alive and lane and time.monotonic() < ends:
                    alive[number] = (lane[0], lane.pop(0).start(folder, settings, where))
            for number, (job, process) in list(alive.items()):
                if (code := process.poll()) is not None:
                    del alive[number]
                    job.ended(folder, code)
                    if not job.is_done(folder):
                        lanes[number].clear()  # what comes after it begins with it
                        failed.append(f"{job.name} ended with {code}: see {folder / f'{job.name}.log'}")
            if time.monotonic() >= ends:
                return failed
            time.sleep(0.1)
    finally:
        _stop([process for _, process in alive.values()])
    return failed


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """Trainings save their state; what does not end in time is killed."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    ends = time.monotonic() + GRACE_S
    for process in processes:
        try:
            process.wait(max(0.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def report(plan: Sequence[Step], folder: Path) -> str:
    """What is known so far, as Markdown."""
    parts = [
        "# Measured on a GPU",
        "",
        "Written by `python scripts/gpu.py`; each part names its hardware and commit.",
        "",
    ]
    for step in plan:
        done = [job for job in step.jobs() if job.is_done(folder)]
        if not done:
            continue
        parts += [f"## {step.about} (`{step.name}`)", ""]
        runs = [Run(folder / job.name) for job in done if isinstance(job, Train)]
        for job in done:
            if isinstance(job, Measure):
                parts += ["```", TABLES[job.name](json.loads(job.file(folder).read_text(encoding="utf-8"))), "```", ""]
        if runs:
            parts += ["| run | data | test images | test accuracy by step, % | epochs | minutes | hardware | commit |"]
            parts += ["| --- | --- | --- | --- | --- | --- | --- | --- |", *map(_row, runs), ""]
        if len(done) < sum(1 for _ in step.jobs()):
            parts += [f"{len(done)} of {sum(1 for _ in step.jobs())} done.", ""]
    return "\n".join(parts)


def _row(run: Run) -> str:
    summary, config = run.summary(), run.config()
    accuracy = ", ".join(f"{100 * share:.1f}" for share in summary.test.accuracy)
    cells = [
        f"`{run.name}`", config.data.name or summary.data, f"{summary.test.n:,}", accuracy, str(summary.epochs),
        f"{summary.seconds / 60:.1f}", summary.hardware, summary.commit,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Work for the time given; 0 when everything asked for is done, 75 (try again) when there is more to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="of this call (default: 8)")
    parser.add_argument("--folder", type=Path, default=Path("runs/gpu"), help="where runs and measurements are kept")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where gpu.md is written")
    parser.add_argument("--only", nargs="+", metavar="STEP")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--photographs", default="cifar10", help="data of the photograph models (default: cifar10)")
    parser.add_argument("--photographs-name", help='what they are called in results, as "CIFAR-10 (JPEG)"')
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data-root", default="data", help="where downloads go (default: data)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--setting", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                        help="of every training and of the bench: to try this script out with small ones")  # fmt: skip
    given = parser.parse_args()
    named = ["--data.name", given.photographs_name] if given.photographs_name else []
    plan = steps(["--data", given.photographs, *named], given.seeds)
    unknown = set(given.only or ()) - {step.name for step in plan}
    if unknown:
        parser.error(f"unknown steps {', '.join(sorted(unknown))}: expected some of {', '.join(s.name for s in plan)}")
    wanted = [step for step in plan if not given.only or step.name in given.only]
    given.folder.mkdir(parents=True, exist_ok=True)
    given.results.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs is stopped in good order
    where = ["--device", given.device, "--data-root", given.data_root]
    settings = [word for name, value in given.setting for word in (f"--{name}", value)]
    ends, failed = time.monotonic() + 60 * given.minutes, []
    for step in wanted:
        if not given.list and time.monotonic() < ends:
            failed += work(step, given.folder, [] if step.name == "agreement" else settings, where, ends)
            (given.results / "gpu.md").write_text(report(plan, given.folder), encoding="utf-8")
        done = [job.is_done(given.folder) for job in step.jobs()]
        print(f"{step.name:20} {sum(done)} of {len(done)} done   {step.about}", flush=True)
    for line in failed:
        print(line, file=sys.stderr)
    left = any(not job.is_done(given.folder) for step in wanted for job in step.jobs())
    return 1 if failed else 75 if left and not given.list else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(75)
