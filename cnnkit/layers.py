"""PyTorch's layers on the operators of the chapters, the layers that PyTorch lacks, and `from_scratch`.

A layer of ours is PyTorch's with another ``forward``: arguments, initialisation, ``state_dict`` and ``repr``
are inherited, and so whatever knows the one knows the other.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cnnkit import functional
from cnnkit.functional.arguments import sum_dtype
from cnnkit.functional.dropout import check_probability
from cnnkit.shapes import check_integer, output_size, same_padding

Module = TypeVar("Module", bound=nn.Module)


# ---------------------------------------------------------------------- PyTorch's layers, on our operators
class Conv1d(nn.Conv1d):
    """`torch.nn.Conv1d`, computed by `cnnkit.functional.conv.conv1d`."""

    def forward(self, input: Float[Tensor, "*batch channels n"]) -> Float[Tensor, "*batch filters n_out"]:
        """Slide the filters over each row."""
        x, padding = _pad_first(self, input)
        return functional.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d`, computed by `cnnkit.functional.conv.conv2d`."""

    def forward(
        self, input: Float[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch filters height_out width_out"]:
        """Slide the filters over each image."""
        x, padding = _pad_first(self, input)
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d`, computed by `cnnkit.functional.conv.conv_transpose2d`."""

    def forward(
        self,
        input: Float[Tensor, "*batch channels height width"],
        output_size: Sequence[int] | None = None,
    ) -> Float[Tensor, "*batch filters height_out width_out"]:
        """Let each pixel write the filters into its window, in images of the ``output_size`` if given."""
        layer: Any = self  # its sizes are tuples, which torch's annotations call lists or strings
        wanted = None if output_size is None else list(output_size)
        output_padding = layer._output_padding(
            input, wanted, layer.stride, layer.padding, layer.kernel_size, 2, layer.dilation
        )
        return functional.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            layer.padding,
            output_padding,
            self.groups,
            self.dilation,
        )


class MaxPool2d(nn.MaxPool2d):
    """`torch.nn.MaxPool2d`, computed by `cnnkit.functional.pool.max_pool2d`."""

    def forward(self, input: Float[Tensor, "*batch channels height width"]) -> Any:
        """Take the largest value of each window; with ``return_indices`` also where it was."""
        return functional.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class AvgPool2d(nn.AvgPool2d):
    """`torch.nn.AvgPool2d`, computed by `cnnkit.functional.pool.avg_pool2d`."""

    def forward(
        self, input: Float[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch channels height_out width_out"]:
        """Take the mean of each window."""
        return functional.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """`torch.nn.AdaptiveAvgPool2d` for output sizes that divide the input's, such as 1: the global mean.

    Then it is an average pooling with windows side by side, F = S = n / n'.

    Raises:
        ValueError: (in ``forward``) an output size that does not divide the input's, for which PyTorch takes
            windows of different sizes; or another number of output sizes than 2.
    """

    def forward(
        self, input: Float[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch channels height_out width_out"]:
        """Take the mean of each of the windows side by side."""
        sizes = input.shape[-2:]
        given: Any = self.output_size
        wanted = given if isinstance(given, (tuple, list)) else (given,) * 2
        if len(wanted) != 2:
            raise ValueError(f"output_size must be one integer or 2 of them, got {given}")
        n_outs = [n if n_out is None else n_out for n, n_out in zip(sizes, wanted, strict=True)]
        for n, n_out in zip(sizes, n_outs, strict=True):
            if n % check_integer("output_size", n_out):
                raise ValueError(
                    f"output_size={n_out} must divide the input's height and width, got input of shape "
                    f"{tuple(input.shape)}"
                )
        return functional.avg_pool2d(input, tuple(n // n_out for n, n_out in zip(sizes, n_outs, strict=True)))


class Linear(nn.Linear):
    """`torch.nn.Linear`, computed by `cnnkit.functional.linear`."""

    def forward(self, input: Float[Tensor, "*batch in_features"]) -> Float[Tensor, "*batch out_features"]:
        """Connect every input node with every output node."""
        return functional.linear(input, self.weight, self.bias)


class BatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d`, computed by `cnnkit.functional.batchnorm.batch_norm`."""

    def forward(self, input: Float[Tensor, "N channels *n"]) -> Float[Tensor, "N channels *n"]:
        """Normalise each channel: with the batch's statistics in training, with the running ones after it."""
        return _batch_norm(self, input)


class BatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d`, computed by `cnnkit.functional.batchnorm.batch_norm`."""

    def forward(
        self, input: Float[Tensor, "N channels height width"]
    ) -> Float[Tensor, "N channels height width"]:
        """Normalise each channel: with the batch's statistics in training, with the running ones after it."""
        return _batch_norm(self, input)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout`, computed by `cnnkit.functional.dropout`: p is the probability of dropping."""

    def forward(self, input: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Drop nodes in training; do nothing after it."""
        return functional.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(nn.Dropout1d):
    """`torch.nn.Dropout1d`, computed by `cnnkit.functional.dropout`: it drops whole channels."""

    def forward(self, input: Float[Tensor, "*batch channels n"]) -> Float[Tensor, "*batch channels n"]:
        """Drop channels in training; do nothing after it."""
        return functional.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(nn.Dropout2d):
    """`torch.nn.Dropout2d`, computed by `cnnkit.functional.dropout`: it drops whole channels.

    Raises:
        ValueError: (in ``forward``) another shape than (N, C, H, W). PyTorch warns, and goes on.
    """

    def forward(
        self, input: Float[Tensor, "N channels height width"]
    ) -> Float[Tensor, "N channels height width"]:
        """Drop channels in training; do nothing after it."""
        return functional.dropout2d(input, self.p, self.training, self.inplace)


def _batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    layer._check_input_dim(x)
    momentum = layer.momentum
    tracked = layer.track_running_stats
    if layer.training and tracked and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        if momentum is None:  # the average over all batches so far
            momentum = 1 / float(layer.num_batches_tracked)
    use_running = tracked if layer.training else True
    return functional.batch_norm(
        x,
        layer.running_mean if use_running else None,
        layer.running_var if use_running else None,
        layer.weight,
        layer.bias,
        training=layer.training or layer.running_mean is None,
        momentum=0.0 if momentum is None else momentum,
        eps=layer.eps,
    )


def _pad_first(conv: nn.Conv1d | nn.Conv2d, x: Tensor) -> tuple[Tensor, Any]:
    """Put on any padding but zeros (``"reflect"``, ...); return the input and the padding that is left."""
    if conv.padding_mode == "zeros":
        return x, conv.padding
    sides: list[int] = []  # last axis first, as `torch.nn.functional.pad` wants them
    for axis in reversed(range(len(conv.kernel_size))):
        if conv.padding == "same":
            sides += same_padding(conv.kernel_size[axis], conv.dilation[axis])
        else:
            sides += [0, 0] if conv.padding == "valid" else [int(conv.padding[axis])] * 2
    return nn.functional.pad(x, sides, mode=conv.padding_mode), 0


# ---------------------------------------------------------------------- a whole model on our operators
REPLACED: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv1d: Conv1d,
    nn.Conv2d: Conv2d,
    nn.ConvTranspose2d: ConvTranspose2d,
    nn.MaxPool2d: MaxPool2d,
    nn.AvgPool2d: AvgPool2d,
    nn.AdaptiveAvgPool2d: AdaptiveAvgPool2d,
    nn.Linear: Linear,
    nn.BatchNorm1d: BatchNorm1d,
    nn.BatchNorm2d: BatchNorm2d,
    nn.Dropout: Dropout,
    nn.Dropout1d: Dropout1d,
    nn.Dropout2d: Dropout2d,
}
# Without parameters, and none of the operators of the chapters: they stay PyTorch's.
KEPT: tuple[type[nn.Module], ...] = (
    nn.CELU,
    nn.ConstantPad2d,
    nn.ELU,
    nn.Flatten,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.Identity,
    nn.LeakyReLU,
    nn.LocalResponseNorm,
    nn.LogSigmoid,
    nn.LogSoftmax,
    nn.Mish,
    nn.PixelShuffle,
    nn.ReLU,
    nn.ReLU6,
    nn.ReflectionPad2d,
    nn.SELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softmax,
    nn.Softmax2d,
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
    nn.Threshold,
    nn.Unflatten,
    nn.Upsample,
    nn.ZeroPad1d,
    nn.ZeroPad2d,
    nn.ZeroPad3d,
)
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def from_scratch(model: Module) -> Module:
    """The same model on the code of the chapters, layer by layer.

    Its convolution, linear, pooling, batch norm and dropout layers become ours.

    The parameters are shared: training the one trains the other. So are the buffers, and all else is kept:
    names, hooks, training mode, a layer that occurs at several places. The given model is not changed.

    What a module computes by itself, with `torch.nn.functional` in its ``forward``, cannot be seen from
    outside and stays PyTorch's.

    Args:
        model: a layer, or a module made of layers, to any depth.

    Returns:
        A copy of the model's structure with the model's own parameters.

    Raises:
        TypeError: the model is no module, or holds layers that are neither replaced nor known to need no
            replacement; the message names them, by type.

    Example:
        >>> from cnnkit.models.lenet import LeNet
        >>> type(from_scratch(LeNet()).features[0])
        <class 'cnnkit.layers.Conv2d'>
    """
    if not isinstance(model, nn.Module):
        given = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be a torch.nn.Module, got {given}")
    unknown: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        if not _is_known(module):
            unknown.setdefault(type(module).__name__, []).append(name or "the model itself")
    if unknown:
        kinds = "; ".join(f"{kind}: {_first_two(names)}" for kind, names in unknown.items())
        raise TypeError(
            f"from_scratch has no own code for {kinds}. It replaces {_names(REPLACED)}; it "
            f"keeps {_names(KEPT)}; and it looks into {_names(CONTAINERS)} and modules of your own that "
            "contain others"
        )
    ours = copy.deepcopy(model, {id(shared): shared for shared in _shared(model)})
    for module in ours.modules():
        module.__class__ = REPLACED.get(type(module), type(module))  # all that differs is its forward
    return ours


def _is_known(module: nn.Module) -> bool:
    kind = type(module)
    if kind in (*REPLACED, *REPLACED.values(), *KEPT, *CONTAINERS, LocallyConnected1d, DropConnect):
        return True
    # A class of its own is looked into, unless it is a layer that does something else than its base class.
    bases = [base for base in kind.__mro__ if base not in (nn.Module, *CONTAINERS)]
    own = not any(base.__module__.startswith("torch.") for base in bases)
    return own and any(True for _ in module.children())


def _shared(model: nn.Module) -> Iterator[Any]:
    """What a copy of the model shares with it: its tensors, and whoever listens to it by hooks."""
    modules = list(model.modules())
    for module in modules:
        yield from _tensors(vars(module), set())  # its parameters and buffers are in there, too
        for name, value in vars(module).items():
            if name.endswith("_hooks"):
                for hook in value.values():
                    hook = getattr(hook, "hook", hook)  # torch wraps some of them
                    listener = getattr(hook, "__self__", hook)
                    if not any(listener is own for own in modules):
                        yield listener


def _tensors(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """The tensors in lists, tuples and dictionaries, to any depth."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)) and id(value) not in seen:
        seen.add(id(value))  # a list may hold itself
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part, seen)


def _first_two(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def _names(kinds: Any) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))


# ---------------------------------------------------------------------- what PyTorch lacks


class LocallyConnected1d(nn.Module):
    """Local connections without shared weights: every output node has a filter of its own.

    ``y'[m, i] = b[m, i] + sum over m' and k of w[m, m', i, k] y[m', i S + k - P]``. Where all nodes have the
    same filter it is `torch.nn.Conv1d`; `shared_from` makes it so. Keras has the layer, PyTorch has not.

    Args:
        in_channels: M', filters of the layer before.
        out_channels: M, filters of this layer.
        input_size: n, nodes of the layer before; a filter for each place has to know the places.
        kernel_size: F, weights a filter has for each input channel.
        stride: S, at least 1.
        padding: P, zeros on each side.
        bias: learn one number for every output node.

    Shape:
        Input (N, M', n) or (M', n); output (N, M, n') or (M, n'), with n' rounded down as PyTorch does.
        ``weight`` has shape (M, M', n', F), ``bias`` has shape (M, n').

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is below 1, the padding below 0, the filter wider than the padded input, or (in
            ``forward``) an input whose channels or nodes are not the declared ones.

    Example:
        >>> LocallyConnected1d(1, 4, input_size=40, kernel_size=5)(torch.zeros(8, 1, 40)).shape
        torch.Size([8, 4, 36])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            check_integer(name, channels)
        n_out = output_size(input_size, kernel_size, stride, padding, floor=True)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.input_size, self.output_size = input_size, n_out
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels, n_out, kernel_size, device=device, dtype=dtype)
        )
        self.bias = (
            nn.Parameter(torch.empty(out_channels, n_out, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases uniformly from +-1/sqrt(M' F), as `torch.nn.Conv1d` does."""
        bound = 1 / math.sqrt(self.in_channels * self.kernel_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @torch.no_grad()
    def shared_from(self, conv: nn.Conv1d) -> LocallyConnected1d:
        """Copy a convolution's filter to every place; until one of them learns, both compute the same.

        Raises:
            ValueError: the convolution's sizes are not this layer's, or it has what this layer has not
                (groups, dilation, another padding than zeros, a bias).
        """
        declared = {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": (self.kernel_size,),
            "stride": (self.stride,),
            "padding": (self.padding,),
            "dilation": (1,),
            "groups": 1,
            "padding_mode": "zeros",
        }
        for name, value in declared.items():
            if getattr(conv, name) != value:
                raise ValueError(f"{name} is {value} here but {getattr(conv, name)!r} in the convolution")
        if conv.bias is not None and self.bias is None:
            raise ValueError("the convolution has a bias, but this layer was made with bias=False")
        self.weight.copy_(conv.weight[:, :, None, :].expand_as(self.weight))
        if self.bias is not None:
            self.bias.copy_(
                torch.zeros_like(self.bias) if conv.bias is None else conv.bias[:, None].expand_as(self.bias)
            )
        return self

    def forward(self, x: Float[Tensor, "*batch in_channels n"]) -> Float[Tensor, "*batch out_channels n_out"]:
        """Apply each place's own filter to its window."""
        if x.dim() not in (2, 3) or x.shape[-2:] != (self.in_channels, self.input_size):
            raise ValueError(
                f"x must have shape (N, in_channels, input_size) = (N, {self.in_channels}, "
                f"{self.input_size}) or the same without N, got {tuple(x.shape)}"
            )
        padded = nn.functional.pad(x, (self.padding, self.padding))
        windows = padded.unfold(-1, self.kernel_size, self.stride)  # (N, M', n', F)
        y = torch.einsum("...cif,mcif->...mi", windows, self.weight)  # (N, M, n')
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The arguments, as torch's layers print theirs."""
        return (
            f"{self.in_channels}, {self.out_channels}, input_size={self.input_size}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"bias={self.bias is not None}"
        )


class DropConnect(Linear):
    """A linear layer and its activation, with weights that are dropped in training, for each example anew.

    ``y'_j = f(sum over i of xi_ij w_ij y_i + b_j)`` with xi_ij 1 with probability p. The notes' form: p is
    the probability that a weight is *kept*, and nothing is divided by p in training. At test time there are
    two ways to average over the masks:

    - ``"mean"``: f of the mean net input, which is that of weights scaled by p;
    - ``"gaussian"``: the mean of f, from random draws of a net input that is Gaussian, with the mean and the
      variance that it has over all masks.

    Parameters, initialisation and ``state_dict`` are those of `torch.nn.Linear`.

    Args:
        in_features: nodes of the layer before.
        out_features: nodes of this layer.
        bias: learn one number for every output node; it is never dropped.
        p_keep: p, the probability of keeping a weight.
        activation: f; None for a linear layer, where both ways to average agree.
        inference: ``"mean"`` or ``"gaussian"``.
        samples: how many draws the Gaussian average takes.

    Raises:
        TypeError: a number is not an integer.
        ValueError: p_keep is outside [0, 1], an unknown inference, or a number below 1.

    Source:
        Wan et al. 2013; they take 1,000 draws.

    Example:
        >>> DropConnect(4, 2, p_keep=0.5, activation=torch.relu)(torch.zeros(8, 4)).shape
        torch.Size([8, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        p_keep: float | int = 0.5,
        activation: Callable[[Tensor], Tensor] | None = None,
        inference: str = "mean",
        samples: int = 1000,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        numbers = {"in_features": in_features, "out_features": out_features, "samples": samples}
        for name, number in numbers.items():
            check_integer(name, number)
        check_probability("p_keep", p_keep)
        if inference not in ("mean", "gaussian"):
            raise ValueError(f"inference must be 'mean' or 'gaussian', got {inference!r}")
        super().__init__(in_features, out_features, bias, device, dtype)
        self.p_keep, self.activation, self.inference, self.samples = p_keep, activation, inference, samples

    def forward(self, input: Float[Tensor, "*batch in_features"]) -> Float[Tensor, "*batch out_features"]:
        """Connect every input node with every output node, by the weights that are present."""
        f = nn.Identity() if self.activation is None else self.activation
        if self.training or self.inference == "mean":
            return f(functional.dropconnect(input, self.weight, self.bias, self.p_keep, self.training))
        mean, variance = functional.dropconnect_moments(input, self.weight, self.bias, self.p_keep)
        # Where the variance is 0 its root has no derivative.
        deviation = variance.clamp_min(torch.finfo(variance.dtype).tiny).sqrt()
        total = torch.zeros_like(mean, dtype=sum_dtype(mean))
        for _ in range(self.samples):
            total = total + f(mean + deviation * torch.randn_like(mean))
        return (total / self.samples).to(mean.dtype)

    def extra_repr(self) -> str:
        """The arguments, as torch's layers print theirs."""
        how = "" if self.inference == "mean" else f", inference={self.inference!r}, samples={self.samples}"
        return f"{super().extra_repr()}, p_keep={self.p_keep}{how}"
