"""LeNet: two convolutions, each pooled, then three fully connected layers.

Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition" (1998),
in the modern reading of the lecture notes: a 28x28 image, padded by 2, instead of the paper's 32x32.
"""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

Activation = Literal["relu", "sigmoid"]
Pool = Literal["max", "average"]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
POOLS: dict[Pool, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


class LeNet(nn.Module):
    """LeNet for images of 28x28 pixels: 61,706 parameters for one input channel and ten classes.

    Args:
        num_classes: size of the last layer.
        in_channels: 1 for grey images, 3 for colour.
        activation: ``"relu"``, today's usual choice, or ``"sigmoid"``, the notes'.
        pool: ``"max"``, today's usual choice, or ``"average"``, the notes'.

    Shape:
        Input (N, in_channels, 28, 28); output (N, num_classes): logits, no softmax.

    Raises:
        ValueError: an unknown activation or pool, a number below 1, or (in ``forward``) an input of
            another shape.

    Example:
        >>> notes_lenet = LeNet(activation="sigmoid", pool="average")
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: Activation = "relu",
        pool: Pool = "max",
    ) -> None:
        super().__init__()
        for name, number in (("num_classes", num_classes), ("in_channels", in_channels)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        for name, choice, known in (
            ("activation", activation, get_args(Activation)),
            ("pool", pool, get_args(Pool)),
        ):
            if choice not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {choice!r}")
        self.in_channels = in_channels
        f, pooling = ACTIVATIONS[activation], POOLS[pool]
        self.features = nn.Sequential(  # (N, in_channels, 28, 28)
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=2),  # (N, 6, 28, 28)
            f(),
            pooling(kernel_size=2, stride=2),  # (N, 6, 14, 14)
            nn.Conv2d(6, 16, kernel_size=5),  # (N, 16, 10, 10)
            f(),
            pooling(kernel_size=2, stride=2),  # (N, 16, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (N, 400)
            nn.Linear(16 * 5 * 5, 120),
            f(),
            nn.Linear(120, 84),
            f(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Float[Tensor, "N in_channels 28 28"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits of a batch of images."""
        if x.dim() != 4 or x.shape[1:] != (self.in_channels, 28, 28):
            raise ValueError(f"x must have shape (N, {self.in_channels}, 28, 28), got {tuple(x.shape)}")
        return self.classifier(self.features(x))
