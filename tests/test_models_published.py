"""The models against the numbers that their papers and the lecture notes print: parameters, volumes, work.

Layers are listed by `cnnkit.summary`; what is expected of each comes from the paper's table by the formulas of
`cnnkit.shapes`. Large networks are built on PyTorch's "meta" device, where tensors have sizes but no numbers.
"""

from functools import cache, partial

import pytest
import torch
from torch import nn

from cnnkit.models import MODELS
from cnnkit.models.alexnet import AlexNet
from cnnkit.models.fcn import FCN
from cnnkit.models.googlenet import GoogLeNet
from cnnkit.models.lenet import LeNet, LeNet5
from cnnkit.models.network_in_network import NetworkInNetwork
from cnnkit.models.resnet import ResNet
from cnnkit.models.vgg import VGG
from cnnkit.shapes import dropped_nodes, full_parameters, multiply_adds, output_size, shared_parameters
from cnnkit.summary import summary

conv = partial(shared_parameters, bias=True)
full = partial(full_parameters, bias=True)


@cache
def table(build, size, in_channels=3, **options):
    """The summary of a network without numbers."""
    with torch.device("meta"):
        model = build(in_channels=in_channels, **options)
    return summary(model, (in_channels, size, size))


def learned(rows):
    """Volume and parameters of the layers that learn."""
    return [(row.output, row.parameters) for row in rows if row.parameters]


def volumes(rows, *types):
    return [row.output for row in rows if row.type in types]


def within(rows, part):
    """The rows of one part of a network."""
    return [row for row in rows if row.name == part or row.name.startswith(f"{part}.")]


@cache
def windows(build, size, **options):
    """``(name, n, n', layer)`` of each convolution and pooling, from an image that runs through."""
    with torch.device("meta"):
        model = build(**options).eval()
        found = []

        def note(name, layer, inputs, output):
            found.append((name, inputs[0].shape[-1], output.shape[-1], layer))

        for name, layer in model.named_modules():
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                layer.register_forward_hook(partial(note, name))
        model(torch.zeros(1, 3, size, size))
    return found


def left_over(found):
    """Where the size equation holds only with the floor: name, nodes dropped, how many of them are pixels."""
    result = []
    for name, n, n_out, layer in found:
        F, S, P = (
            v[0] if isinstance(v, tuple) else v for v in (layer.kernel_size, layer.stride, layer.padding)
        )
        if getattr(layer, "ceil_mode", False):
            continue
        assert n_out == output_size(n, F, S, P, floor=True)
        if dropped_nodes(n, F, S, P).nodes:
            result.append((name, *dropped_nodes(n, F, S, P)))
    return result


