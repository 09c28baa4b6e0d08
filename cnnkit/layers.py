"""Layers that PyTorch lacks, written to be used beside its own."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cnnkit.shapes import check_integer, output_size


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
