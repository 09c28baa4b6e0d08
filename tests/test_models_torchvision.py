"""The models against torchvision's: the same names and shapes, and with the same weights the same numbers."""

import re

import pytest
import torch
import torchvision
from torch import nn

from cnnkit.checkpoints import CheckpointError, load_weights
from cnnkit.models import create
from cnnkit.models.alexnet import AlexNet
from cnnkit.models.googlenet import GoogLeNet
from cnnkit.models.resnet import ResNet
from cnnkit.models.vgg import VGG


def torchvisions(name, **options):
    return getattr(torchvision.models, name)(weights=None, **options)


def torchvisions_googlenet(auxiliary_heads):
    return torchvisions("googlenet", aux_logits=auxiliary_heads, init_weights=False)


PAIRS = {
    "alexnet": (lambda: AlexNet(variant="torchvision"), lambda: torchvisions("alexnet")),
    "googlenet": (lambda: GoogLeNet(variant="torchvision"), lambda: torchvisions_googlenet(False)),
    "googlenet with heads": (
        lambda: GoogLeNet(variant="torchvision", auxiliary_heads=True),
        lambda: torchvisions_googlenet(True),
    ),
}
for depth in (11, 13, 16, 19):
    for suffix in ("", "_bn"):
        PAIRS[f"vgg{depth}{suffix}"] = (
            lambda depth=depth, suffix=suffix: VGG(depth, batch_norm=bool(suffix)),
            lambda depth=depth, suffix=suffix: torchvisions(f"vgg{depth}{suffix}"),
        )
for depth in (18, 34, 50, 101, 152):
    PAIRS[f"resnet{depth}"] = (
        lambda depth=depth: ResNet(depth),
        lambda depth=depth: torchvisions(f"resnet{depth}"),
    )


@torch.no_grad()
def trained_alike(name):
    """Ours and torchvision's, in evaluation mode, with the same weights and with statistics of images."""
    make_ours, make_theirs = PAIRS[name]
    with torch.device("meta"):
        ours, theirs = make_ours(), make_theirs()
    theirs.to_empty(device="cpu")
    torch.manual_seed(0)
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.normal_(std=(2 / module.weight[0].numel()) ** 0.5)
            if module.bias is not None:
                module.bias.normal_(std=0.1)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(std=0.1)
            module.reset_running_stats()
            module.momentum = 1.0
    if any(isinstance(module, nn.BatchNorm2d) for module in theirs.modules()):
        images = torch.randn(4, 3, 64, 64)
        theirs.train()
        (theirs.features if name.startswith("vgg") else theirs)(images)
    # without a copy
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    return ours.eval(), theirs.eval()


def assert_equal(ours, theirs):
    # with today's versions the difference is 0 everywhere: the same operations in the same order
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5


# ---------------------------------------------------------------------- names, shapes, numbers
@pytest.mark.parametrize("name", PAIRS)
def test_state_dicts_load_in_both_directions(name):
    with torch.device("meta"):
        ours, theirs = (make() for make in PAIRS[name])
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    with torch.device("meta"):
        ours, theirs = (make() for make in PAIRS[name])
    theirs.load_state_dict(ours.state_dict(), strict=True, assign=True)