def hanging_over(found):
    """Where the last window is not whole: n, n', and how many nodes it lacks."""
    result = []
    for _, n, n_out, layer in found:
        if getattr(layer, "ceil_mode", False):
            assert n_out == -(-(n - layer.kernel_size) // layer.stride) + 1
            result.append((n, n_out, (n_out - 1) * layer.stride + layer.kernel_size - n))
    return result


# ---------------------------------------------------------------------- LeNet
def test_lenet_of_the_notes():
    rows = table(LeNet, 28, in_channels=1, activation="sigmoid", pool="average")
    assert learned(rows.rows) == [
        ((6, 28, 28), conv((5, 5), 1, 6)),
        ((16, 10, 10), conv((5, 5), 6, 16)),
        ((120,), full(25 * 16, 120)),
        ((84,), full(120, 84)),
        ((10,), full(84, 10)),
    ]
    assert volumes(rows.rows, "AvgPool2d") == [(6, 14, 14), (16, 5, 5)]
    assert [p for _, p in learned(rows.rows)] == [156, 2_416, 48_120, 10_164, 850]
    assert rows.parameters == 61_706


def test_lenet_of_1998():
    rows = table(LeNet5, 32, in_channels=1)
    layers = {"C1": "features.0", "S2": "features.2", "C3": "features.4", "S4": "features.6", "C5": "features.8", "F6": "features.11"}  # fmt: skip
    parameters = {layer: sum(r.parameters for r in within(rows.rows, name)) for layer, name in layers.items()}
    assert parameters == {"C1": 156, "S2": 12, "C3": 1_516, "S4": 32, "C5": 48_120, "F6": 10_164}
    assert rows.parameters == 60_000
    # six filters see three maps, nine see four, one sees six
    assert parameters["C3"] == 6 * conv((5, 5), 3) + 9 * conv((5, 5), 4) + conv((5, 5), 6)
    # connections: the inputs of every node and its bias; those of the ten codes have no bias
    connections = {
        "C1": 28 * 28 * conv((5, 5), 1, 6),
        "S2": 14 * 14 * 6 * (2 * 2 + 1),
        "C3": 10 * 10 * parameters["C3"],
        "S4": 5 * 5 * 16 * (2 * 2 + 1),
        "C5": full(400, 120),
        "F6": full(120, 84),
    }
    assert list(connections.values()) == [122_304, 5_880, 151_600, 2_000, 48_120, 10_164]
    assert sum(connections.values()) + 84 * 10 == 340_908
    products = {
        layer: sum(r.multiply_adds for r in within(rows.rows, name)) for layer, name in layers.items()
    }
    for layer, nodes in (("C1", 28 * 28 * 6), ("C3", 10 * 10 * 16), ("C5", 120), ("F6", 84)):
        assert products[layer] == connections[layer] - nodes, layer


def test_volumes_of_lenet_of_1998():
    rows = table(LeNet5, 32, in_channels=1).rows
    assert volumes(rows, "Conv2d")[::17] == [(6, 28, 28), (120, 1, 1)]
    assert volumes(rows, "Conv2d")[1:17] == [(1, 10, 10)] * 16
    assert volumes(rows, "Subsampling") == [(6, 14, 14), (16, 5, 5)]
    assert volumes(rows, "Linear") == [(84,)]


# ---------------------------------------------------------------------- AlexNet
def test_alexnet_of_the_paper():
    rows = table(AlexNet, 227)
    # "filters of size 5 x 5 x 48", "3 x 3 x 256", "3 x 3 x 192", "3 x 3 x 192"
    assert learned(rows.rows) == [
        ((96, 55, 55), conv((11, 11), 3, 96)),
        ((256, 27, 27), conv((5, 5), 48, 256)),
        ((384, 13, 13), conv((3, 3), 256, 384)),
        ((384, 13, 13), conv((3, 3), 192, 384)),
        ((256, 13, 13), conv((3, 3), 192, 256)),
        ((4096,), full(6 * 6 * 256, 4096)),
        ((4096,), full(4096, 4096)),
        ((1000,), full(4096, 1000)),
    ]
    assert [p for _, p in learned(rows.rows)] == [
        34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000,
    ]  # fmt: skip
    assert volumes(rows.rows, "MaxPool2d") == [(96, 27, 27), (256, 13, 13), (256, 6, 6)]
    assert volumes(rows.rows, "LocalResponseNorm") == [(96, 55, 55), (256, 27, 27)]
    assert rows.parameters == 60_965_224


def test_neurons_of_alexnet_and_the_papers_slip():
    nodes = [torch.Size(volume).numel() for volume, _ in learned(table(AlexNet, 227).rows)]
    # the paper's list begins with 253,440, which is no multiple of 96 squares
    assert nodes == [290_400, 186_624, 64_896, 64_896, 43_264, 4_096, 4_096, 1_000]
    assert (253_440 / 96) ** 0.5 % 1 != 0
    assert round(sum(nodes), -4) == 660_000  # "650,000 neurons"
    assert round(sum(nodes) - 290_400 + 253_440, -4) == 620_000


def test_alexnet_without_groups():
    rows = table(AlexNet, 227, groups=1)
    assert rows.parameters == 62_378_344
    assert [p for _, p in learned(rows.rows)][1:5:2] == [614_656, 1_327_488]
    assert rows.parameters - 60_965_224 == (
        conv((5, 5), 96, 256) + conv((3, 3), 384, 384) + conv((3, 3), 384, 256)
        - conv((5, 5), 48, 256) - conv((3, 3), 192, 384) - conv((3, 3), 192, 256)
    )  # fmt: skip


def test_alexnet_of_the_notes():
    rows = table(AlexNet, 224, variant="notes")
    assert learned(rows.rows) == [
        ((96, 55, 55), conv((11, 11), 3, 96)),
        ((256, 27, 27), conv((5, 5), 96, 256)),
        ((384, 13, 13), conv((3, 3), 256, 384)),
        ((384, 13, 13), conv((3, 3), 384, 384)),
        ((384, 13, 13), conv((3, 3), 384, 384)),
        ((4096,), full(6 * 6 * 384, 4096)),
        ((4096,), full(4096, 4096)),
        ((1000,), full(4096, 1000)),
    ]
    assert volumes(rows.rows, "MaxPool2d") == [(96, 27, 27), (256, 13, 13), (384, 6, 6)]
    assert volumes(rows.rows, "LocalResponseNorm") == []
    assert rows.parameters == 81_695_208


def test_alexnet_of_torchvision():
    # footnote 1 of "One weird trick" says 64, 192, 384, 384 and 256 filters; torchvision differs in the fourth
    rows = table(AlexNet, 224, variant="torchvision")
    assert [volume[0] for volume, _ in learned(rows.rows)][:5] == [64, 192, 384, 256, 256]
    assert volumes(rows.rows, "MaxPool2d") == [(64, 27, 27), (192, 13, 13), (256, 6, 6)]
    assert rows.parameters == 61_100_840
    fourth_of_384 = conv((3, 3), 384, 384) + conv((3, 3), 384, 256)
    fourth_of_256 = conv((3, 3), 384, 256) + conv((3, 3), 256, 256)
    assert rows.parameters + fourth_of_384 - fourth_of_256 == 61_838_248


@pytest.mark.parametrize(
    ("variant", "order"),
    [
        ("paper", ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]),
        ("notes", ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]),
        ("torchvision", ["Dropout", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Linear"]),
    ],
)
def test_alexnet_drops_units_of_the_hidden_layers_and_torchvision_those_before(variant, order):
    model = AlexNet(variant=variant, width=1 / 64, dropout=0.25)
    assert [type(layer).__name__ for layer in model.classifier] == order
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.25, 0.25]


