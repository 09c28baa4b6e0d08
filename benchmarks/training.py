"""Measure training: against a plain DataLoader loop, flag by flag, over processes, and how its cost grows.

Run ``python -m benchmarks.training`` on an otherwise idle machine, with a GPU where there is one. The
result is ``benchmarks/results/training.json``, or ``training-cuda.json`` on a GPU. The images are
Fashion-MNIST, where it is installed (Debian's package ``dataset-fashion-mnist``); otherwise those of MNIST
5k, repeated to as many.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from benchmarks.pairs import largest_megabytes, show, take_turns
from benchmarks.record import environment, write
from cnnkit import data
from cnnkit.data import Dataset, Examples
from cnnkit.models.lenet import LeNet
from cnnkit.recipe import Recipe
from cnnkit.summary import summary
from cnnkit.train import fit

BATCH, WORKERS = 128, 2
FEW = 15_000  # images by which the flags are compared
TARGETS = {"loader_over_ours": 1.7, "extra_megabytes": 500, "accuracy": 0.96, "seconds_to_accuracy": 15}
FLAGS: dict[str, dict[str, Any]] = {
    "none": {},
    "fused": {"fused": True},
    "channels_last": {"channels_last": True},
    "bfloat16": {"precision": "bfloat16"},
    "compile": {"compile": True},
    "accumulate=4": {"accumulate": 4},
    "pad_crop=2, cutout=4": {"pad_crop": 2, "cutout": 4},
    "fused, compile, bfloat16, channels_last": {
        "fused": True,
        "compile": True,
        "precision": "bfloat16",
        "channels_last": True,
    },
}
ON_GPU = {"tf32": {"precision": "tf32"}, "float16": {"precision": "float16"}}
PLAIN = {"width": 16, "depth": 4, "size": 28, "images": 4000}  # the network whose cost is followed
GROWING = {
    "images": (2000, 4000, 8000),
    "width": (8, 16, 32, 64),
    "depth": (2, 4, 8, 16),
    "size": (14, 28, 56),
}


def images() -> Dataset:
    """60,000 images to train and 10,000 to test."""
    try:
        return data.fashion_mnist()
    except data.DataNotFoundError:
        small = data.mnist5k()
        train, test = (
            Examples(part.x.repeat(times, 1, 1, 1), part.y.repeat(times))
            for part, times in ((small.train, 15), (small.test, 10))
        )
        return Dataset("mnist5k, repeated", train, test, small.classes)


# ----------------------------------------------------------------------------- an epoch
def our_epoch(dataset: Dataset, **settings: Any) -> float:
    """Seconds of the second of two epochs: the first one compiles, where that is asked for."""
    recipe = Recipe("lenet", epochs=2, batch_size=BATCH, schedule="constant", step_size=1e-3, **settings)
    return fit(recipe, dataset=dataset).history[-1]["seconds"]


def loader_epoch(dataset: Dataset) -> Callable[[], float]:
    """The loop of PyTorch's tutorials, with the files, the transforms and the DataLoader of torchvision."""
    from torchvision import transforms
    from torchvision.datasets import FashionMNIST

    folder = tempfile.mkdtemp()
    raw = Path(folder, "FashionMNIST/raw")
    raw.mkdir(parents=True)
    for name, values in (
        (data.TRAIN_IMAGES, dataset.train.x[:, 0]),
        (data.TRAIN_LABELS, dataset.train.y),
        (data.TEST_IMAGES, dataset.test.x[:, 0]),
        (data.TEST_LABELS, dataset.test.y),
    ):
        lengths = b"".join(length.to_bytes(4, "big") for length in values.shape)
        raw.joinpath(name).write_bytes(
            bytes([0, 0, 8, values.dim()]) + lengths + values.byte().numpy().tobytes()
        )
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.286], [0.353])])
    train = FashionMNIST(folder, train=True, transform=transform)
    loader = DataLoader(train, BATCH, shuffle=True, num_workers=WORKERS, pin_memory=torch.cuda.is_available())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = LeNet().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> float:
        start, total = time.perf_counter(), 0.0
        for x, y in loader:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            loss = functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        return time.perf_counter() - start

    return epoch


# ----------------------------------------------------------------------------- memory
def megabytes(what: str) -> float:
    """The largest size of this process during two epochs (``fit``), or a step of PyTorch (``torch``)."""
    if what == "fit":
        return largest_megabytes(lambda: our_epoch(images()))

    def step() -> None:
        loss = functional.cross_entropy(LeNet()(torch.randn(BATCH, 1, 28, 28)), torch.zeros(BATCH).long())
        loss.backward()

    return largest_megabytes(step)


def memory() -> dict[str, float]:
    """Megabytes of both, each in a process of its own, and of the data."""
    found: dict[str, float] = {}
    for what in ("torch", "fit"):
        command = [sys.executable, "-m", "benchmarks.training", "--memory", what]
        found[what] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    dataset = images()
    found["data"] = sum(t.nbytes for part in (dataset.train, dataset.test) for t in (part.x, part.y)) / 2**20
    found["extra"] = found["fit"] - found["torch"] - found["data"]
    return {name: round(value, 1) for name, value in found.items()}


