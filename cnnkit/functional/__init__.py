"""The operators of the chapters, vectorised: any device, each with its own backward pass.

Names, arguments and shapes are those of `torch.nn.functional`. No function here calls PyTorch's convolution,
pooling or batch normalisation, forward or backward; `cnnkit.reference` has the same operators as loops.

They can be differentiated again and again, and used under `torch.autocast`, `torch.compile` and
`torch.func.grad`. They have no forward-mode derivatives (`torch.func.jvp`).
"""

from cnnkit.functional.batchnorm import batch_norm, batch_statistics
from cnnkit.functional.conv import conv1d, conv2d, conv_transpose2d
from cnnkit.functional.dropout import (
    dropconnect,
    dropconnect_moments,
    dropout,
    dropout1d,
    dropout2d,
    dropout_keep,
)
from cnnkit.functional.linear import linear
from cnnkit.functional.loss import cross_entropy
from cnnkit.functional.pool import avg_pool2d, max_pool2d

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "batch_statistics",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropconnect",
    "dropconnect_moments",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout_keep",
    "linear",
    "max_pool2d",
]
