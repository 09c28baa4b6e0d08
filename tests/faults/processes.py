"""What the tests of faults share: real processes that train, and how to compare what they leave."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

from cnnkit import checkpoints

LAST, BEST, LOG = "last.safetensors", "best.safetensors", "log.jsonl"
UNFINISHED = f".{LAST}.unfinished"

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
PYTHON = [sys.executable]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]

# no test asserts how long something takes: these are to fail instead of to hang
SECONDS, MOMENT = 300.0, 0.0005


def train(out: Path, recipe: dict[str, Any], resume: bool = False, launcher: list[str] = PYTHON) -> list[str]:
    """The command that trains LeNet: `recipe` has fields of `cnnkit.train.Recipe`."""
    options = [word for name, value in recipe.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    more = ["--resume"] if resume else []
    return [
        *launcher,
        "-m",
        "cnnkit",
        "train",
        "lenet",
        *options,
        "--device",
        "cpu",
        "--out",
        str(out),
        *more,
    ]


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own; nothing of it is left afterwards."""
    process = subprocess.Popen(
        command,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for each in [*descendants(process), process]:
            each.kill()
        process.communicate()


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    if process.poll() is not None:
        return []
    return psutil.Process(process.pid).children(recursive=True)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run to the end, which may be a failure."""
    with running(command) as process:
        return finish(process)


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_well(command: list[str]) -> subprocess.CompletedProcess[str]:
    done = run(command)
    assert done.returncode == 0, done.stderr
    return done


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Return as soon as it is so: fail if the process ends before."""
    end = time.monotonic() + SECONDS
    while not what():
        if process.poll() is not None:
            raise AssertionError(f"ended with status {process.returncode} too early: {process.stderr.read()}")
        assert time.monotonic() < end, "nothing happened"
        time.sleep(MOMENT)


def wait_for_save(out: Path, process: subprocess.Popen[str]) -> None:
    """Return after the next time that ``last.safetensors`` was replaced, or written for the first time."""
    before = file_number(out / LAST)
    wait_for(lambda: file_number(out / LAST) != before, process)


def file_number(path: Path) -> tuple[int, int] | None:
    """Another one for each file that had this name: the inode alone may come back."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def fails_with_one_line(done: subprocess.CompletedProcess[str], *words: str, status: int = 1) -> str:
    """What a user sees of a failure that is not the program's: one line with these words, and no trace."""
    assert done.returncode == status, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("cnnkit: ")]
    assert len(lines) == 1, (done.stdout, done.stderr)
    for word in words:
        assert word in lines[0]
    return lines[0]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def all_load(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in checkpoints.read(path).weights.values())


def step_of(folder: Path) -> int:
    """Steps done, by the last checkpoint."""
    return checkpoints.read(folder / LAST).facts["going_on"]["step"]


def assert_same_weights(folder: Path, other: Path, name: str = LAST) -> None:
    """Weights and optimiser, bit for bit."""
    one, two = checkpoints.read(folder / name), checkpoints.read(other / name)
    assert one.weights.keys() == two.weights.keys()
    assert one.optimizer.keys() == two.optimizer.keys()
    for key, tensor in one.weights.items():
        assert torch.equal(tensor, two.weights[key]), f"{key} in {name}"
    for index, state in one.optimizer.items():
        assert state.keys() == two.optimizer[index].keys()
        for key, tensor in state.items():
            assert torch.equal(tensor, two.optimizer[index][key]), f"{key} of parameter {index} in {name}"


def assert_same_run(folder: Path, other: Path) -> None:
    """Everything that a run leaves but durations and its launcher, bit for bit, and nothing else is there."""
    assert set(content(folder)) == set(content(other)) == {LAST, BEST, LOG}
    for name in (LAST, BEST):
        assert_same_weights(folder, other, name)
        one, two = (without_durations(checkpoints.read(at / name).facts) for at in (folder, other))
        assert one == two
    logs = [(at / LOG).read_text().splitlines() for at in (folder, other)]
    assert [without_durations(json.loads(line)) for line in logs[0]] == [
        without_durations(json.loads(line)) for line in logs[1]
    ]


def without_durations(value: Any) -> Any:
    if isinstance(value, dict):
        own = ("seconds", "images_per_second", "launcher")
        return {key: without_durations(part) for key, part in value.items() if key not in own}
    return [without_durations(part) for part in value] if isinstance(value, list) else value
