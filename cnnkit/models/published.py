"""What the lecture notes and the papers state of each network, layer by layer, to be read beside its table.

Each text is short for what stands in the source: sizes of what comes out, channels first (``"6 × 28 × 28"``),
filters and their size, stride S and padding P, parameters, multiply-adds. It is what is *printed*: where that
does not follow from the network, the table beside it shows so. Whatever the source does not say is left out.

The notes give LeNet, AlexNet (with images of 3 × 224 × 224) and VGG with eight convolutions. Sources of the
papers' texts:

- LeNet-5: LeCun et al. 1998, section II.B. "Parameters" are the trainable ones.
- AlexNet: Krizhevsky et al. 2012, sections 3.3 to 3.5, figure 2, and the number of neurons in its caption.
- VGG: Simonyan and Zisserman 2015, table 1 (configurations A, B, D, E) and table 2.
- Network in Network: Lin et al. 2014, sections 3 and 4.1, which state no number of filters.
- GoogLeNet: Szegedy et al. 2015, table 1 and section 1. Its K are 1,024 weights, biases not counted; its row
  "convolution 3×3/1" is the two convolutions conv2 and conv3 here.
- ResNet: He et al. 2016, table 1 for ImageNet, with the stride of a bottleneck in its first convolution
  (``stride_in_1x1``), and "FLOPs (multiply-adds)"; section 4.2 and table 6 for CIFAR-10.
- FCN: Long et al. 2015, table 1.

Example:
    >>> from cnnkit.models import create
    >>> from cnnkit.summary import summary
    >>> table = summary(create("lenet"), (1, 28, 28)).beside(**stated("lenet"))
"""

from __future__ import annotations


def _at(features: str, classifier: str, *texts: str) -> dict[str, str]:
    """Texts by the numbers that their layers have in ``features`` and in ``classifier``."""
    names = [f"features.{i}" for i in features.split()] + [f"classifier.{i}" for i in classifier.split()]
    return dict(zip(names, texts, strict=True))


# ---------------------------------------------------------------------- the notes
_POOL, _HALVES = "max, 3×3, S=2", "max, 2×2, S=2, half the size"
_ALEXNET = (
    *("96 filters, 11×11, S=4", _POOL, "256 filters, 5×5", _POOL),
    *("384 filters, 3×3", "384 filters, 3×3", "384 filters, 3×3", _POOL),
    *("4096", "4096", "1000"),
)
# "each subsequent block doubles number of channels", "fully connected layers same as Alexnet"
_VGG = (
    *("64 filters", _HALVES, "128 filters", _HALVES, "256 filters", "256 filters", _HALVES),
    *("512 filters", "512 filters", _HALVES, "1024 filters", "1024 filters", _HALVES),
    *("4096", "4096", "1000"),
)

# Name in the table of models -> name of the layer -> what the notes state.
NOTES: dict[str, dict[str, str]] = {
    "lenet": {
        "features.0": "6 filters, 5×5, P=2, 28 × 28",
        "features.1": "sigmoid",
        "features.2": "average, 2×2, S=2, 14 × 14",
        "features.3": "16 filters, 5×5, 10 × 10",
        "features.4": "sigmoid",
        "features.5": "average, 2×2, S=2, 5 × 5",
        "classifier.0": "400",
        "classifier.1": "120",
        "classifier.2": "sigmoid",
        "classifier.3": "84",
        "classifier.4": "sigmoid",
        "classifier.5": "10",
    },
    "alexnet": _at("0 3 4 7 8 10 12 14", "0 3 6", *_ALEXNET),
    "alexnet_notes": _at("0 2 3 5 6 8 10 12", "0 3 6", *_ALEXNET),
    "vgg11": _at("0 2 3 5 6 8 10 11 13 15 16 18 20", "0 3 6", *_VGG),
    "vgg11_notes": _at("0 2 3 5 6 8 10 11 13 15 16 18 20", "0 3 6", *_VGG),
}


# ---------------------------------------------------------------------- the papers
def _vgg(column: str, parameters: str) -> dict[str, str]:
    """A column of VGG's table 1: filters, all of 3×3, or M for a max pooling; each convolution has a ReLU."""
    texts, i = {}, 0
    for entry in column.split():
        texts[f"features.{i}"] = "maxpool" if entry == "M" else f"conv3-{entry}"
        i += 1 if entry == "M" else 2
    connected = {"classifier.0": "FC-4096", "classifier.3": "FC-4096", "classifier.6": "FC-1000"}
    return texts | connected | {"total": f"{parameters} million parameters"}


_BASIC, _BOTTLENECK = "[3×3, {0}; 3×3, {0}]", "[1×1, {0}; 3×3, {0}; 1×1, {1}]"


def _resnet(block: str, numbers: tuple[int, int, int, int], multiply_adds: str) -> dict[str, str]:
    """A column of ResNet's table 1: the convolutions of a block, and how many blocks each stage has."""
    stages = zip((1, 2, 3, 4), (56, 28, 14, 7), (64, 128, 256, 512), numbers, strict=True)
    return {
        "conv1": "112 × 112, 7×7, 64, S=2",
        "maxpool": "3×3, S=2",
        **{f"layer{i}": f"{n} × {n}, {block.format(F, 4 * F)} × {number}" for i, n, F, number in stages},
        "avgpool": "1 × 1",
        "fc": "1000",
        "total": f"{multiply_adds} billion multiply-adds" + ", stride_in_1x1" * (block == _BOTTLENECK),
    }


