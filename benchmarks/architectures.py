"""All architectures on Fashion-MNIST under one budget: accuracy with its spread, size, arithmetic, speed.

Run ``python -m benchmarks.architectures``. With a GPU the networks are those of their papers, on all 60,000
images (``benchmarks/results/architectures-cuda.json``); without one they are narrower, on fewer images
(``architectures.json``). The result is written anew after each seed, so a run that is stopped leaves those
that it finished.

Speed is measured at the end, by turns. ``--speed`` measures it alone and leaves the rest of the stored result
as it is: accuracy does not mind what else the machine does, speed does.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from benchmarks.pairs import take_turns
from benchmarks.record import RESULTS, environment, write
from cnnkit import data
from cnnkit.data import Dataset, Examples
from cnnkit.models import create
from cnnkit.recipe import Recipe
from cnnkit.summary import summary
from cnnkit.train import Diverged, evaluate, fit

SEEDS, EPOCHS, TURNS = 5, 10, 7
BATCH = 128
# Medians of what Dive into Deep Learning stored (d2l-ai/d2l-zh-pytorch-slides, 2021 to 2023), ten epochs:
# ours are to reach them at full size. Its VGG-11 has a quarter of the filters.
THEIRS = {
    "lenet": 0.808,
    "alexnet": 0.881,
    "vgg11": 0.919,
    "network_in_network_imagenet": 0.844,
    "googlenet": 0.888,
    "resnet18": 0.913,
}
CHANCE = 0.15  # a network that is hardly above one right answer in ten has learnt nothing
# Test images that are looked at after each epoch; after the last all 10,000 are.
LOOK = 1000


def recipes(on_gpu: bool) -> dict[str, Recipe]:
    """The networks to compare, by what they are called: their recipes."""
    if on_gpu:
        quick: dict[str, Any] = {"precision": "bfloat16", "channels_last": True, "fused": True}
        plan: dict[str, tuple[float, int]] = {
            "lenet": (1, 28),
            "alexnet": (1, 227),
            "vgg11": (1, 224),
            "vgg11_bn": (1, 224),
            "network_in_network_imagenet": (1, 224),
            "googlenet": (1, 96),
            "resnet18": (1, 96),
            "resnet20": (1, 28),
        }
    else:
        quick = {}
        plan = {
            "lenet": (1, 28),
            "alexnet": (1 / 8, 67),
            "vgg11": (1 / 8, 32),
            "vgg11_bn": (1 / 8, 32),
            "network_in_network": (3 / 16, 28),
            "googlenet": (1 / 8, 64),
            "resnet18": (1 / 8, 64),
            "resnet20": (1 / 2, 28),
        }
    return {
        name: Recipe(
            name,
            width=float(width),
            image_size=size,
            data="fashion_mnist",
            epochs=EPOCHS,
            batch_size=BATCH,
            step_size=1e-3 if on_gpu else 2e-3,
            **quick,
        )
        for name, (width, size) in plan.items()
    }


def facts(recipe: Recipe) -> dict[str, Any]:
    """What does not depend on the seed: parameters, the cost of an image in float32, and the recipe."""
    model, x = network(recipe), images(recipe, 2)
    table = summary(model, x.shape[1:])
    return {
        "parameters": table.parameters,
        "multiply_adds": table.multiply_adds,
        "kept_kilobytes": round(kept_for_backward(model, x) / len(x) / 1e3, 1),
        "recipe": asdict(recipe),
    }


def network(recipe: Recipe) -> nn.Module:
    """The network of a recipe, untrained."""
    return create(recipe.model, 10, 1, recipe.image_size, width=recipe.width)


def images(recipe: Recipe, number: int) -> Tensor:
    """Images of noise, of the size that the network takes."""
    assert recipe.image_size is not None
    return torch.randn(number, 1, recipe.image_size, recipe.image_size)


def kept_for_backward(model: nn.Module, x: Tensor) -> int:
    """Bytes of the tensors that a forward pass keeps for the backward pass, parameters not counted."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}  # holding on to them, so that no two share an address

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(x)
    del output
    return sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in own)


