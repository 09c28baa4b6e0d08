"""The networks that the chapter on ResNet trains: those built from blocks are the same as those of the models."""

import pytest
import torch
from torch import nn

from benchmarks.experiments import depth_of_plain_and_residual as experiment
from cnnkit.models.resnet import ResNet


@pytest.mark.parametrize("kind", experiment.KINDS)
def test_built_from_blocks_it_is_the_resnet_of_that_depth(kind, monkeypatch):
    monkeypatch.setattr(experiment, "PLANS", {})
    built = experiment.network(20, kind).eval()
    assert not isinstance(built, ResNet)
    model = ResNet(20, num_classes=10, in_channels=1, width=1 / 2, shortcut=experiment.KINDS[kind]).eval()
    weights = dict(zip(model.state_dict(), built.state_dict().values(), strict=True))
    model.load_state_dict(weights)  # refuses other shapes
    x = torch.rand(2, 1, 14, 14)
    torch.testing.assert_close(built(x), model(x), rtol=0, atol=0)


def test_first_weights_do_not_depend_on_who_built_it(monkeypatch):
    torch.manual_seed(0)
    model = experiment.network(20, "residual")
    monkeypatch.setattr(experiment, "PLANS", {})
    torch.manual_seed(0)
    built = experiment.network(20, "residual")
    for ours, theirs in zip(built.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


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
