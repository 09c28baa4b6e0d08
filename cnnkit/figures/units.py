"""Figures of nodes and their outputs: dropout, batch normalisation, a residual block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.figures.figure import Figure, grid
from cnnkit.shapes import check_integer

# Three inputs, four hidden units, one output, all units logistic. Large weights, so that the means differ.
NETWORK: dict[str, Any] = {
    "x": [1.0, 0.5, -1.0],
    "w1": [[2.0, -1.0, 1.0], [-1.5, 2.0, 0.5], [1.0, 1.0, -2.0], [-0.5, -2.0, 1.5]],
    "b1": [0.0, 0.5, -0.5, 0.0],
    "w2": [2.5, -1.5, 2.0, 1.0],
    "b2": -1.5,
}


def dropout(
    p_input: float | int = 0.8, p_hidden: float | int = 0.5, seed: int = 0, samples: int = 1
) -> Figure:
    """A small logistic network with dropout, and what it averages. Shows eq-dropout, eq-nwgm.

    Draw masks and watch the mean of the outputs settle beside the output of one pass with scaled weights. For
    a unit of your choice all its 2^n sub-networks are there, with both geometric means, their normalised mean
    and f(E S), which agree.

    Args:
        p_input: probability to *keep* an input, 0.1 to 1.
        p_hidden: probability to keep a hidden unit, 0.1 to 1.
        seed: of the masks that are drawn, a whole number of 0 or more.
        samples: how many masks have been drawn at first, 1 to 10,000.

    Raises:
        TypeError: seed or samples is no integer.
        ValueError: an argument is out of range.

    Example:
        >>> dropout(p_hidden=0.7)
        Figure('dropout')
    """
    for name, p in (("p_input", p_input), ("p_hidden", p_hidden)):
        if not 0.1 <= p <= 1:
            raise ValueError(f"{name} must be between 0.1 and 1, the probability to keep a node; got {p}")
    check_integer("seed", seed, at_least=0)
    if check_integer("samples", samples) > 10_000:
        raise ValueError(f"samples must be at most 10,000, got {samples}")
    return Figure(
        "dropout",
        {
            "network": NETWORK,
            "p_input": p_input,
            "p_hidden": p_hidden,
            "seed": seed,
            "samples": samples,
            "unit": 0,
        },
        label="Dropout in a small network, and what it averages",
        fallback="A network of three inputs, four hidden units and one output. An input is kept with "
        f"probability {p_input:g}, a hidden unit with probability {p_hidden:g}. Below are the weights from "
        "the inputs (columns) to the hidden units (rows).",
        picture=grid(NETWORK["w1"], side=34),
        scripts=("averaging",),
        height=(31, 56),
    )


def batch_norm(
    x: Sequence[float | int] = (-3.0, -1.5, 0.5, 1.0, 3.5),
    gamma: float | int = 1.0,
    beta: float | int = 0.0,
    running_mean: float | int = 0.0,
    running_var: float | int = 4.0,
    eps: float | int = 1e-5,
) -> Figure:
    """Batch normalisation of one node, live: points that you drag. Shows eq-bn-normalise, eq-bn-affine.

    A point's output in training depends on all points of the mini-batch; at test time it depends on itself.

    Args:
        x: the node's net inputs, one for each example of the mini-batch: 2 to 8 numbers from -6 to 6.
        gamma: the scale, -3 to 3.
        beta: the shift, -3 to 3.
        running_mean: the population's mean, for test time.
        running_var: the population's variance, above 0.
        eps: what is added to a variance, above 0.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> batch_norm([0.0, 1.0, 5.0])
        Figure('batch-norm')
    """
    if not 2 <= len(x) <= 8 or not all(-6 <= value <= 6 for value in x):
        raise ValueError(f"x must be 2 to 8 numbers from -6 to 6, got {list(x)}")
    for name, value in (("gamma", gamma), ("beta", beta)):
        if not -3 <= value <= 3:
            raise ValueError(f"{name} must be between -3 and 3, got {value}")
    if not abs(running_mean) < float("inf"):
        raise ValueError(f"running_mean must be a finite number, got {running_mean}")
    for name, value in (("running_var", running_var), ("eps", eps)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a finite number above 0, got {value}")
    return Figure(
        "batch-norm",
        {
            "x": list(x),
            "gamma": gamma,
            "beta": beta,
            "eps": eps,
            "population": {"mean": running_mean, "variance": running_var},
            "point": 0,
        },
        label="Batch normalisation of the points of a mini-batch",
        fallback=f"A mini-batch of {len(x)} net inputs before it is normalised; "
        f"its mean is {sum(x) / len(x):.2f}.",
        picture=grid([list(x)], side=36),
        scripts=("normalising", "equals"),
        height=(32, 40),
    )


def residual_block(
    x: Sequence[float | int] = (1.5, 2.5, 0.5, -1.5, -1.0, 0.5, 2.0, 1.0),
    w1: Sequence[float | int] = (-0.5, 1.0, 0.5),
    w2: Sequence[float | int] = (0.5, -1.5, 1.0),
    alpha: float | int = 0.5,
    order: str = "after",
) -> Figure:
    """A residual block whose branch is switched on little by little, over a row of nodes. Shows eq-residual.

    The reader slides alpha, drags the nodes and edits both filters. The output slides from the shortcut at
    alpha = 0 to ``f(F(x) + x)`` at alpha = 1. The shortcut is the identity, the branch
    ``F(x) = W_2 f(W_1 x)`` has two filters of three weights with a ReLU between them. The drawing shows the
    sum before the ReLU and behind it.

    Args:
        x: what the block is given: 3 to 8 numbers from -3 to 3.
        w1: the branch's first filter, three weights from -2 to 2.
        w2: its second filter, three weights from -2 to 2.
        alpha: what the branch is multiplied by, 0 to 1.
        order: ``"after"``: the block's ReLU stands behind the addition, as in ResNet; ``"before"``: in front
            of the branch, and nothing follows the addition, as with pre-activation.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> residual_block(alpha=0)
        Figure('residual-block')
    """
    if not 3 <= len(x) <= 8 or not all(-3 <= value <= 3 for value in x):
        raise ValueError(f"x must be 3 to 8 numbers from -3 to 3, got {list(x)}")
    for name, weights in (("w1", w1), ("w2", w2)):
        if len(weights) != 3 or not all(-2 <= weight <= 2 for weight in weights):
            raise ValueError(f"{name} must be three weights from -2 to 2, got {list(weights)}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
    if order not in ("after", "before"):
        raise ValueError(f"order must be 'after' or 'before', got {order!r}")
    place = "behind the addition" if order == "after" else "in front of the branch"
    return Figure(
        "residual-block",
        {"x": list(x), "w1": list(w1), "w2": list(w2), "alpha": alpha, "order": order, "node": 0},
        label="A residual block and the share of its branch",
        fallback=f"A residual block is given the {len(x)} nodes below, and adds {alpha:g} times its branch "
        f"to them; the ReLU stands {place}.",
        picture=grid([list(x)], side=36),
        scripts=("residual", "number-grid", "equals"),
        height=(47, 76),
    )