def _cifar_resnet(n: int, parameters: str) -> dict[str, str]:
    """Section 4.2: 1 + 2 n layers on maps of 32 × 32, 2 n on each of the smaller ones."""
    return {
        "conv1": "16 × 32 × 32, 3×3",
        "layer1": f"16 × 32 × 32, {2 * n} layers",
        "layer2": f"32 × 16 × 16, {2 * n} layers",
        "layer3": f"64 × 8 × 8, {2 * n} layers",
        "avgpool": "1 × 1",
        "fc": "10",
        "total": f"{parameters} million parameters",
    }


# Name in the table of models -> name of the layer, or "total" -> what the paper states.
PAPER: dict[str, dict[str, str]] = {
    "lenet5_1998": {
        "features.0": "C1: 6 × 28 × 28, 156 parameters",
        "features.2": "S2: 6 × 14 × 14, 12 parameters",
        "features.4": "C3: 16 × 10 × 10, 1,516 parameters",
        "features.6": "S4: 16 × 5 × 5, 32 parameters",
        "features.8": "C5: 120 × 1 × 1, 48,120 parameters",
        "features.11": "F6: 84, 10,164 parameters",
        "total": "60,000 parameters",
    },
    "alexnet": {
        "features.0": "96 of 11×11×3, S=4, 55 × 55, 253,440 neurons",
        "features.2": "k=2, n=5, α=0.0001, β=0.75",
        "features.3": "3×3, S=2",
        "features.4": "256 of 5×5×48, 27 × 27, 186,624 neurons",
        "features.6": "k=2, n=5, α=0.0001, β=0.75",
        "features.7": "3×3, S=2",
        "features.8": "384 of 3×3×256, 13 × 13, 64,896 neurons",
        "features.10": "384 of 3×3×192, 13 × 13, 64,896 neurons",
        "features.12": "256 of 3×3×192, 13 × 13, 43,264 neurons",
        "features.14": "3×3, S=2",
        "classifier.0": "4096 neurons",
        "classifier.3": "4096 neurons",
        "classifier.6": "1000",
        "total": "60 million parameters",
    },
    "vgg11": _vgg("64 M 128 M 256 256 M 512 512 M 512 512 M", "133"),
    "vgg13": _vgg("64 64 M 128 128 M 256 256 M 512 512 M 512 512 M", "133"),
    "vgg16": _vgg("64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M", "138"),
    "vgg19": _vgg("64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M", "144"),
    "network_in_network": {
        "features.0": "mlpconv layer 1",
        "features.6": "max pooling, half the size",
        "features.7": "dropout",
        "features.8": "mlpconv layer 2",
        "features.14": "max pooling, half the size",
        "features.15": "dropout",
        "features.16": "mlpconv layer 3",
        "pool": "global average pooling",
    },
    "googlenet": {
        "conv1": "64 × 112 × 112, 2.7K params, 34M ops",
        "maxpool1": "64 × 56 × 56",
        "conv3": "192 × 56 × 56, with conv2 112K params, 360M ops",
        "maxpool2": "192 × 28 × 28",
        "inception3a": "256 × 28 × 28, 159K params, 128M ops",
        "inception3b": "480 × 28 × 28, 380K params, 304M ops",
        "maxpool3": "480 × 14 × 14",
        "inception4a": "512 × 14 × 14, 364K params, 73M ops",
        "inception4b": "512 × 14 × 14, 437K params, 88M ops",
        "inception4c": "512 × 14 × 14, 463K params, 100M ops",
        "inception4d": "528 × 14 × 14, 580K params, 119M ops",
        "inception4e": "832 × 14 × 14, 840K params, 170M ops",
        "maxpool4": "832 × 7 × 7",
        "inception5a": "832 × 7 × 7, 1072K params, 54M ops",
        "inception5b": "1024 × 7 × 7, 1388K params, 71M ops",
        "avgpool": "1024 × 1 × 1",
        "dropout": "40%",
        "fc": "1000, 1000K params, 1M ops",
        "total": "1.5 billion multiply-adds",
    },
    "resnet18": _resnet(_BASIC, (2, 2, 2, 2), "1.8"),
    "resnet34": _resnet(_BASIC, (3, 4, 6, 3), "3.6"),
    "resnet50": _resnet(_BOTTLENECK, (3, 4, 6, 3), "3.8"),
    "resnet101": _resnet(_BOTTLENECK, (3, 4, 23, 3), "7.6"),
    "resnet152": _resnet(_BOTTLENECK, (3, 8, 36, 3), "11.3"),
    "resnet20": _cifar_resnet(3, "0.27"),
    "resnet32": _cifar_resnet(5, "0.46"),
    "resnet44": _cifar_resnet(7, "0.66"),
    "resnet56": _cifar_resnet(9, "0.85"),
    "resnet110": _cifar_resnet(18, "1.7"),
    "fcn32s": {"head": "receptive field 404", "total": "134 million parameters"},
}


def stated(name: str) -> dict[str, dict[str, str]]:
    """The columns to show beside the table of a network: ``notes``, ``paper``, both or neither.

    Args:
        name: the network's in `cnnkit.models.create`.

    Returns:
        What `cnnkit.summary.Summary.beside` takes.
    """
    return {heading: table[name] for heading, table in (("notes", NOTES), ("paper", PAPER)) if name in table}
