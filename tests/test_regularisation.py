"""The norm constraint, population statistics and folding, on small nets; and what bad input says."""

import copy

import pytest
import torch
from torch import nn

from cnnkit import layers, regularisation
from cnnkit.layers import DropConnect, LocallyConnected1d, from_scratch
from cnnkit.reference import batchnorm as reference_batchnorm
from cnnkit.reference import dropout as reference_dropout
from cnnkit.regularisation import constrain_norm_, fold_batchnorm, population_statistics
from tests import operators
from tests.operators import random


class Residual(nn.Module):
    def __init__(self, C, R, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(C, R, 3, stride, 1, bias=False), nn.BatchNorm2d(R)
        self.conv2, self.bn2 = nn.Conv2d(R, R, 3, padding=1, groups=2), nn.BatchNorm2d(R, affine=False)
        self.downsample = nn.Sequential(nn.Conv2d(C, R, 1, stride), nn.BatchNorm2d(R))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))


def images():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4), nn.ReLU(inplace=True), Residual(4, 6, 2),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(24, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip


def rows():
    return nn.Sequential(
        nn.Conv1d(1, 4, 3, bias=False), nn.BatchNorm1d(4, eps=0.1), nn.Tanh(), nn.Conv1d(4, 2, 1)
    )


NETS = [pytest.param(images, (6, 1, 11, 12), id="images"), pytest.param(rows, (6, 1, 12), id="rows")]
nets = pytest.mark.parametrize(("make", "shape"), NETS)


def trained(make, shape, dtype=torch.float64):
    """Weights, gammas and betas that are not those of the start, and running statistics."""
    torch.manual_seed(0)
    model = make()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.3, 0.5)
    for seed in range(3):
        model(2 * random(*shape, seed=seed).float() + 1)
    return model.to(dtype)


# ---------------------------------------------------------------------- the norm constraint
@pytest.mark.equation("eq-norm-constraint")
def test_constraint_by_hand():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], dtype=torch.float64)
    constrain_norm_(weight, 2.0)
    torch.testing.assert_close(weight, torch.tensor([[1.2, 1.6], [0.3, 0.4], [0.0, 0.0]]).double())


@pytest.mark.equation("eq-norm-constraint")
def test_constraint_of_a_model_is_the_loops():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv1d(2, 4, 3), nn.Linear(5, 6), layers.Linear(5, 2), DropConnect(3, 3), LocallyConnected1d(2, 3, 6, 3)
    ).double()  # fmt: skip
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    before = copy.deepcopy(model.state_dict())
    constrain_norm_(model, 1.0)
    for name, new in model.state_dict().items():
        if name == "6.weight":  # (M, M', n', F): a unit is a filter at one place
            new, old = (w.transpose(1, 2).flatten(0, 1) for w in (new, before[name]))
        else:
            old = before[name]
        constrained = name.endswith("weight") and new.dim() > 1
        torch.testing.assert_close(new, reference_dropout.norm_constraint(old, 1.0) if constrained else old)
        assert not constrained or not torch.equal(new, old)
    after = copy.deepcopy(model.state_dict())
    constrain_norm_(model, 1.0)
    torch.testing.assert_close(model.state_dict(), after, rtol=1e-15, atol=0)


def test_constraint_needs_no_graph_and_keeps_the_parameter():
    layer = nn.Linear(3, 2)
    weight = layer.weight
    layer(torch.ones(1, 3)).sum().backward()
    constrain_norm_(layer, 0.1)
    assert layer.weight is weight
    assert weight.is_leaf
    assert weight.requires_grad
    low = torch.full((2, 1000), 3.0, dtype=torch.bfloat16)
    constrain_norm_(low, 1.0)
    assert low.float().norm(dim=1).tolist() == pytest.approx([1, 1], rel=2**-8)


