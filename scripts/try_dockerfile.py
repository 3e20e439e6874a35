"""The Dockerfile's lines in a fresh Debian tree, where there is no container engine; then the app, as they serve it.

    python scripts/try_dockerfile.py /var/tmp/try                       # as root, on Linux with debootstrap
    python scripts/try_dockerfile.py /var/tmp/try --build-arg TORCH=    # where the CPU build cannot be fetched
    python scripts/try_dockerfile.py /var/tmp/try --built --prefix vitrm

FROM is debootstrap's smallest tree of that release, COPY takes the files that git has, RUN is chroot. The app runs as
USER, on a root that is mounted read-only but for VOLUME and an empty /tmp. Printed as one JSON object: seconds of each
instruction, MB of the tree, how soon HEALTHCHECK says yes, what every page shows, whether anything else could be
written, memory, and how it ends. Not tried so: layers, an engine's networks, the limits of compose.yaml.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

_INSIDE = "VITRM_OWN_MOUNTS"
_CERTIFICATES = "host-certificates.pem"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the trees are made; about 2 GB, 8 with the ordinary torch")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--built", action="store_true", help="run the tree that was made before")
    parser.add_argument("--prefix", default="", help="STREAMLIT_SERVER_BASE_URL_PATH")
    arguments = parser.parse_args()
    if _INSIDE not in os.environ:  # whatever is mounted from here on is gone with this process
        words = ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", sys.executable, *sys.argv]
        return subprocess.run(words, env=os.environ | {_INSIDE: "1"}, check=False).returncode
    arguments.folder.mkdir(parents=True, exist_ok=True)
    tree = Tree(arguments.folder, dict(each.split("=", 1) for each in arguments.build_arg))
    report = tree.follow(instructions((ROOT / "Dockerfile").read_text(encoding="utf-8")), built=arguments.built)
    report |= tree.serve(arguments.prefix)
    print(json.dumps(report, indent=1))
    return 0


def instructions(text: str) -> list[tuple[str, str]]:
    """The Dockerfile as (word, what it is told), comments left out, continued lines in one."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in whole.splitlines())]