def test_227_fits_the_size_equation_and_224_does_not():
    assert left_over(windows(AlexNet, 227)) == []
    assert left_over(windows(AlexNet, 67, image_size=67)) == []
    assert [n_out for _, _, n_out, _ in windows(AlexNet, 227)] == [55, 27, 27, 13, 13, 13, 13, 6]
    for variant in ("notes", "torchvision"):
        # one node of the padding, no pixel
        assert left_over(windows(AlexNet, 224, variant=variant)) == [("features.0", 1, 0)]
    # without padding the floor drops pixels: 224 gives 54, not the paper's 55
    assert output_size(224, 11, 4, floor=True) == 54
    assert dropped_nodes(224, 11, 4) == (1, 1)
    for padding in range(12):
        assert dropped_nodes(224, 11, 4, padding).nodes != 0


# ---------------------------------------------------------------------- VGG
# Columns A, B, D and E of table 1; "|" is a pooling.
VGG_COLUMNS = {
    11: "64 | 128 | 256 256 | 512 512 | 512 512 |",
    13: "64 64 | 128 128 | 256 256 | 512 512 | 512 512 |",
    16: "64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512 |",
    19: "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512 |",
}


def vgg_layers(column):
    expected, before, n = [], 3, 224
    for word in column.split():
        if word == "|":
            n //= 2
        else:
            expected.append(((int(word), n, n), conv((3, 3), before, int(word))))
            before = int(word)
    hidden = [((4096,), full(n * n * before, 4096)), ((4096,), full(4096, 4096))]
    return [*expected, *hidden, ((1000,), full(4096, 1000))]


@pytest.mark.parametrize(("depth", "millions"), [(11, 133), (13, 133), (16, 138), (19, 144)])
def test_vgg(depth, millions):
    rows = table(VGG, 224, depth=depth)
    assert learned(rows.rows) == vgg_layers(VGG_COLUMNS[depth])
    assert len(learned(rows.rows)) == depth
    assert [n for _, n, _ in volumes(rows.rows, "MaxPool2d")] == [112, 56, 28, 14, 7]
    assert round(rows.parameters / 1e6) == millions  # table 2
    assert left_over(windows(VGG, 224, depth=depth)) == []


def test_vgg_11_with_batch_norm_and_in_the_notes():
    assert table(VGG, 224, depth=11).parameters == 132_863_336
    with_norm = table(VGG, 224, depth=11, batch_norm=True).parameters
    filters = [int(word) for word in VGG_COLUMNS[11].split() if word != "|"]
    assert with_norm - 132_863_336 == 2 * sum(filters)
    notes = table(VGG, 224, depth=11, variant="notes")
    # "first block has 64 channels and each subsequent one doubles number of channels"
    assert learned(notes.rows) == vgg_layers("64 | 128 | 256 256 | 512 512 | 1024 1024 |")
    assert notes.parameters == 245_061_992


