"""Drawings of the book: arrays and sizes in, matplotlib axes out.

Each function draws on the axes it is given, or on a new figure, and returns the axes. Colours are those of
Okabe and Ito, which the colour-blind can tell apart; signed values go from blue over white to orange, with
zero in the middle.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.textpath import TextPath
from numpy.typing import ArrayLike

from cnnkit.reference.pool import avg_pool1d, max_pool1d
from cnnkit.shapes import Window, check_integer, dropped_nodes, output_size, receptive_fields

BLUE, ORANGE, GREEN, PINK, SKY, VERMILION = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"
INK, GREY, PALE = "#222222", "#8a8a8a", "#e9e9e9"
COLOURS = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY)
DIVERGING = LinearSegmentedColormap.from_list("blue-white-orange", [BLUE, "#ffffff", "#c25400"])

Connectivity = Literal["full", "local", "shared"]


# ---------------------------------------------------------------------- style
def use_style() -> None:
    """Set the book's figure style; in a notebook, also choose the format by what a figure holds.

    Drawings become SVG, the same bytes at every run, so that nbval compares them. A figure that holds an
    image (``imshow``) becomes PNG.
    """
    shell = _shell()
    if shell is not None:
        shell.run_line_magic("matplotlib", "inline")  # now, as it would undo the choice of formats later
        formatters = shell.display_formatter.formatters
        formatters["image/svg+xml"].for_type(Figure, _svg)
        formatters["image/png"].for_type(Figure, _png)
    mpl.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.grid": False,
            "figure.figsize": (6.8, 3.2),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "font.family": "DejaVu Sans",
            "font.size": 10.5,
            "image.cmap": "gray",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "mathtext.fontset": "dejavusans",
            "savefig.facecolor": "white",
            "svg.hashsalt": "cnnkit",
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )


def _shell() -> Any:
    """The running IPython, or None outside a notebook."""
    from IPython.core.getipython import get_ipython

    return get_ipython()


def _svg(figure: Figure) -> str | None:
    return (
        None
        if _holds_image(figure)
        else _saved(figure, "svg", metadata={"Date": None, "Creator": None}).decode()
    )


def _png(figure: Figure) -> bytes | None:
    return _saved(figure, "png", metadata={"Software": None}) if _holds_image(figure) else None


def _holds_image(figure: Figure) -> bool:
    return any(axes.images for axes in figure.axes)


def _saved(figure: Figure, format: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=format, metadata=metadata, bbox_inches="tight", pad_inches=0.08)
    return buffer.getvalue()


# ---------------------------------------------------------------------- connections
def connections(
    connectivity: Connectivity,
    n: int = 7,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 0,
    *,
    highlight: int | None = None,
    first: int = 1,
    centred: bool = True,
    names: tuple[str, str] = ("x", "y"),
    ax: Axes | None = None,
) -> Axes:
    """Two layers of nodes and every weight between them, input below, output above.

    Args:
        connectivity: ``"full"`` (every pair), ``"local"`` (a window each) or ``"shared"`` (a window each, and
            equal weights have equal colours).
        n: nodes of the lower layer.
        kernel_size: F; a full layer ignores it but for the number of nodes above.
        stride: S, at least 1.
        padding: P; padding nodes are dashed and hold a 0 (a full layer has none).
        highlight: the upper node, counted from 0, whose connections stand out.
        first: the number of the first lower node.
        centred: number an upper node after the middle of its window (an odd filter, stride 1); otherwise
            the upper nodes count on from ``first``.
        names: letters of the lower and the upper layer's nodes.
        ax: where to draw.

    Returns:
        The axes, whose data unit is the distance of two nodes.

    Raises:
        ValueError: an unknown connectivity, or sizes that `cnnkit.shapes.output_size` refuses.
    """
    if connectivity not in ("full", "local", "shared"):
        raise ValueError(f"connectivity must be 'full', 'local' or 'shared', got {connectivity!r}")
    n_out = output_size(n, kernel_size, stride, padding, floor=True)
    ax = _new_axes(ax, figsize=(0.62 * (n + 2 * padding) + 0.6, 2.2))
    below, above, radius = 0.0, 2.1, 0.3
    centre = [i * stride - padding + (kernel_size - 1) / 2 for i in range(n_out)]
    for i in range(n_out):
        window = (
            range(n)
            if connectivity == "full"
            else range(i * stride - padding, i * stride - padding + kernel_size)
        )
        for k, source in enumerate(window):
            faded = highlight is not None and i != highlight
            ax.plot(
                [source, centre[i]],
                [below, above],
                color=PALE if faded else COLOURS[k % len(COLOURS)] if connectivity == "shared" else INK,
                linewidth=1.2 if connectivity == "full" and highlight is None else 1.9,
                alpha=0.55 if connectivity == "full" and highlight is None else 1,
                zorder=1 if faded else 2,
            )
    for j in range(n) if connectivity == "full" else range(-padding, n + padding):
        inside = 0 <= j < n
        _node(
            ax,
            float(j),
            below,
            radius,
            f"${names[0]}_{{{j + first}}}$" if inside else "0",
            padding=not inside,
        )
    for i in range(n_out):
        number = first + i + ((kernel_size - 1) // 2 - padding if centred else 0)
        _node(ax, centre[i], above, radius, f"${names[1]}_{{{number}}}$", colour=SKY)
    ax.set_xlim(-padding - 0.6, n + padding - 0.4)
    ax.set_ylim(below - 0.5, above + 0.5)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def offset_legend(ax: Axes, kernel_size: int, *, centred: bool = True) -> None:
    """Say which colour of `connections` is which weight: from -q to q if centred, else from 0."""
    q = (kernel_size - 1) // 2 if centred else 0
    for k in range(kernel_size):
        offset = f"{k - q:+d}" if centred and k != q else f"{k - q}"
        ax.plot([], [], color=COLOURS[k % len(COLOURS)], label=f"$w_{{{offset}}}$")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=kernel_size, handlelength=1.4)


def _node(
    ax: Axes, x: float, y: float, radius: float, text: str, *, colour: str = "white", padding: bool = False
) -> None:
    ax.add_patch(
        Circle(
            (x, y),
            radius,
            facecolor="white" if padding else colour,
            edgecolor=GREY if padding else INK,
            linestyle=(0, (2, 2)) if padding else "-",
            linewidth=1.1,
            zorder=3,
        )
    )
    ax.text(
        x, y, text, ha="center", va="center_baseline", fontsize=9.5, color=GREY if padding else INK, zorder=4
    )


# ---------------------------------------------------------------------- windows
def windows(
    n: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1, *, ax: Axes | None = None
) -> Axes:
    """The padded row, and below it the window of every output node.

    Inputs are grey squares, counted from 0; padding is dashed; what the floor drops is crossed out. A bar is
    the window of the output node whose number stands at its end. The title is the size equation with its
    numbers; where it does not hold, it says what is left over.

    Args:
        n: nodes of the row.
        kernel_size: F, at least 1.
        stride: S, at least 1.
        padding: P, on each side.
        dilation: distance between neighbouring taps.
        ax: where to draw.

    Returns:
        The axes, whose data unit is one node.

    Raises:
        TypeError, ValueError: sizes that `cnnkit.shapes.output_size` refuses with ``floor=True``.
    """
    n_out = output_size(n, kernel_size, stride, padding, dilation, floor=True)
    dropped = dropped_nodes(n, kernel_size, stride, padding, dilation).nodes
    step = 0.62
    ax = _new_axes(ax, figsize=(0.4 * (n + 2 * padding) + 0.4, 0.4 * (1.6 + step * n_out) + 0.3))
    for j in range(-padding, n + padding):
        inside = 0 <= j < n
        ax.add_patch(
            Rectangle(
                (j + 0.06, 0.06),
                0.88,
                0.88,
                facecolor=PALE if inside else "white",
                edgecolor=INK if inside else GREY,
                linestyle="-" if inside else (0, (2, 2)),
                linewidth=1,
            )
        )
        ax.text(
            j + 0.5,
            0.47,
            f"{j}" if inside else "·",
            ha="center",
            va="center",
            fontsize=8.5,
            color=INK if inside else GREY,
        )
    for j in range(n + padding - dropped, n + padding):
        ax.plot([j + 0.12, j + 0.88], [0.12, 0.88], color=VERMILION, linewidth=2)
        ax.plot([j + 0.12, j + 0.88], [0.88, 0.12], color=VERMILION, linewidth=2)
    for i in range(n_out):
        y, colour = -0.35 - step * i, COLOURS[i % 3]
        taps = [i * stride - padding + k * dilation for k in range(kernel_size)]
        ax.plot([taps[0] + 0.12, taps[-1] + 0.88], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
        for j in taps:
            ax.plot([j + 0.12, j + 0.88], [y, y], color=colour, linewidth=5, solid_capstyle="butt")
        ax.text(taps[-1] + 1.05, y, f"{i}", ha="left", va="center_baseline", fontsize=8.5, color=colour)
    span = dilation * (kernel_size - 1) + 1
    left = rf"$({n_out}-1)\cdot{stride}+{span}$"
    right = rf"${n}+2\cdot{padding}$"
    ax.set_title(
        f"{left} = {right}" if not dropped else f"{left} = {right} $-$ {dropped}",
        color=VERMILION if dropped else INK,
    )
    ax.set_xlim(-padding - 0.1, n + padding + 0.55)
    ax.set_ylim(-0.35 - step * (n_out - 1) - 0.4, 1.1)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


# ---------------------------------------------------------------------- layers on layers
def receptive_field(layers: Sequence[Window], n: int, node: int, *, ax: Axes | None = None) -> Axes:
    """A stack of layers, the input at the bottom, and all that one node of the top layer sees.

    Args:
        layers: the stack, the layer next to the input first.
        n: nodes of the input.
        node: which node of the top layer, counted from 0.
        ax: where to draw.

    Returns:
        The axes, whose data unit is the distance of two inputs; seen nodes are coloured, layer by layer.

    Raises:
        ValueError: the top layer has no such node, or sizes that `cnnkit.shapes.output_size` refuses.
    """
    sizes = [n]
    for layer in layers:
        sizes.append(output_size(sizes[-1], **vars(layer), floor=True))
    if not 0 <= node < sizes[-1]:
        raise ValueError(f"node must be from 0 to {sizes[-1] - 1}, the nodes of the top layer, got {node}")
    height, radius = 1.5, 0.32
    ax = _new_axes(ax, figsize=(0.34 * n + 1.2, 0.34 * (height * len(layers) + 1.2)))
    fields = receptive_fields(layers)

    def place(level: int, i: int) -> tuple[float, float]:
        seen = fields[level].inputs(i)
        return (seen[0] + seen[-1]) / 2, level * height

    seen = {node}
    for level in range(len(layers), -1, -1):
        for i in range(sizes[level]):
            x, y = place(level, i)
            _node(ax, x, y, radius, "", colour=COLOURS[level % len(COLOURS)] if i in seen else "white")
        ax.text(-1.1, level * height, f"layer {level}" if level else "input", ha="right", va="center")
        if level == 0:
            break
        layer = layers[level - 1]
        below = set()
        for i in seen:
            for k in range(layer.kernel_size):
                source = i * layer.stride - layer.padding + k * layer.dilation
                if 0 <= source < sizes[level - 1]:
                    below.add(source)
                    (x0, y0), (x1, y1) = place(level, i), place(level - 1, source)
                    ax.plot([x0, x1], [y0, y1], color=COLOURS[level % len(COLOURS)], linewidth=1.4, zorder=1)
        seen = below
    ax.set_xlim(-3.6, n - 0.4)
    ax.set_ylim(-0.6, len(layers) * height + 0.6)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def filters(
    in_channels: int,
    out_channels: int,
    n: int = 6,
    kernel_size: int = 3,
    *,
    groups: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Two layers of several rows, and all weights of one node: local in space, full in filters.

    Args:
        in_channels: rows of the lower layer.
        out_channels: rows of the upper layer.
        n: nodes of each row; the upper layer is zero-padded to as many.
        kernel_size: F, odd.
        groups: parts into which the filters fall; a node sees only the rows of its part.
        ax: where to draw.

    Returns:
        The axes; a row is drawn behind the one before it.
    """
    ax = _new_axes(ax, figsize=(6.8, 3.4))
    shift_x, shift_y, radius, gap = 0.55, 0.75, 0.3, 2.0
    above = gap + shift_y * in_channels
    middle, m, q = n // 2, 0, (kernel_size - 1) // 2

    def place(i: int, channel: int, base: float) -> tuple[float, float]:
        return i + shift_x * channel, base + shift_y * channel

    for base, channels, letter in ((0.0, in_channels, "m'"), (above, out_channels, "m")):
        for channel in reversed(range(channels)):
            for i in range(n):
                chosen = base == 0.0 and channel < in_channels // groups and abs(i - middle) <= q
                chosen = chosen or (base > 0.0 and channel == m and i == middle)
                colour = (COLOURS[channel % len(COLOURS)] if base == 0.0 else SKY) if chosen else "white"
                _node(ax, *place(i, channel, base), radius, "", colour=colour)
            x, y = place(n - 1, channel, base)
            ax.text(x + 0.6, y, f"${letter} = {channel + 1}$", ha="left", va="center")
    x1, y1 = place(middle, m, above)
    for channel in range(in_channels // groups):
        for k in range(-q, q + 1):
            x0, y0 = place(middle + k, channel, 0.0)
            ax.plot([x0, x1], [y0, y1], color=COLOURS[channel % len(COLOURS)], linewidth=1.6, zorder=2)
    ax.autoscale_view()
    ax.margins(0.06)
    ax.set_xlim(-0.6, n + shift_x * max(in_channels, out_channels) + 1.4)
    ax.set_ylim(-0.5, above + shift_y * (out_channels - 1) + 0.5)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def pooling(
    values: ArrayLike,
    kernel_size: int,
    stride: int | None = None,
    *,
    kind: Literal["max", "average"] = "max",
    ax: Axes | None = None,
) -> Axes:
    """A row of numbers, its pooled row above, and which numbers each came from.

    Args:
        values: the row.
        kernel_size: F, at least 1.
        stride: S; by default F.
        kind: ``"max"`` or ``"average"``.
        ax: where to draw.

    Raises:
        ValueError: an unknown kind, or sizes that `cnnkit.shapes.output_size` refuses.
    """
    if kind not in ("max", "average"):
        raise ValueError(f"kind must be 'max' or 'average', got {kind!r}")
    stride = kernel_size if stride is None else stride
    row = torch.as_tensor(np.asarray(values, dtype=float))[None]
    numbers = row[0].tolist()
    pooled = (max_pool1d if kind == "max" else avg_pool1d)(row, kernel_size, stride)[0].tolist()
    ax = _new_axes(ax, figsize=(0.62 * len(numbers) + 0.4, 1.9))
    above = 1.9
    for i, result in enumerate(pooled):
        window = range(i * stride, i * stride + kernel_size)
        centre = i * stride + (kernel_size - 1) / 2
        winner = max(window, key=lambda j: (numbers[j], -j))
        for j in window:
            kept = kind == "average" or j == winner
            ax.plot(
                [j, centre],
                [0.4, above - 0.4],
                color=COLOURS[i % 3] if kept else PALE,
                linewidth=2 if kept else 1.4,
            )
        _box(ax, centre, above, f"{result:.3g}", COLOURS[i % 3])
    for j, value in enumerate(numbers):
        _box(ax, float(j), 0.0, f"{value:g}", INK)
    ax.set_xlim(-0.6, len(numbers) - 0.4)
    ax.set_ylim(-0.5, above + 0.5)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _box(ax: Axes, x: float, y: float, text: str, colour: str) -> None:
    ax.add_patch(
        Rectangle((x - 0.4, y - 0.4), 0.8, 0.8, facecolor="white", edgecolor=colour, linewidth=1.5, zorder=3)
    )
    ax.text(x, y, text, ha="center", va="center_baseline", fontsize=9.5, zorder=4)


# ---------------------------------------------------------------------- networks
def volumes(
    shapes: Sequence[Sequence[int]],
    operations: Sequence[str] | None = None,
    *,
    scale: Literal["root", "linear"] = "root",
    width: float = 6.8,
    ax: Axes | None = None,
) -> Axes:
    r"""The volumes of a network as boxes, with their sizes below and the operations between them.

    The face of a box is a feature map, its depth the number of channels; a vector is an upright bar; the
    first one, the input, is grey. All boxes have the same scales, but directions differ. The sides of a face
    are in proportion to the square roots of the map's height and width, or to these themselves. Depths and
    bars are logarithmic, as log2(1 + number of channels or nodes): twice as many are longer by one piece.

    Args:
        shapes: sizes of each volume, channels first: (C, H, W) for maps, (C, n) for rows, (n,) for vectors.
        operations: what leads from each volume to the next, such as ``"conv\n5×5"``.
        scale: of the faces, ``"root"`` or, where the smallest map is not much smaller than the largest,
            ``"linear"``.
        width: inches for a row of boxes; what does not fit goes on in the next row.
        ax: where to draw; in fewer inches than the function would take, letters may meet.

    Returns:
        The axes, whose data unit is a point (1/72 inch) of the figure that the function makes.

    Raises:
        TypeError: a size is not an integer.
        ValueError: an unknown scale, no shapes, a shape that has not one to three sizes or has one below 1,
            or not one operation for every step.
    """
    if scale not in ("root", "linear"):
        raise ValueError(f"scale must be 'root' or 'linear', got {scale!r}")
    _check_volumes(shapes, operations)
    labels = ["", *(operations or [""] * (len(shapes) - 1))]
    boxes = _boxes(shapes, scale)
    rows, captions = _rows(boxes, labels, shapes, 72 * width)
    lefts = [_lefts(row, boxes, labels, captions) for row in rows]
    half = [max(boxes[i].height for i in row) / 2 for row in rows]
    above = [max(h, 5 + max(_text_height(labels[i]) for i in row)) for h, row in zip(half, rows, strict=True)]
    caption_height = 7 + max(map(_text_height, captions))
    start = -14.0 if len(rows) > 1 else 0.0  # where the arrow from the row before begins
    end = max(line[-1] for line in lefts)
    height = sum(above) + sum(half) + len(rows) * caption_height + (len(rows) - 1) * ROW_GAP
    ax = _new_axes(ax, figsize=((end - start + 8) / 72, (height + 8) / 72))
    top = 0.0
    for row, line, up, down in zip(rows, lefts, above, half, strict=True):
        middle, before, arrow = top - up, start, start
        for i, left in zip(row, line, strict=False):
            box = boxes[i]
            if i:
                _arrow(ax, arrow, left + box.left_at_middle - 2, middle)
                # not the middle of the arrow: the box before may lean over its beginning
                x = (before + left + box.left_at_middle) / 2
                ax.text(x, middle + 4, labels[i], ha="center", va="bottom", fontsize=FONT, linespacing=1.1)
            _draw_box(ax, left, middle - box.height / 2, box)
            x, y = left + box.width / 2, middle - down - 7
            ax.text(x, y, captions[i], ha="center", va="top", fontsize=FONT, linespacing=1.1)
            before, arrow = left + box.width, left + box.right_at_middle + 2
        top = middle - down - caption_height - ROW_GAP
    ax.set_xlim(start - 1, end + 1)
    ax.set_ylim(-height - 1, 1)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _arrow(ax: Axes, x0: float, x1: float, y: float) -> None:
    style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=(x1, y), xytext=(x0, y), arrowprops=style)


