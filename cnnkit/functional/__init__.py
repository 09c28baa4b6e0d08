"""The operators of the chapters, vectorised: any device, each with its own backward pass.

Names, arguments and shapes are those of `torch.nn.functional`. No function here calls PyTorch's convolution
or pooling, forward or backward; `cnnkit.reference` has the same operators as loops.

They can be differentiated again and again, and used under `torch.autocast`, `torch.compile` and
`torch.func.grad`. They have no forward-mode derivatives (`torch.func.jvp`).
"""

from cnnkit.functional.conv import conv1d, conv2d
from cnnkit.functional.linear import linear
from cnnkit.functional.loss import cross_entropy
from cnnkit.functional.pool import avg_pool2d, max_pool2d

__all__ = ["avg_pool2d", "conv1d", "conv2d", "cross_entropy", "linear", "max_pool2d"]
