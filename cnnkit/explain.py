"""Ask a trained network why, push it until it errs, and compare its confidence with its accuracy.

Maps of what an answer depends on (saliency, occlusion, Grad-CAM); adversarial steps (FGSM, PGD); calibration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from cnnkit.shapes import check_integer


class Pixels(nn.Module):
    """A model for pixels from 0 to 1: it normalises as in training, then calls the network.

    What is said about a pixel is then said in units of grey values, whatever the network was trained on.

    Args:
        model: the network, for normalised images of shape (N, C, H, W).
        mean: of each channel over the training set, pixels from 0 to 1.
        std: the standard deviation, likewise.

    Raises:
        ValueError: mean and std are not of equal length, or a std is not above 0.
    """

    def __init__(self, model: nn.Module, mean: Sequence[float | int], std: Sequence[float | int]) -> None:
        super().__init__()
        if len(mean) != len(std) or not len(mean):
            raise ValueError(f"mean and std must have a number for each channel, got {mean} and {std}")
        if min(std) <= 0:
            raise ValueError(f"std must be above 0, got {std}")
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images of shape (N, C, H, W), pixels from 0 to 1."""
        return self.model((x - self.mean) / self.std)  # type: ignore[operator]


# ---------------------------------------------------------------------- what an answer depends on
def saliency(
    model: nn.Module, x: Float[Tensor, "N C H W"], target: Int[Tensor, "N"]
) -> Float[Tensor, "N H W"]:
    """How fast the target's logit changes with each pixel: the largest absolute slope over the channels.

    Args:
        model: a classifier; it is asked in evaluation mode and left as it was.
        x: images.
        target: the class to ask for, one for each image.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.

    Source: Simonyan, Vedaldi and Zisserman (2014), section 3.
    """
    return _slopes(model, x, target).abs().amax(dim=1)


@torch.no_grad()
def occlusion(
    model: nn.Module,
    x: Float[Tensor, "N C H W"],
    target: Int[Tensor, "N"],
    kernel_size: int,
    stride: int = 1,
    baseline: float | int = 0.0,
) -> Float[Tensor, "N H W"]:
    """By how much the target's logit falls when a window is covered, averaged over the windows at each pixel.

    Args:
        model: a classifier; it is asked in evaluation mode and left as it was.
        x: images.
        target: the class to ask for, one for each image.
        kernel_size: rows and columns of the window.
        stride: steps from window to window; a last, smaller window covers what would be left over.
        baseline: the value of a covered pixel, in units of ``x``.

    Raises:
        ValueError: shapes that do not fit, a window larger than the image, or a stride larger than the
            window, which would never cover some pixels.

    Source: Zeiler and Fergus (2014), section 4.2.
    """
    _check(x, target)
    F, S = check_integer("kernel_size", kernel_size), check_integer("stride", stride)
    H, W = x.shape[-2:]
    if min(H, W) < F:
        raise ValueError(f"kernel_size must be at most {min(H, W)}, the image's smaller side; got {F}")
    if S > F:
        raise ValueError(
            f"stride must be at most kernel_size = {F}, or some pixels are never covered; got {S}"
        )
    fall, times = x.new_zeros(len(x), H, W), x.new_zeros(H, W)
    with _asked(model):
        whole = _chosen(model(x), target)
        for i in _begins(H, F, S):
            for j in _begins(W, F, S):
                window = (..., slice(i, i + F), slice(j, j + F))
                covered = x.clone()
                covered[window] = baseline
                fall[window] += (whole - _chosen(model(covered), target)).view(-1, 1, 1)
                times[window] += 1
    return fall / times


def _begins(n: int, F: int, S: int) -> range:
    return range(0, n - F + S, S)  # the last window may reach beyond the end


