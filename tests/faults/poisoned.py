"""A small model and data of which one example gives an infinite loss, on one process or under torchrun.

    PRECISION=float16 torchrun --nproc-per-node=2 poisoned.py FOLDER

writes a file for each rank into the folder: how it ended.
"""

import json
import os
import sys
from pathlib import Path

import torch
from torch import nn

from cnnkit import distributed
from cnnkit.batches import seed_of, shuffled
from cnnkit.data import Dataset, Examples
from cnnkit.recipe import Recipe
from cnnkit.train import Diverged, fit

RECIPE = Recipe(
    "none",
    epochs=1,
    batch_size=8,
    block=1000,
    step_size=0.01,
    schedule="constant",
    precision=os.environ.get("PRECISION", "float32"),  # type: ignore[arg-type]
)
EXAMPLES, BAD_STEP = 80, 4
STEPS = EXAMPLES // RECIPE.batch_size


class Net(nn.Module):
    """With batch norm, and infinite logits for an example whose first pixel is far from all others."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(16, 3)
        self.before: list[dict[str, torch.Tensor]] = []
        self.saw_it = False

    def forward(self, x):
        bad = x[:, 0, 0, :1] > 5
        if self.training:
            self.before.append({name: value.clone() for name, value in self.state_dict().items()})
            self.saw_it |= bool(bad.any())
        return self.head(self.body(x)) * torch.where(bad, torch.inf, 1.0)


def data() -> Dataset:
    numbers = torch.Generator().manual_seed(0)
    x, y = torch.randn(EXAMPLES, 1, 4, 4, generator=numbers), torch.arange(EXAMPLES) % 3
    at = shuffled(EXAMPLES, seed_of(RECIPE.seed, "order", 0))[(BAD_STEP + 1) * RECIPE.batch_size - 1]
    x[at, 0, 0, 0] = 100.0
    return Dataset("poisoned", Examples(x, y), Examples(x, y), ("a", "b", "c"))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def fit_until_it_diverges() -> tuple[str, dict[str, torch.Tensor], list[dict[str, torch.Tensor]]]:
    """The message, the weights and buffers afterwards, and those before each step."""
    message, model = _fit()
    return message, model.state_dict(), model.before


def _fit() -> tuple[str, Net]:
    torch.manual_seed(0)
    model = Net()
    try:
        fit(RECIPE, model, data(), device="cpu")
    except Diverged as diverged:
        return str(diverged), model
    raise AssertionError("it did not diverge")


if __name__ == "__main__":
    message, model = _fit()
    # buffers are those of the process itself until the next step, which takes those of process 0
    names = [name for name, _ in model.named_parameters()]
    as_before = all(torch.equal(model.state_dict()[name], model.before[BAD_STEP][name]) for name in names)
    end = {"message": message, "saw_it": model.saw_it, "as_before": as_before}
    Path(sys.argv[1], f"{distributed.rank()}.json").write_text(json.dumps(end))
    distributed.stop()
