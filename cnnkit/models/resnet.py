"""ResNet: blocks that add their input to what they compute.

Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016), table 1 (ImageNet) and
section 4.2 (CIFAR-10); for pre-activation "Identity mappings in deep residual networks" (2016).
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from cnnkit.models.images import ImageCheck, check_choice, check_sizes, he_initialisation, scaled


# ---------------------------------------------------------------------- the shortcut
def make_shortcut(shortcut: str, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """V, by which the input of a block reaches its output.

    Args:
        shortcut: ``"A"``: the input itself; where sizes change, every second pixel of it, and maps of zeros.
            ``"B"``: the input itself; where sizes change, a 1x1 convolution. ``"C"``: always a 1x1
            convolution. ``"none"``: no shortcut.
        in_channels: maps that come in.
        out_channels: maps that the block returns.
        stride: of the block.
    """
    if shortcut == "none":
        return None
    if shortcut != "C" and stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if shortcut == "A":
        extra = out_channels - in_channels
        # windows of one pixel; then zeros behind the last map
        return nn.Sequential(nn.AvgPool2d(1, stride), nn.ZeroPad3d((0, 0, 0, 0, 0, extra)))
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


SHORTCUTS = ("A", "B", "C", "none")


# ---------------------------------------------------------------------- blocks
class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: ``f(F(x) + V x)``. Implements eq-residual.

    F is convolution, batch norm, ReLU, convolution, batch norm; f is ReLU; V is the identity, or what
    `make_shortcut` makes. Without a shortcut it is ``f(F(x))``, the plain block that the paper compares with.

    Args:
        in_channels: maps that come in.
        planes: filters of each convolution.
        stride: of the first.
        shortcut: its shortcut, see `make_shortcut`.

    Shape:
        Input (N, in_channels, height, width); output (N, planes, height / stride, width / stride).
    """

    def __init__(self, in_channels: int, planes: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = make_shortcut(shortcut, in_channels, planes, stride)

    def forward(self, x: Float[Tensor, "N M height width"]) -> Float[Tensor, "N R height_out width_out"]:
        """Return the maps."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.downsample is not None:
            y += self.downsample(x)
        return self.relu(y)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, which make it narrow, and a shortcut. Implements eq-residual.

    The first 1x1 convolution has R / 4 filters, the second brings the maps back to R: the 3x3 convolution
    then costs a sixteenth.

    Args:
        in_channels: maps that come in.
        planes: filters of the 3x3 convolution, a quarter of the maps that go out.
        stride: of the block.
        shortcut: its shortcut, see `make_shortcut`.
        stride_in_1x1: the first 1x1 convolution has the stride, as in the paper; else the 3x3 convolution, as
            in torchvision.

    Shape:
        Input (N, in_channels, height, width); output (N, 4 planes, height / stride, width / stride).
    """

    def __init__(
        self, in_channels: int, planes: int, stride: int, shortcut: str, stride_in_1x1: bool = False
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, planes, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = make_shortcut(shortcut, in_channels, 4 * planes, stride)

    def forward(self, x: Float[Tensor, "N M height width"]) -> Float[Tensor, "N R height_out width_out"]:
        """Return the maps."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.downsample is not None:
            y += self.downsample(x)
        return self.relu(y)


class PreActivation(nn.Module):
    """A block with batch norm and ReLU before each convolution: ``F(x) + V x``. Implements eq-residual.

    Nothing follows the addition. So with V = I the input passes unchanged from block to block, whatever its
    sign. A V that changes sizes, or is a convolution, is given what the branch is given: x behind batch norm
    and ReLU.

    Args:
        in_channels: maps that come in.
        planes: filters of the 3x3 convolutions.
        stride: of the block.
        shortcut: its shortcut, see `make_shortcut`.
        bottleneck: the three convolutions of `Bottleneck`, else the two of `BasicBlock`.
        stride_in_1x1: as for `Bottleneck`.
        first: x comes from a ReLU already.

    Shape:
        As for the two.
    """

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int,
        shortcut: str,
        bottleneck: bool = False,
        stride_in_1x1: bool = False,
        first: bool = False,
    ) -> None:
        super().__init__()
        one, three = (stride, 1) if stride_in_1x1 else (1, stride)
        if bottleneck:
            convolutions = [(1, planes, one), (3, planes, three), (1, 4 * planes, 1)]
        else:
            convolutions = [(3, planes, stride), (3, planes, 1)]
        self.activation = nn.Sequential() if first else nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU())
        layers: list[nn.Module] = []
        before = in_channels
        for F, filters, S in convolutions:
            if layers:
                layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
            layers.append(nn.Conv2d(before, filters, F, S, padding=F // 2, bias=False))
            before = filters
        self.branch = nn.Sequential(*layers)
        V = make_shortcut(shortcut, in_channels, before, stride)
        if isinstance(V, nn.Sequential) and shortcut in ("B", "C"):
            V = V[0]  # without batch norm
        self.downsample = V

    def forward(self, x: Float[Tensor, "N M height width"]) -> Float[Tensor, "N R height_out width_out"]:
        """Return the maps."""
        a = self.activation(x)
        y = self.branch(a)
        if self.downsample is None:
            return y
        return y + self.downsample(x if isinstance(self.downsample, nn.Identity) else a)


# ---------------------------------------------------------------------- networks
class Plan(NamedTuple):
    """What depends on the depth.

    Attributes:
        bottleneck: blocks of three convolutions instead of two.
        blocks: their number in each stage; each stage has twice the filters of the one before, and maps of
            half the size. Four stages make a network for ImageNet, three one for CIFAR-10.
    """

    bottleneck: bool
    blocks: tuple[int, ...]


PLANS = {
    18: Plan(False, (2, 2, 2, 2)),
    34: Plan(False, (3, 4, 6, 3)),
    50: Plan(True, (3, 4, 6, 3)),
    101: Plan(True, (3, 4, 23, 3)),
    152: Plan(True, (3, 8, 36, 3)),
    # 6 n + 2
    20: Plan(False, (3, 3, 3)),
    32: Plan(False, (5, 5, 5)),
    44: Plan(False, (7, 7, 7)),
    56: Plan(False, (9, 9, 9)),
    110: Plan(False, (18, 18, 18)),
}


class ResNet(nn.Module):
    """A residual network, for ImageNet (18, 34, 50, 101 or 152 layers) or CIFAR-10 (20, 32, 44, 56 or 110).

    Depth 18 has 11,689,512 parameters for 1,000 classes, depth 20 269,722 for ten with shortcuts A. The names
    of its layers are torchvision's, whose trained weights can be loaded. The first weights are He's.

    Args:
        depth: number of convolutions and linear layers, those of shortcuts not counted.
        num_classes: size of the last layer.
        in_channels: 1 for grey images, 3 for colour.
        width: what to multiply the numbers of filters with.
        shortcut: ``"A"``: the input itself, with maps of zeros where their number changes; ``"B"``: a 1x1
            convolution there; ``"C"``: everywhere; ``"none"``: no shortcuts, the paper's plain network. If
            not given, B, and A for CIFAR-10.
        pre_activation: batch norm and ReLU before each convolution, as in the second paper.
        stride_in_1x1: where bottlenecks have their stride: in the first 1x1 convolution, as in the paper, or
            in the 3x3 convolution, as in torchvision.

    Shape:
        Input (N, in_channels, height, width), of any size; output (N, num_classes): logits.

    Raises:
        TypeError: a number is not an integer.
        ValueError: an unknown depth or shortcut, a number below 1, stride_in_1x1 without bottlenecks, or (in
            ``forward``) an input of another shape.

    Example:
        >>> small = ResNet(18, num_classes=10, in_channels=1, width=1 / 8)
    """

    def __init__(
        self,
        depth: int = 18,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float | int = 1,
        shortcut: str | None = None,
        pre_activation: bool = False,
        stride_in_1x1: bool = False,
    ) -> None:
        super().__init__()
        check_choice("depth", depth, PLANS)
        plan = PLANS[depth]
        for_cifar = len(plan.blocks) == 3
        shortcut = shortcut or ("A" if for_cifar else "B")
        check_choice("shortcut", shortcut, SHORTCUTS)
        check_sizes(num_classes=num_classes, in_channels=in_channels)
        if stride_in_1x1 and not plan.bottleneck:
            raise ValueError(f"stride_in_1x1 is for depths with bottlenecks, 50 and more, got depth={depth}")
        planes = before = scaled(16 if for_cifar else 64, width)

        def stage(number: int) -> nn.Sequential:
            nonlocal before
            layers: list[nn.Module] = []
            filters = planes * 2**number
            for i in range(plan.blocks[number]):
                stride = 2 if i == 0 and number > 0 else 1
                if pre_activation:
                    first = i == number == 0  # behind the ReLU of the stem
                    layers.append(
                        PreActivation(
                            before,
                            filters,
                            stride,
                            shortcut,
                            bottleneck=plan.bottleneck,
                            stride_in_1x1=stride_in_1x1,
                            first=first,
                        )
                    )
                elif plan.bottleneck:
                    layers.append(Bottleneck(before, filters, stride, shortcut, stride_in_1x1))
                else:
                    layers.append(BasicBlock(before, filters, stride, shortcut))
                before = filters * (4 if plan.bottleneck else 1)
            return nn.Sequential(*layers)

        # sizes of width 1 and basic blocks
        if for_cifar:  # (N, 3, 32, 32)
            self.conv1 = nn.Conv2d(in_channels, planes, 3, padding=1, bias=False)  # (N, 16, 32, 32)
        else:  # (N, 3, 224, 224)
            self.conv1 = nn.Conv2d(in_channels, planes, 7, 2, padding=3, bias=False)  # (N, 64, 112, 112)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if for_cifar else nn.MaxPool2d(3, stride=2, padding=1)  # (N, 64, 56, 56)
        self.layer1 = stage(0)  # CIFAR (N, 16, 32, 32); ImageNet (N, 64, 56, 56)
        self.layer2 = stage(1)  # (N, 32, 16, 16); (N, 128, 28, 28)
        self.layer3 = stage(2)  # (N, 64, 8, 8); (N, 256, 14, 14)
        self.layer4 = nn.Sequential() if for_cifar else stage(3)  # (N, 512, 7, 7)
        self.activation = (
            nn.Sequential(nn.BatchNorm2d(before), nn.ReLU()) if pre_activation else nn.Sequential()
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, num_classes)
        he_initialisation(self, [self.fc])
        self.register_forward_pre_hook(ImageCheck(in_channels), with_kwargs=True)

    def forward(self, x: Float[Tensor, "N in_channels height width"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits of a batch of images."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(self.activation(x)).flatten(1))
