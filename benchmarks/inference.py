"""Measure ResNets: our files against torchvision's, and what a trained network needs to answer.

Run ``python -m benchmarks.inference`` on an otherwise idle machine, with a GPU where there is one. The
result is ``benchmarks/results/inference.json``, or ``inference-cuda.json`` on a GPU. Images are random, but
for the comparison of answers: there a ResNet-18 is trained on MNIST 5k, and the fastest way to compute must
give its answers.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch._inductor import config as inductor

from benchmarks.pairs import seconds, show, take_turns
from benchmarks.record import environment, write
from cnnkit import data
from cnnkit.batches import prepare
from cnnkit.models import create
from cnnkit.recipe import Recipe
from cnnkit.regularisation import fold_batchnorm
from cnnkit.train import fit

TARGETS = {"our_speed_over_torchvision": 0.98, "tuned_speed_over_eager": 3, "same_answers": 0.995}
DEPTHS = (18, 50)
BATCH, SIZE = 8, 224
TRAINED = Recipe("resnet18", image_size=64, epochs=3, step_size=2e-3)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# ----------------------------------------------------------------------------- ours and torchvision's
def answering(model: nn.Module, x: Tensor) -> Callable[[], float]:
    """Seconds of a batch in evaluation mode."""
    model.eval()

    def run() -> None:
        with torch.no_grad():
            model(x)
        _wait()

    return partial(seconds, run)


def learning(model: nn.Module, x: Tensor) -> Callable[[], float]:
    """Seconds of a step of SGD."""
    model.train()
    y = torch.zeros(len(x), dtype=torch.long, device=x.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        _wait()

    return partial(seconds, run)


def against_torchvision(
    depth: int, how: Callable[[nn.Module, Tensor], Callable[[], float]], repeats: int
) -> Any:
    """Both networks with the same weights on the same images, by turns."""
    ours = create(f"resnet{depth}", 1000, 3).to(_device())
    theirs: nn.Module = getattr(torchvision.models, f"resnet{depth}")().to(_device())
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(BATCH, 3, SIZE, SIZE, device=_device())
    return take_turns({"cnnkit": how(ours, x), "torchvision": how(theirs, x)}, repeats, against="cnnkit")


# ----------------------------------------------------------------------------- ways to answer
def ways(model: nn.Module) -> dict[str, tuple[nn.Module, torch.dtype, torch.memory_format]]:
    """The same network, prepared in several ways: model, dtype and layout of the images."""
    last = torch.channels_last
    folded = fold_batchnorm(model)
    bfloat16 = copy.deepcopy(folded).to(torch.bfloat16).to(memory_format=last)

    def compiled(network: nn.Module) -> nn.Module:
        made: Any = torch.compile(network, dynamic=False)
        return made

    return {
        "eager float32": (model, torch.float32, torch.contiguous_format),
        "folded": (folded, torch.float32, torch.contiguous_format),
        "folded, channels-last": (
            copy.deepcopy(folded).to(memory_format=last),
            torch.float32,
            last,
        ),
        "folded, channels-last, bfloat16": (bfloat16, torch.bfloat16, last),
        "compiled float32": (compiled(copy.deepcopy(model)), torch.float32, torch.contiguous_format),
        "tuned": (compiled(copy.deepcopy(bfloat16)), torch.bfloat16, last),
    }


def speed(repeats: int) -> dict[str, dict[str, Any]]:
    """Seconds of a batch of ResNet-18, way by way. "tuned" is everything together, compiled and frozen."""
    measures = {}
    for name, (model, dtype, layout) in ways(create("resnet18", 1000, 3).to(_device()).eval()).items():
        x = torch.randn(BATCH, 3, SIZE, SIZE, device=_device(), dtype=dtype)
        measures[name] = answering(model, x.contiguous(memory_format=layout))
    return take_turns(measures, repeats, against="tuned")


def answers() -> dict[str, Any]:
    """How many test images a trained ResNet-18 puts into the same class, tuned as eager."""
    trained = fit(TRAINED)
    examples = data.mnist5k().test
    network = ways(trained.model)
    model, dtype, layout = network["tuned"]
    same = right = right_tuned = 0
    for x, y in zip(examples.x.split(BATCH), examples.y.split(BATCH), strict=True):
        images = prepare(x.to(_device()), trained.normal, image_size=TRAINED.image_size)
        with torch.no_grad():
            eager = trained.model(images).argmax(1).cpu()
            tuned = model(images.to(dtype).contiguous(memory_format=layout)).argmax(1).cpu()
        same += int((eager == tuned).sum())
        right += int((eager == y).sum())
        right_tuned += int((tuned == y).sum())
    n = len(examples.y)
    return {"images": n, "same": same / n, "accuracy": right / n, "accuracy_tuned": right_tuned / n}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    result: dict[str, Any] = {
        "command": "python -m benchmarks.inference",
        "environment": environment() | {"torchvision": torchvision.__version__},
        "batch": BATCH,
        "image_size": SIZE,
        "repeats": repeats,
        "targets": TARGETS,
    }
    for depth in DEPTHS:
        for what, how in (("answering", answering), ("learning", learning)):
            name = f"resnet{depth}_{what}_seconds"
            result[name] = against_torchvision(depth, how, repeats)
            show(name, result[name])
    with inductor.patch(freezing=True):  # weights become constants of the compiled program
        result["ways_seconds"] = speed(repeats)
        show("ways to answer, seconds", result["ways_seconds"])
        result["answers"] = answers()
        show("answers", {"tuned as eager": result["answers"]})
    write("inference-cuda" if torch.cuda.is_available() else "inference", result)


if __name__ == "__main__":
    main()
