"""Figures of nodes and their outputs: their numbers are those of cnnkit, and a state that cannot be is refused."""

import in_node
import pytest
import torch
from torch.nn import functional

from cnnkit import figures
from cnnkit.figures.units import NETWORK
from cnnkit.models.resnet import BasicBlock, PreActivation
from cnnkit.reference import averaging, conv

X, W1, B1, W2 = (torch.tensor(NETWORK[name], dtype=torch.float64) for name in ("x", "w1", "b1", "w2"))
B2 = torch.tensor([NETWORK["b2"]], dtype=torch.float64)
PAIRS = [(0.8, 0.5), (0.1, 1.0), (1.0, 0.3), (0.55, 0.55)]


def probabilities(p_input, p_hidden):
    return [torch.full((3,), p_input, dtype=torch.float64), torch.full((4,), p_hidden, dtype=torch.float64)]


# ----------------------------------------------------------------------------- dropout
def test_mean_over_all_sub_networks_and_weight_scaling_are_those_of_the_reference():
    answers = in_node.call(["averaging"], [("averaging.exact", [NETWORK, *pair]) for pair in PAIRS])
    for pair, found in zip(PAIRS, answers, strict=True):
        p = probabilities(*pair)
        networks = averaging.sub_networks(X, [W1, W2[None]], [B1, B2], p)
        mean = averaging.expectation(networks.y[-1], networks.P)
        scaled = averaging.weight_scaling(X, [W1, W2[None]], [B1, B2], p)
        assert found["mean"] == pytest.approx(mean.item(), abs=1e-12)
        assert found["scaled"] == pytest.approx(scaled[1][-1].item(), abs=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.85])
def test_sub_networks_and_means_of_a_unit_are_those_of_the_reference(p):
    y, w, b = X, W1[2], float(B1[2])
    (rows,) = in_node.call(["averaging"], [("averaging.subNetworks", [w.tolist(), y.tolist(), [p] * 3, b])])
    masks = averaging.all_masks(3)
    P = averaging.mask_probabilities(masks, probabilities(p, p)[0])
    S = averaging.net_inputs(masks, w, y, b)
    assert [row["mask"] for row in rows] == masks.int().tolist()
    for name, expected in (("P", P), ("S", S), ("O", averaging.logistic(S))):
        assert [row[name] for row in rows] == pytest.approx(expected.tolist(), abs=1e-12)

    (found,) = in_node.call(["averaging"], [("averaging.means", [rows])])
    logarithms = averaging.log_geometric_means(S, P)
    assert [found["G"], found["rest"]] == pytest.approx([g.exp().item() for g in logarithms], abs=1e-12)
    assert found["nwgm"] == pytest.approx(averaging.nwgm(S, P).item(), abs=1e-12)
    assert found["nwgm"] == pytest.approx(found["scaled"], abs=1e-12)
    assert found["mean"] == pytest.approx(averaging.expectation(averaging.logistic(S), P).item(), abs=1e-12)


def test_drawn_masks_keep_nodes_with_their_probability():
    calls = [("averaging.sample", [NETWORK, 0.8, 0.5, seed, 1]) for seed in range(2000)]
    drawn = in_node.call(["averaging"], calls)
    # exact binomial bounds: outside of them with a probability below one in a million
    for kept, p, n in (
        (sum(sum(one["inputs"]) for one in drawn), 0.8, 6000),
        (sum(sum(one["kept"]) for one in drawn), 0.5, 8000),
    ):
        binomial = torch.distributions.Binomial(n, torch.tensor(p, dtype=torch.float64))
        cumulative = binomial.log_prob(torch.arange(n + 1).double()).exp().cumsum(0)
        assert 5e-7 < cumulative[int(kept)] < 1 - 5e-7


def test_the_mean_of_drawn_masks_is_the_mean_over_all_of_them():
    (drawn, again, all_masks) = in_node.call(
        ["averaging"],
        [("averaging.sample", [NETWORK, 0.8, 0.5, 3, 10_000])] * 2
        + [("averaging.exact", [NETWORK, 0.8, 0.5])],
    )
    assert drawn == again
    assert abs(drawn["mean"] - all_masks["mean"]) < 5 * drawn["error"] < 0.02


