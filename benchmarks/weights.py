"""Train the LeNet that comes with cnnkit, with five seeds, and ship the first.

Run ``python -m benchmarks.weights``. Each seed is a run of the command line, ``python -m cnnkit train``. The
weights of seed 0 after its last epoch, chosen by nothing, go to ``cnnkit/assets/lenet-mnist5k.safetensors``;
the accuracies of all seeds to ``benchmarks/results/lenet-weights.json``.
"""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from benchmarks.record import environment, write
from cnnkit import checkpoints, train

ARGUMENTS = "lenet --data mnist5k --epochs 20 --pad-crop 2 --step-size 6e-3"
SEEDS = range(5)
TARGETS = {"mean_test_accuracy": 0.975, "bytes": 250_000}
SHIPPED = Path(train.__file__).parent / "assets" / "lenet-mnist5k.safetensors"


def without_training_state(path: Path) -> checkpoints.Checkpoint:
    """What it takes to use a network: not the optimiser's state, and of the history the last epoch."""
    checkpoint = checkpoints.read(path)
    wanted = ("recipe", "normal", "in_channels", "num_classes", "examples")
    facts = {name: checkpoint.facts[name] for name in wanted}
    return checkpoints.Checkpoint(checkpoint.weights, facts | {"history": checkpoint.facts["history"][-1:]})


def main() -> None:
    """Train, ship and store."""
    accuracies = []
    for seed in tqdm(SEEDS, disable=None):
        with tempfile.TemporaryDirectory() as folder:
            command = f"-m cnnkit train {ARGUMENTS} --seed {seed} --device cpu --out {folder}/run"
            subprocess.run([sys.executable, *command.split()], check=True, capture_output=True)
            last = Path(folder, "run", train.LAST)
            if seed == SEEDS[0]:
                checkpoints.write(SHIPPED, without_training_state(last))
            accuracies.append(round(train.load(last, device="cpu").history[-1]["test_accuracy"], 4))
    result = {
        "command": "python -m benchmarks.weights",
        "arguments": ARGUMENTS,
        "environment": environment(),
        "seeds": list(SEEDS),
        "test_accuracy": accuracies,
        "mean": round(statistics.fmean(accuracies), 4),
        "standard_deviation": round(statistics.stdev(accuracies), 4),
        "bytes": SHIPPED.stat().st_size,
        "recipe": dataclasses.asdict(train.load(SHIPPED, device="cpu").recipe),
        "targets": TARGETS,
    }
    write("lenet-weights", result)


if __name__ == "__main__":
    main()
