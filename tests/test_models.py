"""The models against the numbers of the lecture notes, and the table of them by name."""

import pytest
import torch
from torch import nn

from cnnkit.models import MODELS, create
from cnnkit.models.lenet import LeNet
from cnnkit.shapes import full_parameters, shared_parameters


def test_parameters_are_the_published_ones():
    layers = (
        shared_parameters((5, 5), 1, 6, bias=True),
        shared_parameters((5, 5), 6, 16, bias=True),
        full_parameters(400, 120, bias=False) + 120,
        full_parameters(120, 84) + 84,
        full_parameters(84, 10) + 10,
    )
    assert sum(p.numel() for p in LeNet().parameters()) == sum(layers) == 61_706


def test_volumes_are_those_of_the_notes():
    volumes = []
    x = torch.zeros(1, 1, 28, 28)
    for layer in LeNet().features:
        x = layer(x)
        volumes.append(tuple(x.shape[1:]))
    assert volumes == [(6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10), (16, 5, 5)]
    assert LeNet().classifier[1].in_features == 400


@pytest.mark.parametrize(
    ("activation", "pool", "expected"),
    [("relu", "max", (nn.ReLU, nn.MaxPool2d)), ("sigmoid", "average", (nn.Sigmoid, nn.AvgPool2d))],
)
def test_options(activation, pool, expected):
    model = LeNet(num_classes=3, in_channels=2, activation=activation, pool=pool)
    kinds = [type(layer) for layer in model.modules()]
    assert all(kinds.count(kind) == number for kind, number in zip(expected, (4, 2), strict=True))
    assert model(torch.zeros(5, 2, 28, 28)).shape == (5, 3)


def test_it_can_learn_ten_digits():
    from cnnkit.data import mnist5k

    torch.manual_seed(0)
    train = mnist5k().train
    x, y = train.x[::400].float() / 255, train.y[::400]
    assert y.tolist() == list(range(10))
    model = LeNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert (model(x).argmax(dim=1) == y).all()


NARROW = {name: {} if name == "lenet5_1998" else {"width": 1 / 16} for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("num_classes", "in_channels"), [(10, 1), (3, 2)])
def test_every_model_of_the_table(name, num_classes, in_channels):
    entry = MODELS[name]
    model = create(name, num_classes, in_channels, **NARROW[name])
    size = 64 if entry.per_pixel else entry.image_size
    logits = model.eval()(torch.zeros(2, in_channels, size, size))
    assert logits.shape == ((2, num_classes, size, size) if entry.per_pixel else (2, num_classes))


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.takes_image_size])
def test_networks_with_fully_connected_layers_are_built_for_one_size(name):
    model = create(name, image_size=80, **NARROW[name]).eval()
    assert model(torch.zeros(1, 1, 80, 80)).shape == (1, 10)
    with pytest.raises(ValueError, match=r"x must have shape \(N, 1, 80, 80\), got \(1, 1, 96, 96\)"):
        model(torch.zeros(1, 1, 96, 96))


def test_create_passes_options_on():
    model = create("lenet", activation="sigmoid", pool="average")
    assert sum(isinstance(layer, nn.Sigmoid) for layer in model.modules()) == 4
    assert sum(p.numel() for p in create("lenet").parameters()) == 61_706


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("wrong", "near"), [("VGG16", "vgg16"), ("ResNet-18", "resnet18"), ("GoogLeNet", "googlenet"), (18, "")]
)
def test_near_names_of_other_spellings(wrong, near):
    with pytest.raises(ValueError, match=rf"^model must be one of .*; got {wrong!r}.*{near}"):
        create(wrong)


def test_images_may_be_given_by_name():
    model, x = LeNet(), torch.zeros(1, 1, 28, 28)
    assert torch.equal(model(x=x), model(x))


@pytest.mark.bad_input
def test_no_image_at_all():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        LeNet()()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("lenet", 8, "images with 8 pixels on a side are too small, 12 are the least: layer 'features.3'"),
        ("alexnet", 40, "67 are the least: layer 'features.14' .* no n' of at least 1 solves"),
        ("vgg11", 31, "32 are the least: layer 'features.20'"),
        ("network_in_network_imagenet", 38, "39 are the least: layer 'features.20'"),
        ("googlenet", 30, "31 are the least: layer 'maxpool4'"),
        ("fcn8s", 16, "32 are the least: layer 'to_pool5.6'"),
    ],
)
def test_images_too_small_for_a_network_name_the_layer(name, side, message):
    model = create(name, **NARROW[name])
    for shape in ((1, 1, side, side), (1, 1, 96, side)):
        with pytest.raises(ValueError, match=message):
            model(torch.zeros(shape))


@pytest.mark.bad_input
def test_create_lists_all_names_and_near_ones():
    with pytest.raises(
        ValueError, match=r"^model must be one of .*lenet.*; got 'LeNet'\. Did you mean .*lenet"
    ):
        create("LeNet")
    with pytest.raises(ValueError, match=r"^model must be one of .*lenet.*; got 'perceptron'\.$"):
        create("perceptron")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LeNet(activation="tanh"), "activation must be one of relu, sigmoid, got 'tanh'"),
        (lambda: LeNet(pool="median"), "pool must be one of max, average, got 'median'"),
        (lambda: LeNet(num_classes=0), "num_classes must be at least 1, got 0"),
        (lambda: LeNet(in_channels=0), "in_channels must be at least 1, got 0"),
        (
            lambda: LeNet()(torch.zeros(1, 3, 28, 28)),
            r"x must have shape \(N, 1, 28, 28\), got \(1, 3, 28, 28\)",
        ),
        (lambda: LeNet()(torch.zeros(1, 1, 32, 32)), r"got \(1, 1, 32, 32\)"),
        (lambda: LeNet()(torch.zeros(1, 28, 28)), r"got \(1, 28, 28\)"),
    ],
)
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
