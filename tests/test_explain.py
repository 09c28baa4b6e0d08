"""`explain` agrees with captum, with closed forms, and with answers worked out by hand."""

import math

import pytest
import torch
from captum import attr
from torch import nn

from cnnkit import explain
from cnnkit.models import create

X = torch.rand(3, 2, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([0, 4, 2])


def network():
    """Convolutions, batch norm, a ReLU in place, dropout, and five classes."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(), nn.Linear(8 * 4 * 4, 5),
    ).double()  # fmt: skip
    net[1].running_mean.normal_()
    return net


def linear(w, b):
    """The linear classifier with the logits w x + b."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(w.shape[1], w.shape[0])).double()
    net[1].weight.data, net[1].bias.data = w, b
    return net


# ---------------------------------------------------------------------- against captum
def test_saliency_is_captums():
    net = network()
    expected = attr.Saliency(net.eval()).attribute(X.clone().requires_grad_(), TARGET).amax(dim=1)
    torch.testing.assert_close(explain.saliency(net, X, TARGET), expected)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "baseline"), [(3, 1, 0.0), (4, 2, 0.5), (5, 3, 0), (5, 5, 1), (12, 1, 0)]
)
def test_occlusion_is_captums(kernel_size, stride, baseline):
    net = network()
    expected = attr.Occlusion(net.eval()).attribute(
        X, (2, kernel_size, kernel_size), (2, stride, stride), baselines=baseline, target=TARGET
    )
    found = explain.occlusion(net, X, TARGET, kernel_size, stride, baseline)
    torch.testing.assert_close(found.float(), expected[:, 0])  # captum answers in float32


@pytest.mark.parametrize("place", [0, 1, 2, 4, 5])
def test_grad_cam_is_captums(place):
    net = network()
    # captum hands the maps on as they are, so a ReLU must not change them in place under it
    for layer in net:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    expected = attr.LayerGradCam(net.eval(), net[place]).attribute(X, TARGET, relu_attributions=True)
    torch.testing.assert_close(explain.grad_cam(net, X, TARGET, net[place]), expected[:, 0])


def test_grad_cam_is_not_changed_by_a_relu_in_place():
    net = network()
    found = explain.grad_cam(net, X, TARGET, net[1])
    net[2].inplace = False
    torch.testing.assert_close(explain.grad_cam(net, X, TARGET, net[1]), found)


# ---------------------------------------------------------------------- by hand, and in closed form
def test_maps_of_a_linear_classifier():
    w, x = torch.randn(3, 4, dtype=torch.float64), torch.rand(1, 1, 2, 2, dtype=torch.float64)
    net, target = linear(w, torch.zeros(3, dtype=torch.float64)), torch.tensor([1])
    torch.testing.assert_close(explain.saliency(net, x, target), w[1].abs().view(1, 2, 2))
    # covering one pixel takes its product away
    torch.testing.assert_close(explain.occlusion(net, x, target, 1), (w[1].view(1, 2, 2) * x[0]))


def test_grad_cam_by_hand():
    net = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(8, 2, bias=False)).double()
    net[2].weight.data = torch.tensor([[1.0, 1, 1, 1, -2, -2, -2, -2], [0] * 8], dtype=torch.float64)
    x = torch.tensor([[[[1.0, 2], [3, 4]], [[1, 0], [1, 3]]]], dtype=torch.float64)
    # the weights of the two maps are the mean gradients 1 and -2
    expected = torch.tensor([[[0.0, 2], [1, 0]]], dtype=torch.float64)
    torch.testing.assert_close(explain.grad_cam(net, x, torch.tensor([0]), net[0]), expected)


def test_pixels_normalise_before_the_network():
    net = explain.Pixels(nn.Identity(), mean=(0.5, 0.25), std=(0.5, 0.125))
    x = torch.tensor([[[[1.0]], [[0.5]]]])
    assert net(x).flatten().tolist() == [1.0, 2.0]
    # a slope is one of the pixel: one over the standard deviation times that of the normalised value
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    w = plain[1].weight[0].detach().abs()
    found = explain.saliency(explain.Pixels(plain, (0.5,), (0.2,)), torch.rand(1, 1, 2, 2), torch.tensor([0]))
    torch.testing.assert_close(found.flatten(), w / 0.2)