def run(recipe: Recipe, seed: int, dataset: Dataset) -> dict[str, Any]:
    """Train once and judge by all test images. ``diverged`` means lost: not finite, or still at chance."""
    recipe = Recipe(**asdict(recipe) | {"seed": seed})
    few = Dataset(
        dataset.name, dataset.train, Examples(dataset.test.x[:LOOK], dataset.test.y[:LOOK]), dataset.classes
    )
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        trained = fit(recipe, dataset=few)
    except Diverged:
        return {"diverged": True}
    megabytes = round(torch.cuda.max_memory_allocated() / 2**20) if torch.cuda.is_available() else None
    judged = Examples(
        *(t.to(next(trained.model.parameters()).device) for t in (dataset.test.x, dataset.test.y))
    )
    accuracy = evaluate(trained, judged)["accuracy"]
    found = {
        "diverged": accuracy < CHANCE,
        "test_accuracy": round(accuracy, 4),
        "train_loss": round(trained.history[-1]["train_loss"], 4),
    }
    if megabytes is not None:
        found["megabytes"] = megabytes
    return found


def speeds(recipes: dict[str, Recipe], turns: int) -> dict[str, Any]:
    """Images per second of a step of training and of answering, in batches, all networks in each turn."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    measures: dict[str, dict[str, Callable[[], float]]] = {"training": {}, "answering": {}}
    for name, recipe in recipes.items():
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        model = network(recipe).to(device).to(memory_format=layout)
        x = images(recipe, BATCH).to(device).contiguous(memory_format=layout)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.0, fused=recipe.fused)
        precision = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
        measures["training"][name] = partial(_rate, partial(_train, model, x, optimizer, precision))
        measures["answering"][name] = partial(_rate, partial(_answer, model, x, precision))
    return {what: take_turns(by_name, turns, against="lenet") for what, by_name in measures.items()}


def _train(model: nn.Module, x: Tensor, optimizer: torch.optim.Optimizer, precision: torch.autocast) -> None:
    model.train()
    with precision:
        loss = functional.cross_entropy(model(x), torch.zeros(len(x), dtype=torch.long, device=x.device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.inference_mode()
def _answer(model: nn.Module, x: Tensor, precision: torch.autocast) -> None:
    model.eval()
    with precision:
        model(x)


def _rate(step: Callable[[], None], least_seconds: float = 0.3) -> float:
    """Images per second. A GPU is waited for after 20 steps only: the training loop does not wait, either."""
    on_gpu = torch.cuda.is_available()
    start, steps = time.perf_counter(), 0
    while steps < 3 or time.perf_counter() - start < least_seconds:
        for _ in range(20 if on_gpu else 1):
            step()
            steps += 1
        if on_gpu:
            torch.cuda.synchronize()
    return BATCH * steps / (time.perf_counter() - start)


def main() -> None:
    """Train every network with every seed, measure their speed, and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, help="training images; without a GPU 6,000, with one all")
    parser.add_argument("--speed", action="store_true", help="only measure the speed, and store it")
    arguments, on_gpu = parser.parse_args(), torch.cuda.is_available()
    result_name = "architectures-cuda" if on_gpu else "architectures"
    if arguments.speed:
        result = json.loads((RESULTS / f"{result_name}.json").read_text(encoding="utf8"))
    else:
        result = train_all(result_name, arguments.images or (60_000 if on_gpu else 6_000), on_gpu)
    result["speed"] = {
        "command": "python -m benchmarks.architectures --speed",
        "environment": environment(),
        "repeats": TURNS,
        **speeds(recipes(on_gpu), TURNS),
    }
    write(result_name, result)


def train_all(result_name: str, number: int, on_gpu: bool) -> dict[str, Any]:
    """Train every network with every seed, and store after each seed."""
    whole = data.fashion_mnist()
    dataset = Dataset(
        whole.name, Examples(whole.train.x[:number], whole.train.y[:number]), whole.test, whole.classes
    )
    networks: dict[str, dict[str, Any]] = {
        name: facts(recipe) | {"runs": []} for name, recipe in recipes(on_gpu).items()
    }
    result: dict[str, Any] = {
        "command": "python -m benchmarks.architectures",
        "environment": environment(),
        "data": dataset.name,
        "images": number,
        "test_images": len(dataset.test),
        "seeds": [],
        "networks": networks,
    }
    for seed in range(SEEDS):
        for name, recipe in tqdm(recipes(on_gpu).items(), desc=f"seed {seed}", disable=None):
            networks[name]["runs"].append(run(recipe, seed, dataset))
        result["seeds"] = list(range(seed + 1))
        write(result_name, result)
    return result


if __name__ == "__main__":
    main()
