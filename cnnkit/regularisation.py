"""What is done to a whole model: the norm constraint, and batch normalisation at test time."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx, nn

from cnnkit import layers
from cnnkit.functional.arguments import sum_dtype
from cnnkit.functional.batchnorm import batch_statistics
from cnnkit.layers import Module

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
# The first axis of their weight counts units or filters.
LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
FOLDABLE = (*LINEAR, layers.Linear, layers.Conv1d, layers.Conv2d)


# ---------------------------------------------------------------------- the norm constraint
@torch.no_grad()
def constrain_norm_(model: nn.Module | Tensor, max_norm: float | int) -> None:
    """Shorten weight vectors that are longer than c, in place. Implements eq-norm-constraint.

    ``w_r <- w_r min(1, c / ||w_r||_2)`` over all incoming weights of each output node or filter r; biases are
    left as they are. To be called after each step of the optimizer.

    Args:
        model: a model, of which all `torch.nn.Linear`, ``Conv1d``, ``Conv2d``, ``Conv3d`` and
            `cnnkit.layers.LocallyConnected1d` layers are constrained; or one weight, shape (units, ...).
        max_norm: c, above 0.

    Raises:
        TypeError: the model is neither a module nor a tensor.
        ValueError: max_norm is not above 0, the model has none of these layers, or a weight fewer than 2
            axes.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be above 0, got {max_norm}")
    if isinstance(model, Tensor):
        if model.dim() < 2:
            raise ValueError(f"the weight must have shape (units, ...), got {tuple(model.shape)}")
        _constrain(model, tuple(range(1, model.dim())), max_norm)
        return
    _check_model(model)
    found = [m for m in model.modules() if isinstance(m, (*LINEAR, layers.LocallyConnected1d))]
    if not found:
        raise ValueError("model has no linear, convolution or locally connected layer to constrain")
    for layer in found:
        if isinstance(layer, layers.LocallyConnected1d):
            _constrain(layer.weight, (1, 3), max_norm)  # (M, M', n', F): a unit is a filter at one place
        else:
            _constrain(layer.weight, tuple(range(1, layer.weight.dim())), max_norm)


def _constrain(weight: Tensor, incoming: tuple[int, ...], c: float | int) -> None:
    w = weight.to(sum_dtype(weight))
    norms = w.square().sum(incoming, keepdim=True).sqrt()
    weight.copy_(torch.where(norms > c, w * (c / norms), w))


