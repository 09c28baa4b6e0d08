"""Batches: their order, their normalisation, and what `prepare` makes of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from cnnkit import augment
from cnnkit.batches import Normalization, batches, normalization, prepare, seed_of, shuffled
from cnnkit.data import Examples
from tests import operators

CPU = torch.device("cpu")
HALVES = Normalization((0.5,), (0.25,))


def some_bytes(*shape, seed=0):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def examples(x):
    return Examples(x, torch.zeros(len(x), dtype=torch.int64))


def close(normal, mean, std):
    torch.testing.assert_close(torch.tensor(normal.mean, dtype=torch.float64), mean)
    torch.testing.assert_close(torch.tensor(normal.std, dtype=torch.float64), std)


# ----------------------------------------------------------------------------- order
def test_seeds_are_the_same_for_ever():
    assert seed_of(0, "order", 0) == 4819849257279361181
    assert seed_of(7, "step", 3, 1) == 3491101490558889283


def test_seeds_differ_by_all_that_they_are_made_of():
    what = [
        (),
        (1,),
        ("1",),
        (1, 2),
        (2, 1),
        (12,),
        ("1", 2),
        ("12",),
        ("1, 2",),
        (0, "order", 1),
        (0, "step", 1),
    ]
    seeds = {seed_of(*each) for each in what}
    assert len(seeds) == len(what)
    many = [seed_of(0, "step", step) for step in range(1000)]
    assert len(set(many)) == 1000
    assert all(0 <= seed < 2**63 for seed in many)
    assert max(many) > 2**62  # all 63 bits are used


@given(n=st.integers(0, 300), seed=st.integers(0, 2**63 - 1))
def test_shuffled_is_a_permutation(n, seed):
    assert shuffled(n, seed).sort().values.tolist() == list(range(n))


def test_order_depends_on_the_seed_alone():
    assert shuffled(10, 0).tolist() == [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]
    assert shuffled(10, 2**62 + 3).tolist() == [6, 0, 3, 7, 8, 5, 1, 9, 2, 4]
    torch.manual_seed(1)
    state, first = torch.get_rng_state(), shuffled(1000, 5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(shuffled(1000, 5), first)
    assert not torch.equal(shuffled(1000, 6), first)


# ----------------------------------------------------------------------------- normalisation
@pytest.mark.parametrize("shape", [(50, 1, 7, 6), (9, 3, 4, 5), (1, 2, 3, 3)])
def test_normalization_of_bytes(shape):
    x = some_bytes(*shape)
    values = x.double() / 255
    close(normalization(examples(x)), values.mean(dim=(0, 2, 3)), values.std(dim=(0, 2, 3), unbiased=False))


@pytest.mark.parametrize("shape", [(50, 1, 40), (9, 3, 4, 5), (30, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalization_of_floats(shape, dtype):
    x = (3 * operators.random(*shape) - 1000).to(
        dtype
    )  # a large mean: a difference of squares loses all digits
    others = [axis for axis in range(x.dim()) if axis != 1]
    close(normalization(examples(x)), x.double().mean(dim=others), x.double().std(dim=others, unbiased=False))


def test_normalization_leaves_the_set_as_it_was():
    x = some_bytes(5, 2, 3, 3)
    before = x.clone()
    normalization(examples(x))
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("value", "dtype"), [(77, torch.uint8), (0, torch.uint8), (7.7, torch.float32), (7.7, torch.float64)]
)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_constant_channel_is_not_divided_by_nothing(value, dtype, n):
    constant = torch.full((n, 1, 3), value, dtype=dtype)  # whose mean and deviation need not be exact
    varied = torch.arange(3 * n).view(n, 1, 3).to(dtype)
    normal = normalization(examples(torch.cat([constant, varied], dim=1)))
    assert normal.std[0] == 1
    assert 0 < normal.std[1] != 1
    y = prepare(constant, Normalization(normal.mean[:1], normal.std[:1]), dtype=torch.float64)
    assert y.abs().max() < 1e-6


def test_what_is_normalised_has_mean_0_and_deviation_1():
    x = some_bytes(40, 3, 5, 6)
    y = prepare(x, normalization(examples(x)), dtype=torch.float64)
    torch.testing.assert_close(y.mean(dim=(0, 2, 3)), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(y.std(dim=(0, 2, 3), unbiased=False), torch.ones(3, dtype=torch.float64))


# ----------------------------------------------------------------------------- prepare
def test_prepare_by_hand():
    x = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    y = prepare(x, HALVES, dtype=torch.float64)
    torch.testing.assert_close(y, torch.tensor([[[[-2, -1.2], [-0.4, 2]]]], dtype=torch.float64))
    signals = torch.tensor([[[0.5, 1.0, -3.0]]])  # floats are no bytes: nothing is divided by 255
    torch.testing.assert_close(prepare(signals, HALVES), torch.tensor([[[0.0, 2.0, -14.0]]]))


@pytest.mark.parametrize("shape", [(4, 3, 6, 5), (4, 3, 6), (4, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_channel_has_its_own_numbers(shape, dtype):
    x, mean, std = operators.random(*shape), (0.1, -0.2, 30.0), (0.5, 2.0, 7.0)
    y = prepare(x, Normalization(mean, std), dtype=dtype)
    assert y.dtype == dtype
    for channel in range(3):
        torch.testing.assert_close(y[:, channel], (x[:, channel].to(dtype) - mean[channel]) / std[channel])


@pytest.mark.parametrize(("before", "after"), [((8, 8), 5), ((8, 8), 13), ((6, 9), 7), ((3, 4), 1)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_resized_as_by_torchvision(before, after, dtype):
    x = some_bytes(3, 2, *before).to(dtype)
    normal = Normalization((0.4, 0.5), (0.2, 0.3))
    scaled = x.double() / (255 if dtype == torch.uint8 else 1)
    resized = v2.functional.resize(scaled, [after, after], antialias=True)
    y = prepare(x, normal, dtype=torch.float64, image_size=after)
    torch.testing.assert_close(y, prepare(resized, normal, dtype=torch.float64))
    assert y.shape == (3, 2, after, after)


def test_images_of_the_right_size_are_not_touched():
    x = some_bytes(2, 1, 6, 6)
    assert torch.equal(prepare(x, HALVES, image_size=6), prepare(x, HALVES))


def test_augmented_in_the_order_that_is_documented():
    x = some_bytes(30, 1, 6, 5)
    torch.manual_seed(3)
    y = prepare(x, HALVES, dtype=torch.float64, image_size=8, pad_crop=2, flip=True, cutout=3)
    torch.manual_seed(3)
    z = prepare(x, Normalization((0.0,), (1.0,)), dtype=torch.float64, image_size=8)
    z = (augment.flip(augment.pad_crop(z, 2)) - 0.5) / 0.25
    torch.testing.assert_close(y, augment.cutout(z, 3))


def test_the_border_is_black_and_the_square_has_the_mean_colour():
    white = torch.full((50, 1, 6, 6), 255, dtype=torch.uint8)
    torch.manual_seed(0)
    assert prepare(white, HALVES, pad_crop=2).unique().tolist() == [-2, 2]
    assert prepare(white, HALVES, cutout=2).unique().tolist() == [0, 2]


@pytest.mark.parametrize("changes", [{}, {"pad_crop": 1, "flip": True, "cutout": 2}, {"image_size": 7}])
def test_a_batch_may_be_empty_and_is_not_changed(changes):
    for n in (0, 2):
        x = some_bytes(n, 1, 4, 4)
        before = x.clone()
        size = changes.get("image_size", 4)
        assert prepare(x, HALVES, **changes).shape == (n, 1, size, size)
        assert torch.equal(x, before)


@pytest.mark.parametrize("device", operators.DEVICES)
def test_prepare_stays_on_the_device(device):
    x = some_bytes(4, 1, 6, 6).to(device)
    y = prepare(x, HALVES, image_size=8, pad_crop=1, flip=True, cutout=2)
    assert y.device == x.device
    assert y.dtype == torch.float32


# ----------------------------------------------------------------------------- batches
def test_batches_are_the_examples_of_each_chunk():
    both = Examples(some_bytes(9, 1, 2, 2), torch.arange(9) * 10)
    chunks = [torch.tensor(indices, dtype=torch.int64) for indices in ([8, 0, 3], [], [5], [5, 5])]
    got = list(batches(both, chunks, device=CPU))
    assert len(got) == len(chunks)
    for (x, y), indices in zip(got, chunks, strict=True):
        assert (x.dtype, y.dtype, x.shape) == (torch.uint8, torch.int64, (len(indices), 1, 2, 2))
        assert torch.equal(x, both.x[indices])
        assert torch.equal(y, 10 * indices)
    assert list(batches(both, [], device=CPU)) == []


@pytest.mark.bad_input
def test_grey_images_do_not_pass_for_colour():
    with pytest.raises(ValueError, match="x must have 3 channels, as the training set had; got 1"):
        prepare(torch.zeros(2, 1, 4, 4), Normalization((0.0,) * 3, (1.0,) * 3))


def test_gradients_pass_through_after_inference_mode():
    normal = Normalization((0.123,), (0.456,))
    with torch.inference_mode():
        prepare(torch.zeros(2, 1, 4, 4), normal)
    x = torch.zeros(2, 1, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(prepare(x, normal).sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(x, 1 / 0.456))
