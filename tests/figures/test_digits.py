"""The figure of LeNet: what it computes in the page is what PyTorch computes, and it centres as MNIST did."""

import base64
import json
import shutil
import subprocess

import in_node
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cnnkit import checkpoints, data, figures
from cnnkit.batches import Normalization, prepare
from cnnkit.checkpoints import Checkpoint
from cnnkit.figures.digits import EXAMPLES, WEIGHTS
from cnnkit.figures.figure import SCRIPTS, source
from cnnkit.models.lenet import LeNet
from cnnkit.shapes import Window, receptive_fields

# what the figure does with an image, for many images and one set of weights
PROGRAM = """
const { scripts, state, images } = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const script of scripts) new Function(script)();
const { lenet } = globalThis.cnnFigures, weights = lenet.weights(state.weights);
const answers = images.map((image) =>
  lenet.forward(weights, lenet.normalise(lenet.bytes(image), state.mean, state.std)).map((layer) => Array.from(layer)));
console.log(JSON.stringify(answers));
"""


def layers_in_page(figure, images):
    """What every layer holds, in the page, for each of some images."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    texts = [base64.b64encode(image.numpy().tobytes()).decode() for image in images]
    given = json.dumps({"scripts": [source("lenet")], "state": figure.state, "images": texts})
    done = subprocess.run([node, "-e", PROGRAM], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def test_digits():
    return data.mnist5k().test


@pytest.fixture(scope="module")
def stored():
    return checkpoints.read(SCRIPTS.parents[1] / "assets" / "lenet-mnist5k.safetensors")


@pytest.fixture(scope="module")
def lenet(stored):
    """The trained network as PyTorch runs it: from images as bytes to logits."""
    model = LeNet()
    model.load_state_dict(stored.weights)
    return model.eval()


@pytest.fixture(scope="module")
def normal(stored):
    return Normalization(**{name: tuple(values) for name, values in stored.facts["normal"].items()})


# ----------------------------------------------------------------------------- the network
@torch.no_grad()
def test_lenet_in_the_page_agrees_with_pytorch_on_real_digits(test_digits, lenet, normal):
    some = torch.arange(0, 1000, 4)  # 25 of each class
    expected = lenet(prepare(test_digits.x[some], normal))
    found = torch.tensor([layers[-1] for layers in layers_in_page(figures.digit(), test_digits.x[some])])
    assert (found.argmax(1) == expected.argmax(1)).all()
    # the page has the weights as float16, PyTorch as float32
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)
    assert (expected.argmax(1) == test_digits.y[some]).float().mean() > 0.95


@torch.no_grad()
def test_every_layer_is_that_of_pytorch_with_the_same_weights(test_digits, lenet, normal):
    rounded = LeNet()
    rounded.load_state_dict({name: weight.half().float() for name, weight in lenet.state_dict().items()})
    rounded.eval()
    images = test_digits.x[list(EXAMPLES)]
    x, expected = prepare(images, normal), []
    for module in [*rounded.features, *rounded.classifier]:
        x = module(x)
        if isinstance(module, torch.nn.Conv2d | torch.nn.MaxPool2d | torch.nn.Linear):
            expected.append(x)
    for i, found in enumerate(layers_in_page(figures.digit(), images)):
        assert len(found) == len(expected) == 7
        for layer, values in zip(expected, found, strict=True):
            torch.testing.assert_close(torch.tensor(values), layer[i].flatten(), rtol=1e-4, atol=1e-4)


def test_float16_is_decoded_exactly():
    bits = np.arange(1 << 16, dtype="<u2")
    numbers = bits.view("<f2")
    finite = np.isfinite(numbers)  # JSON has no others
    (found,) = in_node.call(["lenet"], [("lenet.floats", [bits.view(np.uint8).tolist()])])
    assert np.array_equal(np.array(found)[finite].astype(np.float32), numbers[finite].astype(np.float32))
    assert all(found[i] is None for i in np.flatnonzero(~finite))


def test_softmax_does_not_overflow():
    y = [1000.0, 999.0, -1000.0, 0.0]
    (found,) = in_node.call(["lenet"], [("lenet.softmax", [y])])
    torch.testing.assert_close(
        torch.tensor(found, dtype=torch.float64), torch.tensor(y, dtype=torch.float64).softmax(0)
    )


def test_receptive_fields_are_those_of_shapes():
    windows = [Window(5, padding=2), Window(2, 2), Window(5), Window(2, 2), Window(5), Window(1), Window(1)]
    (fields,) = in_node.call(["lenet"], [("lenet.fields", [])])
    assert [(field["size"], field["jump"], field["start"]) for field in fields] == [
        tuple(field) for field in receptive_fields(windows)[1:]
    ]
    for field in fields:
        assert eval(field["text"].replace("−", "-").replace("·", "*")) == field["size"]


# ----------------------------------------------------------------------------- from drawing to image
SIDE = 84


def sheet(image):
    """An image as it lies on the sheet: each pixel three cells wide and high."""
    return np.kron(np.asarray(image), np.ones((3, 3), np.uint8)).ravel().tolist()


def test_centring_leaves_mnists_own_digits_as_they_are(test_digits):
    images = test_digits.x[::4, 0]
    found = in_node.call(["lenet"], [("lenet.centre", [sheet(image), SIDE]) for image in images])
    for image, answer in zip(images, found, strict=True):
        assert answer["pixels"] == image.flatten().tolist()
        assert answer["scale"] == pytest.approx(1 / 3)
        assert answer["left"] == pytest.approx(0, abs=1e-9)
        assert answer["top"] == pytest.approx(0, abs=1e-9)


def overlaps(scale, offset):
    """A matrix (28, SIDE): how much of each cell, scaled and moved, lies in each pixel."""
    first = np.arange(SIDE) * scale + offset
    pixels = np.arange(28)[:, None]
    return np.clip(np.minimum(first + scale, pixels + 1) - np.maximum(first, pixels), 0, None)


@pytest.mark.parametrize(
    "box", [(10, 20, 60, 50), (0, 0, 84, 84), (40, 3, 44, 80), (70, 70, 84, 75), (5, 5, 6, 6)]
)
def test_drawing_is_scaled_to_20_by_20_and_its_centre_of_mass_put_in_the_middle(box):
    left, top, right, bottom = box
    ink = np.zeros((SIDE, SIDE), np.uint8)
    draws = np.random.default_rng(0).integers(1, 256, (bottom - top, right - left))
    ink[top:bottom, left:right] = draws
    (found,) = in_node.call(["lenet"], [("lenet.centre", [ink.ravel().tolist(), SIDE])])

    scale = 20 / max(right - left, bottom - top)
    assert found["scale"] == pytest.approx(scale)
    expected = overlaps(scale, found["top"]) @ ink @ overlaps(scale, found["left"]).T
    pixels = np.array(found["pixels"]).reshape(28, 28)
    np.testing.assert_allclose(pixels, expected, atol=0.5 + 1e-6)  # they are whole numbers
    for axis, moved, corner in ((0, found["top"], top), (1, found["left"], left)):
        assert moved + corner * scale == pytest.approx(round(moved + corner * scale)), "by whole pixels"
        inked = np.flatnonzero(pixels.any(axis=1 - axis))
        assert inked[-1] - inked[0] < 20
        mean = (pixels.sum(axis=1 - axis) * np.arange(28)).sum() / pixels.sum()
        assert round(mean) == 14


def test_lopsided_drawing_loses_nothing():
    ink = np.zeros((SIDE, SIDE), np.uint8)
    ink[:, 40] = 1
    ink[0, 40:44] = 255  # nearly all of the mass is at one end
    (found,) = in_node.call(["lenet"], [("lenet.centre", [ink.ravel().tolist(), SIDE])])
    pixels = np.array(found["pixels"]).reshape(28, 28)
    assert pixels[8].sum() > 0
    assert pixels[:8].sum() == 0


def test_empty_sheet_and_one_that_is_not_centred():
    ink = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE))
    empty, plain = in_node.call(
        ["lenet"],
        [("lenet.centre", [[0] * SIDE**2, SIDE]), ("lenet.centre", [ink.ravel().tolist(), SIDE, False])],
    )
    assert not any(empty["pixels"])
    means = ink.reshape(28, 3, 28, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(np.array(plain["pixels"]).reshape(28, 28), means, atol=0.5 + 1e-6)
    assert (plain["scale"], plain["left"], plain["top"]) == (pytest.approx(1 / 3), 0, 0)


@pytest.mark.parametrize(("start", "end"), [((20, 30), (60, 40)), ((42, 42), (42, 42)), ((-3, 80), (90, 2))])
def test_pen_inks_what_is_near_its_way_and_the_rubber_takes_it_away(start, end):
    radius = 4.5
    centres = np.stack(np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5), axis=-1)
    way = np.linspace(start, end, 4001)
    distance = np.min([np.linalg.norm(centres - point, axis=-1) for point in way], axis=0)
    expected = 255 * np.clip((radius - distance) / 3 + 0.5, 0, 1)
    drawn, rubbed = in_node.call(
        ["lenet"],
        [
            ("lenet.stroke", [[0] * SIDE**2, SIDE, start, end, radius, False]),
            ("lenet.stroke", [[255] * SIDE**2, SIDE, start, end, radius, True]),
        ],
    )
    np.testing.assert_allclose(np.array(drawn).reshape(SIDE, SIDE), expected, atol=1)
    assert np.array_equal(255 - np.array(rubbed), drawn)


# ----------------------------------------------------------------------------- what Python gives
def test_digit_shows_what_it_is_given(test_digits):
    figure = figures.digit(test_digits.x[765])
    assert base64.b64decode(figure.state["image"]) == test_digits.x[765].numpy().tobytes()
    assert figure.state == figures.digit(test_digits.x[765, 0]).state
    assert figures.digit().state["image"] == figures.digit().state["examples"][3][1]


@torch.no_grad()
def test_examples_are_one_of_each_class_and_two_that_lenet_gets_wrong(test_digits, lenet, normal):
    assert test_digits.y[list(EXAMPLES[:10])].tolist() == list(range(10))
    said = lenet(prepare(test_digits.x[list(EXAMPLES)], normal)).argmax(1)
    assert (said == test_digits.y[list(EXAMPLES)]).tolist() == [True] * 10 + [False] * 2
    for i, (label, text) in zip(EXAMPLES, figures.digit().state["examples"], strict=True):
        assert label == test_digits.y[i]
        assert base64.b64decode(text) == test_digits.x[i].numpy().tobytes()


def test_weights_are_all_of_lenet_in_the_order_of_its_layers():
    assert {name: tuple(value.shape) for name, value in LeNet().state_dict().items()} == WEIGHTS
    assert list(LeNet().state_dict()) == list(WEIGHTS)


def test_own_checkpoint_is_taken(tmp_path, test_digits):
    torch.manual_seed(0)
    model, normal = LeNet().eval(), {"mean": [0.5], "std": [0.25]}
    checkpoints.write(tmp_path / "own.safetensors", Checkpoint(model.state_dict(), {"normal": normal}))
    figure = figures.digit(checkpoint=tmp_path / "own.safetensors")
    assert (figure.state["mean"], figure.state["std"]) == (0.5, 0.25)
    with torch.no_grad():
        expected = model(prepare(test_digits.x[:3], Normalization((0.5,), (0.25,))))
    found = torch.tensor([layers[-1] for layers in layers_in_page(figure, test_digits.x[:3])])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)


@pytest.mark.bad_input
def test_image_that_cannot_be_is_refused():
    with pytest.raises(TypeError, match=r"^image must hold bytes, .* got torch.float32$"):
        figures.digit(torch.zeros(28, 28))
    with pytest.raises(ValueError, match=r"^image must be \(28, 28\) or \(1, 28, 28\), got \(32, 32\)$"):
        figures.digit(torch.zeros(32, 32, dtype=torch.uint8))


@pytest.mark.bad_input
def test_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    wide = LeNet(width=2).state_dict()
    checkpoints.write(path, Checkpoint(wide, {"normal": {"mean": [0.0], "std": [1.0]}}))
    with pytest.raises(ValueError, match=r"^checkpoint must be of the network lenet .*other.safetensors is"):
        figures.digit(checkpoint=path)
    checkpoints.write(path, Checkpoint(LeNet().state_dict(), {}))
    with pytest.raises(ValueError, match=r"^checkpoint must be of the network lenet"):
        figures.digit(checkpoint=path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(checkpoints.CheckpointError):
        figures.digit(checkpoint=path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        figures.digit(checkpoint=tmp_path / "nowhere.safetensors")