@pytest.mark.parametrize("name", ["resnet18", "googlenet with heads"])
def test_numbers_are_copied_in_both_directions(name):
    _, theirs = trained_alike(name)
    ours, other = (make() for make in PAIRS[name])
    ours.load_state_dict(theirs.state_dict(), strict=True)
    other.load_state_dict(ours.state_dict(), strict=True)
    for (key, expected), copy in zip(theirs.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(copy, expected), key


@torch.no_grad()
@pytest.mark.parametrize("name", PAIRS)
def test_logits_are_torchvisions(name):
    ours, theirs = trained_alike(name)
    x = torch.randn(1, 3, 224, 224)
    expected = theirs(x.clone())
    assert expected.std() > 0.1
    assert_equal(ours(x.clone()), expected)


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "resnet50", "alexnet"])
def test_gradients_are_torchvisions(name):
    ours, theirs = trained_alike(name)
    # in evaluation mode, as no two masks of dropout are the same
    x = torch.randn(1, 3, 224, 224)
    gradients = []
    for model in (ours, theirs):
        image = x.clone().requires_grad_()
        loss = nn.functional.cross_entropy(model(image), torch.tensor([3]))
        weights = [
            model.get_parameter(key) for key, p in theirs.named_parameters() if p.dim() == 4
        ]  # convolutions
        gradients.append(torch.autograd.grad(loss, [image, *weights]))
    for gradient, expected in zip(*gradients, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(gradient, expected)


def test_googlenet_with_heads_trains_as_torchvisions():
    models = [model.train() for model in trained_alike("googlenet with heads")]
    x, results = torch.randn(2, 3, 224, 224), []
    for model in models:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        image = x.clone().requires_grad_()
        outputs = model(image)
        losses = [nn.functional.cross_entropy(output, torch.tensor([3, 5])) for output in outputs]
        (losses[0] + 0.3 * (losses[1] + losses[2])).backward()
        results.append((*outputs, image.grad))
    for ours, theirs in zip(*results, strict=True):
        assert_equal(ours, theirs)
    (logits, aux2, aux1, gradient), _ = results
    assert gradient.count_nonzero() > 0
    assert min((logits - aux2).std(), (aux2 - aux1).std(), (logits - aux1).std()) > 0.1


# ---------------------------------------------------------------------- weights of another variant
def without_numbers(name, **options):
    with torch.device("meta"):
        return create(name, num_classes=1000, in_channels=3, **options)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("saved", "model", "message"),
    [
        (
            without_numbers("vgg11"),
            without_numbers("vgg11_bn"),
            "old.safetensors is of another model than this VGG: it lacks features.1.weight; lacks features.1.bias; "
            "lacks features.1.running_mean; lacks features.1.running_var; lacks features.1.num_batches_tracked; "
            "and 51 more",
        ),
        (
            without_numbers("vgg11"),
            without_numbers("vgg11_notes"),
            "old.safetensors is of another model than this VGG: it "
            "has features.16.weight of shape (512, 512, 3, 3), the model of (1024, 512, 3, 3); "
            "has features.16.bias of shape (512,), the model of (1024,); "
            "has features.18.weight of shape (512, 512, 3, 3), the model of (1024, 1024, 3, 3); "
            "has features.18.bias of shape (512,), the model of (1024,); "
            "has classifier.0.weight of shape (4096, 25088), the model of (4096, 50176)",
        ),
        (
            without_numbers("resnet18"),
            without_numbers("resnet34"),
            "old.safetensors is of another model than this ResNet: it lacks layer1.2.conv1.weight; "
            "lacks layer1.2.bn1.weight; lacks layer1.2.bn1.bias; lacks layer1.2.bn1.running_mean; "
            "lacks layer1.2.bn1.running_var; and 91 more",
        ),
        (
            without_numbers("resnet34"),
            without_numbers("resnet18"),
            "old.safetensors is of another model than this ResNet: it "
            "has layer1.2.conv1.weight, which the model has not; has layer1.2.bn1.weight, which the model has not; "
            "has layer1.2.bn1.bias, which the model has not; has layer1.2.bn1.running_mean, which the model has not; "
            "has layer1.2.bn1.running_var, which the model has not; and 91 more",
        ),
        (
            # layers of response normalisation move those behind them to other numbers
            without_numbers("alexnet"),
            without_numbers("alexnet_notes"),
            "old.safetensors is of another model than this AlexNet: it lacks features.3.weight; "
            "lacks features.3.bias; lacks features.6.weight; lacks features.6.bias; "
            "has features.4.weight, which the model has not; and 6 more",
        ),
        (
            without_numbers("alexnet", local_response_norm=False),
            without_numbers("alexnet_notes"),
            "old.safetensors is of another model than this AlexNet: it "
            "has features.3.weight of shape (256, 48, 5, 5), the model of (256, 96, 5, 5); "
            "has features.8.weight of shape (384, 192, 3, 3), the model of (384, 384, 3, 3); "
            "has features.10.weight of shape (256, 192, 3, 3), the model of (384, 384, 3, 3); "
            "has features.10.bias of shape (256,), the model of (384,); "
            "has classifier.0.weight of shape (4096, 9216), the model of (4096, 13824)",
        ),
    ],
    ids=["no batch norm", "fewer filters", "fewer blocks", "more blocks", "other layers", "groups"],
)
def test_weights_of_another_variant_are_refused_in_words(saved, model, message):
    with pytest.raises(CheckpointError) as error:
        load_weights(model, saved.state_dict(), source="old.safetensors")
    assert str(error.value) == message
    # PyTorch says the same at greater length
    first = re.search(r"(features|layer1)[\w.]+", message)[0]
    with pytest.raises(RuntimeError, match=f"(Missing|Unexpected|mismatch).*{first}"):
        model.load_state_dict(saved.state_dict(), assign=True)