# In points: a face's longest side, a doubling and which way it recedes, the letters, the space between rows.
FACE, DOUBLING, RECEDING, FONT, ROW_GAP = 66.0, 4.6, (0.75, 0.6), 8.5, 20.0


@dataclass(frozen=True)
class _Box:
    """A box as it is drawn: its face, and by how much its back is moved to the right and up."""

    face_width: float
    face_height: float
    right: float
    up: float
    colour: str

    @property
    def width(self) -> float:
        return self.face_width + self.right

    @property
    def height(self) -> float:
        return self.face_height + self.up

    @property
    def left_at_middle(self) -> float:
        """Where the box begins at half its height: a deep one leans away."""
        return self.right * max(0.0, self.height / 2 - self.face_height) / self.up

    @property
    def right_at_middle(self) -> float:
        return self.width - self.left_at_middle


def _check_volumes(shapes: Sequence[Sequence[int]], operations: Sequence[str] | None) -> None:
    if not shapes:
        raise ValueError("shapes must hold at least one shape, got none")
    for i, shape in enumerate(shapes):
        if not 1 <= len(shape) <= 3:
            raise ValueError(f"shapes[{i}] must be (C, H, W), (C, n) or (n,), got {tuple(shape)}")
        for axis, size in enumerate(shape):
            check_integer(f"shapes[{i}][{axis}]", size)
    if operations is not None and len(operations) != len(shapes) - 1:
        raise ValueError(
            f"operations must hold one for each of the {len(shapes) - 1} steps between the shapes, "
            f"got {len(operations)}"
        )