# ---------------------------------------------------------------------- Network in Network
def test_network_in_network():
    rows = table(NetworkInNetwork, 32)
    assert learned(rows.rows) == [
        ((192, 32, 32), conv((5, 5), 3, 192)),
        ((160, 32, 32), full(192, 160)),  # a 1x1 convolution is a fully connected layer at every place
        ((96, 32, 32), full(160, 96)),
        ((192, 16, 16), conv((5, 5), 96, 192)),
        ((192, 16, 16), full(192, 192)),
        ((192, 16, 16), full(192, 192)),
        ((192, 8, 8), conv((3, 3), 192, 192)),
        ((192, 8, 8), full(192, 192)),
        ((10, 8, 8), full(192, 10)),
    ]
    assert rows.parameters == 966_986
    assert hanging_over(windows(NetworkInNetwork, 32)) == [(32, 16, 1), (16, 8, 1)]
    assert left_over(windows(NetworkInNetwork, 32)) == []


def test_network_in_network_for_imagenet():
    rows = table(NetworkInNetwork, 224, variant="imagenet", num_classes=1000)
    expected, before = [], 3
    for n, F, filters in (
        (54, 11, (96, 96, 96)),
        (27, 5, (256, 256, 256)),
        (13, 3, (384, 384, 384)),
        (6, 3, (1024, 1024, 1000)),
    ):
        for number, channels in enumerate(filters):
            expected.append(((channels, n, n), conv((1, 1) if number else (F, F), before, channels)))
            before = channels
    assert learned(rows.rows) == expected
    assert rows.parameters == 7_595_176
    found = windows(NetworkInNetwork, 224, variant="imagenet")
    assert left_over(found) == [("features.0", 1, 1)]
    assert hanging_over(found) == [(54, 27, 1), (27, 13, 0), (13, 6, 0)]


# ---------------------------------------------------------------------- GoogLeNet
# Table 1 of the paper: parts of ours, output size, "params" in units of 1,024, "ops" in millions.
GOOGLENET = {
    "convolution 7x7/2": (["conv1"], (64, 112, 112), 2.7, 34),
    "max pool 1": (["maxpool1"], (64, 56, 56), 0, 0),
    "convolution 3x3/1": (["conv2", "conv3"], (192, 56, 56), 112, 360),
    "max pool 2": (["maxpool2"], (192, 28, 28), 0, 0),
    "inception (3a)": (["inception3a"], (256, 28, 28), 159, 128),
    "inception (3b)": (["inception3b"], (480, 28, 28), 380, 304),
    "max pool 3": (["maxpool3"], (480, 14, 14), 0, 0),
    "inception (4a)": (["inception4a"], (512, 14, 14), 364, 73),
    "inception (4b)": (["inception4b"], (512, 14, 14), 437, 88),
    "inception (4c)": (["inception4c"], (512, 14, 14), 463, 100),
    "inception (4d)": (["inception4d"], (528, 14, 14), 580, 119),
    "inception (4e)": (["inception4e"], (832, 14, 14), 840, 170),
    "max pool 4": (["maxpool4"], (832, 7, 7), 0, 0),
    "inception (5a)": (["inception5a"], (832, 7, 7), 1072, 54),
    "inception (5b)": (["inception5b"], (1024, 7, 7), 1388, 71),
    "avg pool": (["avgpool"], (1024, 1, 1), 0, 0),
    "linear": (["fc"], (1000,), 1000, 1),
}
# What does not follow from the widths in the same rows: printed, and by the formulas, units as above.
SLIPS_IN_PARAMETERS = {
    "convolution 7x7/2": (2.7, 7 * 7 * 3 * 64 / 1024),
    "inception (4c)": (463, 509_440 / 1024),
    "inception (5a)": (1072, 1_042_432 / 1024),
}
SLIPS_IN_OPERATIONS = {
    "convolution 7x7/2": (34, multiply_adds((112, 112), (7, 7), 3, 64) / 1e6),
    "inception (5a)": (54, 7 * 7 * 1_042_432 / 1e6),
}


