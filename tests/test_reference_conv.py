"""The convolution loops, forward and backward: by hand, against torch, and what bad input says."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.conv import (
    conv1d,
    conv1d_backward,
    conv1d_centred,
    conv1x1,
    conv2d,
    conv2d_backward,
    conv2d_centred,
    conv_transpose2d,
    conv_transpose2d_backward,
    relu,
    vectorise,
)
from cnnkit.shapes import output_size
from tests.operators import random


def assert_as_torch(ours, theirs, backward, y, w, bias, **sizes):
    """Values; the gradients of autograd through our loops; the gradients of our backward loops."""
    tensors = [y, w] if bias is None else [y, w, bias]
    leaves, expected_leaves = [[t.clone().requires_grad_() for t in tensors] for _ in range(2)]
    out = ours(*leaves, **sizes)
    expected = theirs(expected_leaves[0][None], *expected_leaves[1:], **sizes)[0]
    torch.testing.assert_close(out, expected)
    delta = random(*out.shape, seed=1)
    out.backward(delta)
    expected.backward(delta)
    grads = backward(delta, y, w, **sizes)
    for leaf, expected_leaf, grad in zip(leaves, expected_leaves, grads, strict=bias is not None):
        torch.testing.assert_close(leaf.grad, expected_leaf.grad)
        torch.testing.assert_close(grad, expected_leaf.grad)
    torch.testing.assert_close(grads[2], delta.flatten(1).sum(1))


@pytest.mark.equation("eq-conv1d")
def test_one_filter_by_hand():
    x, w = torch.tensor([0.0, 0.0, 2.0, 3.0, 3.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])
    assert conv1d_centred(x, w).tolist() == [0, 2, 3, 1, -2, -3]
    assert conv1d_centred(x, w, f=torch.relu).tolist() == [0, 2, 3, 1, 0, 0]


def test_the_filter_is_not_flipped():
    # Correlation reads the impulse backwards; a convolution in the sense of signal processing would give 1, 2, 3.
    impulse = torch.tensor([0.0, 1.0, 0.0])
    assert conv1d_centred(impulse, torch.tensor([1.0, 2.0, 3.0])).tolist() == [3, 2, 1]


@pytest.mark.equation("eq-conv1d-multi")
def test_several_filters_by_hand():
    y = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])  # two rows of three nodes
    w = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 1.0]]])  # two filters of two weights a row
    # filter 0 at place 0: 1·1 + 0·2 + 0·0 + 2·1 = 3; filter 1 at place 0: 0·1 + 1·2 + 1·0 + 1·1 = 3
    assert conv1d(y, w).tolist() == [[3, 2], [3, 4]]
    assert conv1d(y, w, bias=torch.tensor([10.0, -5.0]), f=torch.relu).tolist() == [[13, 12], [0, 0]]
    assert conv1d(y, w, stride=2, padding=1).tolist() == [[0, 2], [1, 4]]


@pytest.mark.equation("eq-conv1d")
@settings(max_examples=200)
@given(n=st.integers(1, 9), q=st.integers(0, 3), seed=st.integers(0, 10_000))
def test_one_filter_is_torchs_with_gradients(n, q, seed):
    y, w, delta = random(n, seed=seed), random(2 * q + 1, seed=seed + 1), random(n, seed=seed + 2)
    ours, theirs = [(y.clone().requires_grad_(), w.clone().requires_grad_()) for _ in range(2)]
    out = conv1d_centred(*ours, f=torch.tanh)
    expected = torch.tanh(nn.functional.conv1d(theirs[0][None, None], theirs[1][None, None], padding=q)[0, 0])
    torch.testing.assert_close(out, expected)
    out.backward(delta)
    expected.backward(delta)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.equation("eq-conv1d-multi", "eq-shared-gradient")
@settings(max_examples=200)
@given(
    n=st.integers(1, 7),
    groups=st.integers(1, 2),
    channels=st.integers(1, 2),
    filters=st.integers(1, 2),
    kernel_size=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    with_bias=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_several_filters_are_torchs_with_gradients(
    n, groups, channels, filters, kernel_size, stride, padding, dilation, with_bias, seed
):
    assume((kernel_size - 1) * dilation + 1 <= n + 2 * padding)
    y = random(groups * channels, n, seed=seed)
    w = random(groups * filters, channels, kernel_size, seed=seed + 1)
    bias = random(groups * filters, seed=seed + 2) if with_bias else None
    sizes = {"stride": stride, "padding": padding, "dilation": dilation}
    assert_as_torch(conv1d, nn.functional.conv1d, conv1d_backward, y, w, bias, **sizes, groups=groups)
    n_out = output_size(n, kernel_size, **sizes, floor=True)
    assert conv1d(y, w, **sizes, groups=groups).shape == (groups * filters, n_out)


@pytest.mark.equation("eq-conv2d-valid")
def test_an_image_by_hand():
    edge = torch.tensor([[[[-1.0, 0.0, 1.0]] * 3]]).reshape(1, 1, 3, 3)
    image = torch.tensor([[[0.0, 0.0, 1.0, 1.0]] * 3])
    assert conv2d(image, edge).tolist() == [[[3, 3]]]
    assert conv2d(image, edge, bias=torch.tensor([-2.5]), stride=2, padding=1).tolist() == [
        [[-2.5, -0.5], [-2.5, -0.5]]
    ]


@pytest.mark.equation("eq-conv2d-valid", "eq-conv-dx", "eq-conv-dw", "eq-conv-db")
@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    groups=st.integers(1, 2),
    channels=st.integers(1, 2),
    filters=st.integers(1, 2),
    kernel_size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    with_bias=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_images_are_torchs_with_gradients(
    size, groups, channels, filters, kernel_size, stride, padding, dilation, with_bias, seed
):
    for n, F in zip(size, kernel_size, strict=True):
        assume((F - 1) * dilation + 1 <= n + 2 * padding)
    y = random(groups * channels, *size, seed=seed)
    w = random(groups * filters, channels, *kernel_size, seed=seed + 1)
    bias = random(groups * filters, seed=seed + 2) if with_bias else None
    sizes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    assert_as_torch(conv2d, nn.functional.conv2d, conv2d_backward, y, w, bias, **sizes)


@pytest.mark.equation("eq-conv1d-multi", "eq-shared-gradient", "eq-conv2d-valid", "eq-conv-dx", "eq-conv-dw")
@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize(
    ("n", "kernel_size", "sizes"),
    [
        (1, 1, {}),
        (1, 3, {"padding": 1}),
        (4, 4, {}),
        (3, 5, {"padding": 1}),
        (3, 2, {"padding": 1, "dilation": 4}),
        (5, 1, {"stride": 3}),
        (5, 2, {"stride": 4, "padding": 1}),
        (2, 1, {"padding": 3}),
    ],
    ids=[
        "one node, one weight",
        "one node",
        "filter as wide as the row",
        "filter as wide as the padded row",
        "dilated filter as wide as the padded row",
        "stride beyond the filter",
        "stride beyond the filter, padded",
        "windows of nothing but padding",
    ],
)
def test_extreme_sizes(dimensions, n, kernel_size, sizes):
    y = random(4, *[n] * dimensions, seed=1)
    w, bias = random(6, 2, *[kernel_size] * dimensions, seed=2), random(6, seed=3)
    ours, theirs, backward = {
        1: (conv1d, nn.functional.conv1d, conv1d_backward),
        2: (conv2d, nn.functional.conv2d, conv2d_backward),
    }[dimensions]
    assert_as_torch(ours, theirs, backward, y, w, bias, **sizes, groups=2)


@pytest.mark.equation("eq-conv2d")
def test_centred_offsets_by_hand():
    image = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    w = torch.arange(9.0).reshape(1, 1, 3, 3)  # W(a, b) = 3 (a + 1) + b + 1
    # at (0, 0): 1·W(0, 0) + 2·W(0, 1) + 3·W(1, 0) + 4·W(1, 1) = 4 + 10 + 21 + 32; the rest lies outside
    assert conv2d_centred(image, w).tolist() == [[[67, 57], [37, 27]]]
    assert conv2d_centred(image, -w, f=relu).tolist() == [[[0, 0], [0, 0]]]


@pytest.mark.equation("eq-conv2d")
@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.integers(1, 2),
    filters=st.integers(1, 2),
    q=st.integers(0, 2),
    seed=st.integers(0, 10_000),
)
def test_centred_offsets_are_torchs_with_gradients(size, channels, filters, q, seed):
    F = 2 * q + 1
    y, w = random(channels, *size, seed=seed), random(filters, channels, F, F, seed=seed + 1)
    ours, theirs = [(y.clone().requires_grad_(), w.clone().requires_grad_()) for _ in range(2)]
    out = conv2d_centred(*ours, f=relu)
    expected = nn.functional.conv2d(theirs[0][None], theirs[1], padding=q)[0].relu()
    torch.testing.assert_close(out, expected)
    delta = random(*out.shape, seed=seed + 2)
    out.backward(delta)
    expected.backward(delta)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.equation("eq-conv1x1")
def test_one_node_by_hand():
    y = torch.tensor([[[1.0, 2.0, 3.0]], [[0.0, -1.0, 4.0]]])  # two channels of one row
    w = torch.tensor([[2.0, 1.0], [0.0, 1.0], [1.0, -1.0]])  # three filters
    assert conv1x1(y, w).tolist() == [[[2, 3, 10]], [[0, -1, 4]], [[1, 3, -1]]]


@pytest.mark.equation("eq-conv1x1")
@settings(max_examples=100)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)
def test_one_node_is_torchs_with_gradients_and_a_network_over_the_channels(size, channels, filters, seed):
    y, w = random(channels, *size, seed=seed), random(filters, channels, seed=seed + 1)
    ours, theirs = [(y.clone().requires_grad_(), w.clone().requires_grad_()) for _ in range(2)]
    out = conv1x1(*ours)
    expected = nn.functional.conv2d(theirs[0][None], theirs[1][:, :, None, None])[0]
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(out, nn.functional.linear(y.movedim(0, -1), w).movedim(-1, 0))
    delta = random(*out.shape, seed=seed + 2)
    out.backward(delta)
    expected.backward(delta)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.equation("eq-conv2d-relu")
def test_rectified_by_hand_and_as_torch():
    y = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0, torch.inf, -torch.inf, torch.nan], requires_grad=True)
    out = relu(y)
    torch.testing.assert_close(out[:5], torch.tensor([0, 0, 0, 0.5, 2]))
    torch.testing.assert_close(out, torch.relu(y), equal_nan=True)
    (gradient,) = torch.autograd.grad(out.sum(), y)
    assert gradient[:5].tolist() == [0, 0, 0, 1, 1]
    for dtype in (torch.bfloat16, torch.float64):
        assert relu(torch.ones(2, 3, dtype=dtype)).dtype == dtype


@pytest.mark.equation("eq-conv2d-relu")
@settings(max_examples=200)
@given(size=st.lists(st.integers(1, 4), max_size=3), seed=st.integers(0, 10_000))
def test_rectified_is_torchs_with_gradients(size, seed):
    y = random(*size, seed=seed).mul(2).round()  # with zeros
    ours, theirs = [y.clone().requires_grad_() for _ in range(2)]
    out, expected = relu(ours), torch.relu(theirs)
    torch.testing.assert_close(out, expected)
    delta = random(*size, seed=seed + 1)
    out.backward(delta)
    expected.backward(delta)
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.equation("eq-vectorise")
def test_vectorised_by_hand():
    volume = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]], [[9.0, 0.0], [0.0, 0.0]]])
    vector = vectorise(volume)
    assert vector.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0]
    assert vector[(1 * 2 + 1) * 2 + 0] == volume[1, 1, 0] == 7


@pytest.mark.equation("eq-vectorise")
@settings(max_examples=200)
@given(size=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)), seed=st.integers(0, 10_000))
def test_vectorised_is_torchs_with_gradients(size, seed):
    y = random(*size, seed=seed).requires_grad_()
    torch.testing.assert_close(vectorise(y), y.flatten())
    delta = random(y.numel(), seed=seed + 1)
    (gradient,) = torch.autograd.grad(vectorise(y), y, delta)
    torch.testing.assert_close(gradient, delta.reshape(size))


@pytest.mark.equation("eq-shared-gradient")
def test_the_update_of_a_shared_weight_by_hand():
    y, w = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[[5.0, -1.0]]])
    delta = torch.tensor([[1.0, 0.0, 2.0]])
    dy, dw, db = conv1d_backward(delta, y, w)
    assert dw.tolist() == [[[1 * 1 + 0 * 2 + 2 * 3, 1 * 2 + 0 * 3 + 2 * 4]]]
    assert dy.tolist() == [[1 * 5, 1 * -1 + 0 * 5, 0 * -1 + 2 * 5, 2 * -1]]
    assert db.tolist() == [3]
    # With padding the outermost windows lose a product to it; with stride 2 no window begins at node 1 or 3.
    dy, dw, _ = conv1d_backward(delta, y, w, stride=2, padding=1)
    assert dw.tolist() == [[[0 * 2 + 2 * 4, 1 * 1 + 0 * 3]]]
    assert dy.tolist() == [[1 * -1, 0 * 5, 0 * -1, 2 * 5]]


@pytest.mark.equation("eq-shared-gradient")
def test_the_update_of_a_shared_weight_is_the_sum_of_all_updates():
    y, w, delta = random(1, 9), random(1, 1, 3, seed=1), random(1, 7, seed=2)
    unshared = w[0].expand(7, 3).clone().requires_grad_()  # a filter of its own for each place
    (unshared * y[0].unfold(0, 3, 1)).sum(dim=1).backward(delta[0])
    _, dw, _ = conv1d_backward(delta, y, w)
    torch.testing.assert_close(dw[0, 0], unshared.grad.sum(dim=0))


@pytest.mark.equation("eq-conv-dx", "eq-conv-dw", "eq-conv-db")
def test_an_images_gradients_by_hand():
    y = torch.tensor([[[1.0, 2.0, 0.0], [3.0, 4.0, 8.0]]])
    w, delta = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[1.0, -1.0]]])
    dy, dw, db = conv2d_backward(delta, y, w)
    assert dw.tolist() == [[[[1 - 2, 2 - 0], [3 - 4, 4 - 8]]]]
    assert dy.tolist() == [[[1, 2 - 1, -2], [3, 4 - 3, -4]]]
    assert db.tolist() == [0]


@pytest.mark.equation("eq-conv-dx", "eq-conv-dw")
def test_both_gradients_are_convolutions():
    y, w, delta = random(2, 5, 6), random(3, 2, 2, 3, seed=1), random(3, 4, 4, seed=2)
    dy, dw, _ = conv2d_backward(delta, y, w)
    # of the input: the flipped filter slides over delta, padded by F - 1 (here 1 row and 2 columns)
    flipped = w.flip(2, 3).transpose(0, 1)
    torch.testing.assert_close(dy, conv2d(nn.functional.pad(delta, (2, 2, 1, 1)), flipped))
    # of the weights: delta slides over the input
    for r in range(3):
        for c in range(2):
            torch.testing.assert_close(dw[r, c], conv2d(y[[c]], delta[r][None, None])[0])


def test_the_padding_gets_nothing_and_tensors_stay_as_they_are():
    y, w, delta = random(2, 3, 3), random(2, 1, 2, 2, seed=1), random(2, 4, 4, seed=2)
    copies = [t.clone() for t in (y, w, delta)]
    dy, dw, db = conv2d_backward(delta, y, w, padding=1, groups=2)
    assert [dy.shape, dw.shape, db.shape] == [y.shape, w.shape, (2,)]
    for t, copy in zip((y, w, delta), copies, strict=True):
        assert torch.equal(t, copy)


def test_a_transposed_convolution_by_hand():
    y, w = torch.tensor([[[1.0, 2.0], [0.0, 3.0]]]), torch.tensor([[[[1.0, -1.0], [2.0, 0.0]]]])
    # the window of the 1 begins at (0, 0), that of the 2 at (0, 1), that of the 3 at (1, 1); overlaps add up
    assert conv_transpose2d(y, w).tolist() == [[[1, -1 + 2, -2], [2, 4 + 3, -3], [0, 6, 0]]]
    apart = [[1, -1, 2, -2], [2, 0, 4, 0], [0, 0, 3, -3], [0, 0, 6, 0]]
    assert conv_transpose2d(y, w, stride=2).tolist() == [apart]
    assert conv_transpose2d(y, w, stride=2, padding=1).tolist() == [[[0, 4], [0, 3]]]
    # a row and a column more: what the padding has cut off there, and beyond that only the bias
    bias = torch.tensor([-0.5])
    assert conv_transpose2d(y, w, bias, stride=2, padding=1, output_padding=1, f=relu).tolist() == [
        [[0, 3.5, 0], [0, 2.5, 0], [0, 5.5, 0]]
    ]
    assert conv_transpose2d(y[:, :, :1], w, bias, dilation=2, output_padding=1).tolist() == [
        [[0.5, -0.5, -1.5, -0.5], [-0.5] * 4, [1.5, -0.5, -0.5, -0.5], [-0.5] * 4, [-0.5] * 4]
    ]


def test_a_transposed_convolutions_gradients_by_hand():
    y, w = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[[5.0, -1.0]]]])
    delta = torch.tensor([[[10.0, 1.0, 3.0]]])
    dy, dw, db = conv_transpose2d_backward(delta, y, w)
    assert dy.tolist() == [[[5 * 10 - 1, 5 * 1 - 3]]]
    assert dw.tolist() == [[[[1 * 10 + 2 * 1, 1 * 1 + 2 * 3]]]]
    assert db.tolist() == [14]


@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 2),
    channels=st.integers(1, 2),
    filters=st.integers(1, 2),
    kernel_size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    output_padding=st.integers(0, 2),
    dilation=st.integers(1, 3),
    with_bias=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_transposed_convolutions_are_torchs_with_gradients(
    size, groups, channels, filters, kernel_size, stride, padding, output_padding, dilation, with_bias, seed
):
    assume(output_padding < max(stride, dilation))
    for n, F in zip(size, kernel_size, strict=True):
        assume((n - 1) * stride + (F - 1) * dilation + 1 + output_padding > 2 * padding)
    y = random(groups * channels, *size, seed=seed)
    w = random(groups * channels, filters, *kernel_size, seed=seed + 1)
    bias = random(groups * filters, seed=seed + 2) if with_bias else None
    sizes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    sizes["output_padding"] = output_padding
    theirs = nn.functional.conv_transpose2d
    assert_as_torch(conv_transpose2d, theirs, conv_transpose2d_backward, y, w, bias, **sizes)


@pytest.mark.parametrize(
    ("sizes", "output_padding"),
    [({}, 0), ({"stride": 2, "padding": 1}, 1), ({"stride": 3, "groups": 2}, 0), ({"dilation": 2}, 0)],
    ids=str,
)
def test_a_transposed_convolution_is_what_a_convolution_sends_back(sizes, output_padding):
    y, w = random(2, 6, 6), random(4, 2 // sizes.get("groups", 1), 3, 3, seed=1)
    delta = random(*conv2d(y, w, **sizes).shape, seed=2)
    back = conv_transpose2d(delta, w, output_padding=output_padding, **sizes)
    torch.testing.assert_close(back, conv2d_backward(delta, y, w, **sizes)[0])
    # and what it sends back itself is the convolution
    there, _, _ = conv_transpose2d_backward(y, delta, w, output_padding=output_padding, **sizes)
    torch.testing.assert_close(there, conv2d(y, w, **sizes))


def test_a_transposed_convolution_leaves_its_tensors_as_they_are():
    y, w, delta, bias = random(2, 3, 3), random(2, 1, 2, 2, seed=1), random(2, 3, 3, seed=2), random(2)
    copies = [t.clone() for t in (y, w, delta, bias)]
    conv_transpose2d(y, w, bias, groups=2)
    conv_transpose2d_backward(delta, y, w, stride=2, padding=2, output_padding=1, groups=2)
    for t, copy in zip((y, w, delta, bias), copies, strict=True):
        assert torch.equal(t, copy)


def test_centred_offsets_are_a_case_of_padding():
    y, w = random(2, 4, 5), random(3, 2, 3, 3, seed=1)
    torch.testing.assert_close(conv2d_centred(y, w), conv2d(y, w, padding=1))


def test_one_filter_is_a_case_of_several():
    y, w = random(9), random(5, seed=1)
    torch.testing.assert_close(conv1d(y[None], w[None, None], padding=2)[0], conv1d_centred(y, w))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loops_run_on_the_gpu():
    y, w = random(2, 7).cuda(), random(3, 2, 3).cuda()
    out = conv1d(y, w, stride=2, padding=1)
    assert out.device.type == "cuda"
    torch.testing.assert_close(out.cpu(), conv1d(y.cpu(), w.cpu(), stride=2, padding=1))
    delta = random(*out.shape, seed=2).cuda()
    gradients = conv1d_backward(delta, y, w, stride=2, padding=1)
    expected = conv1d_backward(delta.cpu(), y.cpu(), w.cpu(), stride=2, padding=1)
    for a, b in zip(gradients, expected, strict=True):
        assert a.device.type == "cuda"
        torch.testing.assert_close(a.cpu(), b)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: conv1d_centred(torch.zeros(5), torch.zeros(4)), ValueError, "w must have an odd number of weights.*got 4"),
        (lambda: conv1d_centred(torch.zeros(1, 5), torch.zeros(3)), ValueError, r"y must have the one dimension.*\(1, 5\)"),
        (lambda: conv1d_centred(torch.zeros(5), torch.zeros(1, 3)), ValueError, r"w must have the one dimension.*\(1, 3\)"),
        (lambda: conv1d(torch.zeros(5), torch.zeros(1, 1, 3)), ValueError, r"y must have shape \(in_channels, n\), got \(5,\)"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(3)), ValueError, r"w must have shape.*got \(3,\)"),
        (
            lambda: conv1d(torch.zeros(2, 5), torch.zeros(4, 3, 3)),
            ValueError,
            r"w of shape \(4, 3, 3\) takes in_channels=3, but y of shape \(2, 5\) has 2",
        ),
        (
            lambda: conv1d(torch.zeros(2, 5), torch.zeros(4, 2, 3), bias=torch.zeros(2)),
            ValueError,
            r"bias must have shape \(out_channels,\) = \(4,\).*got \(2,\)",
        ),
        (lambda: conv2d(torch.zeros(5, 5), torch.zeros(1, 1, 3, 3)), ValueError, r"y must have shape \(in_channels, height, width\), got \(5, 5\)"),
        (lambda: conv2d(torch.zeros(1, 5, 5), torch.zeros(1, 3, 2)), ValueError, r"w must have shape \(out_channels, in_channels / groups, Fa, Fb\), got \(1, 3, 2\)"),
        (
            lambda: conv2d(torch.zeros(4, 5, 5), torch.zeros(2, 4, 3, 3), groups=2),
            ValueError,
            r"w of shape \(2, 4, 3, 3\) with groups=2 takes in_channels=8, but y of shape \(4, 5, 5\) has 4",
        ),
        (lambda: conv2d(torch.zeros(3, 5, 5), torch.zeros(2, 1, 3, 3), groups=2), ValueError, r"groups=2 must divide in_channels=3; y has shape \(3, 5, 5\), w \(2, 1, 3, 3\)"),
        (lambda: conv1d(torch.zeros(4, 5), torch.zeros(3, 2, 3), groups=2), ValueError, "groups=2 must divide out_channels=3"),
        (lambda: conv1d(torch.zeros(4, 5), torch.zeros(4, 2, 3), groups=0), ValueError, "groups must be at least 1, got 0"),
        (lambda: conv1d(torch.zeros(4, 5), torch.zeros(4, 2, 3), groups=2.0), TypeError, "groups must be an integer, got 2.0"),
        (lambda: conv2d(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3), dilation=0), ValueError, "dilation must be at least 1, got 0"),
        (lambda: conv2d(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3), dilation=3), ValueError, "kernel_size=3 with dilation=3 spans 7 nodes, which is wider than the padded input"),
        (lambda: conv2d_centred(torch.zeros(5, 5), torch.zeros(1, 1, 3, 3)), ValueError, r"y must have shape \(in_channels, height, width\), got \(5, 5\)"),
        (lambda: conv2d_centred(torch.zeros(1, 5, 5), torch.zeros(1, 1, 4, 4)), ValueError, r"odd F = 2q \+ 1 to be centred; got \(1, 1, 4, 4\)"),
        (lambda: conv2d_centred(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 5)), ValueError, r"w must have shape \(out_channels, in_channels, F, F\).*got \(1, 1, 3, 5\)"),
        (lambda: conv2d_centred(torch.zeros(2, 5, 5), torch.zeros(1, 1, 3, 3)), ValueError, r"w of shape \(1, 1, 3, 3\) takes in_channels=1, but y of shape \(2, 5, 5\) has 2"),
        (lambda: conv1x1(torch.zeros(5, 5), torch.zeros(1, 1)), ValueError, r"y must have shape \(in_channels, height, width\), got \(5, 5\)"),
        (lambda: conv1x1(torch.zeros(2, 5, 5), torch.zeros(4, 2, 1, 1)), ValueError, r"w must have shape \(out_channels, in_channels\), got \(4, 2, 1, 1\)"),
        (lambda: conv1x1(torch.zeros(2, 5, 5), torch.zeros(4, 3)), ValueError, r"takes in_channels=3, but y of shape \(2, 5, 5\) has 2"),
        (lambda: conv1d_backward(torch.zeros(4, 5), torch.zeros(2, 5), torch.zeros(4, 2, 3)), ValueError, r"delta must have the shape of the output, \(4, 3\), got \(4, 5\)"),
        (lambda: conv1d_backward(torch.zeros(4, 3), torch.zeros(2, 5), torch.zeros(4, 3, 3)), ValueError, r"w of shape \(4, 3, 3\) takes in_channels=3, but y of shape \(2, 5\) has 2"),
        (lambda: conv2d_backward(torch.zeros(4, 3, 3), torch.zeros(1, 5, 5), torch.zeros(4, 1, 3, 3), padding=1), ValueError, r"delta must have the shape of the output, \(4, 5, 5\), got \(4, 3, 3\)"),
        (lambda: conv2d_backward(torch.zeros(4, 3, 3), torch.zeros(1, 5, 5), torch.zeros(4, 1, 3, 3), padding="same"), TypeError, "padding must be an integer, got 'same'"),
        (lambda: conv_transpose2d(torch.zeros(5, 5), torch.zeros(1, 1, 3, 3)), ValueError, r"y must have shape \(in_channels, height, width\), got \(5, 5\)"),
        (lambda: conv_transpose2d(torch.zeros(1, 5, 5), torch.zeros(1, 3, 3)), ValueError, r"w must have shape \(in_channels, out_channels / groups, Fa, Fb\), got \(1, 3, 3\)"),
        (lambda: conv_transpose2d(torch.zeros(2, 5, 5), torch.zeros(3, 2, 3, 3)), ValueError, r"w of shape \(3, 2, 3, 3\) takes in_channels=3, but y of shape \(2, 5, 5\) has 2"),
        (lambda: conv_transpose2d(torch.zeros(3, 5, 5), torch.zeros(3, 2, 3, 3), groups=2), ValueError, r"groups=2 must divide in_channels=3 of w \(3, 2, 3, 3\)"),
        (lambda: conv_transpose2d(torch.zeros(2, 5, 5), torch.zeros(2, 3, 3, 3), torch.zeros(3), groups=2), ValueError, r"bias must have shape \(out_channels,\) = \(6,\).*got \(3,\)"),
        (lambda: conv_transpose2d(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3), output_padding=1), ValueError, "output_padding must be below stride=1 or dilation=1, got 1"),
        (lambda: conv_transpose2d(torch.zeros(1, 1, 1), torch.zeros(1, 1, 2, 2), padding=1), ValueError, "padding=1 cuts 2 nodes off the 2 that n=1, kernel_size=2, stride=1 give: nothing is left"),
        (lambda: conv_transpose2d(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3), stride=1.5), TypeError, "stride must be an integer, got 1.5"),
        (lambda: conv_transpose2d(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3).double()), TypeError, "w must have y's dtype torch.float32, got torch.float64"),
        (lambda: conv_transpose2d_backward(torch.zeros(1, 6, 7), torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3)), ValueError, r"delta must have the shape of the output, \(1, 7, 7\), got \(1, 6, 7\)"),
        (lambda: vectorise(torch.zeros(5, 5)), ValueError, r"y must have shape \(channels, height, width\), got \(5, 5\)"),
        (lambda: conv2d(torch.zeros(1, 5, 2), torch.zeros(1, 1, 3, 3)), ValueError, "kernel_size=3 is wider than the padded input"),
        (lambda: conv1d(torch.zeros(1, 2), torch.zeros(1, 1, 3)), ValueError, "kernel_size=3 is wider than the padded input"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(1, 1, 3), stride=0), ValueError, "stride must be at least 1, got 0"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(1, 1, 3), padding=-1), ValueError, "padding must be at least 0, got -1"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(1, 1, 3), stride=1.5), TypeError, "stride must be an integer, got 1.5"),
        (lambda: conv1d_centred(torch.zeros(5).long(), torch.zeros(3).long()), TypeError, "y must be a floating-point tensor, got torch.int64"),
        (lambda: conv2d(torch.zeros(1, 5, 5).long(), torch.zeros(1, 1, 3, 3)), TypeError, "y must be a floating-point tensor, got torch.int64"),
        (lambda: conv2d(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3).double()), TypeError, "w must have y's dtype torch.float32, got torch.float64"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(1, 1, 3), torch.zeros(1).double()), TypeError, "bias must have y's dtype torch.float32, got torch.float64"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
