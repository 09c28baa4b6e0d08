"""What a training run changes in its process, and puts back: random numbers, number formats, signals."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import torch

__all__ = ["own_random_numbers", "seed", "signals", "tf32"]


def seed(device: torch.device, number: int) -> None:
    """Start the random numbers that a step can use, Python's, the CPU's and the device's, from a number."""
    random.seed(number)
    torch.default_generator.manual_seed(number)  # torch.manual_seed would look at every device there is
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


@contextlib.contextmanager
def own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave the caller's random numbers as they were."""
    python = random.getstate()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)


@contextlib.contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Products of float32 on NVIDIA in TF32, or in full: PyTorch itself has convolutions in TF32."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = on
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@contextlib.contextmanager
def signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them; a second one acts as if not collected."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers there only
        yield received
        return

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[number])

    numbers = (int(signal.SIGINT), int(signal.SIGTERM))
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
