"""Local response normalisation as loops: by hand, against torch, and what bad input says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.normalization import local_response_norm
from tests.operators import assert_as_torch, needs_gpu, random, seeds


@pytest.mark.equation("eq-lrn")
def test_by_hand():
    a = torch.tensor([1.0, 2, 0, 3, -4]).reshape(5, 1, 1)
    # the sums of three squares are 1 + 4, 1 + 4 + 0, 4 + 0 + 9, 0 + 9 + 16, 9 + 16: two terms at either end
    b = local_response_norm(a, n=3, k=1, alpha=2, beta=1)
    torch.testing.assert_close(b.flatten(), torch.tensor([1 / 11, 2 / 11, 0, 3 / 51, -4 / 51]))
    # the root instead; two channels are one before and the channel itself
    b = local_response_norm(a, n=2, k=0, alpha=1, beta=0.5)
    torch.testing.assert_close(b.flatten(), torch.tensor([1.0, 2 / 5**0.5, 0, 1, -4 / 5]))


@pytest.mark.equation("eq-lrn")
def test_each_place_is_by_itself():
    a = random(4, 2, 3)
    b = local_response_norm(a, n=3, alpha=1)
    for i in range(2):
        for j in range(3):
            alone = local_response_norm(a[:, i : i + 1, j : j + 1], n=3, alpha=1)
            torch.testing.assert_close(b[:, i : i + 1, j : j + 1], alone)


@pytest.mark.equation("eq-lrn")
def test_the_papers_is_torchs_with_alpha_times_n():
    a = 100 * random(7, 2, 3)  # large, or alpha hardly counts
    papers = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)
    assert_as_torch(local_response_norm, lambda a: papers(a[None])[0], [a])
    with_the_same_alpha = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)(a[None])[0]
    assert (local_response_norm(a) / with_the_same_alpha).min() < 0.8


@pytest.mark.equation("eq-lrn")
@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 2), st.integers(1, 3)),
    n=st.integers(1, 9),
    k=st.floats(0.5, 3),
    alpha=st.floats(0, 2),
    beta=st.floats(0, 2),
    seed=seeds,
)
def test_as_torch_with_gradients(size, n, k, alpha, beta, seed):
    def ours(a):
        return local_response_norm(a, n, k, alpha, beta)

    def torchs(a):
        return nn.functional.local_response_norm(a[None], n, alpha * n, beta, k)[0]

    assert_as_torch(ours, torchs, [random(*size, seed=seed)], seed)


@pytest.mark.gpu
@needs_gpu
def test_loops_run_on_the_gpu():
    a = random(4, 2, 3)
    on_gpu = local_response_norm(a.cuda())
    assert on_gpu.device.type == "cuda"
    torch.testing.assert_close(on_gpu.cpu(), local_response_norm(a))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: local_response_norm(torch.zeros(3, 3)), ValueError, r"a must have shape \(channels, height, width\), got \(3, 3\)"),
        (lambda: local_response_norm(torch.zeros(3, 2, 2).long()), TypeError, r"a must be a floating-point tensor, got torch\.int64"),
        (lambda: local_response_norm(torch.zeros(3, 2, 2), n=0), ValueError, "n must be at least 1, got 0"),
        (lambda: local_response_norm(torch.zeros(3, 2, 2), n=2.5), TypeError, "n must be an integer, got 2.5"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
