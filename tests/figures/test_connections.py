"""Figures of connections: what they draw and count is what cnnkit's layers and counts have."""

import itertools
import re

import in_node
import pytest
import torch

from cnnkit import figures
from cnnkit.layers import LocallyConnected1d
from cnnkit.reference.conv import conv1d_centred
from cnnkit.shapes import full_parameters, local_parameters, multiply_adds, output_size, shared_parameters

LAYERS = [
    {"connectivity": connectivity, "n": n, "kernel_size": F, "zeros": zeros}
    for connectivity, n, F, zeros in itertools.product(
        ("full", "local", "shared"), range(5, 11), (1, 3, 5), (True, False)
    )
]


def padding(layer):
    return layer["kernel_size"] // 2 if layer["zeros"] else 0


def upper_nodes(layer):
    return output_size(layer["n"], layer["kernel_size"], padding=padding(layer))


@pytest.mark.equation("eq-parameters")
def test_counts_are_those_of_shapes():
    answers = in_node.call(["connections"], [("connections.counts", [layer]) for layer in LAYERS])
    for layer, found in zip(LAYERS, answers, strict=True):
        n, F, n_out = layer["n"], layer["kernel_size"], upper_nodes(layer)
        weights, joined = {
            "full": (full_parameters(n, n), full_parameters(n, n)),
            "local": (local_parameters(n_out, F), multiply_adds(n_out, F)),
            "shared": (shared_parameters(F), multiply_adds(n_out, F)),
        }[layer["connectivity"]]
        assert (found["weights"], found["connections"]) == (weights, joined), layer


def matrix(layer, edges, weights):
    """The layer as a matrix: what its connections say, with these weights."""
    rows = torch.zeros(max(edge["i"] for edge in edges) + 1, layer["n"])
    for edge in edges:
        if 0 <= edge["j"] < layer["n"]:
            rows[edge["i"], edge["j"]] = weights[edge["weight"]]
    return rows


def test_connections_are_those_of_the_layers():
    answers = in_node.call(["connections"], [("connections.edges", [layer]) for layer in LAYERS])
    for layer, edges in zip(LAYERS, answers, strict=True):
        n, F = layer["n"], layer["kernel_size"]
        units = torch.eye(n)
        if layer["connectivity"] == "full":
            linear = torch.nn.Linear(n, n, bias=False)
            expected, weights = linear.weight, linear.weight.flatten()
        elif layer["connectivity"] == "local":
            local = LocallyConnected1d(1, 1, n, F, padding=padding(layer), bias=False)
            expected, weights = local(units[:, None])[:, 0].T, local.weight.flatten()
        else:
            weights = torch.randn(F)
            same = torch.stack([conv1d_centred(row, weights) for row in units], dim=1)
            expected = same if layer["zeros"] else same[F // 2 : n - F // 2]
        assert torch.equal(matrix(layer, edges, weights.detach()), expected.detach()), layer


def test_connections_that_see_only_zeros_are_counted():
    layer = {"connectivity": "local", "n": 10, "kernel_size": 3, "zeros": True}
    (found,) = in_node.call(["connections"], [("connections.counts", [layer])])
    assert found == {"weights": 30, "connections": 30, "zeros": 2}  # 28 entries in the matrix of the chapter


def test_connectivity_shows_what_it_is_given():
    figure = figures.connectivity("shared", n=9, kernel_size=5, zeros=False)
    assert figure.state == {
        "connectivity": "shared",
        "n": 9,
        "kernel_size": 5,
        "zeros": False,
        "node": 2,
    }
    assert "25 connections with 5 different weights" in figure.fallback
    assert "25 connections with 25 different weights" in figures.connectivity("full", n=5).fallback


@pytest.mark.bad_input
def test_connections_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match=r"^connectivity must be 'full', 'local' or 'shared', got 'some'$"):
        figures.connectivity("some")
    for n in (4, 11):
        with pytest.raises(ValueError, match=rf"^n must be from 5 to 10, .*; got {n}$"):
            figures.connectivity(n=n)
    for F in (2, 7):
        with pytest.raises(ValueError, match=re.escape("kernel_size must be 1, 3 or 5") + f".*got {F}$"):
            figures.connectivity(kernel_size=F)
    with pytest.raises(TypeError, match="n "):
        figures.connectivity(n=7.5)
    with pytest.raises(TypeError, match="kernel_size"):
        figures.connectivity(kernel_size="3")