class Tree:
    """A Debian tree in which instructions are followed, one after the other."""

    def __init__(self, folder: Path, arguments: dict[str, str]) -> None:
        self.folder, self.root, self.given = folder, folder / "tree", arguments
        self.arguments: dict[str, str] = {}  # what RUN sees beside the environment
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self.user, self.place, self.volume = "0", "/", ""
        self.health: list[str] = []
        self.command: list[str] = []

    def follow(self, every: list[tuple[str, str]], *, built: bool) -> dict[str, Any]:
        """Do as they say; with `built` only those that say how to run it. Raises CalledProcessError."""
        seconds = {}
        for word, told in every:
            begun = time.monotonic()
            if word == "FROM":
                if not built:
                    self._begin(re.fullmatch(r"debian:(\w+)-slim", told)[1])
                self._mount_system()
            elif word == "RUN" and not built:
                self._run(["sh", "-c", told], self.environment | self.arguments, check=True)
            elif word == "COPY" and not built:
                self._copy(*told.split())
            elif word == "ARG":
                name, _, value = told.partition("=")
                self.arguments[name] = self.given.get(name, value)
            elif word == "ENV":
                self.environment |= dict(each.split("=", 1) for each in shlex.split(told))
            elif word == "HEALTHCHECK":
                self.health = json.loads(told.partition("CMD ")[2])
            elif word == "CMD":
                self.command = json.loads(told)
            elif word in ("USER", "WORKDIR", "VOLUME"):
                setattr(self, {"USER": "user", "WORKDIR": "place", "VOLUME": "volume"}[word], told)
            elif word not in ("RUN", "COPY", "EXPOSE"):
                raise ValueError(f"{word}: this script does not know that instruction")
            if word in ("FROM", "RUN", "COPY") and not built:
                seconds[f"{word} {told}"[:60]] = round(time.monotonic() - begun, 1)
        base = self.folder / "base"
        size = {"tree MB": _megabytes(self.root), "of which Debian's MB": _megabytes(base) if base.exists() else None}
        return ({"seconds": seconds} if seconds else {}) | size

    def serve(self, prefix: str) -> dict[str, Any]:
        """Run CMD as an engine would with a read-only root, look at every page, train once, and end it."""
        from tests.test_packaging import PAGES, visit

        volume = self.folder / "volume"
        shutil.rmtree(volume, ignore_errors=True)
        volume.mkdir()
        os.chown(volume, int(self.user), int(self.user))
        self._mount("--bind", str(self.root), str(self.root))
        for kind, place in (("proc", "proc"), ("tmpfs", "tmp")):
            self._mount("-t", kind, kind, str(self.root / place))
        self._mount("--rbind", "/dev", str(self.root / "dev"))
        self._mount("--bind", str(volume), str(self.root / self.volume.lstrip("/")))
        self._mount("-o", "remount,bind,ro", str(self.root))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        environment = self.environment | {"PORT": port, "STREAMLIT_SERVER_BASE_URL_PATH": prefix}
        begun = time.monotonic()
        process = subprocess.Popen(self._words(self.command), env=environment)
        try:
            while self._run(self.health, environment, stderr=subprocess.DEVNULL):
                if process.poll() is not None:
                    raise RuntimeError("the app ended at once")
                time.sleep(0.2)
            report: dict[str, Any] = {"seconds until healthy": round(time.monotonic() - begun, 1)}
            address = f"http://127.0.0.1:{port}" + (f"/{prefix}" if prefix else "")
            pages = {page: visit(address, "" if page == "watch" else page) for page in PAGES}
            report["pages"] = {page: errors or titles[0] for page, (titles, errors, _) in pages.items()}
            report["memory of the server, MB"] = _resident(process.pid)
            places = ("x", "opt/x", "home/vitrm/x", "etc/x", "var/x")
            attempt = f"touch /{' /'.join(places)} 2>/dev/null; touch /tmp/x && touch x && rm x"
            report["/tmp and the volume can be written"] = self._run(["sh", "-c", attempt], environment) == 0
            report["written elsewhere"] = [name for name in places if (self.root / name).exists()]
            begun = time.monotonic()
            self._run(["vitrm", "train", "digits", "--train.epochs", "1"], environment, stdout=subprocess.DEVNULL)
            report["seconds of one epoch of digits, torch's start in it"] = round(time.monotonic() - begun, 1)
            finished = [file.parent.name for file in volume.glob("runs/*/summary.json")]
            report["finished runs in the volume"] = len(finished)
        finally:
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
        report["seconds from SIGTERM to the end"] = round(time.monotonic() - begun, 1)
        return report | {"in the volume": sorted(file.name for file in volume.iterdir())}

    def _begin(self, release: str) -> None:
        base = self.folder / "base"
        if not (base / "etc" / "debian_version").exists():
            subprocess.run(["debootstrap", "--variant=minbase", release, base], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.root, ignore_errors=True)
        subprocess.run(["cp", "-a", base, self.root], check=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc" / "resolv.conf")
        if trusted := os.environ.get("SSL_CERT_FILE"):  # where this network has certificates of its own
            shutil.copy(trusted, self.root / _CERTIFICATES)

    def _mount_system(self) -> None:
        if (self.root / _CERTIFICATES).exists():
            names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
            self.arguments |= dict.fromkeys(names, f"/{_CERTIFICATES}")
        self._mount("--make-rprivate", "/")

    @staticmethod
    def _mount(*words: str) -> None:
        subprocess.run(["mount", *words], check=True)

    def _copy(self, *words: str) -> None:
        *sources, to = words
        target = self.root / to.lstrip("/")
        words = ["git", "ls-files", "-z", *sources]
        listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
        for name in filter(None, listed.stdout.split("\0")):
            inside = Path(name).relative_to(sources[0]) if (ROOT / sources[0]).is_dir() else Path(name).name
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / inside)

    def _words(self, words: list[str]) -> list[str]:
        inside = [str(shutil.which("chroot")), f"--userspec={self.user}:{self.user}", str(self.root)]
        return [*inside, "sh", "-c", 'cd "$0" && exec "$@"', self.place, *words]

    def _run(self, words: list[str], environment: dict[str, str], *, check: bool = False, **options: Any) -> int:
        return subprocess.run(self._words(words), env=environment, check=check, **options).returncode


def _megabytes(folder: Path) -> int:
    return int(subprocess.run(["du", "-sxm", folder], check=True, capture_output=True, text=True).stdout.split()[0])


def _resident(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024


if __name__ == "__main__":
    sys.exit(main())