@pytest.mark.parametrize("row", GOOGLENET)
def test_googlenet(row):
    parts, output, kilo, million = GOOGLENET[row]
    rows = [r for part in parts for r in within(table(GoogLeNet, 224).rows, part)]
    # The paper counts weights without biases.
    biases = sum(r.output[0] for r in rows if r.parameters)
    weights, operations = sum(r.parameters for r in rows) - biases, sum(r.multiply_adds for r in rows)
    if row.startswith("inception"):
        last = [f"{parts[0]}.branch{end}.conv" for end in ("1", "2.1", "3.1", "4.1")]
        assert sum(r.output[0] for r in rows if r.name in last) == output[0]
        assert {r.output[1:] for r in rows} == {output[1:]}
    else:
        assert rows[-1].output == output
    if row in SLIPS_IN_PARAMETERS:
        printed, computed = SLIPS_IN_PARAMETERS[row]
        assert printed == kilo
        assert weights / 1024 == computed
        assert abs(kilo / computed - 1) > 0.05
    else:
        assert weights / 1024 == pytest.approx(kilo, rel=0.02)
    if row in SLIPS_IN_OPERATIONS:
        printed, computed = SLIPS_IN_OPERATIONS[row]
        assert printed == million
        assert operations / 1e6 == computed
        assert abs(million / computed - 1) > 0.05
    else:
        assert operations / 1e6 == pytest.approx(million, abs=1)


def test_googlenet_as_a_whole():
    assert table(GoogLeNet, 224).parameters == 6_998_552
    # Through the longest branch 22 layers learn, as the paper says: two in each inception block.
    path = [r for r in table(GoogLeNet, 224).rows if r.parameters and ".branch" not in r.name]
    assert len(path) + 2 * 9 == 22
    found = windows(GoogLeNet, 224)
    assert left_over(found) == [("conv1.conv", 1, 0)]
    assert hanging_over(found) == [(112, 56, 1), (56, 28, 1), (28, 14, 1), (14, 7, 1)]


def test_heads_of_googlenet():
    with torch.device("meta"):
        heads = GoogLeNet(auxiliary_heads=True)
    for head, channels in ((heads.aux1, 512), (heads.aux2, 528)):
        rows = summary(head, (channels, 14, 14))
        pools = [(row.settings, row.output) for row in rows.rows if row.type == "AvgPool2d"]
        assert pools == [("5×5, S=3", (channels, 4, 4))]
        assert learned(rows.rows) == [
            ((128, 4, 4), conv((1, 1), channels, 128)),
            ((1024,), full(4 * 4 * 128, 1024)),
            ((1000,), full(1024, 1000)),
        ]
        assert dropped_nodes(14, 5, 3).nodes == 0
        assert head.dropout.p == 0.7
    assert sum(p.numel() for p in heads.parameters()) == 13_378_280


def test_torchvisions_googlenet_differs_where_its_file_says():
    ours = {r.name: r for r in table(GoogLeNet, 224).rows}
    theirs = {r.name: r for r in table(GoogLeNet, 224, variant="torchvision").rows}
    assert {r.settings for name, r in ours.items() if name.endswith("branch3.1.conv")} == {
        f"5×5, {filters}, P=2" for filters in (32, 96, 48, 64, 128)
    }
    assert {r.settings for name, r in theirs.items() if name.endswith("branch3.1.conv")} == {
        f"3×3, {filters}, P=1" for filters in (32, 96, 48, 64, 128)
    }
    assert ours["maxpool4"].settings == "3×3, S=2"
    assert theirs["maxpool4"].settings == "2×2, S=2"
    assert ours["maxpool4"].output == theirs["maxpool4"].output == (832, 7, 7)
    assert table(GoogLeNet, 224, variant="torchvision").parameters == 6_624_904


# ---------------------------------------------------------------------- ResNet
# Table 1 of the paper: blocks of each stage, output channels, FLOPs in billions (of multiply-adds).
RESNET = {
    18: ((2, 2, 2, 2), (64, 128, 256, 512), 1.8),
    34: ((3, 4, 6, 3), (64, 128, 256, 512), 3.6),
    50: ((3, 4, 6, 3), (256, 512, 1024, 2048), 3.8),
    101: ((3, 4, 23, 3), (256, 512, 1024, 2048), 7.6),
    152: ((3, 8, 36, 3), (256, 512, 1024, 2048), 11.3),
}
as_in_the_paper = {True: {"stride_in_1x1": True}, False: {}}