def _boxes(shapes: Sequence[Sequence[int]], scale: str) -> list[_Box]:
    def side(n: int) -> float:
        return math.sqrt(n) if scale == "root" else float(n)

    unit = FACE / max((side(n) for shape in shapes for n in shape[1:]), default=1.0)
    boxes = []
    for i, (count, *sides) in enumerate(shapes):
        length = DOUBLING * math.log2(1 + count)
        if sides:
            height, width = (unit * side(n) for n in ([1, *sides] if len(sides) == 1 else sides))
            depth = length
        else:
            height, width, depth = length, 6.0, DOUBLING
        colour = GREY if i == 0 else BLUE if sides else ORANGE
        boxes.append(_Box(width, height, depth * RECEDING[0], depth * RECEDING[1], colour))
    return boxes


def _rows(
    boxes: Sequence[_Box], labels: Sequence[str], shapes: Sequence[Sequence[int]], limit: float
) -> tuple[list[list[int]], list[str]]:
    """Which boxes stand in which row, and their captions: few rows first, then captions of one line."""

    def broken(captions: Sequence[str], limit: float) -> list[list[int]]:
        rows: list[list[int]] = [[]]
        for i in range(len(boxes)):
            if rows[-1] and _lefts([*rows[-1], i], boxes, labels, captions)[-1] > limit:
                rows.append([])
            rows[-1].append(i)
        return rows

    one_line = [" × ".join(map(str, shape)) for shape in shapes]
    two_lines = [caption.replace(" × ", " ×\n", 1) for caption in one_line]
    captions = min((one_line, two_lines), key=lambda captions: len(broken(captions, limit)))
    rows = broken(captions, limit)
    while limit > 0 and len(narrower := broken(captions, limit - 4)) == len(rows):
        rows, limit = narrower, limit - 4  # rows of about one length
    return rows, captions


