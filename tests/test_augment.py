"""Augmentation of whole batches, against a plain loop over the images with the same draws."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cnnkit.augment import cutout, flip, pad_crop
from tests import operators

shapes = st.tuples(*(st.integers(low, 6) for low in (0, 1, 1, 1)))
DTYPES = [torch.uint8, torch.float32, torch.float64, torch.bfloat16]
dtypes = st.sampled_from(DTYPES)


def images(shape, dtype, seed=0, device="cpu"):
    """Values that are never zero, so that each zero in a result was put there."""
    draw = torch.randint(1, 200, shape, generator=torch.Generator().manual_seed(seed))
    return draw.to(device, dtype)


def replayed(function, x, argument, seed):
    """The result of a function, after which the random numbers stand where they stood before its draws."""
    torch.manual_seed(seed)
    y = function(x, argument) if argument is not None else function(x)
    torch.manual_seed(seed)
    return y


def pad_crop_by_loops(x, padding):
    N, _, H, W = x.shape
    rows = torch.randint(2 * padding + 1, (N, 1), device=x.device)
    columns = torch.randint(2 * padding + 1, (N, 1), device=x.device)
    y = torch.zeros_like(x)
    for n in range(N):
        for i in range(H):
            for j in range(W):
                row, column = i + int(rows[n]) - padding, j + int(columns[n]) - padding
                if 0 <= row < H and 0 <= column < W:
                    y[n, :, i, j] = x[n, :, row, column]
    return y


def flip_by_loops(x):
    chosen = torch.rand(len(x), device=x.device) < 0.5
    y = x.clone()
    for n in range(len(x)):
        if chosen[n]:
            for j in range(x.shape[3]):
                y[n, :, :, j] = x[n, :, :, x.shape[3] - 1 - j]
    return y


def cutout_by_loops(x, size):
    N, _, H, W = x.shape
    rows, columns = (torch.randint(length, (N, 1), device=x.device) for length in (H, W))
    y = x.clone()
    for n in range(N):
        top, left = int(rows[n]) - size // 2, int(columns[n]) - size // 2
        y[n, :, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
    return y


def assert_as_loops(function, loops, x, argument, seed):
    before = x.clone()
    y = replayed(function, x, argument, seed)
    expected = loops(x, argument) if argument is not None else loops(x)
    assert (y.dtype, y.device, y.shape) == (x.dtype, x.device, x.shape)
    assert torch.equal(y, expected)
    assert torch.equal(x, before)


@given(shape=shapes, dtype=dtypes, padding=st.integers(0, 8), seed=operators.seeds)
def test_pad_crop_is_the_loop(shape, dtype, padding, seed):
    assert_as_loops(pad_crop, pad_crop_by_loops, images(shape, dtype, seed), padding, seed)


@given(shape=shapes, dtype=dtypes, seed=operators.seeds)
def test_flip_is_the_loop(shape, dtype, seed):
    assert_as_loops(flip, flip_by_loops, images(shape, dtype, seed), None, seed)


@given(shape=shapes, dtype=dtypes, size=st.integers(0, 9), seed=operators.seeds)
def test_cutout_is_the_loop(shape, dtype, size, seed):
    assert_as_loops(cutout, cutout_by_loops, images(shape, dtype, seed), size, seed)


@pytest.mark.parametrize("device", operators.DEVICES)
@pytest.mark.parametrize(
    ("function", "loops", "argument"),
    [(pad_crop, pad_crop_by_loops, 2), (flip, flip_by_loops, None), (cutout, cutout_by_loops, 3)],
)
def test_on_every_device_and_layout(function, loops, argument, device):
    x = images((20, 3, 6, 5), torch.float32, device=device)
    for layout in operators.LAYOUTS.values():
        assert_as_loops(function, loops, layout(x), argument, seed=1)


@pytest.mark.parametrize("padding", [1, 2])
def test_every_shift_occurs_equally_often(padding):
    n, side = 5000, 2 * padding + 1
    x = torch.zeros(n, 1, side, side, dtype=torch.uint8)
    x[:, :, padding, padding] = 1  # the only light pixel, in the middle: its place shows the shift
    torch.manual_seed(0)
    places = pad_crop(x, padding).flatten(1)
    assert (places.sum(dim=1) == 1).all()
    least, most = binom.interval(1 - 1e-6, n, 1 / side**2)
    assert all(least <= count <= most for count in places.sum(dim=0).tolist())


def test_half_of_the_images_are_mirrored():
    x = torch.tensor([0, 1], dtype=torch.uint8).expand(5000, 1, 1, 2)
    torch.manual_seed(0)
    mirrored = int(flip(x)[:, 0, 0, 0].sum())
    least, most = binom.interval(1 - 1e-6, 5000, 0.5)
    assert least <= mirrored <= most


def test_every_pixel_is_the_centre_of_a_square_equally_often():
    n, H, W = 6000, 3, 4
    torch.manual_seed(0)
    hidden = (cutout(torch.ones(n, 1, H, W), 1) == 0).flatten(1)
    assert (hidden.sum(dim=1) == 1).all()
    least, most = binom.interval(1 - 1e-6, n, 1 / (H * W))
    assert all(least <= count <= most for count in hidden.sum(dim=0).tolist())


def test_squares_are_cut_off_at_the_border_only():
    torch.manual_seed(0)
    hidden = cutout(torch.ones(2000, 2, 5, 5), 3) == 0
    assert torch.equal(hidden[:, 0], hidden[:, 1])  # all channels of a pixel
    # 2 or 3 of the rows, 2 or 3 of the columns: a centre on the border loses one line of the square
    assert set(hidden[:, 0].sum(dim=(1, 2)).tolist()) == {4, 6, 9}
    corner = hidden[hidden[:, 0].sum(dim=(1, 2)) == 4][:, 0]
    assert (corner[:, 0, 0] | corner[:, 0, 4] | corner[:, 4, 0] | corner[:, 4, 4]).all()


def test_images_of_a_batch_are_drawn_apart():
    x = images((1, 2, 8, 8), torch.uint8).expand(64, 2, 8, 8)
    torch.manual_seed(0)
    for y in (pad_crop(x, 2), flip(x), cutout(x, 4)):
        assert len(y.flatten(1).unique(dim=0)) > 1


def test_nothing_to_do_changes_nothing_and_draws_nothing():
    x = images((3, 1, 4, 4), torch.uint8)
    state = torch.get_rng_state()
    assert torch.equal(pad_crop(x, 0), x)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(cutout(x, 0), x)
    assert (cutout(x, 8) == 0).all()  # wherever its centre, it hides all


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("function", "message"),
    [(pad_crop, "padding must be at least 0, got -1"), (cutout, "size must be at least 0, got -1")],
)
def test_bad_input_names_the_argument(function, message):
    with pytest.raises(ValueError, match=message):
        function(torch.zeros(1, 1, 2, 2), -1)
