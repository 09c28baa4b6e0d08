"""Numbers that a figure is given: what its fields take, and how it writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

Numbers = Tensor | np.ndarray | Sequence[Any]
LARGEST_NUMBER = 9  # what the fields of a figure take


def as_text(value: float) -> str:
    """A number as the figures write it."""
    return f"{round(float(value), 2) + 0.0:g}".replace("-", "−")


def as_array(name: str, values: Numbers) -> np.ndarray:
    """Whatever holds numbers, as an array.

    Raises:
        TypeError: it holds something else.
    """
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold numbers, got {array.dtype}")
    return array


def as_numbers(name: str, values: Numbers, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a figure's fields.

    Raises:
        TypeError: they are no numbers.
        ValueError: they have another shape, or the fields do not take them.
    """
    array = as_array(name, values).astype(float)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not (np.abs(array) <= LARGEST_NUMBER).all():
        got = f"{array.min():g} to {array.max():g}"
        raise ValueError(f"{name} must hold numbers from {-LARGEST_NUMBER} to {LARGEST_NUMBER}; got {got}")
    return array


def as_row(name: str, values: Numbers, most: int) -> np.ndarray:
    """Numbers of a row of fields, 1 to ``most`` of them.

    Raises:
        TypeError: they are no numbers.
        ValueError: there are none or too many, or the fields do not take them.
    """
    shape = as_array(name, values).shape
    if len(shape) != 1 or not 1 <= shape[0] <= most:
        raise ValueError(f"{name} must have shape (n,) with n from 1 to {most}, got {shape}")
    return as_numbers(name, values, shape)