def _lefts(
    row: Sequence[int], boxes: Sequence[_Box], labels: Sequence[str], captions: Sequence[str]
) -> list[float]:
    """The left ends of the boxes of a row, and last the right end of the row."""
    lefts: list[float] = []
    box_end = caption_end = 0.0
    for i in row:
        gap = max(20.0, _text_width(labels[i]) + 10) if i else 0.0
        half = _text_width(captions[i]) / 2
        middle = max(box_end + gap + boxes[i].width / 2, caption_end + half + (11 if lefts else 0))
        lefts.append(middle - boxes[i].width / 2)
        box_end, caption_end = middle + boxes[i].width / 2, middle + half
    return [*lefts, max(box_end, caption_end)]


@cache
def _text_width(text: str) -> float:
    return max(
        (TextPath((0, 0), line, size=FONT).get_extents().width for line in text.split("\n") if line),
        default=0.0,
    )


def _text_height(text: str) -> float:
    return 1.2 * FONT * len(text.split("\n"))


def _draw_box(ax: Axes, x: float, y: float, box: _Box) -> None:
    w, h, dx, dy = box.face_width, box.face_height, box.right, box.up
    front = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    top = [(x, y + h), (x + w, y + h), (x + w + dx, y + h + dy), (x + dx, y + h + dy)]
    side = [(x + w, y), (x + w + dx, y + dy), (x + w + dx, y + h + dy), (x + w, y + h)]
    for corners, strength in ((front, 0.3), (top, 0.5), (side, 0.7)):
        tint = [1 - strength * (1 - part) for part in to_rgb(box.colour)]
        ax.add_patch(
            Polygon(corners, facecolor=tint, edgecolor=INK, linewidth=0.8, joinstyle="round", zorder=3)
        )