@pytest.mark.equation("eq-fgsm")
def test_fgsm_on_a_logistic_classifier():
    """For two classes the loss rises along (w_other - w_label), and the margin falls by epsilon ||.||_1."""
    w, b = torch.randn(2, 9, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    x, y = torch.full((2, 1, 3, 3), 0.5, dtype=torch.float64), torch.tensor([0, 1])
    net, epsilon = linear(w, b), 0.125
    away = (w[1 - y] - w[y]).view(2, 1, 3, 3)
    changed = explain.fgsm(net, x, y, epsilon)
    torch.testing.assert_close(changed, x + epsilon * away.sign())
    with torch.no_grad():
        margin = [(z[torch.arange(2), 1 - y] - z[torch.arange(2), y]) for z in (net(x), net(changed))]
    torch.testing.assert_close(margin[1] - margin[0], epsilon * away.abs().sum(dim=(1, 2, 3)))


def test_steps_stay_among_pixels_and_within_epsilon():
    net = network()
    for changed in (
        explain.fgsm(net, X, TARGET, 0.3),
        explain.pgd(net, X, TARGET, 0.3, step_size=0.1, steps=5),
        explain.pgd(net, X, TARGET, 0.3, step_size=0.1, steps=5, generator=torch.Generator().manual_seed(0)),
    ):
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert (changed - X).abs().max() <= 0.3 + 1e-12
        assert not changed.requires_grad
    assert torch.equal(explain.fgsm(net, X, TARGET, 0), X)


def test_one_projected_step_as_large_as_epsilon_is_fgsm():
    net = network()
    one = explain.pgd(net, X, TARGET, 0.1, step_size=0.1, steps=1)
    torch.testing.assert_close(one, explain.fgsm(net, X, TARGET, 0.1))


def test_more_steps_raise_the_loss_further():
    net = network()
    loss = nn.CrossEntropyLoss()

    def after(x):
        with torch.no_grad():
            return float(loss(net.eval()(x), TARGET))

    once = after(explain.fgsm(net, X, TARGET, 0.2))
    often = after(explain.pgd(net, X, TARGET, 0.2, step_size=0.02, steps=30))
    assert after(X) < once < often


def test_a_random_start_is_drawn_from_the_generator():
    net = network()

    def start(seed):
        draw = torch.Generator().manual_seed(seed)
        return explain.pgd(net, X, TARGET, 0.2, step_size=0, steps=1, generator=draw)

    assert torch.equal(start(3), start(3))
    assert not torch.equal(start(3), start(4))
    inside = X + 0.2 * (
        2 * torch.rand(X.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 1
    )
    torch.testing.assert_close(start(3), inside.clamp(0, 1))


# ---------------------------------------------------------------------- calibration
def logits_of(p):
    """Logits of two classes, the first of which has these probabilities."""
    p = torch.tensor(p, dtype=torch.float64)
    return torch.stack([p, 1 - p], dim=1).log()


def test_reliability_and_calibration_error_by_hand():
    logits, y = logits_of([0.55, 0.58, 0.95, 0.92, 0.2]), torch.tensor([0, 1, 0, 0, 1])
    confidence, accuracy, examples = explain.reliability(logits, y, bins=10)
    assert examples.tolist() == [0, 0, 0, 0, 0, 2, 0, 1, 0, 2]
    torch.testing.assert_close(confidence[[5, 7, 9]], torch.tensor([0.565, 0.8, 0.935], dtype=torch.float64))
    assert accuracy[[5, 7, 9]].tolist() == [0.5, 1, 1]
    assert confidence[[0, 6]].isnan().all()
    assert accuracy[[0, 6]].isnan().all()
    expected = (2 * 0.065 + 1 * 0.2 + 2 * 0.065) / 5
    assert explain.calibration_error(logits, y, bins=10) == pytest.approx(expected, abs=1e-12)


def test_every_confidence_falls_into_a_bin():
    certain = torch.tensor([[1000.0, 0.0], [0.0, 0.0]])
    assert explain.reliability(certain, torch.tensor([0, 0]), bins=4).examples.tolist() == [0, 1, 0, 1]
    assert explain.calibration_error(certain[:1], torch.tensor([0])) == 0


def test_temperature_is_the_best_of_a_fine_search():
    torch.manual_seed(0)
    y = torch.randint(5, (400,))
    logits = 4 * torch.randn(400, 5, dtype=torch.float64)
    logits[torch.arange(400), y] += 3
    found = explain.temperature(logits, y)
    tried = torch.linspace(0.5 * found, 2 * found, 3001, dtype=torch.float64)
    losses = torch.stack([nn.functional.cross_entropy(logits / T, y) for T in tried])
    assert abs(float(tried[losses.argmin()]) - found) <= float(tried[1] - tried[0])
    # logits that are k times as large need k times the temperature
    assert explain.temperature(logits * 7, y) == pytest.approx(7 * found, rel=1e-9)
    assert explain.temperature((logits * 1e-3).float(), y) == pytest.approx(1e-3 * found, rel=1e-5)


def test_temperature_in_closed_form():
    """Three of four right, always with the margin m: the best probability is 3/4, so T = m / ln 3."""
    m = 5.0
    logits = torch.tensor([[m, 0.0]] * 4)
    y = torch.tensor([0, 0, 0, 1])
    assert explain.temperature(logits, y) == pytest.approx(m / math.log(3), rel=1e-9)


# ---------------------------------------------------------------------- the model is left as it was
def test_modes_gradients_and_hooks_are_left_alone():
    net = network().train()
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    explain.saliency(net, X, TARGET)
    explain.occlusion(net, X, TARGET, 4, 4)
    explain.grad_cam(net, X, TARGET, net[4])
    explain.pgd(net, X, TARGET, 0.1, 0.05, 2)
    assert [net.training, net[0].training, net[1].training] == [True, True, False]
    assert all(p.grad is None for p in net.parameters())
    assert not net[4]._forward_hooks
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_frozen_parameters_and_no_grad_make_no_difference():
    net = network()
    expected = explain.saliency(net, X, TARGET), explain.grad_cam(net, X, TARGET, net[4])
    with torch.no_grad():
        net.requires_grad_(False)
        assert torch.equal(explain.saliency(net, X, TARGET), expected[0])
        assert torch.equal(explain.grad_cam(net, X, TARGET, net[4]), expected[1])


def test_a_model_of_the_package():
    net = create("lenet").double()
    x = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    y = torch.tensor([3, 9])
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert explain.saliency(net, x, y).shape == explain.occlusion(net, x, y, 7, 7).shape == (2, 28, 28)
    assert explain.grad_cam(net, x, y, convolutions[-1]).shape == (2, 10, 10)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu():
    net, x, y = network().float().cuda(), X.float().cuda(), TARGET.cuda()
    assert explain.saliency(net, x, y).is_cuda
    assert explain.occlusion(net, x, y, 4, 4).is_cuda
    assert explain.grad_cam(net, x, y, net[4]).is_cuda
    assert explain.pgd(net, x, y, 0.1, 0.05, 2, torch.Generator().manual_seed(0)).is_cuda
    with torch.no_grad():
        logits = net.eval()(x)
    assert explain.calibration_error(logits, y) >= 0


# ---------------------------------------------------------------------- what cannot be asked
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: explain.saliency(n, X[0], TARGET), r"x must be floats of shape \(N, C, H, W\), got torch.float64 of shape \(2, 12, 12\)"),
        (lambda n: explain.saliency(n, (X * 255).byte(), TARGET), "x must be floats.*got torch.uint8"),
        (lambda n: explain.saliency(n, X, TARGET[:2]), r"for each of the 3 images, got torch.int64 of shape \(2,\)"),
        (lambda n: explain.saliency(n, X, TARGET.float()), "dtype int64.*got torch.float32"),
        (lambda n: explain.saliency(n, X, TARGET + 3), "target must hold classes from 0 to 4, got 3 to 7"),
        (lambda n: explain.occlusion(n, X, TARGET, 13), "kernel_size must be at most 12, the image's smaller side; got 13"),
        (lambda n: explain.occlusion(n, X, TARGET, 3, 4), "stride must be at most kernel_size = 3.*got 4"),
        (lambda n: explain.occlusion(n, X, TARGET, 0), "kernel_size must be at least 1, got 0"),
        (lambda n: explain.grad_cam(n, X, TARGET, nn.ReLU()), "layer must be a module inside the model"),
        (lambda n: explain.grad_cam(n, X, TARGET, n[8]), r"layer must give maps.*had an output of shape \(3, 5\)"),
        (lambda n: explain.fgsm(n, X, TARGET, -0.1), "epsilon must be at least 0, got -0.1"),
        (lambda n: explain.fgsm(n, 2 * X, TARGET, 0.1), "x must hold pixels from 0 to 1, got .* to [12]"),
        (lambda n: explain.fgsm(n, X, TARGET, math.nan), "epsilon must be at least 0, got nan"),
        (lambda n: explain.pgd(n, X, TARGET, 0.1, -1, 3), "step_size must be at least 0, got -1"),
        (lambda n: explain.pgd(n, X, TARGET, 0.1, 0.1, 0), "steps must be at least 1, got 0"),
        (lambda n: explain.reliability(torch.zeros(3), TARGET), r"logits must have shape \(N, K\)"),
        (lambda n: explain.reliability(torch.zeros(0, 3), TARGET[:0]), "with N at least 1"),
        (lambda n: explain.reliability(torch.zeros(3, 4), TARGET), "y must hold classes from 0 to 3, got 0 to 4"),
        (lambda n: explain.reliability(torch.zeros(3, 5), TARGET, bins=0), "bins must be at least 1, got 0"),
        (lambda n: explain.temperature(torch.eye(5)[TARGET], TARGET), "a wrong answer among them: here no T > 0"),
        (lambda n: explain.temperature(-torch.eye(5)[TARGET], TARGET), "favour the labels on average"),
        (lambda n: explain.Pixels(n, (0.5,), (0.1, 0.2)), r"a number for each channel, got \(0.5,\)"),
        (lambda n: explain.Pixels(n, (0.5,), (0.0,)), "std must be above 0"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(network())


@pytest.mark.bad_input
def test_after_an_error_the_model_is_as_before():
    net = network().train()
    with pytest.raises(ValueError, match="layer must give maps"):
        explain.grad_cam(net, X, TARGET, net[8])
    assert [net.training, net[1].training] == [True, True]
    assert not net[8]._forward_hooks


@pytest.mark.bad_input
def test_a_layer_that_is_not_used_is_named():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = network(), nn.Conv2d(2, 2, 1)

        def forward(self, x):
            return self.used(x)

    net = Unused()
    with pytest.raises(ValueError, match="no output: it was not used"):
        explain.grad_cam(net, X, TARGET, net.spare)
