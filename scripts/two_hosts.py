"""Train over two hosts, which are two network namespaces of this machine: sudo python scripts/two_hosts.py

Linux with iproute2. Checks that torchrun --nnodes=2 comes to the weights of one process, and that when one host
vanishes (its cable is cut) the other ends with a message and a state from which the training goes on. Prints what it
found and ends with 1 if either does not hold.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parent.parent
HOSTS = ("vitrm-a", "vitrm-b")
ADDRESSES = ("10.83.0.1", "10.83.0.2")
SETTINGS = ["digits", "--model.dim", "16", "--model.num_heads", "2", "--model.mlp_dim", "16", "--model.depth", "1",
            "--model.dropout", "0", "--train.batch_size", "32"]  # fmt: skip
EQUAL = 1e-3  # of the length of the weights; gradients are added in another order, and AdamW divides by small ones


@contextmanager
def network() -> Iterator[None]:
    """Two hosts with a cable between them."""
    if os.geteuid() != 0:
        raise SystemExit("network namespaces need root: sudo python scripts/two_hosts.py")

    def ip(*words: str, check: bool = True) -> None:
        subprocess.run(["ip", *words], check=check, capture_output=not check)

    def remove() -> None:
        for host in HOSTS:
            ip("netns", "del", host, check=False)

    remove()
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip("link", "add", "cable", "netns", HOSTS[0], "type", "veth", "peer", "name", "cable", "netns", HOSTS[1])
        for host, address in zip(HOSTS, ADDRESSES, strict=True):
            ip("-n", host, "addr", "add", f"{address}/24", "dev", "cable")
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "link", "set", "cable", "up")
        yield
    finally:
        remove()


def on_hosts(folder: Path, words: list[str]) -> list[subprocess.Popen]:
    """The same command on both, each with a disk of its own."""
    started = []
    for rank, host in enumerate(HOSTS):
        here = folder / host
        here.mkdir(exist_ok=True)
        launch = ["ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run", "--nnodes=2",
                  "--nproc-per-node=1", f"--node-rank={rank}", f"--master-addr={ADDRESSES[0]}"]  # fmt: skip
        settings = {"GLOO_SOCKET_IFNAME": "cable", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
                    "VITRM_PATIENCE_S": "30"}  # fmt: skip
        with open(here / "said", "ab") as said:
            command = [*launch, "-m", "vitrm", "train", *words, "--device", "cpu", "--threads", "1"]
            options = {"stdout": said, "stderr": said, "start_new_session": True}
            started.append(subprocess.Popen(command, cwd=here, env=os.environ | settings, **options))
    return started


def alone(folder: Path, words: list[str]) -> int:
    """The same command in one process."""
    command = [sys.executable, "-m", "vitrm", "train", *words, "--device", "cpu", "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False).returncode


def same_weights(folder: Path) -> bool:
    """Whether two hosts come to what one process comes to."""
    words = [*SETTINGS, "--train.epochs", "2", "--name", "run", "--runs", "runs"]
    codes = [process.wait() for process in on_hosts(folder, words)]
    codes.append(alone(folder, words))
    if any(codes):
        print(f"ended with {codes}; see {folder}/*/said")
        return False
    two, one = (load_file(place / "runs/run/model.safetensors") for place in (folder / HOSTS[0], folder))
    apart = sum((two[name] - one[name]).square().sum() for name in one).sqrt().item()
    apart /= sum(one[name].square().sum() for name in one).sqrt().item()
    print(f"two hosts and one process, after 2 epochs: weights differ by {apart:.1e} of their length")
    return apart < EQUAL


def survives_a_loss(folder: Path) -> bool:
    """Whether the first host ends, says why and can go on when the second is gone."""
    words = [*SETTINGS, "--train.epochs", "100000", "--name", "long", "--runs", "runs"]
    first, second = on_hosts(folder, words)
    run = folder / HOSTS[0] / "runs/long"
    while not (run / "state.pt").exists():
        if first.poll() is not None:
            print(f"ended before anything was lost; see {folder}/*/said")
            return False
        time.sleep(0.1)
    subprocess.run(["ip", "-n", HOSTS[1], "link", "set", "cable", "down"], check=True)
    os.killpg(second.pid, signal.SIGKILL)
    second.wait()
    began = time.monotonic()
    code = first.wait()
    said = [line for line in (folder / HOSTS[0] / "said").read_text(errors="replace").splitlines() if "vitrm:" in line]
    print(f"the other host vanished: ended with {code} after {time.monotonic() - began:.0f} s, saying:")
    print("  " + (said[-1] if said else "nothing"))
    subprocess.run(["ip", "-n", HOSTS[1], "link", "set", "cable", "up"], check=True)
    before = (run / "metrics.jsonl").stat().st_size
    hosts = on_hosts(folder, ["--resume", str(run)])
    while (run / "metrics.jsonl").stat().st_size < before + 2000 and all(host.poll() is None for host in hosts):
        time.sleep(0.1)
    goes_on = (run / "metrics.jsonl").stat().st_size >= before + 2000
    for host in hosts:
        os.killpg(host.pid, signal.SIGTERM)
    for host in hosts:
        host.wait()
    print(f"both resumed it: {'it goes on' if goes_on else 'it does not go on'}")
    return code != 0 and bool(said) and goes_on


def main() -> int:
    """Both checks, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder, network():
        results = [check(Path(folder)) for check in (same_weights, survives_a_loss)]
        if not all(results):
            for host in HOSTS:
                print(f"--- {host}\n" + (Path(folder) / host / "said").read_text(errors="replace")[-3000:])
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
