"""Checkpoints: written whole or not at all, and read without executing anything.

A checkpoint is one safetensors file. Its tensors are the weights under the names of ``model.state_dict()``,
and, in a checkpoint to go on from, the optimiser's state under names that begin with ``optimizer/``. All else
(recipe, step, history) is JSON in the file's header. Nothing is pickled, so a file from a stranger can hold
wrong numbers but no code.

``safetensors.torch.load_file`` reads the file too, in any project.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "load_weights",
    "read",
    "unwrap",
    "weights_of",
    "write",
    "write_file",
]

_OPTIMIZER = "optimizer/"


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, or is of another model; the message says which."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        weights: parameters and buffers, by the names of ``model.state_dict()``.
        facts: plain data: numbers, strings, lists, dictionaries.
        optimizer: the optimiser's state, parameter by parameter; empty where the file is not to go on from.
    """

    weights: dict[str, Tensor]
    facts: dict[str, Any]
    optimizer: dict[int, dict[str, Tensor]] = field(default_factory=dict)


# ----------------------------------------------------------------------------- files
def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: after any crash the path holds the old content or the new.

    The content goes to a file beside it, is forced to the disk, and then takes the path's name in one step.

    Args:
        path: the file; its folder exists.
        content: all of it.

    Raises:
        OSError: disk full, no permission, no such folder; it names the path, and the old content is still
            there.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        what = f"could not be written ({error.strerror}); what was there before is intact"
        raise OSError(error.errno, what, str(path)) from error
    if hasattr(os, "O_DIRECTORY"):  # not on Windows
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the new name is on the disk once its folder is
        finally:
            os.close(folder)


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        path: the file; its folder exists.
        checkpoint: what to write. Tensors may lie on any device and in any memory format: contiguous copies
            are written.

    Raises:
        OSError: see `write_file`.
    """
    tensors = dict(checkpoint.weights)
    for index, values in checkpoint.optimizer.items():
        tensors |= {f"{_OPTIMIZER}{index}/{name}": value for name, value in values.items()}
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    write_file(path, safetensors.torch.save(copies, {"cnnkit": json.dumps(checkpoint.facts)}))


def read(path: str | Path) -> Checkpoint:
    """Read a checkpoint, its tensors to the CPU.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is cut short, is no safetensors file (a pickle is refused unread), or was
            not written by `write`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: there is no such file")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error}). It is cut short, damaged or of another kind; "
            "pickles (.pt, .pth) are not read, as they can run code."
        ) from error
    weights: dict[str, Tensor] = {}
    optimizer: dict[int, dict[str, Tensor]] = {}
    try:
        facts = dict(json.loads(header["cnnkit"]))
        for name, tensor in tensors.items():
            if name.startswith(_OPTIMIZER):
                index, _, key = name.removeprefix(_OPTIMIZER).partition("/")
                optimizer.setdefault(int(index), {})[key] = tensor
            else:
                weights[name] = tensor
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds tensors, but not what cnnkit writes beside them (recipe and history); "
            "safetensors.torch.load_file reads its weights"
        ) from error
    return Checkpoint(weights, facts, optimizer)


# ----------------------------------------------------------------------------- models
def unwrap(model: nn.Module) -> nn.Module:
    """The model itself, without what ``torch.compile`` or ``DistributedDataParallel`` put around it."""
    inner = model.module if isinstance(model, DistributedDataParallel) else getattr(model, "_orig_mod", None)
    return unwrap(inner) if isinstance(inner, nn.Module) else model


def _plain(name: str) -> str:
    """The name that a tensor has where no part of the model is compiled."""
    return name.replace("_orig_mod.", "")


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's parameters and buffers, by the names that they have without compilation and wrappers."""
    return {_plain(name): tensor for name, tensor in unwrap(model).state_dict().items()}


def load_weights(model: nn.Module, weights: dict[str, Tensor], source: str | Path = "weights") -> None:
    """Put weights into a model, which keeps its device, dtype and memory format.

    Args:
        model: the model, compiled and wrapped or not.
        weights: as `weights_of` returns them.
        source: where they come from, for the message.

    Raises:
        CheckpointError: names or shapes are another model's; the message lists what differs, and the model is
            as it was.
    """
    own = weights_of(model)
    differences = [f"lacks {name}" for name in own if name not in weights]
    differences += [f"has {name}, which the model has not" for name in weights if name not in own]
    differences += [
        f"has {name} of shape {tuple(weights[name].shape)}, the model of {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if differences:
        shown = "; ".join(differences[:5]) + (
            f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        )
        kind = type(unwrap(model)).__name__
        raise CheckpointError(f"{source} is of another model than this {kind}: it {shown}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])