@pytest.mark.parametrize("depth", RESNET)
def test_resnet(depth):
    blocks, channels, billions = RESNET[depth]
    rows = table(ResNet, 224, depth=depth, **as_in_the_paper[depth >= 50])
    assert within(rows.rows, "conv1")[0].output == (64, 112, 112)
    assert within(rows.rows, "maxpool")[0].output == (64, 56, 56)
    for number, (n_blocks, out, n) in enumerate(zip(blocks, channels, (56, 28, 14, 7), strict=True), start=1):
        stage = within(rows.rows, f"layer{number}")
        assert stage[-1].output == (out, n, n)
        assert len({row.name.split(".")[1] for row in stage}) == n_blocks
    assert within(rows.rows, "avgpool")[0].output[0] == within(rows.rows, "layer4")[-1].output[0]
    on_the_path = [r for r in rows.rows if r.type in ("Conv2d", "Linear") and "downsample" not in r.name]
    assert len(on_the_path) == depth
    assert abs(rows.multiply_adds / 1e9 - billions) < 0.1
    # torchvision's place for the stride costs more, and no parameters
    usual = table(ResNet, 224, depth=depth)
    assert usual.parameters == rows.parameters
    assert (usual.multiply_adds > rows.multiply_adds) == (depth >= 50)


def test_filters_of_resnet():
    # "3x3, 64; 3x3, 64" and "1x1, 64; 3x3, 64; 1x1, 256", layer by layer
    basic, bottleneck = table(ResNet, 224, depth=18), table(ResNet, 224, depth=50, stride_in_1x1=True)
    assert [r.parameters for r in within(basic.rows, "layer1.0") if r.type == "Conv2d"] == [
        shared_parameters((3, 3), 64, 64)
    ] * 2
    assert [
        (r.settings, r.parameters) for r in within(bottleneck.rows, "layer2.0") if r.type == "Conv2d"
    ] == [
        ("1×1, 128, S=2", shared_parameters((1, 1), 256, 128)),
        ("3×3, 128, P=1", shared_parameters((3, 3), 128, 128)),
        ("1×1, 512", shared_parameters((1, 1), 128, 512)),
        ("1×1, 512, S=2", shared_parameters((1, 1), 256, 512)),
    ]
    usual = within(table(ResNet, 224, depth=50).rows, "layer2.0")
    assert [r.settings for r in usual if r.type == "Conv2d"][:2] == ["1×1, 128", "3×3, 128, S=2, P=1"]


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_floors_five_times_at_224_and_225_fits(depth):
    straight = [w for w in windows(ResNet, 224, depth=depth) if "downsample" not in w[0]]
    dropped = left_over(straight)
    conv_with_stride = "conv1" if depth == 18 else "conv2"
    places = ["conv1", "maxpool", *(f"layer{i}.0.{conv_with_stride}" for i in (2, 3, 4))]
    # one node of the padding each time, no pixel
    assert dropped == [(place, 1, 0) for place in places]
    # the 1x1 convolutions have no padding: every map that they are given loses its last row and column
    shortcuts = [w for w in windows(ResNet, 224, depth=depth) if "downsample" in w[0]]
    assert left_over(shortcuts) == [(f"layer{i}.0.downsample.0", 1, 1) for i in (2, 3, 4)]
    assert left_over(windows(ResNet, 225, depth=depth)) == []
    rows = table(ResNet, 225, depth=depth).rows
    parts = ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4")
    assert [within(rows, part)[-1].output[-1] for part in parts] == [113, 57, 57, 29, 15, 8]


# Table 6 of the paper: millions of parameters.
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_resnet_for_cifar(depth, millions):
    rows = table(ResNet, 32, depth=depth, num_classes=10)
    digits = 2 if millions < 1 else 1
    assert round(rows.parameters / 1e6, digits) == millions
    # section 4.2: 2n + 1 convolutions on maps of 32, 2n on 16 and on 8, with 16, 32 and 64 filters; no other
    n = (depth - 2) // 6
    expected = [(16, 32, 32)] * (2 * n + 1) + [(32, 16, 16)] * (2 * n) + [(64, 8, 8)] * (2 * n)
    assert volumes(rows.rows, "Conv2d") == expected
    assert volumes(rows.rows, "Linear") == [(10,)]
    # shortcuts A learn nothing: as many parameters as the plain network
    assert table(ResNet, 32, depth=depth, num_classes=10, shortcut="none").parameters == rows.parameters


