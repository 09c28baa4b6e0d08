"""What decides the result of a training run, as one frozen dataclass, and the schedule of its step sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

__all__ = ["Recipe", "step_size"]

NAMES = {int: "a whole number", float: "a number", bool: "True or False", str: "a name"}


@dataclass(frozen=True)
class Recipe:
    """All that decides the result of a training run; each field is an option of ``cnnkit train``.

    Raises:
        ValueError: a value out of range; the message names the field, the value and what was expected.
    """

    model: str
    """network, by its name, such as lenet"""
    width: float = 1.0
    """what to multiply the numbers of filters of the network with"""
    data: str = "mnist5k"
    """data set by its name (cnnkit data list), or a folder of images by its path (./flowers)"""
    epochs: int = 10
    """passes over the training set"""
    batch_size: int = 64
    """examples of one step, over all processes"""
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    """adam adds the weight decay to the gradient, adamw takes it from the weights"""
    step_size: float = 4e-3
    """the largest step size of the schedule (lr in PyTorch)"""
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"
    """the step size stays; falls to zero; or rises for 30 % of the steps and then falls to zero"""
    momentum: float = 0.9
    """of SGD; for adam and adamw how much of the gradient's mean is kept (betas[0] in PyTorch)"""
    weight_decay: float = 0.0
    """lambda in the penalty lambda/2 times the sum of the squares of all parameters"""
    max_norm: float | None = None
    """norm constraint, the largest length of the weights into a unit or of a filter"""
    label_smoothing: float = 0.0
    """share of the target that goes to all classes alike"""
    pad_crop: int = 0
    """augmentation, shifts by up to so many pixels"""
    flip: bool = False
    """augmentation, half of the images mirrored left to right"""
    cutout: int = 0
    """augmentation, a square of this side hidden in each image"""
    image_size: int | None = None
    """height and width that images are resized to; folders of images by default to what the paper takes"""
    validation: int = 0
    """training examples held out to choose the best checkpoint; with 0 the test set does, and flatters it"""
    precision: Literal["float32", "tf32", "bfloat16", "float16", "float64"] = "float32"
    """tf32 for quicker float32 products on NVIDIA, bfloat16 or float16 for autocast, float64 to compare"""
    channels_last: bool = False
    """keep images as (N, H, W, C) in memory"""
    compile: bool = False
    """use torch.compile, so that the first step takes long and the others less"""
    fused: bool = False
    """update all weights in one kernel; float16 always does"""
    accumulate: int = 1
    """parts into which a process splits its share of a batch, one after the other, to save memory"""
    sync_batch_norm: bool = False
    """batch norm over the batch of all processes (GPUs only)"""
    workers: int = 2
    """processes that decode images of a folder; the result does not depend on it"""
    block: int = 50
    """steps between two looks at whether to stop; the result does not depend on it"""
    seed: int = 0
    """decides the first weights, the order of the examples, augmentation and dropout"""

    def __post_init__(self) -> None:
        """Check every field."""
        for name, hint in get_type_hints(type(self)).items():
            value, known = getattr(self, name), get_args(hint) or (hint,)
            if isinstance(known[0], str):
                if value not in known:
                    raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
            elif type(value) not in known and not (float in known and type(value) is int):
                raise ValueError(f"{name} must be {NAMES[known[0]]}; got {value!r}")
        for name in ("epochs", "batch_size", "accumulate", "block", "image_size"):
            self._require(name, 1)
        for name in ("weight_decay", "pad_crop", "cutout", "validation", "workers", "seed"):
            self._require(name, 0)
        for name in ("width", "step_size", "max_norm"):
            self._require(name, 0, above=True)
        for name in ("momentum", "label_smoothing"):
            self._require(name, 0, below=1)

    def _require(self, name: str, least: int, above: bool = False, below: int | float = math.inf) -> None:
        value = getattr(self, name)
        if value is None and "None" in str(self.__dataclass_fields__[name].type):
            return
        if not (least < value if above else least <= value) or not value < below:
            lower = f"greater than {least}" if above else f"at least {least}"
            upper = "" if below == math.inf else f" and less than {below}"
            finite = " and finite" if value == math.inf else ""
            raise ValueError(f"{name} must be {lower}{upper}{finite}; got {value!r}")


def step_size(recipe: Recipe, step: int, steps: int) -> float:
    """The step size of a step. Implements eq-step-size.

    Args:
        recipe: its ``schedule`` and largest ``step_size``.
        step: steps done before, from 0.
        steps: steps of the whole run.

    Returns:
        ``constant``: always the same. ``cosine``: half a period of a cosine, from the largest to zero.
        ``one-cycle``: a straight line from 4 % to the largest over the first 30 %, then the cosine to zero.
    """
    share, warm_up = step / steps, 0.3
    if recipe.schedule == "constant":
        return recipe.step_size
    if recipe.schedule == "one-cycle":
        if share < warm_up:
            return recipe.step_size * (0.04 + 0.96 * share / warm_up)
        share = (share - warm_up) / (1 - warm_up)
    return recipe.step_size * (1 + math.cos(math.pi * share)) / 2
