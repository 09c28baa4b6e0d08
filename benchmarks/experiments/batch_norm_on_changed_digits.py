"""Why the small ResNet fails on changed digits: are the means and variances of batch norm out of date?

The ResNets of *brittle-digits* see the same changed digits twice: with the statistics that they kept from
training, and with those of the changed digits themselves. No weight is changed, and no label is used. (After
Schneider et al. 2020.)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cnnkit import notebook
from cnnkit.batches import prepare
from cnnkit.train import Trained, predict

brittle = notebook.experiment("brittle-digits")

SEEDS = range(5)
SETTINGS = {
    "every": 1,
    "epochs": 6,
    "width": 1 / 2,
    "precision": "float32",
    "strengths": {
        "shift": [0, 4],
        "rotation": [30],
        "noise": [0.2, 0.4],
        "blur": [1.0, 2.0],
        "contrast": [0.8, 0.4],
        "darker": [0.4],
        "inversion": [1.0],
    },
}
# Double precision: a few steps later another machine's sums still give every test digit the same answer.
SMALL = SETTINGS | {
    "every": 10,
    "epochs": 1,
    "width": 1 / 8,
    "precision": "float64",
    "strengths": {"shift": [2], "contrast": [0.8]},
}
TOLERANCE = 1e-6


@torch.no_grad()
def with_own_statistics(trained: Trained, x: Tensor) -> Tensor:
    """The logits, where batch norm takes means and variances from the batch; the kept ones stay."""
    layers = [layer for layer in trained.model.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.train().momentum = 0.0  # of the new statistics nothing is kept
    z = trained.model(prepare(x, trained.normal, dtype=next(trained.model.parameters()).dtype))
    for layer in layers:
        layer.eval()
    return z


def run(
    seed: int, every: int, epochs: int, width: float, precision: Any, strengths: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, list[float]]]:
    """For each change and strength the share of right answers: with ``kept`` and with ``own`` statistics."""
    data = brittle.digits(every)
    x, y = data.test.x / 255, data.test.y
    trained = brittle.train("ResNet", seed, data, epochs, width, precision)
    torch.manual_seed(seed)
    found: dict[str, dict[str, list[float]]] = {}
    for name in strengths:
        found[name] = {"kept": [], "own": []}
        for strength in strengths[name]:
            batches = brittle.CHANGES[name](x, strength)
            for what, logits in (("kept", predict), ("own", with_own_statistics)):
                right = [logits(trained, each).argmax(1) == y for each in batches]
                found[name][what].append(torch.cat(right).double().mean().item())
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
