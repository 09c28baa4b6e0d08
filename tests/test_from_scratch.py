"""A whole model on our operators: computes what it computed, and shares what it should."""

import copy

import pytest
import torch
from torch import nn

from cnnkit import functional, layers
from cnnkit.layers import DropConnect, LocallyConnected1d, from_scratch
from cnnkit.models.lenet import LeNet
from tests import operators
from tests.operators import random


class Residual(nn.Module):
    """Two convolutions beside a shortcut, without batch norm."""

    def __init__(self, C, R, stride):
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(C, R, 3, stride, 1, bias=False), nn.ReLU(), nn.Conv2d(R, R, 3, padding="same")
        )
        self.shortcut = nn.Sequential() if (C, stride) == (R, 1) else nn.Conv2d(C, R, 1, stride)

    def forward(self, x):
        return torch.relu(self.residual(x) + self.shortcut(x))


class NormalisedResidual(nn.Module):
    """The same with batch norm, written as torchvision writes it."""

    def __init__(self, C, R, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(C, R, 3, stride, 1, bias=False), nn.BatchNorm2d(R)
        self.conv2, self.bn2 = nn.Conv2d(R, R, 3, padding=1, bias=False), nn.BatchNorm2d(R, momentum=None)
        self.downsample = nn.Sequential(
            nn.Conv2d(C, R, 1, stride, bias=False), nn.BatchNorm2d(R, affine=False)
        )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))


def normalised_resnet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        NormalisedResidual(4, 4, 1),
        nn.Dropout2d(0.2),
        NormalisedResidual(4, 8, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(8, 10, bias=False),
        nn.BatchNorm1d(10, track_running_stats=False),
    )


