"""The few lines that training on several processes needs, over PyTorch's own engine.

``torchrun`` starts the processes and tells each of them its number; `start` joins them into one group (NCCL
between GPUs, gloo between CPUs); `data_parallel` lets them add up their gradients. All else is arithmetic:
every process draws the same order of the examples and takes its own part of each batch (`shard`). What is
summed over the processes is then a sum over the whole batch, however unevenly the parts turn out.

One process alone is a group of one: the same code runs, and nothing is sent.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

__all__ = ["data_parallel", "largest", "rank", "shard", "share_buffers", "size", "start", "stop", "total"]


def start(device: torch.device | str | None = None) -> torch.device:
    """Join the group of processes that ``torchrun`` started, and say on which device this one computes.

    Call it as often as you like: a process joins once. Without ``torchrun`` there is no group to join.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"mps"``, ... Without it CUDA where there is a GPU, else MPS, else the
            CPU. Of several GPUs each process takes its own.

    Returns:
        The device.

    Raises:
        ValueError: a device that this machine does not have, or MPS with several processes.
    """
    chosen = _device(device)
    if not dist.is_torchelastic_launched():
        return chosen
    if chosen.type == "mps":
        raise ValueError(
            "device must be cpu or cuda with several processes, got mps: it has no group of its own"
        )
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        torch.cuda.set_device(chosen)
    if not dist.is_initialized():
        # after a restart torchrun's store still has the addresses of the processes that are gone
        store, own, together = next(rendezvous("env://"))
        store = dist.PrefixStore(f"attempt {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
        backend = "nccl" if chosen.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=own, world_size=together)
    return chosen


def _device(device: torch.device | str | None) -> torch.device:
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device is None:
        device = next(name for name, available in here.items() if available)
    try:
        chosen = torch.device(device)
    except RuntimeError:  # PyTorch knows no device of this name
        chosen = None
    if chosen is None or not here.get(chosen.type, True):
        available = " or ".join(name for name, available in here.items() if available)
        raise ValueError(f"device must be one that this machine has ({available}), got {str(device)!r}")
    if chosen.type == "cuda" and chosen.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return chosen


def stop() -> None:
    """Leave the group of processes, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0. Process 0 writes files and draws the progress bar."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def shard(examples: Shaped[Tensor, "n *rest"]) -> Shaped[Tensor, "m *rest"]:
    """This process's part of a batch: parts differ by one example at most, and none is made up.

    A part may be empty: 5 examples over 4 processes are 2, 1, 1, 1; 3 examples are 1, 1, 1, 0.

    Args:
        examples: the whole batch, or its indices, the same on every process.
    """
    return examples.tensor_split(size())[rank()]


def total(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """The sum over all processes, on each of them."""
    return _reduce(values, dist.ReduceOp.SUM)


def largest(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """The largest value over all processes, on each of them, element by element."""
    return _reduce(values, dist.ReduceOp.MAX)


def _reduce(values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    if size() == 1:
        return values
    reduced = values.clone()
    dist.all_reduce(reduced, operation)
    return reduced


def share_buffers(model: nn.Module) -> None:
    """Give every process the buffers of process 0, so that all judge the same model.

    With batch norm the last step left each process with the statistics of its own part.

    Args:
        model: not wrapped, with the same buffers on every process.
    """
    if size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def data_parallel(model: nn.Module, device: torch.device) -> nn.Module:
    """The model, wrapped so that its backward pass leaves the mean gradient of all processes on each of them.

    The mean is PyTorch's choice. For the sum, multiply the loss by `size`.

    Args:
        model: on ``device``; all processes begin with the weights of process 0.
        device: what `start` returned.
    """
    if size() == 1:
        return model
    return DistributedDataParallel(
        model, device_ids=[device.index] if device.type == "cuda" else None, gradient_as_bucket_view=True
    )