def grad_cam(
    model: nn.Module, x: Float[Tensor, "N C H W"], target: Int[Tensor, "N"], layer: nn.Module
) -> Float[Tensor, "N h w"]:
    """Where a layer's maps speak for the target: the ReLU of the maps, each weighted by its mean gradient.

    Args:
        model: a classifier; it is asked in evaluation mode and left as it was.
        x: images.
        target: the class to ask for, one for each image.
        layer: a module inside the model with outputs of shape (N, maps, h, w); usually the last such.

    Returns:
        One map for each image; as it has the layer's size, enlarge it before you lay it over the image.

    Raises:
        ValueError: shapes that do not fit, or a layer that is not in the model, is not used, or has no maps.

    Source: Selvaraju and colleagues (2017), equations 1 and 2.
    """
    _check(x, target)
    if all(layer is not each for each in model.modules()):
        raise ValueError(f"layer must be a module inside the model, got {layer}")
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, maps: Tensor) -> Tensor:
        kept.append(maps)
        return maps.clone()  # a ReLU behind the layer may work in place

    handle = layer.register_forward_hook(keep)
    try:
        with _asked(model), torch.enable_grad():
            # with a gradient of x there is one for the maps, even if no parameter asks for its own
            score = _chosen(model(x.detach().requires_grad_()), target)
            if not kept or kept[-1].dim() != 4:
                what = f"an output of shape {tuple(kept[-1].shape)}" if kept else "no output: it was not used"
                raise ValueError(f"layer must give maps of shape (N, maps, h, w), but {layer} had {what}")
            maps = kept[-1]
            (gradient,) = torch.autograd.grad(score.sum(), maps)
    finally:
        handle.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * maps.detach()).sum(dim=1).relu()


# ---------------------------------------------------------------------- steps that make it err
def fgsm(
    model: nn.Module, x: Float[Tensor, "N C H W"], y: Int[Tensor, "N"], epsilon: float | int
) -> Float[Tensor, "N C H W"]:
    """One step of the fast gradient sign method: every pixel moves by epsilon to where the loss rises.

    Implements eq-fgsm.

    Args:
        model: a classifier of pixels from 0 to 1 (see `Pixels`).
        x: images, pixels from 0 to 1.
        y: their labels.
        epsilon: the step, at least 0, in units of ``x``.

    Returns:
        The changed images, clipped to pixels from 0 to 1.

    Raises:
        ValueError: shapes or values that do not fit, or an epsilon below 0.

    Source: Goodfellow, Shlens and Szegedy (2015), section 4.
    """
    _check_step(x, "epsilon", epsilon)
    return (x + epsilon * _slopes(model, x, y, loss=True).sign()).clamp(0, 1)


def pgd(
    model: nn.Module,
    x: Float[Tensor, "N C H W"],
    y: Int[Tensor, "N"],
    epsilon: float | int,
    step_size: float | int,
    steps: int,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "N C H W"]:
    """Projected gradient steps: small signed steps, each brought back to at most epsilon from the image.

    Args:
        model: a classifier of pixels from 0 to 1 (see `Pixels`).
        x: images, pixels from 0 to 1.
        y: their labels.
        epsilon: the largest change of a pixel, at least 0.
        step_size: of one step, at least 0.
        steps: how many, at least 1.
        generator: where given, the first step begins at a random place within epsilon, drawn from it.

    Returns:
        The changed images, pixels from 0 to 1.

    Raises:
        ValueError: shapes or values that do not fit.

    Source: Madry and colleagues (2018), section 2.1.
    """
    _check_step(x, "epsilon", epsilon)
    _check_step(x, "step_size", step_size)
    check_integer("steps", steps)
    low, high = (x - epsilon).clamp(0, 1), (x + epsilon).clamp(0, 1)
    changed = x.detach()
    if generator is not None:
        noise = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=generator.device)
        changed = (x + epsilon * (2 * noise.to(x.device) - 1)).clamp(low, high)
    for _ in range(steps):
        changed = (changed + step_size * _slopes(model, changed, y, loss=True).sign()).clamp(low, high)
    return changed


# ---------------------------------------------------------------------- how much its confidence is worth
class Reliability(NamedTuple):
    """Confidence and accuracy of the answers, sorted by confidence into bins; NaN where a bin is empty."""

    confidence: Float[Tensor, "bins"]
    accuracy: Float[Tensor, "bins"]
    examples: Int[Tensor, "bins"]


def reliability(logits: Float[Tensor, "N K"], y: Int[Tensor, "N"], bins: int = 15) -> Reliability:
    """Mean confidence and accuracy in each of several bins of equal width between 0 and 1.

    The confidence is the largest probability of the softmax; bin b holds those in (b / bins, (b + 1) / bins].

    Args:
        logits: scores of the classes.
        y: the labels.
        bins: how many, at least 1.

    Raises:
        ValueError: shapes that do not fit, no examples, a label that is no class, or bins below 1.

    Source: Guo and colleagues (2017), section 2.
    """
    _check_labels(logits, y)
    check_integer("bins", bins)
    p, answer = logits.double().softmax(dim=1).max(dim=1)
    place = (p * bins).ceil().long().sub(1).clamp(0, bins - 1)
    examples = torch.bincount(place, minlength=bins)
    confidence = torch.bincount(place, weights=p, minlength=bins) / examples
    accuracy = torch.bincount(place, weights=(answer == y).double(), minlength=bins) / examples
    return Reliability(confidence, accuracy, examples)