def test_drawing_goes_on_where_it_stopped():
    given = [NETWORK, 0.8, 0.5, 3]
    (some,) = in_node.call(["averaging"], [("averaging.sample", [*given, 30])])
    more, at_once = in_node.call(
        ["averaging"], [("averaging.sample", [*given, 70, some]), ("averaging.sample", [*given, 70])]
    )
    assert more == at_once != some


def test_dropout_shows_what_it_is_given():
    figure = figures.dropout(p_input=0.9, p_hidden=0.25, seed=4, samples=20)
    assert figure.state == {
        "network": NETWORK, "p_input": 0.9, "p_hidden": 0.25, "seed": 4, "samples": 20, "unit": 0
    }  # fmt: skip


@pytest.mark.bad_input
def test_dropout_refuses_what_cannot_be():
    with pytest.raises(ValueError, match=r"^p_input must be between 0.1 and 1, .*; got 0$"):
        figures.dropout(p_input=0)
    with pytest.raises(ValueError, match=r"^p_hidden must be between 0.1 and 1, .*; got 1.5$"):
        figures.dropout(p_hidden=1.5)
    with pytest.raises(ValueError, match=r"^samples must be at most 10,000, got 10001$"):
        figures.dropout(samples=10_001)
    with pytest.raises(ValueError, match="samples"):
        figures.dropout(samples=0)
    with pytest.raises(TypeError, match="seed"):
        figures.dropout(seed=0.5)


# ----------------------------------------------------------------------------- batch_norm
def test_batch_norm_computes_what_pytorch_does():
    x = torch.tensor([-3.0, -1.5, 0.5, 1.0, 3.5], dtype=torch.float64)
    gamma, beta, mean, variance = (torch.tensor([v], dtype=torch.float64) for v in (1.5, -0.5, 0.3, 4.0))
    for training in (True, False):
        expected = functional.batch_norm(
            x[:, None], mean.clone(), variance.clone(), gamma, beta, training=training, eps=1e-5
        )
        (statistics,) = in_node.call(["normalising"], [("normalising.statistics", [x.tolist()])])
        given = statistics if training else {"mean": 0.3, "variance": 4.0}
        settings = given | {"gamma": 1.5, "beta": -0.5, "eps": 1e-5}
        (found,) = in_node.call(["normalising"], [("normalising.normalise", [x.tolist(), settings])])
        assert found == pytest.approx(expected[:, 0].tolist(), abs=1e-12)
    assert statistics["mean"] == pytest.approx(x.mean().item(), abs=1e-12)
    assert statistics["variance"] == pytest.approx(x.var(correction=0).item(), abs=1e-12)


def test_batch_norm_shows_what_it_is_given():
    state = figures.batch_norm([1.0, 2.0], gamma=2, beta=-1, running_mean=0.5, running_var=3).state
    assert state["x"] == [1.0, 2.0]
    assert (state["gamma"], state["beta"]) == (2, -1)
    assert state["population"] == {"mean": 0.5, "variance": 3}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": [1.0]}, r"^x must be 2 to 8 numbers from -6 to 6, got \[1.0\]$"),
        ({"x": [1.0, 7.0]}, r"^x must be 2 to 8 numbers from -6 to 6, got \[1.0, 7.0\]$"),
        ({"gamma": 4}, "^gamma must be between -3 and 3, got 4$"),
        ({"beta": -3.5}, "^beta must be between -3 and 3, got -3.5$"),
        ({"running_mean": float("nan")}, "^running_mean must be a finite number, got nan$"),
        ({"running_var": 0}, "^running_var must be a finite number above 0, got 0$"),
        ({"eps": -1e-5}, "^eps must be a finite number above 0, got -1e-05$"),
    ],
)
def test_batch_norm_refuses_what_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        figures.batch_norm(**given)