# ---------------------------------------------------------------------- batch normalisation at test time
@torch.no_grad()
def population_statistics(model: Module, batches: Iterable[Any]) -> Module:
    """The model with the population's statistics in its batch norm layers. Implements eq-bn-population.

    The notes' way: with the learnt parameters fixed, many mini-batches go through the network, and each batch
    norm layer keeps ``E[mu_B]`` and ``m / (m - 1) E[sigma_B^2]``, averages over the mini-batches of m = N H W
    nodes a channel. The running averages that training leaves are of parameters that have changed since.

    While this happens batch norm layers work as in training, and all others, dropout for one, as at test
    time.

    Args:
        model: a model with batch norm layers; it is not changed.
        batches: mini-batches of the training set, inputs x or tuples such as (x, t), the input first. All are
            meant to have one size; a smaller one counts as much as any other.

    Returns:
        A copy of the model with these statistics in ``running_mean`` and ``running_var``, in eval mode. A
        layer made with ``track_running_stats=False`` has them, too.

    Raises:
        TypeError: the model is no module.
        ValueError: there is no batch norm layer, there are no mini-batches, or a layer is given none of them
            or a single value per channel.
    """
    _check_model(model)
    ours = copy.deepcopy(model).eval()
    norms = {name: m for name, m in ours.named_modules() if isinstance(m, BatchNorm)}
    if not norms:
        raise ValueError("model has no batch norm layer")
    seen: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {layer: [] for layer in norms.values()}

    def record(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        mu, variance = batch_statistics(x)
        m = x.numel() // x.shape[1]
        if m > 1:  # else the layer itself says what is wrong
            seen[layer].append((mu, variance * (m / (m - 1))))

    hooks = [layer.register_forward_pre_hook(record) for layer in norms.values()]
    for layer in norms.values():
        layer.train()
        layer.reset_running_stats()
    count = 0
    for batch in batches:
        ours(batch[0] if isinstance(batch, (tuple, list)) else batch)
        count += 1
    for hook in hooks:
        hook.remove()
    if count == 0:
        raise ValueError("batches must hold at least one mini-batch, got none")
    for name, layer in norms.items():
        if not seen[layer]:
            raise ValueError(f"the batch norm layer {name!r} was given no mini-batch by the model's forward")
        means, variances = (torch.stack(numbers).mean(0) for numbers in zip(*seen[layer], strict=True))
        dtype = means.dtype if layer.running_mean is None else layer.running_mean.dtype
        layer.running_mean, layer.running_var = means.to(dtype), variances.to(dtype)
    return ours.eval()


def fold_batchnorm(model: Module) -> Module:
    """The model without its batch norm layers, which go into the weights before them. Implements eq-bn-fold.

    At test time batch normalisation is an affine function of each channel (eq-bn-inference):
    ``W' = gamma / sqrt(sigma^2 + eps) W`` and ``b' = beta + gamma / sqrt(sigma^2 + eps) (b - mu)`` in the
    layer before do the same. They are computed in float64 and rounded once.

    Which layer is before, `torch.fx` finds out from the model's ``forward``, in residual blocks, too: a batch
    norm layer is folded into the convolution or linear layer whose output is its input, and which feeds
    nothing else. In the copy `torch.nn.Identity` takes its place.

    Args:
        model: a model in eval mode, whose ``forward`` does not branch on the values or shapes of tensors; it
            is not changed. A linear layer before a ``BatchNorm1d`` is taken to be given (N, in_features).

    Returns:
        A folded copy.

    Raises:
        TypeError: the model is no module.
        ValueError: there is nothing to fold; a batch norm layer has no such layer before it, is in training
            mode, or keeps no statistics; or the model's ``forward`` cannot be followed.
    """
    _check_model(model)
    inside = any(isinstance(module, BatchNorm) for module in model.modules() if module is not model)
    pairs = _batch_norms_and_layers_before(model) if inside else {}
    if not pairs:
        raise ValueError("there is nothing to fold: model has no batch norm layer behind another layer")
    ours = copy.deepcopy(model)
    folded = set()
    for norm_name, layer_name in pairs.items():
        norm, layer = ours.get_submodule(norm_name), ours.get_submodule(layer_name)
        assert isinstance(norm, BatchNorm)
        _fold_into(layer, norm, norm_name)
        folded.add(norm)
    for parent in list(ours.modules()):
        for name, child in list(parent._modules.items()):
            if child in folded:
                setattr(parent, name, nn.Identity())
    return ours


class _Tracer(fx.Tracer):
    """Follows a model's forward, and looks into no layer."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or not any(True for _ in m.children())


def _batch_norms_and_layers_before(model: nn.Module) -> dict[str, str]:
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # whatever the model's own code raises
        raise ValueError(f"the forward of {type(model).__name__} cannot be followed: {error}") from error
    called = {n: model.get_submodule(str(n.target)) for n in graph.nodes if n.op == "call_module"}
    times = Counter(called.values())
    pairs = {}
    for node, norm in called.items():
        if not isinstance(norm, BatchNorm):
            continue
        before: Any = node.args[0] if node.args else None
        layer: Any = called.get(before)
        foldable = type(layer) in FOLDABLE and len(layer.weight) == norm.num_features
        if not foldable or len(before.users) > 1 or times[layer] > 1 or times[norm] > 1:
            raise ValueError(
                f"the batch norm layer {str(node.target)!r} cannot be folded: it has no convolution or "
                "linear layer before it that feeds it alone"
            )
        pairs[str(node.target)] = str(before.target)
    return pairs


@torch.no_grad()
def _fold_into(layer: Any, norm: BatchNorm, name: str) -> None:
    if norm.training:
        raise ValueError(
            f"the batch norm layer {name!r} is in training mode, where it normalises with the batch's "
            "statistics: call model.eval() first"
        )
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"the batch norm layer {name!r} keeps no statistics: see population_statistics")
    W = layer.weight.double()
    a = (norm.running_var.double() + norm.eps).rsqrt()
    a = a if norm.weight is None else a * norm.weight.double()
    b = -norm.running_mean.double() if layer.bias is None else layer.bias.double() - norm.running_mean
    b = a * b if norm.bias is None else norm.bias.double() + a * b
    like = layer.weight
    layer.weight = nn.Parameter((a.reshape(-1, *(1,) * (W.dim() - 1)) * W).to(like), like.requires_grad)
    layer.bias = nn.Parameter(b.to(like), like.requires_grad)


def _check_model(model: Any) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