# ----------------------------------------------------------------------------- whole commands
def command_line(*options: str, processes: int = 1, threads: int = 2) -> dict[str, float]:
    """Run ``cnnkit train`` from start-up to end; the last line of its log, and how long all took."""
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"] if processes > 1 else []
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            *launcher,
            "-m",
            "cnnkit",
            "train",
            "lenet",
            *options,
            "--out",
            f"{out}/run",
        ]
        start = time.perf_counter()
        variables = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, check=True, capture_output=True, env=variables)
        took = time.perf_counter() - start
        last = json.loads(Path(out, "run/log.jsonl").read_text(encoding="utf8").splitlines()[-1])
    return last | {"whole_seconds": round(took, 2)}


def accuracy(seeds: int) -> dict[str, Any]:
    """LeNet with ReLU and max pooling on MNIST 5k: test accuracy, and seconds from the command to its end."""
    runs = [command_line("--data", "mnist5k", "--epochs", "6", "--seed", str(seed)) for seed in range(seeds)]
    accuracies = [run["test_accuracy"] for run in runs]
    return {
        "test_accuracy": accuracies,
        "mean": round(statistics.fmean(accuracies), 4),
        "standard_deviation": round(statistics.stdev(accuracies), 4),
        "whole_seconds": [run["whole_seconds"] for run in runs],
    }


def processes(repeats: int) -> dict[str, dict[str, Any]]:
    """Images a second of LeNet with 512 images a step, by processes and threads."""
    options = (
        "--data",
        images().name if images().name in data.DATASETS else "mnist5k",
        "--batch-size",
        "512",
    )
    counts = {
        "1 process, 1 thread": (1, 1),
        "2 processes, 1 thread each": (2, 1),
        "1 process, 2 threads": (1, 2),
    }

    def measure(number: int, threads: int) -> float:
        return command_line(*options, "--epochs", "2", processes=number, threads=threads)["images_per_second"]

    measures = {name: partial(measure, *count) for name, count in counts.items()}
    return take_turns(measures, repeats, against="1 process, 1 thread")


# ----------------------------------------------------------------------------- how cost grows
def plain_network(width: int, depth: int) -> nn.Module:
    """A 3x3 convolution to ``width`` channels, ``depth`` more, the mean of each channel, a linear layer."""
    layers: list[nn.Module] = []
    for channels in (1, *[width] * depth):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def cost(width: int, depth: int, size: int, images: int) -> float:
    """Seconds of an epoch of the plain network."""
    x = torch.randint(256, (images, 1, size, size), dtype=torch.uint8)
    examples = Examples(x, torch.arange(images) % 10)
    dataset = Dataset("random bytes", examples, Examples(x[:10], examples.y[:10]), tuple("0123456789"))
    recipe = Recipe("plain", epochs=1, batch_size=BATCH)
    return fit(recipe, plain_network(width, depth), dataset).history[-1]["seconds"]


def growth(repeats: int) -> dict[str, dict[str, Any]]:
    """Seconds of an epoch, with one size changed at a time, and multiply-adds of an image."""
    settings = {"plain": PLAIN} | {
        f"{name} {value}": PLAIN | {name: value}
        for name, values in GROWING.items()
        for value in values
        if value != PLAIN[name]
    }
    measures: dict[str, Callable[[], float]] = {name: partial(cost, **s) for name, s in settings.items()}
    found = take_turns(measures, repeats, against="plain")
    for name, s in settings.items():
        table = summary(plain_network(s["width"], s["depth"]), (1, s["size"], s["size"]))
        found[name] |= {"multiply_adds": table.multiply_adds}
    return found


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", choices=("fit", "torch"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(json.dumps(megabytes(arguments.memory)))
        return
    repeats, on_gpu, dataset = arguments.repeats, torch.cuda.is_available(), images()
    flags = FLAGS | (ON_GPU if on_gpu else {})
    few = Dataset(
        dataset.name, Examples(dataset.train.x[:FEW], dataset.train.y[:FEW]), dataset.test, dataset.classes
    )
    parts: dict[str, Callable[[], Any]] = {
        "epoch_seconds": lambda: take_turns(
            {"DataLoader": loader_epoch(dataset), "cnnkit": partial(our_epoch, dataset)},
            repeats,
            against="cnnkit",
        ),
        "flags_seconds": lambda: take_turns(
            {name: partial(our_epoch, few, **flags[name]) for name in flags}, repeats, against="none"
        ),
        "growth_seconds": lambda: growth(repeats),
    }
    if not on_gpu:
        parts |= {
            "accuracy": lambda: {"6 epochs": accuracy(seeds=5)},
            "images_per_second": lambda: processes(repeats),
            "megabytes": lambda: {"2 epochs": memory()},
        }
    result: dict[str, Any] = {
        "command": "python -m benchmarks.training",
        "environment": environment(),
        "data": dataset.name,
        "batch": BATCH,
        "images_of_flags": FEW,
        "repeats": repeats,
        "targets": TARGETS,
    }
    for name, part in parts.items():
        result[name] = part()
        show(name, result[name])
    write("training-cuda" if on_gpu else "training", result)


if __name__ == "__main__":
    main()
