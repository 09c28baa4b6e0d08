"""Each model gives the same logits compiled, exported, in another memory format, folded, and on our operators."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from cnnkit.layers import from_scratch
from cnnkit.models import MODELS, create
from cnnkit.regularisation import fold_batchnorm

# Small enough that each runs in moments, large enough that no map runs out.
SIZES = {"alexnet": 67, "alexnet_notes": 67, "network_in_network_imagenet": 67}


def network(name, width=1 / 16, **options):
    """A narrow model in evaluation mode, with statistics as after training, and images for it."""
    torch.manual_seed(0)
    if name != "lenet5_1998":
        options["width"] = width
    entry = MODELS[name]
    size = SIZES.get(name, min(entry.image_size, 64))
    model = create(name, 10, 1, size, **options)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1)
            nn.init.uniform_(layer.bias, -0.1, 0.1)
    return model.eval(), torch.randn(2, 1, size, size)


@torch.no_grad()
def check_as_exact_as_eager(model, x, logits):
    """Two right ways to compute differ in float32: ours may be off by twice what eager PyTorch is off."""
    truth = copy.deepcopy(model).double()(x.double())
    eps = torch.finfo(x.dtype).eps
    limit = 2 * (model(x) - truth).abs().max() + 4 * eps * truth.abs().max()
    assert logits.shape == truth.shape
    assert (logits - truth).abs().max() <= limit


@pytest.mark.compile
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_compiled_without_a_break(name):
    torch._dynamo.reset()
    model, x = network(name)
    backend = "inductor" if name in ("lenet", "resnet18") else "aot_eager"
    check_as_exact_as_eager(model, x, torch.compile(model, backend=backend, fullgraph=True)(x))


@pytest.mark.compile
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_exported(name):
    model, x = network(name)
    check_as_exact_as_eager(model, x, torch.export.export(model, (x,)).module()(x))


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_channels_last(name):
    model, x = network(name)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    check_as_exact_as_eager(model, x, last(x.contiguous(memory_format=torch.channels_last)))


WITH_BATCH_NORM = [name for name in MODELS if name.startswith("resnet") or name.endswith("_bn")]


@pytest.mark.compile  # torch.fx follows the model with proxies, which are no tensors
@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in WITH_BATCH_NORM]
    + [("googlenet", {"variant": "torchvision"})]
    + [("resnet20", {"shortcut": kind}) for kind in ("B", "C", "none")]
    + [("resnet50", {"stride_in_1x1": True})],
)
@torch.no_grad()
def test_folded(name, options):
    model, x = network(name, **options)
    folded = fold_batchnorm(model)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    check_as_exact_as_eager(model, x, folded(x))


@pytest.mark.compile
@torch.no_grad()
def test_folded_inside_another_model():
    model, x = network("resnet20")
    inside = nn.Sequential(nn.Identity(), model)
    check_as_exact_as_eager(inside, x, fold_batchnorm(inside)(x))


@pytest.mark.bad_input
@pytest.mark.parametrize("name", sorted(set(MODELS) - set(WITH_BATCH_NORM)))
def test_nothing_to_fold(name):
    with pytest.raises(ValueError, match="there is nothing to fold"):
        fold_batchnorm(network(name)[0])


@pytest.mark.bad_input
def test_batch_norm_before_its_convolution_is_not_folded():
    with pytest.raises(ValueError, match=r"batch norm layer 'layer1\.1\.activation\.0' cannot be folded"):
        fold_batchnorm(network("resnet20", pre_activation=True)[0])


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in MODELS]
    + [("googlenet", {"variant": "torchvision"}), ("resnet20", {"pre_activation": True})],
)
def test_on_our_operators(name, options):
    """Logits, and the gradient of every parameter, in double precision."""
    model, x = network(name, **options)
    model, x = model.double(), x[:1].double()
    ours = from_scratch(model)
    y = ours(x)
    grads = torch.autograd.grad(y.square().sum(), list(ours.parameters()))
    wanted = model(x)
    torch.testing.assert_close(y, wanted)
    for got, want in zip(
        grads, torch.autograd.grad(wanted.square().sum(), list(model.parameters())), strict=True
    ):
        torch.testing.assert_close(got, want)


@pytest.mark.compile
@pytest.mark.parametrize("name", ["lenet", "resnet18"])
@torch.no_grad()
def test_onnx(name, tmp_path):
    model, x = network(name)
    path = tmp_path / "model.onnx"
    batch = torch.export.Dim("batch", min=1)
    torch.onnx.export(model, (x,), path, dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for images in (x, torch.cat([x, x.flip(-1)])):
        (logits,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        assert isinstance(logits, np.ndarray)
        check_as_exact_as_eager(model, images, torch.from_numpy(logits))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_on_a_gpu(name):
    model, x = network(name)
    model, x = model.double(), x.double()
    torch.testing.assert_close(copy.deepcopy(model).cuda()(x.cuda()).cpu(), model(x))
