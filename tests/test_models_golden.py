"""Every model of the table against its numbers in tests/golden/models.json, which catch a silent change.

Weights and images come from a formula and not from a random generator. After a change that is meant, write the
file again and read what is different:

    python -m tests.test_models_golden && git diff tests/golden
"""

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from cnnkit.models import MODELS, create

FILE = Path(__file__).parent / "golden" / "models.json"

# Small images that exercise every layer, where the paper's are large.
SIZES = {"alexnet": 67, "alexnet_notes": 67, "network_in_network_imagenet": 67, "googlenet": 48}
SIZES |= {name: 32 for name in MODELS if name.startswith("vgg")}
SIZES |= {f"fcn{stride}s": 64 for stride in (32, 16, 8)}
SIZES |= {f"resnet{depth}": 48 for depth in (18, 34, 50, 101, 152)}


def narrow(name):
    """A small model for images of two channels, and the size of its images."""
    entry = MODELS[name]
    size = SIZES.get(name, entry.image_size)
    width = {} if name == "lenet5_1998" else {"width": 1 / 4 if size == 32 and "resnet" in name else 1 / 16}
    torch.manual_seed(0)
    return create(name, num_classes=5, in_channels=2, image_size=size, **width), size


def wave(number, *shape):
    """Numbers between -1 and 1 of variance 1/2 without a pattern: cos(2 pi (number + 1) i^2 / 1009)."""
    i = torch.arange(math.prod(shape))
    return torch.cos(2 * math.pi * (i * i * (number + 1) % 1009).double() / 1009).reshape(shape)


@torch.no_grad()
def fill(model, images):
    """Weights that keep the size of what runs through, and the images' own statistics for batch norm."""
    for number, (name, parameter) in enumerate(model.double().named_parameters()):
        values = wave(number, *parameter.shape)
        if "enlarge" in name:
            continue  # what it begins with, bilinear interpolation, is a formula too
        if parameter.dim() > 1:
            values *= 2 / parameter[0].numel() ** 0.5
        elif name.endswith("weight"):
            values = 1 + 0.5 * values
        else:
            values *= 0.1
        parameter.copy_(values)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        layer.momentum = 1.0
    if norms:
        model.train()(images)


def spread(weights):
    """The standard deviation, to two digits."""
    return float(f"{weights.std():.2g}")


@torch.no_grad()
def measure(name):
    """What the file holds of a model."""
    model, size = narrow(name)
    names = [f"{key} {tuple(tensor.shape)}" for key, tensor in model.state_dict().items()]
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    first, last = convolutions[0], (linear or convolutions)[-1]
    spreads = {"first": spread(first.weight), "last": spread(last.weight)}
    if len(linear) > 1:
        spreads["first linear"] = spread(linear[0].weight)
    images = wave(0, 2, 2, size, size)
    fill(model, images.clone())
    logits = model.eval()(images)
    if MODELS[name].per_pixel:
        logits = logits[:, :, size // 3, size // 2]
    return {
        "image_size": size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "state_dict": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "first_weights": spreads,
        "logits": [float(f"{logit:.10g}") for logit in logits.flatten()],
    }


def test_the_file_has_every_model_and_is_small():
    assert list(json.loads(FILE.read_text())) == list(MODELS)
    assert FILE.stat().st_size <= 50_000


@pytest.mark.parametrize("name", MODELS)
def test_nothing_has_changed(name):
    golden, now = json.loads(FILE.read_text())[name], measure(name)
    for key in ("image_size", "parameters", "state_dict"):
        assert now[key] == golden[key]
    assert now["logits"] == pytest.approx(golden["logits"], rel=1e-7, abs=1e-9)
    # 0.1 leaves room for another random generator, not for another distribution
    assert now["first_weights"] == pytest.approx(golden["first_weights"], rel=0.1)


@pytest.mark.parametrize("name", MODELS)
def test_the_logits_depend_on_the_image_and_are_of_order_one(name):
    logits = torch.tensor(json.loads(FILE.read_text())[name]["logits"])
    assert 0.1 < logits.std() < 100
    first, second = logits.reshape(2, -1)
    assert (first - second).abs().max() > 0.01


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps({name: measure(name) for name in MODELS}, indent=1) + "\n")
    print(f"wrote {FILE}: {FILE.stat().st_size:,} bytes")