# ----------------------------------------------------------------------------- residual_block
def blocks_of_cnnkit(w1, w2, alpha, order):
    """The same block as a module: rows of one pixel's height, a batch norm that does nothing."""
    if order == "before":
        block = PreActivation(1, 1, stride=1, shortcut="A")
        norms, convolutions = (block.activation[0], block.branch[1]), (block.branch[0], block.branch[3])
    else:
        block = BasicBlock(1, 1, stride=1, shortcut="A")
        norms, convolutions = (block.bn1, block.bn2), (block.conv1, block.conv2)
    block = block.double().eval()
    with torch.no_grad():
        for norm in norms:
            norm.running_var.fill_(1 - norm.eps)
        for convolution, w in zip(convolutions, (w1, w2), strict=True):
            convolution.weight.zero_()
            convolution.weight[0, 0, 1] = torch.tensor(w, dtype=torch.float64)
        convolutions[1].weight.mul_(alpha)
    return block


@pytest.mark.parametrize("order", ["after", "before"])
def test_residual_block_is_that_of_the_models(order):
    generator = torch.Generator().manual_seed(0)
    given = [
        {
            "x": (6 * torch.rand(n, generator=generator, dtype=torch.float64) - 3).tolist(),
            "w1": (4 * torch.rand(3, generator=generator, dtype=torch.float64) - 2).tolist(),
            "w2": (4 * torch.rand(3, generator=generator, dtype=torch.float64) - 2).tolist(),
            "alpha": alpha,
            "order": order,
        }
        for n in (3, 5, 8)
        for alpha in (0, 0.35, 1)
    ]
    answers = in_node.call(["residual"], [("residual.block", [state]) for state in given])
    changed = 0
    for state, found in zip(given, answers, strict=True):
        x = torch.tensor(state["x"], dtype=torch.float64)
        block = blocks_of_cnnkit(state["w1"], state["w2"], state["alpha"], order)
        with torch.no_grad():
            y = block(x[None, None, None])[0, 0, 0]
        assert found["y"] == pytest.approx(y.tolist(), abs=1e-12)
        changed += sum(a != b for a, b in zip(found["y"], found["sum"], strict=True))
    assert (changed > 0) == (order == "after"), "only a ReLU behind the addition changes the sum"


def test_residual_block_slides_from_the_shortcut_to_the_whole_block():
    state = figures.residual_block().state
    x, w1, w2 = (torch.tensor(state[name], dtype=torch.float64) for name in ("x", "w1", "w2"))
    hidden = conv.conv1d_centred(x, w1, torch.relu)
    branch = conv.conv1d_centred(hidden, w2)
    calls = [("residual.block", [{**state, "alpha": alpha}]) for alpha in (0, 0.25, 1)]
    for alpha, found in zip((0, 0.25, 1), in_node.call(["residual"], calls), strict=True):
        assert found["hidden"] == hidden.tolist()
        assert found["branch"] == branch.tolist()
        assert found["sum"] == (x + alpha * branch).tolist()
        assert found["y"] == (x + alpha * branch).relu().tolist()


def test_residual_block_shows_what_it_is_given():
    figure = figures.residual_block([1, -2, 3], w1=[0, 1, 0], w2=[1, 0, -1], alpha=0.25, order="before")
    assert figure.state == {
        "x": [1, -2, 3], "w1": [0, 1, 0], "w2": [1, 0, -1], "alpha": 0.25, "order": "before", "node": 0
    }  # fmt: skip
    assert "the 3 nodes below, and adds 0.25 times its branch" in figure.fallback


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": [1.0, 2.0]}, r"^x must be 3 to 8 numbers from -3 to 3, got \[1.0, 2.0\]$"),
        ({"x": [1.0, 2.0, float("nan")]}, r"^x must be 3 to 8 numbers from -3 to 3, got \[1.0, 2.0, nan\]$"),
        ({"w1": []}, r"^w1 must be three weights from -2 to 2, got \[\]$"),
        ({"w2": [1, 1, 2.5]}, r"^w2 must be three weights from -2 to 2, got \[1, 1, 2.5\]$"),
        ({"alpha": 1.1}, "^alpha must be between 0 and 1, got 1.1$"),
        ({"order": "pre"}, "^order must be 'after' or 'before', got 'pre'$"),
    ],
)
def test_residual_block_refuses_what_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        figures.residual_block(**given)
