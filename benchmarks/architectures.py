"""All architectures on Fashion-MNIST under one budget: accuracy with its spread, size, arithmetic, speed.

Run ``python -m benchmarks.architectures``. With a GPU the networks are those of their papers, on all 60,000
images (``benchmarks/results/architectures-cuda.json``); without one they are narrower, on fewer images
(``architectures.json``). The result is written anew after each seed, so a run that is stopped leaves those
that it finished.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.record import environment, write
from cnnkit import data
from cnnkit.data import Dataset, Examples
from cnnkit.models import create
from cnnkit.recipe import Recipe
from cnnkit.summary import summary
from cnnkit.train import Diverged, evaluate, fit

SEEDS, EPOCHS = 5, 10
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
            batch_size=128,
            step_size=1e-3 if on_gpu else 2e-3,
            **quick,
        )
        for name, (width, size) in plan.items()
    }


def facts(recipe: Recipe) -> dict[str, Any]:
    """What does not depend on the seed: parameters and multiply-adds of an image, and who it is."""
    assert recipe.image_size is not None
    size = recipe.image_size
    table = summary(create(recipe.model, 10, 1, size, width=recipe.width), (1, size, size))
    return {"parameters": table.parameters, "multiply_adds": table.multiply_adds, "recipe": asdict(recipe)}


def run(recipe: Recipe, seed: int, dataset: Dataset) -> dict[str, Any]:
    """Train once and judge by all test images."""
    recipe = Recipe(**asdict(recipe) | {"seed": seed})
    few = Dataset(
        dataset.name, dataset.train, Examples(dataset.test.x[:LOOK], dataset.test.y[:LOOK]), dataset.classes
    )
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    try:
        trained = fit(recipe, dataset=few)
    except Diverged:
        return {"diverged": True}
    seconds = time.perf_counter() - start
    judged = Examples(
        *(t.to(next(trained.model.parameters()).device) for t in (dataset.test.x, dataset.test.y))
    )
    accuracy = evaluate(trained, judged)["accuracy"]
    speeds = sorted(epoch["images_per_second"] for epoch in trained.history)
    found = {
        "diverged": accuracy < CHANCE,
        "test_accuracy": round(accuracy, 4),
        "train_loss": round(trained.history[-1]["train_loss"], 4),
        "images_per_second": round(speeds[len(speeds) // 2]),
        "seconds": round(seconds, 1),
    }
    if torch.cuda.is_available():
        found["megabytes"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return found


def main() -> None:
    """Train every network with every seed, and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, help="training images; without a GPU 6,000, with one all")
    on_gpu = torch.cuda.is_available()
    images = parser.parse_args().images or (60_000 if on_gpu else 6_000)
    whole = data.fashion_mnist()
    dataset = Dataset(
        whole.name, Examples(whole.train.x[:images], whole.train.y[:images]), whole.test, whole.classes
    )
    networks: dict[str, dict[str, Any]] = {
        name: facts(recipe) | {"runs": []} for name, recipe in recipes(on_gpu).items()
    }
    result: dict[str, Any] = {
        "command": "python -m benchmarks.architectures",
        "environment": environment(),
        "data": dataset.name,
        "images": images,
        "test_images": len(dataset.test),
        "seeds": [],
        "networks": networks,
    }
    for seed in range(SEEDS):
        for name, recipe in tqdm(recipes(on_gpu).items(), desc=f"seed {seed}", disable=None):
            networks[name]["runs"].append(run(recipe, seed, dataset))
        result["seeds"] = list(range(seed + 1))
        write("architectures-cuda" if on_gpu else "architectures", result)


if __name__ == "__main__":
    main()
