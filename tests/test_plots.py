"""Figures: the same bytes twice, and drawings that show what they say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.testing.globalipapp import start_ipython
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from cnnkit import plots
from cnnkit.shapes import Window, local_parameters, output_size, receptive_fields


@pytest.fixture(autouse=True)
def style():
    plots.use_style()
    yield
    plt.close("all")


def edges(ax):
    return [line for line in ax.lines if len(line.get_xdata()) == 2]


@pytest.mark.parametrize("padding", [0, 1])
def test_connections_draw_one_line_a_weight(padding):
    n, F = 6, 3
    n_out = output_size(n, F, padding=padding)
    assert len(edges(plots.connections("full", n, F, padding=padding))) == n * n_out
    assert len(edges(plots.connections("local", n, F, padding=padding))) == local_parameters(n_out, F)
    shared = edges(plots.connections("shared", n, F, padding=padding))
    assert len(shared) == n_out * F
    assert len({line.get_color() for line in shared}) == F


def test_connections_number_their_nodes():
    def labels(ax):
        return [text.get_text() for text in ax.texts]

    assert labels(plots.connections("local", 4, 3)) == [
        "$x_{1}$",
        "$x_{2}$",
        "$x_{3}$",
        "$x_{4}$",
        "$y_{2}$",
        "$y_{3}$",
    ]
    strided = plots.connections("shared", 5, 3, stride=2, padding=1, first=0, centred=False)
    assert labels(strided) == [
        "0",
        "$x_{0}$",
        "$x_{1}$",
        "$x_{2}$",
        "$x_{3}$",
        "$x_{4}$",
        "0",
        "$y_{0}$",
        "$y_{1}$",
        "$y_{2}$",
    ]
    assert sum(isinstance(patch, Circle) for patch in strided.patches) == 10


def test_windows_show_equation_and_left_over():
    fitting = plots.windows(9, 3, stride=2)
    assert fitting.get_title("left") == r"$(4-1)\cdot2+3$ = $9+2\cdot0$"
    left_over = plots.windows(8, 3, stride=2)
    assert left_over.get_title("left").endswith("$-$ 1")
    crosses = [
        line for line in left_over.lines if line.get_color() == plots.VERMILION and line.get_linewidth() == 2
    ]
    assert [sorted(line.get_xdata()) for line in crosses] == [[7.12, 7.88]] * 2


def test_receptive_field_colours_what_the_node_sees():
    stack = [Window(3), Window(2, stride=2), Window(3)]
    ax = plots.receptive_field(stack, n=14, node=1)
    field = receptive_fields(stack)[-1].inputs(1)
    coloured = sum(p.get_facecolor() == to_rgba(plots.COLOURS[0]) for p in ax.patches if p.center[1] == 0)
    assert coloured == len(field)
    assert len(ax.patches) == 14 + 12 + 6 + 4


def test_filters_draw_every_weight_of_one_node():
    assert len(edges(plots.filters(3, 2, kernel_size=3))) == 3 * 3
    assert len(edges(plots.filters(4, 2, kernel_size=5, n=7, groups=2))) == 2 * 5


LENET = [(1, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]
LENET_STEPS = ["conv\n5×5", "pool\n2×2", "conv\n5×5", "pool\n2×2", "full", "full", "full"]
NETWORKS = {
    "lenet": (LENET, LENET_STEPS),
    "alexnet": (
        [(3, 227, 227), (96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13),
         (256, 13, 13), (256, 6, 6), (4096,), (4096,), (1000,)],
        ["conv\n11×11, S=4", "max pooling\n3×3, S=2"] * 2 + ["conv\n3×3"] * 3 + ["pool"] + ["fully\nconnected"] * 3,
    ),
    "vgg": (
        [(3, 224, 224), (64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28), (512, 14, 14), (512, 7, 7),
         (4096,), (4096,), (1000,)],
        ["2 conv"] * 2 + ["3 conv"] * 3 + ["pool"] + ["full"] * 3,
    ),
    "resnet": (
        [(3, 224, 224), (64, 112, 112), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7), (512,), (1000,)],
        ["conv\n7×7", "pool\n3×3", "stage\n2", "stage\n3", "stage\n4", "global\naverage", "full"],
    ),
    "small maps": ([(64, 9, 9), (256, 2, 2), (512, 2, 2), (512, 1, 1), (1024, 1, 1), (10,)], None),
    "rows": ([(1, 40), (8, 36), (8, 18), (10,)], None),
    "deep": ([(2 ** (i // 2), 64 - i, 48) for i in range(20)], None),
}  # fmt: skip


def corners(ax):
    """The boxes: the corners of the face, the top and the side of each."""
    faces = [patch.get_xy()[:4] for patch in ax.patches if isinstance(patch, Polygon)]
    return [faces[i : i + 3] for i in range(0, len(faces), 3)]


@pytest.mark.parametrize("width", [3.9, 6.8])
@pytest.mark.parametrize("scale", ["root", "linear"])
@pytest.mark.parametrize("name", NETWORKS)
def test_volumes_show_every_size_and_step_and_nothing_overlaps(name, scale, width):
    shapes, steps = NETWORKS[name]
    ax = plots.volumes(shapes, steps, scale=scale, width=width)
    texts = [text for text in ax.texts if text.get_text()]
    captions = [" ".join(t.get_text().split()) for t in texts if t.get_va() == "top"]
    assert captions == [" × ".join(map(str, shape)) for shape in shapes]
    assert [t.get_text() for t in texts if t.get_va() == "bottom"] == (steps or [])
    assert len(corners(ax)) == len(shapes)

    figure = ax.figure
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] <= width + 0.4
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    solids = [
        patch.get_transform().transform_path(patch.get_path())
        for patch in ax.patches
        if isinstance(patch, Polygon)
    ]
    assert not any(solid.intersects_bbox(box) for solid in solids for box in boxes)
    page = figure.get_window_extent()
    for low, high in [(box.min, box.max) for box in boxes] + [
        (s.vertices.min(0), s.vertices.max(0)) for s in solids
    ]:
        assert (low >= page.min).all()
        assert (high <= page.max).all()


@pytest.mark.parametrize(("scale", "ratio"), [("linear", 28 / 5), ("root", (28 / 5) ** 0.5)])
def test_volumes_are_to_scale(scale, ratio):
    solids = corners(plots.volumes(LENET, LENET_STEPS, scale=scale))

    def side(i, axis):
        return np.ptp(solids[i][0][:, axis])

    assert [side(0, axis) / side(4, axis) for axis in (0, 1)] == pytest.approx([ratio, ratio])
    depth = [np.ptp(top[:, 1]) for _, top, _ in solids]
    assert depth[3] / depth[1] == pytest.approx(np.log2(17) / np.log2(7))
    assert side(5, 1) / side(7, 1) == pytest.approx(np.log2(121) / np.log2(11))
    wide = corners(plots.volumes([(1, 10, 40)], scale=scale))[0][0]
    assert np.ptp(wide[:, 0]) / np.ptp(wide[:, 1]) == pytest.approx(4 if scale == "linear" else 2)


def test_volumes_draw_on_given_axes():
    _, ax = plt.subplots()
    assert plots.volumes(LENET, ax=ax) is ax


@pytest.mark.parametrize(("kind", "strong"), [("max", 3), ("average", 6)])
def test_pooling_draws_what_counts(kind, strong):
    ax = plots.pooling([1, 3, 2, 0, 5, 4], 2, kind=kind)
    assert sum(line.get_color() != plots.PALE for line in ax.lines) == strong
    assert [t.get_text() for t in ax.texts][:3] == (["3", "2", "5"] if kind == "max" else ["2", "1", "4.5"])


def test_image_grid_shares_one_scale():
    figure = plots.image_grid(
        [[[0.0, -4.0]], [[1.0, 2.0]], [[0.0, 0.0]]], ["a", "b", "c"], columns=2, signed=True
    )
    assert [ax.images[0].get_clim() for ax in figure.axes[:3]] == [(-4, 4)] * 3
    assert not figure.axes[3].images
    assert [ax.get_title() for ax in figure.axes[:3]] == ["a", "b", "c"]


def test_mask_shows_its_numbers():
    assert [t.get_text() for t in plots.mask([[-1, 0.5], [0, 2]]).texts] == ["−1", "0.5", "0", "2"]


def test_training_curves_show_what_the_history_holds():
    history = [
        {"epoch": 1, "train_loss": 2.0, "test_loss": 1.5, "train_accuracy": 0.3, "test_accuracy": 0.5},
        {"epoch": 2, "train_loss": 1.0, "test_loss": 0.5, "train_accuracy": 0.7, "test_accuracy": 0.9},
    ]
    losses, accuracies = plots.training_curves(history).axes
    assert [list(line.get_ydata()) for line in losses.lines] == [[2.0, 1.0], [1.5, 0.5]]
    assert [list(line.get_ydata()) for line in accuracies.lines] == [[0.3, 0.7], [0.5, 0.9]]
    assert [text.get_text() for text in losses.get_legend().get_texts()] == ["train", "test"]


def test_curves_show_median_and_range():
    ax = plots.curves([1, 2], [[1.0, 10.0], [2.0, 20.0], [9.0, 90.0]], "kind")
    assert list(ax.lines[0].get_ydata()) == [2, 20]
    low, high = ax.collections[0].get_datalim(ax.transData).intervaly
    assert (low, high) == (1, 90)


def test_matrix_has_zero_in_the_middle():
    mesh = plots.matrix([[0.0, -2.0], [1.0, 0.5]]).collections[0]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (-2, 2)
    assert mesh.cmap(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)


def test_a_drawing_is_the_same_svg_twice_and_an_image_is_png():
    def drawing():
        plots.use_style()
        return plots.windows(9, 3, stride=2).figure

    first, second = (plots._svg(drawing()) for _ in range(2))
    assert first == second
    assert plots._svg(plots.volumes(LENET).figure) == plots._svg(plots.volumes(LENET).figure)
    assert first.lstrip().startswith("<?xml")
    assert "dc:date" not in first
    assert plots._png(drawing()) is None

    figure, ax = plt.subplots()
    ax.imshow([[0, 1]])
    assert plots._svg(figure) is None
    assert plots._png(figure).startswith(b"\x89PNG")


def test_a_notebook_shows_drawings_as_svg_and_images_as_png():
    shell = start_ipython()
    plots.use_style()

    formatters = shell.display_formatter.formatters
    assert formatters["image/svg+xml"].lookup_by_type(Figure) is plots._svg
    assert formatters["image/png"].lookup_by_type(Figure) is plots._png


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.connections("dense"), "connectivity must be 'full', 'local' or 'shared', got 'dense'"),
        (
            lambda: plots.connections("local", n=2, kernel_size=3),
            "kernel_size=3 is wider than the padded input",
        ),
        (lambda: plots.windows(9, 3, stride=0), "stride must be at least 1, got 0"),
        (lambda: plots.receptive_field([Window(3)], n=5, node=3), "node must be from 0 to 2.*got 3"),
        (lambda: plots.volumes([(1, 2, 3)], scale="log"), "scale must be 'root' or 'linear', got 'log'"),
        (lambda: plots.volumes([]), "shapes must hold at least one shape, got none"),
        (
            lambda: plots.volumes([(1, 3, 28, 28)]),
            r"shapes\[0\] must be \(C, H, W\), \(C, n\) or \(n,\), got \(1, 3, 28, 28\)",
        ),
        (lambda: plots.volumes([(1, 2), (0, 2)]), r"shapes\[1\]\[0\] must be at least 1, got 0"),
        (
            lambda: plots.volumes([(1, 2), (1, 2)], ["conv", "pool"]),
            "operations must hold one for each of the 1 steps between the shapes, got 2",
        ),
        (lambda: plots.pooling([1, 2], 2, kind="mean"), "kind must be 'max' or 'average', got 'mean'"),
        (lambda: plots.image_grid([]), "images must hold at least one image"),
        (
            lambda: plots.image_grid([[[1]]], ["a", "b"]),
            "titles must hold one title for each of the 1 images, got 2",
        ),
        (lambda: plots.curves([1, 2, 3], [[1, 2]], "x"), r"runs must have shape \(runs, 3\).*got \(1, 2\)"),
        (lambda: plots.curves([1, 2], [1, 2], "x"), r"got \(2,\)"),
        (lambda: plots.training_curves([]), "at least one epoch"),
    ],
)
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