# ---------------------------------------------------------------------- images
def image_grid(
    images: ArrayLike,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 4,
    signed: bool = False,
    limit: float | None = None,
    size: float = 1.6,
) -> Figure:
    """Images side by side on one scale, each with its title.

    Args:
        images: shape (k, H, W) or (k, H, W, 3), or a sequence of k such images of any sizes.
        titles: one an image.
        columns: images in a row.
        signed: colour by sign, zero white in the middle, as feature planes need; otherwise grey (or RGB).
        limit: with ``signed``, the absolute value of the ends of the scale; by default the largest one that
            occurs in any of the images.
        size: width of an image in inches.

    Raises:
        ValueError: no images, or not one title for each.
    """
    arrays = [np.asarray(image, dtype=float) for image in images]  # type: ignore[union-attr]
    if not arrays:
        raise ValueError("images must hold at least one image, got none")
    if titles is not None and len(titles) != len(arrays):
        raise ValueError(
            f"titles must hold one title for each of the {len(arrays)} images, got {len(titles)}"
        )
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    height = size * arrays[0].shape[0] / arrays[0].shape[1] + (0.3 if titles else 0.05)
    figure, axes = plt.subplots(rows, columns, figsize=(size * columns, height * rows), squeeze=False)
    top = max(float(np.abs(a).max()) for a in arrays) or 1.0
    low, high = min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays)
    scale: dict[str, Any] = {"vmin": low, "vmax": high}
    if signed:
        scale = {"cmap": DIVERGING, "vmin": -(limit or top), "vmax": limit or top}
    for ax in axes.flat:
        ax.set_axis_off()
    for k, (ax, array) in enumerate(zip(axes.flat, arrays, strict=False)):
        ax.imshow(array, interpolation="nearest", **scale)
        if titles:
            ax.set_title(titles[k], loc="center", fontsize=9.5)
    return figure


