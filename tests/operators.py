"""What the tests of all operators share: the grid, the rule for low precision, and who may be called."""

import re

import pytest
import torch
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

DTYPES = [torch.float64, torch.float32, torch.bfloat16]
LOW_PRECISION = [torch.float32, torch.bfloat16]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])]


def channels_last(x):
    """The same numbers, channels next to each other in memory; for any number of axes behind (N, C)."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1) if x.dim() > 2 else x.contiguous()


def non_contiguous(x):
    """The same numbers in memory with gaps, last axis first."""
    backwards = tuple(reversed(range(x.dim())))
    gaps = x.new_zeros(*reversed(x.shape), 2)
    gaps[..., 0] = x.permute(backwards)
    return gaps[..., 0].permute(backwards)


LAYOUTS = {
    "contiguous": torch.Tensor.contiguous,
    "channels_last": channels_last,
    "non_contiguous": non_contiguous,
}


def grid(test):
    """Run a test with every dtype, layout (a function of a tensor) and device."""
    for mark in (
        pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch.")),
        pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys()),
        pytest.mark.parametrize("device", DEVICES),
    ):
        test = mark(test)
    return test


# ---------------------------------------------------------------------- draws
seeds = st.integers(0, 10_000)


def one_or_two(sizes):
    """An argument for both axes of an image: one integer, or one for each axis."""
    return st.one_of(sizes, st.tuples(sizes, sizes))


def pair(size):
    return size if isinstance(size, tuple) else (size, size)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


# ---------------------------------------------------------------------- comparing
def value_and_gradients(function, tensors, seed=0, layout=None):
    """Run a function of float tensors forward and backward.

    Returns:
        [y, dx, dw, ...]: the value, then the gradient of sum(delta * y) to each tensor. delta is drawn from the
        seed and rounded to bfloat16's few digits, so that it is the same number in every dtype.
    """
    leaves = [t.detach().clone(memory_format=torch.preserve_format).requires_grad_() for t in tensors]
    y = function(*leaves)
    delta = random(*y.shape, seed=seed).bfloat16().to(y)
    return [y.detach(), *torch.autograd.grad(y, leaves, delta if layout is None else layout(delta))]


def assert_as_torch(ours, torchs, tensors, seed=0):
    """Value and all gradients agree within the defaults of `torch.testing.assert_close` (float64)."""
    got, expected = value_and_gradients(ours, tensors, seed), value_and_gradients(torchs, tensors, seed)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)


def assert_as_accurate_as_torch(ours, torchs, exact):
    """Our error is at most twice torch's own plus 4 eps max|y|; dtype and shape are torch's.

    Args:
        ours, torchs: a tensor, or a list of them (`value_and_gradients`).
        exact: the same in float64, from the same inputs.
    """
    if isinstance(ours, torch.Tensor):
        ours, torchs, exact = [ours], [torchs], [exact]
    for a, b, y in zip(ours, torchs, exact, strict=True):
        assert (a.dtype, a.shape, a.device) == (b.dtype, b.shape, b.device)
        assert y.dtype == torch.float64
        if y.numel() == 0:
            continue
        allowed = 2 * (b.double() - y).abs().max() + 4 * torch.finfo(a.dtype).eps * y.abs().max()
        error = (a.double() - y).abs().max()
        assert error <= allowed, f"error {error:.3g}, allowed {allowed:.3g}"


def assert_on_grid(ours, torchs, tensors, dtype, layout, device, seed=0):
    """Value and all gradients are torch's, by the rule of each precision, and so is the layout of the value."""
    tensors = [layout(t.to(device, dtype)) for t in tensors]
    if dtype == torch.float64:
        assert_as_torch(ours, torchs, tensors, seed)
    else:
        assert_low_precision(ours, torchs, tensors, dtype, seed, layout)
    y, expected = ours(*tensors), torchs(*tensors)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        if expected.dim() == 4 and expected.is_contiguous(memory_format=memory_format):
            assert layout is non_contiguous or y.is_contiguous(memory_format=memory_format)


def assert_low_precision(ours, torchs, tensors, dtype, seed=0, layout=torch.Tensor.contiguous):
    """The rule of `assert_as_accurate_as_torch` for the value and all gradients, in one dtype and layout."""
    low = [layout(t.to(dtype)) for t in tensors]
    exact = value_and_gradients(torchs, [t.double() for t in low], seed)
    assert_as_accurate_as_torch(
        value_and_gradients(ours, low, seed, layout), value_and_gradients(torchs, low, seed, layout), exact
    )


# ---------------------------------------------------------------------- who may be called
TORCHS_OWN = re.compile(
    r"conv(olution|_|\dd|$)|pool|im2col|col2im|unfold_backward|log_softmax|nll_loss|cross_entropy|linear"
)


class _Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def operators_called(function):
    """The names of all ATen operators that a call runs, its backward pass included."""
    with _Recorder() as recorder:
        function()
    return recorder.names


def torchs_own(function):
    """Those of them that are torch's convolutions, poolings, linear layers or losses."""
    return {name for name in operators_called(function) if TORCHS_OWN.search(name)}
