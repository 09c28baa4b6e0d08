"""The parts that models are made of, computed a second time by plain tensors and by the loops."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from cnnkit.models.alexnet import AlexNet
from cnnkit.models.fcn import FCN, STRIDES, enlarging
from cnnkit.models.googlenet import GoogLeNet, Inception, Widths
from cnnkit.models.lenet import LeNet5, PartialConvolution, ScaledTanh, Subsampling
from cnnkit.models.resnet import BasicBlock, Bottleneck, PreActivation, ResNet
from cnnkit.reference.conv import conv1x1, conv2d, relu
from tests.operators import random


def randomised(model):
    """The model in float64 and evaluation mode, with statistics that are not those of a new batch norm."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.double().state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(std=0.5, generator=generator)
            if name.endswith("running_var"):
                tensor.square_().add_(0.5)
    return model.eval()


def loops(conv, y):
    """A convolution of a batch, by the loops."""
    return torch.stack([conv2d(image, conv.weight, None, conv.stride[0], conv.padding[0]) for image in y])


def normalised(bn, y):
    """Batch norm in evaluation mode."""

    def over_maps(row):
        return row[:, None, None]

    centred = y - over_maps(bn.running_mean)
    return centred * over_maps(bn.weight / (bn.running_var + bn.eps).sqrt()) + over_maps(bn.bias)


# ---------------------------------------------------------------------- residual blocks
def by_hand(block, x, kind, stride, out):
    """V x."""
    same = stride == 1 and x.shape[1] == out
    if kind == "none":
        return torch.zeros(())
    if kind != "C" and same:
        return x
    x = x[:, :, ::stride, ::stride]
    if kind == "A":
        return torch.cat([x, x.new_zeros(len(x), out - x.shape[1], *x.shape[2:])], dim=1)
    conv, bn = block.downsample
    return normalised(bn, torch.stack([conv1x1(image, conv.weight[:, :, 0, 0]) for image in x]))


CHANGES = pytest.mark.parametrize(("planes", "stride"), [(2, 1), (3, 1), (3, 2)])
KINDS = pytest.mark.parametrize("kind", ["A", "B", "C", "none"])


