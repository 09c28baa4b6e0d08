"""What all operators do with their arguments before they compute: sizes an axis, devices, autocast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cnnkit.shapes import check_integer

Sizes = int | Sequence[int]


def per_axis(name: str, value: Sizes, axes: int, at_least: int = 1) -> tuple[int, ...]:
    """One size for each axis: a single number counts for all of them, as in PyTorch.

    Args:
        name: the argument's name, for the message.
        value: one integer, or one for each axis.
        axes: how many axes there are.
        at_least: the smallest size allowed.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is too small, or there is another number of them.
    """
    sizes = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    if len(sizes) not in (1, axes):
        raise ValueError(f"{name} must be one integer or {axes} of them, got {value}")
    sizes = sizes * (axes // len(sizes))
    # A list: torch.compile trips over generators that are still open when it is done.
    return tuple([check_integer(name, size, at_least) for size in sizes])


def same_device(input: Tensor, **others: Tensor | None) -> None:
    """Refuse tensors on different devices: some operators would compute garbage.

    Args:
        input: the tensor whose device counts.
        **others: the other tensors by the names of their arguments, for the message; None is skipped.

    Raises:
        ValueError: one of the others is on another device.
    """
    for name, tensor in others.items():
        if tensor is not None and tensor.device != input.device:
            raise ValueError(f"{name} must be on input's device {input.device}, got {tensor.device}")


def autocast_is_on(device: str) -> bool:
    """Whether `torch.autocast` is on for this type of device; some, such as meta, have none."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def autocast(first: Tensor, *others: Tensor | None) -> tuple[Any, ...]:
    """Cast the inputs of a matrix product as `torch.autocast` does for torch's own, if it is on.

    Autocast lowers the operators on its list. A new `torch.autograd.Function` is not on the list, so it
    lowers its inputs before it starts; autograd then takes the gradients back to the dtypes they came with.
    Like torch, this leaves float64 as it is.
    """
    tensors, device = (first, *others), first.device.type
    if not autocast_is_on(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(
        [
            t.to(dtype) if t is not None and t.is_floating_point() and t.dtype != torch.float64 else t
            for t in tensors
        ]
    )


def sum_dtype(x: Tensor) -> torch.dtype:
    """The dtype to add up in: float32 for the shorter ones, which lose digits with every sum."""
    return torch.promote_types(x.dtype, torch.float32)