def small_resnet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 7, stride=2, padding=3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
        Residual(4, 4, 1),
        Residual(4, 8, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


class ThereAndBack(nn.Module):
    """A stride down, and up again to the size of the input, of which the stride has dropped a row."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 4, 3, stride=2), nn.ConvTranspose2d(4, 4, 3, stride=2)

    def forward(self, x):
        return torch.relu(self.up(torch.relu(self.down(x)), output_size=x.shape[-2:]))


def encoder_and_decoder():
    return nn.Sequential(
        ThereAndBack(),
        nn.ConvTranspose2d(4, 2, 5, padding=2, groups=2, bias=False),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(98, 10),
    )


MODELS = {
    "LeNet": LeNet,
    "the notes' LeNet": lambda: LeNet(activation="sigmoid", pool="average"),
    "residual": small_resnet,
    "residual with batch norm and dropout": normalised_resnet,
    "encoder and decoder": encoder_and_decoder,
}


def batch(N, seed=0):
    return random(N, 1, 28, 28, seed=seed), torch.arange(N) % 10


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_learns_as_torchs_does(make):
    torch.manual_seed(0)
    theirs = make().double()
    start = [p.detach().clone() for p in theirs.parameters()]
    ours = from_scratch(copy.deepcopy(theirs))
    assert all(type(layer).__module__ != "torch.nn.modules.conv" for layer in ours.modules())
    histories = []
    for model, loss_of in ((ours, functional.cross_entropy), (theirs, nn.functional.cross_entropy)):
        history = []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for step in range(20):
            x, t = batch(8, seed=step)
            torch.manual_seed(step)  # what is dropped
            logits = model(x)
            optimizer.zero_grad()
            loss_of(logits, t).backward()
            history += [logits.detach(), *(p.grad.clone() for p in model.parameters())]
            optimizer.step()
        model.eval()
        with torch.no_grad():
            at_test_time = model(batch(8, seed=20)[0])
        histories.append([*history, at_test_time, *model.state_dict().values()])
    for a, b in zip(*histories, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    assert all((a - b).abs().max() > 1e-9 for a, b in zip(ours.parameters(), start, strict=True))


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_looks_the_same_and_shares_its_parameters(make):
    model = make()
    before = [(name, type(module)) for name, module in model.named_modules()]
    ours = from_scratch(model)
    assert repr(ours) == repr(model)
    assert type(ours) is type(model)
    assert list(ours.state_dict()) == list(model.state_dict())
    for (name, a), (other, b) in zip(ours.named_parameters(), model.named_parameters(), strict=True):
        assert name == other
        assert a is b
    assert [(name, type(module)) for name, module in model.named_modules()] == before
    replaced = [type(m).__name__ for m in ours.modules() if type(m).__module__ == "cnnkit.layers"]
    assert replaced == [kind.__name__ for _, kind in before if kind in layers.REPLACED]
    assert not {type(m) for m in ours.modules()} & set(layers.REPLACED)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_nothing_of_torchs_is_called(make):
    model = make().double()
    x, t = batch(2)

    def run(model, cross_entropy):
        return operators.torchs_own(lambda: cross_entropy(model(x), t).backward())

    assert run(from_scratch(model), functional.cross_entropy) == set()
    assert len(run(model, nn.functional.cross_entropy)) >= 5


def test_torchs_batch_norm_is_not_called():
    def run(model):
        called = operators.operators_called(lambda: model(batch(2)[0]).sum().backward())
        return {name for name in called if "batch_norm" in name}

    model = normalised_resnet().double()
    assert run(from_scratch(model)) == set()
    assert run(model)


def test_a_layer_by_itself():
    conv = nn.Conv2d(1, 2, 3).eval()
    ours = from_scratch(conv)
    assert type(ours) is layers.Conv2d
    assert ours.weight is conv.weight
    assert not ours.training
    assert type(conv) is nn.Conv2d
    assert type(from_scratch(ours)) is layers.Conv2d
    for layer in (LocallyConnected1d(1, 1, 5, 3), DropConnect(3, 2)):
        assert type(from_scratch(nn.Sequential(layer))[0]) is type(layer)


class Odd(nn.Module):
    """Whatever a model may do: a layer twice, tied weights, a list on the side, tensors, a hook on itself."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.nested = nn.ModuleDict({"a": nn.ModuleList([self.first, nn.Tanh()])})
        self.tied = nn.Linear(3, 3)
        self.tied.weight = self.first.weight
        self.on_the_side = [self.first]
        self.register_buffer("mean", torch.zeros(3))
        self.scale = nn.Parameter(torch.ones(()))
        self.seen = self.first(torch.ones(3))  # part of a graph: cannot be copied
        self.calls = 0
        self.tied.register_forward_hook(self.count)

    def count(self, *_):
        self.calls += 1

    def forward(self, x):
        for layer in (*self.nested["a"], *self.on_the_side, self.tied):
            x = layer(x - self.mean)
        return self.scale * x


class Listener:
    def __init__(self):
        self.heard = []

    def listen(self, module, *_):
        self.heard.append(type(module))

    __call__ = listen


def test_structure_and_hooks_are_kept():
    model = Odd()
    model.tied.eval()
    listener = Listener()
    model.first.register_forward_hook(listener.listen)
    model.tied.register_forward_pre_hook(listener)
    model.first.weight.grad = torch.ones(3, 3)
    ours = from_scratch(model)

    assert ours.first is ours.nested["a"][0] is ours.on_the_side[0]
    assert type(ours.first) is layers.Linear
    assert ours.tied.weight is ours.first.weight is model.first.weight
    assert ours.mean is model.mean
    assert ours.scale is model.scale
    assert (ours.training, ours.first.training, ours.tied.training) == (True, True, False)
    x = torch.randn(2, 3)
    torch.testing.assert_close(ours(x), model(x))
    assert listener.heard == [layers.Linear] * 3 + [nn.Linear] * 3
    assert (ours.calls, model.calls) == (1, 1)  # a hook that is the model's own method is the copy's own

    ours.first.register_forward_hook(listener.listen)
    model(x)
    assert len(listener.heard) == 9  # what is added to the one is not added to the other


def test_tensors_in_lists_and_dictionaries_are_shared():
    model = nn.Sequential(nn.Linear(3, 3))
    activation = model(torch.ones(3))  # part of a graph: cannot be copied
    model.kept = {"seen": [activation, (torch.ones(2),)]}
    model.kept["itself"] = model.kept
    ours = from_scratch(model)
    assert ours.kept is not model.kept
    assert ours.kept["seen"][0] is activation
    assert ours.kept["seen"][1][0] is model.kept["seen"][1][0]


def test_layers_without_parameters_are_kept():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(), nn.ReLU6(), nn.Mish(), nn.SELU(), nn.CELU(),
        nn.LogSigmoid(), nn.Softsign(), nn.Softplus(), nn.Softmax2d(), nn.Threshold(0, 0), nn.PixelShuffle(2), nn.Upsample(5),
        nn.ConstantPad2d(1, 2), nn.ReflectionPad2d(1), nn.ZeroPad1d(1), nn.ZeroPad2d(1),
        nn.LocalResponseNorm(3),
    )  # fmt: skip
    x = torch.ones(2, 1, 6, 6)
    torch.testing.assert_close(from_scratch(model)(x), model(x))


def test_hooks_on_loading_are_kept():
    model = nn.Sequential(nn.Linear(2, 2))
    listener = Listener()
    model[0].register_load_state_dict_pre_hook(listener.listen)
    ours = from_scratch(model)
    ours.load_state_dict(model.state_dict())
    assert listener.heard == [layers.Linear]


