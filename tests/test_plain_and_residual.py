"""The networks that the chapter on ResNet trains: those built from blocks are the same as those of the models."""

import pytest
import torch
from torch import nn

from benchmarks.experiments import depth_of_plain_and_residual as experiment
from cnnkit.models.resnet import ResNet


@pytest.mark.parametrize("kind", experiment.KINDS)
def test_built_from_blocks_it_is_the_resnet_of_that_depth(kind, monkeypatch):
    torch.manual_seed(0)
    model = experiment.network(20, kind).eval()
    monkeypatch.setattr(experiment, "PLANS", {})
    torch.manual_seed(0)
    built = experiment.network(20, kind).eval()
    assert isinstance(model, ResNet)
    assert not isinstance(built, ResNet)
    for ours, theirs in zip(built.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)  # the first weights, too, are the same
    x = torch.rand(2, 1, 14, 14)
    torch.testing.assert_close(built(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize("depth", [8, 14, 20])
@pytest.mark.parametrize("kind", experiment.KINDS)
def test_the_depth_is_the_number_of_convolutions_and_linear_layers(depth, kind):
    net = experiment.network(depth, kind)
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth
    sizes = [m.out_channels for m in layers[:-1]]
    per_stage = (depth - 2) // 3
    assert sizes == [8] * (1 + per_stage) + [16] * per_stage + [32] * per_stage
    strides = [m.stride for m in layers[:-1]]
    assert strides.count((2, 2)) == 2
    assert len(experiment.blocks(net)) == 3 * per_stage // 2