def test_exact_parameters_of_resnet():
    assert table(ResNet, 224, depth=18).parameters == 11_689_512
    layers = shared_parameters((3, 3), 3, 16) + 6 * shared_parameters((3, 3), 16, 16)
    layers += shared_parameters((3, 3), 16, 32) + 5 * shared_parameters((3, 3), 32, 32)
    layers += shared_parameters((3, 3), 32, 64) + 5 * shared_parameters((3, 3), 64, 64)
    norms = 2 * (7 * 16 + 6 * 32 + 6 * 64)
    assert table(ResNet, 32, depth=20, num_classes=10).parameters == layers + norms + full(64, 10) == 269_722


def test_shortcuts_cost_what_their_kind_says():
    a, b, c, none = (
        table(ResNet, 32, depth=20, num_classes=10, shortcut=kind).parameters
        for kind in ("A", "B", "C", "none")
    )

    def projection(before, after):
        return shared_parameters((1, 1), before, after) + 2 * after

    assert a == none
    assert b - a == projection(16, 32) + projection(32, 64)
    assert c - b == 3 * projection(16, 16) + 2 * projection(32, 32) + 2 * projection(64, 64)


# ---------------------------------------------------------------------- FCN
def test_fcn():
    rows = table(FCN, 224, stride=32)
    # VGG-16 without its last layer, a score of 21 classes and the filters that enlarge
    head = [conv((7, 7), 512, 4096), conv((1, 1), 4096, 4096), conv((1, 1), 4096, 21)]
    vgg = [parameters for _, parameters in vgg_layers(VGG_COLUMNS[16])]
    assert head[:2] == vgg[-3:-1]
    assert [p for _, p in learned(rows.rows)] == [*vgg[:-3], *head, 21 * 64 * 64]
    assert rows.parameters == 134_432_597
    assert round(rows.parameters / 1e6) == 134  # the paper's table 1
    score = within(rows.rows, "score")[0]
    assert [(field.size, field.jump) for field in score.receptive_field] == [(404, 32)] * 2  # the same table
    assert score.output == (21, 7, 7)


def test_fcn_with_finer_strides():
    at_16, at_8 = table(FCN, 224, stride=16), table(FCN, 224, stride=8)
    assert at_16.parameters == 134_432_597 - 21 * 64 * 64 + 21 * (4 * 4 + 32 * 32) + conv((1, 1), 512, 21)
    assert at_8.parameters == (
        at_16.parameters - 21 * 32 * 32 + 21 * (4 * 4 + 16 * 16) + conv((1, 1), 256, 21)
    )
    assert volumes(at_8.rows, "ConvTranspose2d") == [(21, 14, 14), (21, 28, 28), (21, 224, 224)]
    assert [within(at_8.rows, f"score{part}")[0].output for part in ("", "_pool4", "_pool3")] == [
        (21, 7, 7),
        (21, 14, 14),
        (21, 28, 28),
    ]


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("size", [(32, 32), (96, 160)])
def test_fcn_gives_logits_for_every_pixel(stride, size):
    with torch.device("meta"):
        assert FCN(stride=stride)(torch.zeros(2, 3, *size)).shape == (2, 21, *size)


# ---------------------------------------------------------------------- the table of models
@pytest.mark.parametrize(
    ("name", "num_classes", "parameters"),
    [
        ("lenet", 10, 61_706 + 2 * 150),  # two channels more than one
        ("alexnet", 1000, 60_965_224),
        ("alexnet_notes", 1000, 81_695_208),
        ("vgg11", 1000, 132_863_336),
        ("vgg16_bn", 1000, 138_357_544 + 2 * (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512)),
        ("vgg11_notes", 1000, 245_061_992),
        ("network_in_network", 10, 966_986),
        ("network_in_network_imagenet", 1000, 7_595_176),
        ("googlenet", 1000, 6_998_552),
        ("resnet18", 1000, 11_689_512),
        ("resnet20", 10, 269_722),
        ("fcn32s", 21, 134_432_597),
    ],
)
def test_names_in_the_table_are_these_networks(name, num_classes, parameters):
    entry = MODELS[name]
    assert table(entry.build, entry.image_size, num_classes=num_classes).parameters == parameters