# ---------------------------------------------------------------------- population statistics
@pytest.mark.equation("eq-bn-population")
def test_population_is_the_notes_average_over_the_batches():
    model = nn.Sequential(nn.BatchNorm1d(2)).double()
    batches = random(3, 5, 2, seed=1)
    norm = population_statistics(model, batches)[0]
    for channel in range(2):
        expected = reference_batchnorm.population_statistics(batches[:, :, channel])
        torch.testing.assert_close((norm.running_mean[channel], norm.running_var[channel]), expected)
    assert norm.num_batches_tracked == 3
    assert model[0].running_mean.tolist() == [0, 0]  # not changed


@pytest.mark.equation("eq-bn-population")
@nets
@pytest.mark.parametrize("own", [False, True], ids=["torch's", "ours"])
def test_population_is_torchs_cumulative_average(make, shape, own):
    model = trained(make, shape)
    model = from_scratch(model) if own else model
    batches = [random(*shape, seed=seed) for seed in range(4)]
    before = copy.deepcopy(model.state_dict())
    ours = population_statistics(model, [(x, "target") for x in batches])
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.training
    assert not any(module.training for module in ours.modules())
    torchs = copy.deepcopy(model).eval()
    for layer in torchs.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.train()
            layer.momentum = None
            layer.reset_running_stats()
    for x in batches:
        torchs(x)
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())
    assert not torch.allclose(ours.state_dict()["1.running_mean"], before["1.running_mean"])


def test_population_for_layers_that_keep_no_statistics():
    layer = nn.BatchNorm1d(2, track_running_stats=False)
    x = random(8, 2, dtype=torch.float32)
    ours = population_statistics(layer, iter([x]))
    torch.testing.assert_close(ours.running_var, x.var(0))
    torch.testing.assert_close(ours(x[:1]), (x[:1] - x.mean(0)) / (x.var(0) + 1e-5).sqrt())
    low = population_statistics(nn.BatchNorm1d(2).bfloat16(), [x.bfloat16()])
    assert low.running_mean.dtype == torch.bfloat16


# ---------------------------------------------------------------------- folding
@pytest.mark.equation("eq-bn-fold", "eq-bn-inference")
@nets
@pytest.mark.parametrize("own", [False, True], ids=["torch's", "ours"])
def test_a_folded_net_computes_the_same(make, shape, own):
    model = trained(make, shape).eval()
    model = from_scratch(model) if own else model
    before = copy.deepcopy(model)
    folded, x = fold_batchnorm(model), random(*shape, seed=9)
    torch.testing.assert_close(folded(x), model(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(model.state_dict(), before.state_dict(), rtol=0, atol=0)
    assert repr(model) == repr(before)
    assert type(folded) is type(model)
    assert not any(isinstance(layer, regularisation.BatchNorm) for layer in folded.modules())
    assert any(isinstance(layer, regularisation.BatchNorm) for layer in model.modules())


@nets
@pytest.mark.parametrize("dtype", operators.LOW_PRECISION)
def test_a_folded_net_in_low_precision(make, shape, dtype):
    model, x = trained(make, shape, dtype).eval(), random(*shape, seed=9, dtype=dtype)
    exact = copy.deepcopy(model).double()(x.double())
    operators.assert_as_accurate_as_torch(fold_batchnorm(model)(x), model(x), exact)


@pytest.mark.equation("eq-bn-fold")
def test_a_folded_layer_is_the_loops():
    model = trained(rows, (6, 1, 12)).eval()
    conv, norm = model[0], model[1]
    w, b = reference_batchnorm.fold(
        conv.weight,
        torch.zeros(4).double(),
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
    )
    folded = fold_batchnorm(model)[0]
    torch.testing.assert_close((folded.weight.detach(), folded.bias.detach()), (w.detach(), b.detach()))
    assert folded.weight.requires_grad


def test_population_then_fold():
    model = trained(images, (6, 1, 11, 12))
    ready = population_statistics(model, [random(6, 1, 11, 12, seed=seed) for seed in range(3)])
    x = random(2, 1, 11, 12, seed=7)
    torch.testing.assert_close(fold_batchnorm(ready)(x), ready(x), rtol=0, atol=1e-10)


# ---------------------------------------------------------------------- bad input
class Reused(nn.Module):
    def __init__(self, conv_twice):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)
        self.conv_twice = conv_twice

    def forward(self, x):
        y = self.norm(self.conv(x))
        return self.conv(y) if self.conv_twice else self.norm(self.conv(y))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)

    def forward(self, x):
        return self.norm(self.conv(x)) if x.sum() > 0 else x


