"""Trains a small model with batch norm, and saves it.

torchrun --nproc-per-node=2 batch_norm.py OUT
"""

import sys

import torch
from torch import nn

from cnnkit import distributed
from cnnkit.data import Dataset, Examples
from cnnkit.recipe import Recipe
from cnnkit.train import fit

# the processes see unlike batches: the last of them has one example, and the second process none of it
RECIPE = Recipe("none", epochs=2, batch_size=8, precision="float64", step_size=0.01)
_X, _Y = torch.randn(65, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(65) % 3
DATA = Dataset("noise", Examples(_X, _Y), Examples(_X[:33], _Y[:33]), ("a", "b", "c"))


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


if __name__ == "__main__":
    fit(RECIPE, model(), DATA, out=sys.argv[1], device="cpu")
    distributed.stop()