def test_functional_gradients():
    model = small_resnet().double()
    ours, (x, t) = from_scratch(model), batch(3)

    def grads(model):
        def loss(parameters):
            return functional.cross_entropy(torch.func.functional_call(model, parameters, x), t)

        return torch.func.grad(loss)({name: p.detach() for name, p in model.named_parameters()})

    torch.testing.assert_close(grads(ours), grads(model), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", operators.LOW_PRECISION)
def test_autocast_is_torchs(dtype):
    torch.manual_seed(0)
    model, (x, _) = LeNet(), batch(4)
    ours, x = from_scratch(model), x.float()
    exact = copy.deepcopy(model).double()(x.double())
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        operators.assert_as_accurate_as_torch(ours(x), model(x), exact)


@pytest.mark.compile
def test_compiles_as_a_whole():
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1), nn.ConvTranspose2d(2, 2, 2, stride=2),
        nn.AvgPool2d(4), nn.Flatten(), nn.Linear(2, 3),
    ).double()  # fmt: skip
    x, t = random(2, 1, 6, 6), torch.tensor([0, 2])
    results = []
    for net in (torch.compile(from_scratch(model), fullgraph=True, backend="aot_eager"), model):
        model.zero_grad()
        logits = net(x)
        functional.cross_entropy(logits, t).backward()
        results.append([logits.detach(), *(p.grad.clone() for p in model.parameters())])
    torch.testing.assert_close(*results)


@pytest.mark.gpu
@operators.needs_gpu
def test_learns_on_the_gpu_in_channels_last_and_bfloat16():
    torch.manual_seed(0)
    ours = from_scratch(LeNet().cuda().to(memory_format=torch.channels_last))
    x, t = (tensor.cuda() for tensor in batch(10))
    x = x.float().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(ours.parameters(), lr=4e-3)
    for _ in range(60):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            functional.cross_entropy(ours(x), t).backward()
        optimizer.step()
    assert (ours(x).argmax(dim=1) == t).all()


class OwnConv(nn.Conv2d):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.gate = nn.Sigmoid()


class OwnNorm(nn.BatchNorm2d):
    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.ReLU()


class OwnLeaf(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.BatchNorm3d(2), r"no own code for BatchNorm3d: 1\.inner\.1\. It replaces"),
        (lambda: nn.AlphaDropout(), r"AlphaDropout: 1\.inner\.1"),
        (lambda: nn.MaxPool1d(2), r"MaxPool1d: 1\.inner\.1"),
        (lambda: nn.ConvTranspose1d(2, 2, 3), r"ConvTranspose1d: 1\.inner\.1"),
        (lambda: OwnConv(2, 2, 3), r"OwnConv: 1\.inner\.1"),
        (lambda: OwnNorm(2), r"OwnNorm: 1\.inner\.1"),
        (OwnLeaf, r"OwnLeaf: 1\.inner\.1"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 1)), r"ParametrizedConv2d: 1\.inner\.1"),
        (lambda: nn.ParameterList([torch.ones(1)]), r"ParameterList: 1\.inner\.1"),
        (lambda: nn.MultiheadAttention(2, 1), r"MultiheadAttention: 1\.inner\.1"),
        (lambda: nn.Sequential(nn.Dropout3d(), nn.GroupNorm(1, 2)), r"Dropout3d: 1\.inner\.1\.0; GroupNorm: 1\.inner\.1\.1\. It"),
        (lambda: nn.Sequential(*[nn.Dropout3d() for _ in range(5)]), r"Dropout3d: 1\.inner\.1\.0, 1\.inner\.1\.1 and 3 more\. It"),
    ],
)  # fmt: skip
def test_unknown_layers_are_named(make, message):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ModuleDict({"inner": nn.Sequential(nn.ReLU(), make())}))
    before = [type(module) for module in model.modules()]
    with pytest.raises(TypeError, match=message):
        from_scratch(model)
    assert [type(module) for module in model.modules()] == before


@pytest.mark.bad_input
def test_an_unknown_model_is_named_and_the_known_are_listed():
    with pytest.raises(
        TypeError,
        match=r"GroupNorm: the model itself\..*replaces AdaptiveAvgPool2d, .*keeps CELU, .*into ModuleDict",
    ):
        from_scratch(nn.GroupNorm(1, 3))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("model", "got"), [(torch.ones(3), "Tensor"), (nn.Conv2d, "the class Conv2d")], ids=["tensor", "class"]
)
def test_what_is_no_model_is_refused(model, got):
    with pytest.raises(TypeError, match=f"model must be a torch.nn.Module, got {got}"):
        from_scratch(model)