class SideWay(Branching):
    def forward(self, x):
        y = self.conv(x)
        return self.norm(y) + y


class Unused(Branching):
    def forward(self, x):
        return self.conv(x)


def eval_sequence(*modules):
    return nn.Sequential(*modules).eval()


CANNOT = "the batch norm layer {} cannot be folded: it has no convolution or linear layer before it that feeds it alone"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: eval_sequence(nn.Conv2d(1, 2, 3), nn.ReLU()), ValueError, "there is nothing to fold"),
        (lambda: nn.Conv2d(1, 2, 3).eval(), ValueError, "there is nothing to fold"),
        (lambda: Unused().eval(), ValueError, "there is nothing to fold"),
        (lambda: nn.BatchNorm2d(2).eval(), ValueError, "there is nothing to fold"),
        (lambda: eval_sequence(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3)), ValueError, CANNOT.format("'0'")),
        (lambda: eval_sequence(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2)), ValueError, CANNOT.format("'2'")),
        (lambda: eval_sequence(nn.ConvTranspose2d(1, 2, 3), nn.BatchNorm2d(2)), ValueError, CANNOT.format("'1'")),
        (lambda: eval_sequence(DropConnect(3, 2), nn.BatchNorm1d(2)), ValueError, CANNOT.format("'1'")),
        (lambda: eval_sequence(nn.Linear(3, 4), nn.BatchNorm1d(2)), ValueError, CANNOT.format("'1'")),
        (lambda: eval_sequence(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 1)), nn.BatchNorm2d(2)), ValueError, CANNOT.format("'1'")),
        (lambda: Reused(conv_twice=True).eval(), ValueError, CANNOT.format("'norm'")),
        (lambda: Reused(conv_twice=False).eval(), ValueError, CANNOT.format("'norm'")),
        (lambda: SideWay().eval(), ValueError, CANNOT.format("'norm'")),
        (lambda: Branching().eval(), ValueError, "the forward of Branching cannot be followed: .*control flow"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), ValueError, "'1' is in training mode.*call model.eval"),
        (lambda: eval_sequence(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False)), ValueError, "'1' keeps no statistics"),
        (lambda: torch.ones(3), TypeError, "model must be a torch.nn.Module, got Tensor"),
    ],
)  # fmt: skip
def test_what_cannot_be_folded(make, error, message):
    with pytest.raises(error, match=message):
        fold_batchnorm(make())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: population_statistics(nn.Linear(2, 2), [torch.ones(3, 2)]), ValueError, "model has no batch norm layer"),
        (lambda: population_statistics(nn.BatchNorm1d(2), []), ValueError, "batches must hold at least one mini-batch, got none"),
        (lambda: population_statistics(Unused(), [torch.ones(2, 1, 3, 3)]), ValueError, "the batch norm layer 'norm' was given no mini-batch"),
        (lambda: population_statistics(layers.BatchNorm1d(2), [torch.ones(1, 2)]), ValueError, "more than 1 value per channel"),
        (lambda: population_statistics(nn.BatchNorm1d(2), [torch.ones(1, 2)]), ValueError, "more than 1 value per channel"),
        (lambda: population_statistics("model", []), TypeError, "model must be a torch.nn.Module, got str"),
        (lambda: constrain_norm_(nn.Linear(2, 2), 0), ValueError, "max_norm must be above 0, got 0"),
        (lambda: constrain_norm_(nn.ReLU(), 1.0), ValueError, "model has no linear, convolution or locally connected layer"),
        (lambda: constrain_norm_(torch.ones(3), 1.0), ValueError, r"the weight must have shape \(units, ...\), got \(3,\)"),
        (lambda: constrain_norm_(3, 1.0), TypeError, "model must be a torch.nn.Module, got int"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