@pytest.mark.equation("eq-residual")
@torch.no_grad()
@KINDS
@CHANGES
def test_basic_block_is_f_of_the_branch_plus_v_x(kind, planes, stride):
    block = randomised(BasicBlock(2, planes, stride, kind))
    x = random(2, 2, 5, 4)
    y = relu(normalised(block.bn1, loops(block.conv1, x)))
    y = normalised(block.bn2, loops(block.conv2, y))
    expected = relu(y + by_hand(block, x, kind, stride, planes))
    assert expected.shape == (2, planes, -(-5 // stride), 4 // stride)
    torch.testing.assert_close(block(x.clone()), expected)


@pytest.mark.equation("eq-residual")
@torch.no_grad()
@KINDS
@pytest.mark.parametrize(("planes", "stride"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("stride_in_1x1", [False, True])
def test_bottleneck_is_f_of_the_branch_plus_v_x(kind, planes, stride, stride_in_1x1):
    block = randomised(Bottleneck(4, planes, stride, kind, stride_in_1x1))
    x = random(2, 4, 3, 4)
    sees_every_pixel = x[:, :, ::stride, ::stride] if stride_in_1x1 else x
    y = torch.stack([conv1x1(image, block.conv1.weight[:, :, 0, 0]) for image in sees_every_pixel])
    y = relu(normalised(block.bn1, y))
    step = 1 if stride_in_1x1 else stride
    y = torch.stack([conv2d(image, block.conv2.weight, stride=step, padding=1) for image in y])
    y = relu(normalised(block.bn2, y))
    y = torch.stack([conv1x1(image, block.conv3.weight[:, :, 0, 0]) for image in y])
    expected = relu(normalised(block.bn3, y) + by_hand(block, x, kind, stride, 4 * planes))
    torch.testing.assert_close(block(x.clone()), expected)


@pytest.mark.equation("eq-residual")
@torch.no_grad()
@KINDS
@CHANGES
@pytest.mark.parametrize("first", [False, True])
def test_pre_activation_adds_and_nothing_follows(kind, planes, stride, first):
    block = randomised(PreActivation(2, planes, stride, kind, first=first))
    x = random(2, 2, 5, 4)
    a = x if first else relu(normalised(block.activation[0], x))
    conv1, bn, _, conv2 = block.branch
    y = loops(conv2, relu(normalised(bn, loops(conv1, a))))
    if kind in ("B", "C") and (kind == "C" or (planes, stride) != (2, 1)):
        seen = a[:, :, ::stride, ::stride]  # without batch norm, and of what the branch is given
        V = torch.stack([conv1x1(image, block.downsample.weight[:, :, 0, 0]) for image in seen])
    elif (planes, stride) == (2, 1):
        V = by_hand(block, x, kind, stride, planes)
    else:
        V = by_hand(block, a, kind, stride, planes)
    torch.testing.assert_close(block(x.clone()), y + V)


@pytest.mark.equation("eq-residual")
@torch.no_grad()
@pytest.mark.parametrize("stride_in_1x1", [False, True])
def test_pre_activated_bottleneck(stride_in_1x1):
    block = randomised(PreActivation(3, 2, 2, "B", bottleneck=True, stride_in_1x1=stride_in_1x1))
    x = random(2, 3, 5, 4)
    a = y = relu(normalised(block.activation[0], x))
    one, bn_one, _, three, bn_three, _, last = block.branch
    y = relu(normalised(bn_one, loops(one, y)))
    assert y.shape[-1] == (2 if stride_in_1x1 else 4)
    y = loops(last, relu(normalised(bn_three, loops(three, y))))
    torch.testing.assert_close(block(x.clone()), y + loops(block.downsample, a))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("training", [False, True])
def test_with_a_branch_of_zeros_a_block_is_the_identity(kind, training):
    x = random(3, 4, 5, 5)
    for block, last in (
        (BasicBlock(4, 4, 1, kind), "bn2"),
        (Bottleneck(4, 1, 1, kind), "bn3"),
        (PreActivation(4, 4, 1, kind), "branch.3"),
        (PreActivation(4, 1, 1, kind, bottleneck=True), "branch.6"),
    ):
        block = randomised(block).train(training)
        for parameter in block.get_submodule(last).parameters():
            parameter.zero_()
        assert torch.equal(block(x.abs()), x.abs())
        # for any x where nothing follows the addition
        assert torch.equal(block(x.clone()), x if isinstance(block, PreActivation) else x.relu())


def test_a_plain_block_of_zeros_forgets_its_input():
    block = randomised(BasicBlock(4, 4, 1, "none"))
    nn.init.zeros_(block.bn2.weight)
    nn.init.zeros_(block.bn2.bias)
    assert block(random(3, 4, 5, 5)).count_nonzero() == 0


@torch.no_grad()
def test_a_pre_activated_network_ends_with_what_its_blocks_leave_out():
    model = randomised(ResNet(20, 10, 1, width=1 / 8, pre_activation=True))
    ends = []
    model.layer3[-1].register_forward_hook(lambda layer, inputs, output: ends.append(output))
    logits = model(random(2, 1, 8, 8))
    y = relu(normalised(model.activation[0], ends[0])).mean(dim=(2, 3))
    torch.testing.assert_close(logits, functional.linear(y, model.fc.weight, model.fc.bias))
    # the first block follows a ReLU, the others begin with batch norm and ReLU of their own
    blocks = [layer for layer in model.modules() if isinstance(layer, PreActivation)]
    assert [len(block.activation) for block in blocks] == [0] + [2] * 8
    assert list(ResNet(20, 10, 1, width=1 / 8).activation) == []


# ---------------------------------------------------------------------- inception
@pytest.mark.equation("eq-inception")
@torch.no_grad()
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("five", [5, 3])
def test_inception_is_its_branches_one_behind_the_other(five, batch_norm):
    widths = Widths(one=1, reduce_three=2, three=3, reduce_five=2, five=4, pool=5)
    block = randomised(Inception(3, widths, five, batch_norm))
    x = random(2, 3, 6, 7)

    def rectified(layer, y, F):
        y = functional.conv2d(y, layer.conv.weight, layer.conv.bias, padding=(F - 1) // 2)
        if batch_norm:
            assert layer.conv.bias is None
            y = normalised(layer.bn, y)
        return relu(y)

    branches = [
        rectified(block.branch1, x, 1),
        rectified(block.branch2[1], rectified(block.branch2[0], x, 1), 3),
        rectified(block.branch3[1], rectified(block.branch3[0], x, 1), five),
        rectified(block.branch4[1], functional.max_pool2d(x, 3, stride=1, padding=1), 1),
    ]
    assert [branch.shape[1] for branch in branches] == [1, 3, 4, 5]
    torch.testing.assert_close(block(x.clone()), torch.cat(branches, dim=1))


# ---------------------------------------------------------------------- local response normalisation
@torch.no_grad()
def test_response_norm_is_the_papers():
    layers = [layer for layer in AlexNet(width=1 / 8).modules() if isinstance(layer, nn.LocalResponseNorm)]
    assert len(layers) == 2
    a = random(2, 9, 2, 3) * 30
    b = torch.empty_like(a)
    for i in range(9):  # section 3.3: n = 5, k = 2, alpha = 1e-4, beta = 0.75
        squares = a[:, max(0, i - 2) : i + 3].square().sum(dim=1)
        b[:, i] = a[:, i] / (2 + 1e-4 * squares) ** 0.75
    assert (b - a / 2**0.75).abs().max() > 0.1
    for layer in layers:
        torch.testing.assert_close(layer(a), b)


# ---------------------------------------------------------------------- LeNet-5 of 1998
# Table 1 of the paper: rows are maps of S2, columns those of C3.
TABLE_1 = """
X . . . X X X . . X X X X . X X
X X . . . X X X . . X X X X . X
X X X . . . X X X . . X . X X X
. X X X . . X X X X . . X . X X
. . X X X . . X X X X . X X . X
. . . X X X . . X X X X . X X X
"""


def test_each_map_of_c3_sees_those_of_the_table():
    torch.manual_seed(0)
    c3 = LeNet5().features[4]
    assert isinstance(c3, PartialConvolution)
    x = torch.randn(1, 6, 14, 14, requires_grad=True)
    y = c3(x)
    connections = []
    for r in range(16):
        (gradient,) = torch.autograd.grad(y[0, r].sum(), x, retain_graph=True)
        connections.append((gradient[0] != 0).any(dim=(1, 2)))
    assert [["X" if seen else "." for seen in row] for row in torch.stack(connections, dim=1)] == [
        line.split() for line in TABLE_1.strip().splitlines()
    ]
    assert sum(map(sum, connections)) == 60


@torch.no_grad()
def test_a_filter_of_c3_takes_its_maps_in_order():
    c3 = randomised(PartialConvolution(((0, 2), (1,)), kernel_size=2))
    x = random(2, 3, 4, 3)
    for r, maps in enumerate(((0, 2), (1,))):
        conv = c3.filters[r]
        expected = torch.stack([conv2d(image[list(maps)], conv.weight, conv.bias) for image in x])
        torch.testing.assert_close(c3(x)[:, [r]], expected)


def test_squashing_maps_one_to_one():
    x = torch.tensor([-1.0, 0.0, 1.0, 100.0], dtype=torch.float64)
    torch.testing.assert_close(
        ScaledTanh()(x), torch.tensor([-1, 0, 1, 1.7159], dtype=torch.float64), rtol=0, atol=2e-5
    )
    # the slope at 0 is A S, and the second derivative is largest near 1
    places = torch.linspace(0, 3, 301, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(ScaledTanh()(places).sum(), places, create_graph=True)
    assert slope[0].item() == pytest.approx(1.7159 * 2 / 3)
    (second,) = torch.autograd.grad(slope.sum(), places)
    assert places[second.abs().argmax()].item() == pytest.approx(1, abs=0.02)


@torch.no_grad()
def test_subsampling_by_hand():
    layer = Subsampling(2)
    x = torch.tensor([[[1.0, 2, 0, 4], [3, 4, 1, 0]], [[0, 0, 8, 8], [0, 4, 8, 8]]])[None]
    assert layer(x).tolist() == [[[[2.5, 1.25]], [[1, 8]]]]  # at first the mean
    layer.weight[:] = torch.tensor([2.0, -1.0])[:, None, None]
    layer.bias[:] = torch.tensor([0.5, 10.0])[:, None, None]
    assert layer(x).tolist() == [[[[2 * 10 + 0.5, 2 * 5 + 0.5]], [[-4 + 10, -32 + 10]]]]


def test_logits_are_minus_squared_distances_to_codes_that_do_not_learn():
    model = LeNet5(num_classes=7)
    assert "codes" in model.state_dict()
    assert "codes" not in dict(model.named_parameters())
    assert model.codes.shape == (7, 84)
    assert model.codes.unique().tolist() == [-1, 1]
    assert len(model.codes.unique(dim=0)) == 7
    assert torch.equal(model.codes, LeNet5(num_classes=7).codes)
    x = torch.randn(3, 1, 32, 32)
    logits, units = model(x), model.features(x)
    for n in range(3):
        for label in range(7):
            distance = sum((u - c) ** 2 for u, c in zip(units[n], model.codes[label], strict=True))
            torch.testing.assert_close(logits[n, label], -distance)
    # units on a code have the largest logit that there is
    model.features = nn.Sequential(nn.Flatten(), nn.Linear(1024, 84))
    nn.init.zeros_(model.features[1].weight)
    model.features[1].bias.data = model.codes[3].clone()
    assert model(x).argmax(dim=1).tolist() == [3, 3, 3]
    assert model(x)[:, 3].tolist() == [0, 0, 0]


# ---------------------------------------------------------------------- FCN
@torch.no_grad()
@pytest.mark.parametrize("times", [2, 8, 16, 32])
def test_enlarging_interpolates_in_the_interior(times):
    layer = enlarging(3, times).double()
    x = random(2, 3, 4, 5)
    y, expected = layer(x), functional.interpolate(x, scale_factor=times, mode="bilinear")
    assert y.shape == expected.shape == (2, 3, 4 * times, 5 * times)
    interior = (..., slice(times // 2, -times // 2), slice(times // 2, -times // 2))
    torch.testing.assert_close(y[interior], expected[interior])
    # outside, the neighbour is the zero behind the edge
    assert (y[..., 0, :] - expected[..., 0, :]).abs().max() > 0.1
    torch.testing.assert_close(layer(torch.ones_like(x))[interior], torch.ones_like(y)[interior])


@torch.no_grad()
def test_the_finer_networks_start_as_the_coarser_one_and_interpolation():
    torch.manual_seed(0)
    options = {"num_classes": 3, "in_channels": 1, "width": 1 / 16}
    coarse = FCN(**options, stride=32).double().eval()
    finer = {stride: FCN(**options, stride=stride).double().eval() for stride in STRIDES[1:]}
    x = random(1, 1, 64, 96)
    scores = []
    coarse.score.register_forward_hook(lambda layer, inputs, output: scores.append(output))
    coarse(x.clone())
    shared = {name: t for name, t in coarse.state_dict().items() if not name.startswith("enlarge")}
    for stride, model in finer.items():
        keys = model.load_state_dict(shared, strict=False)
        assert not keys.unexpected_keys
        assert all("enlarge" in key or "score_pool" in key for key in keys.missing_keys)
        y = scores[0]
        for times in {16: (2, 16), 8: (2, 2, 8)}[stride]:
            y = enlarging(3, times).double()(y)
        assert y.abs().max() > 0.01
        # the biases of the finer scores are 0, too
        torch.testing.assert_close(model(x.clone()), y)


@torch.no_grad()
def test_finer_scores_are_added_where_they_belong():
    model = randomised(FCN(num_classes=2, in_channels=1, width=1 / 64, stride=8))
    x = random(1, 1, 32, 64)
    at_8 = model.to_pool3(x.clone())
    at_16 = model.to_pool4(at_8)
    at_32 = model.to_pool5(at_16)
    assert [tuple(y.shape[2:]) for y in (at_8, at_16, at_32)] == [(4, 8), (2, 4), (1, 2)]
    y = model.enlarge_to_pool4(model.score(model.head(at_32)))
    y = y + functional.conv2d(at_16, model.score_pool4.weight, model.score_pool4.bias)
    y = model.enlarge_to_pool3(y) + functional.conv2d(at_8, model.score_pool3.weight, model.score_pool3.bias)
    torch.testing.assert_close(model(x.clone()), model.enlarge(y))


# ---------------------------------------------------------------------- heads in training
def test_auxiliary_heads_answer_in_training_only():
    torch.manual_seed(0)
    model = GoogLeNet(num_classes=4, in_channels=1, width=1 / 16, auxiliary_heads=True)
    x = torch.randn(2, 1, 224, 224)
    logits, aux2, aux1 = model(x)
    assert logits.shape == aux2.shape == aux1.shape == (2, 4)
    assert model.eval()(x).shape == (2, 4)
    # aux1 sees what comes before block 4b, aux2 what comes before 4e
    model.train()
    for head, inside, outside in (
        ("aux1", "inception4a", "inception4b"),
        ("aux2", "inception4d", "inception4e"),
    ):
        model.zero_grad()
        getattr(model(x), head).sum().backward()
        for block, reached in ((inside, True), (outside, False)):
            gradients = [p.grad for p in model.get_submodule(block).parameters()]
            assert any(g is not None and g.count_nonzero() for g in gradients) is reached