def mask(values: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """A small filter as coloured squares with its numbers in them.

    Args:
        values: shape (rows, columns).
        ax: where to draw.
    """
    array = np.asarray(values, dtype=float)
    ax = matrix(array, ax=_new_axes(ax, figsize=(1.5, 1.5)))
    for (i, j), value in np.ndenumerate(array):
        strong = abs(value) > 0.6 * np.abs(array).max()
        text = f"{value:g}".replace("-", "−")
        ax.text(j + 1, i + 1, text, ha="center", va="center", color="white" if strong else INK)
    ax.set_axis_off()
    return ax


# ---------------------------------------------------------------------- values
def matrix(values: ArrayLike, *, limit: float | None = None, ax: Axes | None = None) -> Axes:
    """A matrix as coloured squares, zero white in the middle, row 1 on top.

    Args:
        values: shape (rows, columns).
        limit: the absolute value of the ends of the colour scale; by default the largest one that occurs.
        ax: where to draw.
    """
    array = np.asarray(values, dtype=float)
    ax = _new_axes(ax, figsize=(3.2, 3.2))
    limit = limit or float(np.abs(array).max()) or 1.0
    rows, columns = array.shape
    ax.pcolormesh(
        np.arange(columns + 1) + 0.5,
        np.arange(rows + 1) + 0.5,
        array,
        cmap=DIVERGING,
        vmin=-limit,
        vmax=limit,
        edgecolors=PALE,
        linewidth=0.6,
    )
    ax.set_aspect("equal")
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(True)
    ax.set_xticks([1, columns])
    ax.set_yticks([1, rows])
    return ax


def stems(values: ArrayLike, *, colour: str = BLUE, ax: Axes | None = None, first: int = 1) -> Axes:
    """A row of numbers, one stem a node.

    Args:
        values: shape (n,).
        colour: of the stems.
        ax: where to draw.
        first: the number of the first node.
    """
    array = np.asarray(values, dtype=float)
    ax = _new_axes(ax, figsize=(6.8, 1.6))
    positions = np.arange(first, first + len(array))
    ax.vlines(positions, 0, array, color=colour, linewidth=2)
    ax.plot(positions, array, "o", color=colour, markersize=4)
    ax.axhline(0, color=INK, linewidth=0.8)
    return ax


def curves(
    x: ArrayLike,
    runs: ArrayLike,
    label: str,
    *,
    colour: str | None = None,
    marker: str = "o",
    ax: Axes | None = None,
) -> Axes:
    """One curve with its spread: the median over the runs, and a band from the smallest to the largest.

    Args:
        x: the points, length k.
        runs: shape (runs, k).
        label: for the legend.
        colour: of curve and band; by default the next of the style.
        marker: of the points.
        ax: where to draw.

    Raises:
        ValueError: ``runs`` does not have one column for every point of ``x``.
    """
    array = np.asarray(runs, dtype=float)
    points = np.asarray(x, dtype=float)
    if array.ndim != 2 or array.shape[1:] != points.shape:
        raise ValueError(
            f"runs must have shape (runs, {len(points)}), a column for each point of x, got {array.shape}"
        )
    ax = _new_axes(ax)
    (line,) = ax.plot(
        points, np.median(array, axis=0), marker=marker, markersize=5, color=colour, label=label
    )
    ax.fill_between(
        points, array.min(axis=0), array.max(axis=0), color=line.get_color(), alpha=0.22, linewidth=0
    )
    return ax


def training_curves(history: Sequence[Mapping[str, int | float]]) -> Figure:
    """Loss and accuracy of a training run, epoch by epoch, side by side.

    Args:
        history: a dictionary an epoch, as `cnnkit.train.fit` makes them: with ``epoch``, ``train_loss``,
            ``test_loss``, ``train_accuracy``, ``test_accuracy``.

    Raises:
        ValueError: there is no epoch yet.
    """
    if not history:
        raise ValueError("history must have at least one epoch, got none")
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    epochs = [record["epoch"] for record in history]
    for ax, what in zip(axes, ("loss", "accuracy"), strict=True):
        for examples, marker in (("train", "o"), ("test", "s")):
            values = [record[f"{examples}_{what}"] for record in history]
            ax.plot(epochs, values, marker=marker, markersize=4, label=examples)
        ax.set(xlabel="epoch", ylabel=what)
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylim(bottom=0)
    axes[0].legend()
    return figure


def _new_axes(ax: Axes | None, figsize: tuple[float, float] | None = None) -> Axes:
    return plt.subplots(figsize=figsize)[1] if ax is None else ax
