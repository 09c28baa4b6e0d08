"""Measure the three tiers of convolution: time of forward and backward pass, and memory.

Run ``python -m benchmarks.convolution`` on an otherwise idle machine. The result is
``benchmarks/results/convolution.json``. The layers are those of LeNet and of ResNet-18 for images of 224x224
pixels, every shape once, in batches of 32.

Time: ours and PyTorch's take turns; a turn is one forward and one backward pass to input, weights and bias.
Memory: a fresh process for each, and by how much its largest size exceeds that before the input was made (on
Linux and on GPUs). The loops are measured on a tiny layer, as time for each multiply-add of the forward pass.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pairs import kilobytes, largest_megabytes, seconds, take_turns
from benchmarks.record import environment, write
from cnnkit import functional
from cnnkit.reference import conv as loops
from cnnkit.shapes import multiply_adds, output_size

BATCH = 32
LAYERS = {  # in_channels, height and width, out_channels, kernel_size, stride, padding
    "LeNet conv1": (1, 28, 6, 5, 1, 2),
    "LeNet conv2": (6, 14, 16, 5, 1, 0),
    "ResNet-18 stem": (3, 224, 64, 7, 2, 3),
    "ResNet-18 stage 1": (64, 56, 64, 3, 1, 1),
    "ResNet-18 stage 2, first": (64, 56, 128, 3, 2, 1),
    "ResNet-18 stage 2, shortcut": (64, 56, 128, 1, 2, 0),
    "ResNet-18 stage 2": (128, 28, 128, 3, 1, 1),
    "ResNet-18 stage 3, first": (128, 28, 256, 3, 2, 1),
    "ResNet-18 stage 3, shortcut": (128, 28, 256, 1, 2, 0),
    "ResNet-18 stage 3": (256, 14, 256, 3, 1, 1),
    "ResNet-18 stage 4, first": (256, 14, 512, 3, 2, 1),
    "ResNet-18 stage 4, shortcut": (256, 14, 512, 1, 2, 0),
    "ResNet-18 stage 4": (512, 7, 512, 3, 1, 1),
}
TIERS: dict[str, Callable[..., Tensor]] = {"ours": functional.conv2d, "torch": nn.functional.conv2d}
TARGETS = {"time": 2.2, "memory": 2.0}  # ours over PyTorch's on a CPU, geometric mean over the layers
FORMATS = {
    "float32": (torch.float32, torch.contiguous_format),
    "float32, channels-last": (torch.float32, torch.channels_last),
    "bfloat16, channels-last": (torch.bfloat16, torch.channels_last),
}


def one_pass(tier: str, layer: str, device: str, form: str) -> Callable[[], None]:
    """Make input, weights and bias of a layer, and return its forward and backward pass."""
    C, n, R, F, stride, padding = LAYERS[layer]
    dtype, memory_format = FORMATS[form]
    generator = torch.Generator().manual_seed(0)

    def tensor(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=generator).to(device, dtype)
        return values.to(memory_format=memory_format) if len(shape) == 4 else values

    n_out = output_size(n, F, stride, padding, floor=True)
    x, w, b = tensor(BATCH, C, n, n), tensor(R, C, F, F) / math.sqrt(C * F * F), tensor(R)
    error = tensor(BATCH, R, n_out, n_out)
    leaves = [t.requires_grad_() for t in (x, w, b)]

    def forward_and_backward() -> None:
        y = TIERS[tier](*leaves, stride=stride, padding=padding)
        torch.autograd.grad(y, leaves, error)
        if device == "cuda":
            torch.cuda.synchronize()

    return forward_and_backward


def times(layer: str, device: str, form: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of both tiers in turn, after a pass each to warm up; ratio: the median over pairs."""
    passes = {tier: one_pass(tier, layer, device, form) for tier in TIERS}
    measures = {tier: lambda run=run: 1000 * seconds(run) for tier, run in passes.items()}
    found = take_turns(measures, repeats, against="torch")
    return {tier: found[tier]["median"] for tier in TIERS} | {"ratio": found["ours"]["ratio"]}


def peak_megabytes(tier: str, layer: str, device: str, form: str) -> float:
    """By how much two passes raise the largest memory of this process."""
    if device == "cuda":
        one_pass(tier, layer, device, form)()
        return torch.cuda.max_memory_allocated() / 2**20
    nn.functional.conv2d(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 3, 3))  # PyTorch's own start
    before = kilobytes("VmRSS") / 2**10

    def twice() -> None:
        run = one_pass(tier, layer, device, form)
        run()
        run()

    return largest_megabytes(twice) - before


def memory(layer: str, device: str, form: str) -> dict[str, float]:
    """Megabytes of both tiers, each in a process of its own."""
    found: dict[str, float] = {}
    for tier in TIERS:
        command = [sys.executable, "-m", "benchmarks.convolution", "--memory", tier, layer, device, form]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[tier] = json.loads(done.stdout)
    return found | {"ratio": round(found["ours"] / found["torch"], 3)}


def loops_nanoseconds() -> float:
    """Nanoseconds of the loops, forward and backward, for each multiply-add of the forward pass."""
    generator = torch.Generator().manual_seed(0)
    y, w = torch.randn(3, 8, 8, generator=generator), torch.randn(4, 3, 3, 3, generator=generator)

    def run() -> None:
        delta = loops.conv2d(y, w)
        loops.conv2d_backward(delta, y, w)

    count = multiply_adds((6, 6), (3, 3), in_channels=3, out_channels=4)
    return 1e9 * statistics.median(seconds(run) for _ in range(5)) / count


def geometric_mean(values: list[float]) -> float:
    """The mean of ratios."""
    return math.exp(statistics.fmean(map(math.log, values)))


def measure(repeats: int) -> dict[str, Any]:
    """The tables of all formats that the machine is measured with: one on a CPU, three on a GPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tables = {}
    for form in FORMATS if device == "cuda" else ["float32"]:
        rows: dict[str, dict[str, Any]] = {}
        for layer, (C, n, R, F, stride, padding) in LAYERS.items():
            n_out = output_size(n, F, stride, padding, floor=True)
            ms, mb = times(layer, device, form, repeats), memory(layer, device, form)
            rows[layer] = {
                "multiply_adds": BATCH * multiply_adds((n_out, n_out), (F, F), in_channels=C, out_channels=R),
                "milliseconds": ms,
                "megabytes": mb,
            }
            both = f"{ms['torch']:8.1f} ms {ms['ours']:8.1f} ms"
            print(f"{layer:27} {both} {ms['ratio']:6.2f} {mb['ratio']:6.2f}")
        means = {
            what: round(geometric_mean([row[key]["ratio"] for row in rows.values()]), 3)
            for what, key in (("time", "milliseconds"), ("memory", "megabytes"))
        }
        print(f"{form} on {device}, geometric means, ours over torch: {means}")
        tables[form] = {"layers": rows, "geometric_mean": means}
    return tables


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument(
        "--memory", nargs=4, metavar=("TIER", "LAYER", "DEVICE", "FORM"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.memory:
        print(json.dumps(round(peak_megabytes(*arguments.memory), 1)))
        return
    write(
        "convolution",
        {
            "command": "python -m benchmarks.convolution",
            "environment": environment(),
            "batch": BATCH,
            "repeats": arguments.repeats,
            "targets": TARGETS,
            "tables": measure(arguments.repeats),
            "loops_nanoseconds_per_multiply_add": round(loops_nanoseconds(), 1),
        },
    )


if __name__ == "__main__":
    main()