def calibration_error(logits: Float[Tensor, "N K"], y: Int[Tensor, "N"], bins: int = 15) -> float:
    """The expected calibration error: the mean distance of accuracy and confidence, bins by their counts.

    Args:
        logits: scores of the classes.
        y: the labels.
        bins: see `reliability`.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: as `reliability`.

    Source: Guo and colleagues (2017), equation 3.
    """
    confidence, accuracy, examples = reliability(logits, y, bins)
    gaps = (accuracy - confidence).abs().nan_to_num(0)
    return float((gaps * examples).sum() / examples.sum())


def temperature(logits: Float[Tensor, "N K"], y: Int[Tensor, "N"]) -> float:
    """The T by which the logits are divided so that their cross-entropy is smallest.

    Dividing all logits by T > 0 changes no answer, only how sure the answers are. Fit it on examples of its
    own, used neither for training nor for the test.

    Args:
        logits: scores of the classes.
        y: the labels.

    Raises:
        ValueError: shapes that do not fit, a label that is no class, logits all equal within each row, or
            labels that are all answered correctly: then the smaller T, the smaller the loss.

    Source: Guo and colleagues (2017), section 4.2.
    """
    _check_labels(logits, y)
    z = logits.detach().double()
    z = z - z.gather(1, y[:, None])
    # The loss of z / T is convex in b = 1 / T: it has a smallest value if it falls at 0 and rises in the end.
    if bool((z <= 0).all()):
        raise ValueError("logits must have a wrong answer among them: here no T > 0 is best")
    if float(z.mean()) >= 0:
        raise ValueError("logits must favour the labels on average: here no finite T is best")
    low, high = torch.zeros((), dtype=z.dtype), torch.ones((), dtype=z.dtype)
    while _slope_in(z, high) < 0:
        low, high = high, 2 * high
    for _ in range(60):
        b = (low + high) / 2
        low, high = (b, high) if _slope_in(z, b) < 0 else (low, b)
    return float(1 / high)


def _slope_in(z: Tensor, b: Tensor) -> float:
    """The derivative of the mean loss by b, for logits b z, where z is 0 at the label."""
    return float(((b * z).softmax(dim=1) * z).sum(dim=1).mean())


# ---------------------------------------------------------------------- what they share
def _slopes(model: nn.Module, x: Tensor, target: Tensor, loss: bool = False) -> Tensor:
    """The gradient by x of each image's own logit, or of its loss; no parameter gets a gradient."""
    _check(x, target)
    with _asked(model), torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = model(x)
        chosen = _chosen(logits, target)
        value = functional.cross_entropy(logits, target, reduction="sum") if loss else chosen.sum()
        return torch.autograd.grad(value, x)[0]


@contextmanager
def _asked(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, so that an answer depends on no other image and on no chance; then as before."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _chosen(logits: Tensor, target: Tensor) -> Tensor:
    _check_labels(logits, target, "target")
    return logits.gather(1, target[:, None]).squeeze(1)


def _check(x: Tensor, target: Tensor) -> None:
    if x.dim() != 4 or not x.is_floating_point():
        raise ValueError(f"x must be floats of shape (N, C, H, W), got {x.dtype} of shape {tuple(x.shape)}")
    if target.shape != x.shape[:1] or target.dtype != torch.int64:
        raise ValueError(
            f"one class of dtype int64 is needed for each of the {len(x)} images, got {target.dtype} of "
            f"shape {tuple(target.shape)}"
        )


def _check_step(x: Tensor, name: str, size: float | int) -> None:
    if not size >= 0:
        raise ValueError(f"{name} must be at least 0, got {size}")
    if x.numel() and (float(x.min()) < 0 or float(x.max()) > 1):
        raise ValueError(f"x must hold pixels from 0 to 1, got {float(x.min()):.3g} to {float(x.max()):.3g}")


def _check_labels(logits: Tensor, y: Tensor, name: str = "y") -> None:
    if logits.dim() != 2 or y.shape != logits.shape[:1] or not len(y):
        raise ValueError(
            f"logits must have shape (N, K) and {name} shape (N,), with N at least 1; got "
            f"{tuple(logits.shape)} and {tuple(y.shape)}"
        )
    if int(y.min()) < 0 or int(y.max()) >= logits.shape[1]:
        raise ValueError(
            f"{name} must hold classes from 0 to {logits.shape[1] - 1}, got {int(y.min())} to {int(y.max())}"
        )
