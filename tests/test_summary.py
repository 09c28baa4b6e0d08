"""The table of a model: counts against torch's own, receptive fields against measured gradients, no traces left."""

import copy
import re
from html.parser import HTMLParser

import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cnnkit.layers import Conv2d, LocallyConnected1d, from_scratch
from cnnkit.models import create
from cnnkit.models.lenet import LeNet, LeNet5
from cnnkit.shapes import (
    ReceptiveField,
    Window,
    dropped_nodes,
    full_parameters,
    local_parameters,
    multiply_adds,
    receptive_fields,
    shared_parameters,
)
from cnnkit.summary import Row, summary

LENET = """\
LeNet, input 1 × 28 × 28
------------------------------------------------------------------------------------------------
layer         type                      output  parameters  multiply-adds  receptive field  jump
------------------------------------------------------------------------------------------------
features.0    Conv2d 5×5, 6, P=2   6 × 28 × 28         156        117,600            5 × 5     1
features.1    ReLU                 6 × 28 × 28           0              0            5 × 5     1
features.2    MaxPool2d 2×2, S=2   6 × 14 × 14           0              0            6 × 6     2
features.3    Conv2d 5×5, 16      16 × 10 × 10       2,416        240,000          14 × 14     2
features.4    ReLU                16 × 10 × 10           0              0          14 × 14     2
features.5    MaxPool2d 2×2, S=2    16 × 5 × 5           0              0          16 × 16     4
classifier.0  Flatten                      400           0              0                -     -
classifier.1  Linear 400 to 120            120      48,120         48,000              all     -
classifier.2  ReLU                         120           0              0              all     -
classifier.3  Linear 120 to 84              84      10,164         10,080              all     -
classifier.4  ReLU                          84           0              0              all     -
classifier.5  Linear 84 to 10               10         850            840              all     -
------------------------------------------------------------------------------------------------
total                                               61,706        416,520"""


def rows(model, input_size):
    return {row.name: row for row in summary(model, input_size).rows}


# ---------------------------------------------------------------------- the table
def test_prints_lenet_always_the_same():
    assert str(summary(LeNet(), (1, 28, 28))) == LENET
    assert repr(summary(LeNet(), torch.Size([1, 28, 28]))) == LENET
    assert summary(LeNet(), (1, 28, 28)) == summary(LeNet(), [1, 28, 28])


def test_gives_its_numbers_as_data():
    table = summary(LeNet(), (1, 28, 28))
    assert (table.parameters, table.multiply_adds, table.notes) == (61706, 416520, ())
    assert table.rows[3] == Row(
        name="features.3",
        type="Conv2d",
        settings="5×5, 16",
        output=(16, 10, 10),
        parameters=shared_parameters((5, 5), 6, 16, bias=True),
        shared=0,
        multiply_adds=multiply_adds((10, 10), (5, 5), 6, 16),
        receptive_field=(ReceptiveField(size=14, jump=2, start=-2),) * 2,
    )
    linear = table.rows[7]
    assert (linear.parameters, linear.multiply_adds) == (full_parameters(400, 120) + 120, 48000)
    # the windows of the 5 x 5 nodes reach from -2 to 29
    assert linear.receptive_field == (ReceptiveField(size=32, jump=0, start=-2),) * 2
    assert table.rows[6].receptive_field is None


class Table(HTMLParser):
    """What a screen reader gets: the cells of each row with their tag and scope."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open, self.caption = [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append([tag, dict(attributes).get("scope"), ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1][2] += text
        elif self.open and self.open[-1] == "caption":
            self.caption += text


def test_html_holds_the_same_table():
    table = summary(LeNet(), (1, 28, 28))
    html = table._repr_html_()
    parsed = Table(html)
    lines = [line for line in str(table).splitlines() if not line.startswith("---")]
    assert parsed.caption == lines[0]
    for cells, line in zip(parsed.rows, lines[1:], strict=True):
        assert [text for _, _, text in cells if text] == re.split(r"  +", line)
    assert {tuple(cell[:2]) for cell in parsed.rows[0]} == {("th", "col")}
    for cells in parsed.rows[1:]:
        assert [tuple(cell[:2]) for cell in cells] == [("th", "row")] + [("td", None)] * 6
    assert not re.search(r"color|background|#[0-9a-f]{3}", html)
    assert html == summary(LeNet(), (1, 28, 28))._repr_html_()


def test_html_escapes_what_a_model_brings():
    class Odd(nn.ReLU):
        pass

    Odd.__name__ = "<b>&"
    assert "<b>" not in summary(Odd(), (1, 4, 4))._repr_html_()


def test_settings_are_short_and_show_what_is_not_the_default():
    model = nn.Sequential(
        nn.Conv2d(4, 8, (3, 5), stride=(1, 2), padding=(0, 2), dilation=2, groups=4),
        nn.Conv2d(8, 8, 1),
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.AdaptiveAvgPool2d((2, 1)),
        nn.BatchNorm2d(8),
    )
    assert [f"{row.type} {row.settings}" for row in summary(model, (4, 20, 20)).rows] == [
        "Conv2d 3×5, 8, S=1×2, P=0×2, d=2, groups=4",
        "Conv2d 1×1, 8",
        "MaxPool2d 3×3, S=1, P=1",
        "AdaptiveAvgPool2d to 2×1",
        "BatchNorm2d ",
    ]
    assert rows(nn.Conv1d(1, 4, 5, padding="same"), (1, 9))[""].settings == "5, 4, P=same"


# ---------------------------------------------------------------------- what the floor drops
def dropped(model, input_size):
    return {row.name: row.dropped for row in summary(model, input_size).rows if row.dropped}


def on_meta(name, **options):
    with torch.device("meta"):  # sizes, no numbers
        return create(name, 1000, 3, **options)


def test_alexnets_image_of_224_pixels_fits_with_no_padding():
    # 224 + 2 * 2 = 54 * 4 + 11 + 1: one of the four padded columns is not reached
    assert dropped(on_meta("alexnet_notes"), (3, 224, 224)) == {"features.0": "1 of padding"}
    assert dropped_nodes(224, 11, 4, 2) == (1, 0)
    assert dropped(on_meta("alexnet"), (3, 227, 227)) == {}


def test_resnet_drops_padding_five_times_and_a_pixel_in_three_shortcuts():
    model = on_meta("resnet18")
    assert dropped(model, (3, 224, 224)) == {
        **dict.fromkeys(["conv1", "maxpool"], "1 of padding"),
        **dict.fromkeys([f"layer{i}.0.conv1" for i in (2, 3, 4)], "1 of padding"),
        **dict.fromkeys([f"layer{i}.0.downsample.0" for i in (2, 3, 4)], "1 pixel"),
    }
    assert "dropped" not in str(summary(model, (3, 225, 225)))
    table = summary(model, (3, 224, 225))
    assert table.rows[0].dropped == "1 of padding × 0"
    lines = str(table).splitlines()
    assert re.split("  +", lines[2]) == [
        "layer", "type", "output", "dropped", "parameters", "multiply-adds", "receptive field", "jump"
    ]  # fmt: skip
    assert "64 × 112 × 113  1 of padding × 0  " in lines[4]
    cells = [[text for _, _, text in row] for row in Table(table._repr_html_()).rows]
    assert [row[3] for row in cells] == ["dropped", *(row.dropped for row in table.rows), ""]


def test_with_ceil_mode_windows_hang_over():
    assert dropped(on_meta("googlenet"), (3, 224, 224)) == {
        "conv1.conv": "1 of padding",
        **dict.fromkeys([f"maxpool{i}" for i in (1, 2, 3, 4)], "hangs over by 1"),
    }
    assert dropped(nn.AvgPool2d(2, 3, ceil_mode=True), (1, 7, 8)) == {"": "hangs over by 1 × 0"}
    # the third window would begin behind the last pixel, so that there is none
    assert dropped(nn.MaxPool2d(2, 3, padding=1, ceil_mode=True), (1, 5, 5)) == {"": "1 pixel + 1 of padding"}
    assert dropped(nn.MaxPool2d(3, 2, ceil_mode=True), (1, 2, 2)) == {"": "hangs over by 1"}


def test_vgg_drops_a_pixel_wherever_a_size_is_odd():
    # 35 -> 17 -> 8 -> 4 -> 2 -> 1
    expected = {"features.2": "1 pixel", "features.5": "1 pixel"}
    assert dropped(on_meta("vgg11", image_size=35), (3, 35, 35)) == expected
    assert dropped(nn.MaxPool2d(4), (1, 35, 38)) == {"": "3 pixels × 2 pixels"}
    assert dropped(nn.MaxPool1d(4), (1, 35)) == {"": "3 nodes"}


@settings(max_examples=60)
@given(
    n=st.integers(1, 12),
    window=st.builds(Window, st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.integers(1, 2)),
)
def test_what_is_dropped_gets_no_gradient(n, window):
    F, S, P, d = vars(window).values()
    assume(n + 2 * P > (F - 1) * d)
    layer = nn.Conv1d(1, 1, F, S, P, d)
    text = dropped(layer, (1, n)).get("", "")
    nodes, zeros = (re.search(rf"(\d+) {what}", text) for what in ("node", "of padding"))
    x = torch.zeros(1, 1, n + 2 * P, requires_grad=True)  # padded by hand
    functional.conv1d(x, torch.ones(1, 1, F), None, S, 0, d).sum().backward()
    behind = n + 2 * P - 1 - int(x.grad.flatten().nonzero().max())
    assert (int(nodes[1]) if nodes else 0) == max(0, behind - P)
    assert (int(zeros[1]) if zeros else 0) == min(behind, P)
    assert dropped(from_scratch(layer), (1, n)).get("", "") == text


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_layers_that_drop_nothing_are_not_accused():
    class Misnamed(nn.Module):
        kernel_size, stride, padding = 3, 1, (1, 2, 3, 4)

        def forward(self, x):
            return x * 1

    for layer in (
        Misnamed(),
        nn.Conv2d(1, 1, 4, padding="same"),
        nn.Conv2d(1, 1, 3, stride=2, padding="valid"),
        nn.ConvTranspose2d(1, 1, 3, stride=2),
        nn.AdaptiveAvgPool2d(2),
        nn.Upsample(scale_factor=2),
    ):
        assert dropped(layer, (1, 9, 9)) == {}, layer


# ---------------------------------------------------------------------- blocks
@pytest.mark.parametrize(
    ("build", "size"),
    [
        (lambda: on_meta("googlenet"), (3, 224, 224)),
        (lambda: on_meta("resnet18"), (3, 224, 224)),
        (LeNet5, (1, 32, 32)),
        (lambda: from_scratch(LeNet()), (1, 28, 28)),
    ],
)
def test_blocks_sum_up_their_layers(build, size):
    model = build()
    layers = summary(model, size)
    for depth in (1, 2, 3):
        table = summary(model, size, depth=depth)
        assert (table.parameters, table.multiply_adds) == (layers.parameters, layers.multiply_adds)
        # a list has a name, but is not called
        assert all(row.name.replace("filters.", "").count(".") < depth for row in table.rows)
        assert table.notes == layers.notes
        for row in table.rows:
            of_block = [r for r in layers.rows if r.name == row.name or r.name.startswith(f"{row.name}.")]
            assert row.parameters == sum(r.parameters for r in of_block)
            assert row.multiply_adds == sum(r.multiply_adds for r in of_block)
            assert set(row.dropped.split(", ")) - {""} == {r.dropped for r in of_block} - {""}
    assert str(summary(model, size, depth=9)) == str(layers)


def test_a_block_has_the_receptive_field_of_its_output():
    rows = {row.name: row for row in summary(on_meta("googlenet"), (3, 224, 224), depth=1).rows}
    # the 5 x 5 branch reaches farthest: 2 jumps more than what comes in, on each side
    (before, *_), (after, *_) = (rows[name].receptive_field for name in ("maxpool2", "inception3a"))
    assert after == ReceptiveField(before.size + 4 * 8, jump=8, start=before.start - 2 * 8)
    assert rows["inception3a"].output == (256, 28, 28)
    assert (rows["inception3a"].type, rows["inception3a"].settings) == ("Inception", "")
    (block,) = summary(nn.Sequential(nn.Sequential(SideBySide())), (1, 8, 8), depth=1).rows
    assert block.receptive_field is None
    (block,) = summary(
        nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), SideBySide())), (1, 8, 8), depth=1
    ).rows
    assert (block.output, block.receptive_field) == ((2, 6, 12), None)


def test_what_a_list_holds_are_blocks_too():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()) for _ in range(2))

        def forward(self, x):
            return self.blocks[1](self.blocks[0](x))

    table = summary(Listed(), (1, 8, 8), depth=1)
    assert [(row.name, row.parameters) for row in table.rows] == [("blocks.0", 10), ("blocks.1", 10)]


def test_a_block_used_twice_learns_once():
    block = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    table = summary(nn.Sequential(block, block), (1, 8, 8), depth=1)
    assert [(row.parameters, row.shared, row.multiply_adds) for row in table.rows] == [
        (10, 0, 324),
        (0, 10, 144),
    ]


# ---------------------------------------------------------------------- columns beside
def test_beside_adds_columns():
    table = summary(LeNet(), (1, 28, 28))
    wider = table.beside(notes={"features.0": "6 of <5×5>", "total": "few"}, paper={"classifier.5": "10"})
    assert wider.rows == table.rows
    assert [(heading, len(texts)) for heading, texts in wider.columns] == [("notes", 13), ("paper", 13)]
    lines = str(wider).splitlines()
    # behind the output, with which they are to be compared, and before what only we count
    assert lines[2].split() == [
        "layer", "type", "output", "notes", "paper", "parameters", "multiply-adds", "receptive", "field", "jump"
    ]  # fmt: skip
    assert "6 × 28 × 28  6 of <5×5>                156" in lines[4]
    assert lines[15].split()[-5:] == ["10", "850", "840", "all", "-"]
    assert lines[17].split() == ["total", "few", "61,706", "416,520"]
    # without them the table is as before
    rows = [[text for _, _, text in row] for row in Table(wider._repr_html_()).rows]
    assert [row[3:5] for row in rows if any(row[3:5])] == [
        ["notes", "paper"], ["6 of <5×5>", ""], ["", "10"], ["few", ""]
    ]  # fmt: skip
    assert [row[:3] + row[5:] for row in rows] == [
        [text for _, _, text in row] for row in Table(table._repr_html_()).rows
    ]
    assert "<5×5>" not in wider._repr_html_()
    assert table.beside() == table
    assert table.beside(notes={"total": "few"}).beside(paper={}).columns[0][1][-1] == "few"
    assert hash(wider) != hash(table)


def test_a_layer_used_twice_has_its_text_twice():
    conv = nn.Conv2d(1, 1, 3)
    assert summary(nn.Sequential(conv, conv), (1, 8, 8)).beside(a={"0": "b"}).columns == (
        ("a", ("b", "b", "")),
    )


# ---------------------------------------------------------------------- counts
def counted_by_torch(model, input_size):
    x = torch.zeros(1, *input_size, device=next(model.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(x)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("build", "input_size"),
    [
        (LeNet, (1, 28, 28)),
        (torchvision.models.alexnet, (3, 224, 224)),
        (torchvision.models.vgg11, (3, 224, 224)),
        (torchvision.models.resnet18, (3, 224, 224)),
        (torchvision.models.mobilenet_v2, (3, 224, 224)),
        (torchvision.models.googlenet, (3, 224, 224)),
        (torchvision.models.segmentation.fcn_resnet50, (3, 64, 96)),
        (torchvision.models.vit_b_16, (3, 224, 224)),
    ],
)
def test_totals_are_torchs(build, input_size):
    options = {"init_weights": False} if build is torchvision.models.googlenet else {}
    options |= {"weights_backbone": None} if build is torchvision.models.segmentation.fcn_resnet50 else {}
    with torch.device("meta"):  # sizes, no numbers: VGG's 133 million would take their time
        model = build(**options)
    table = summary(model, input_size)
    assert table.parameters == sum(p.numel() for p in model.parameters())
    assert 2 * table.multiply_adds == counted_by_torch(model, input_size)
    if build is not torchvision.models.vit_b_16:  # which multiplies outside of its layers
        assert all(
            row.multiply_adds == 0 for row in table.rows if not row.type.startswith(("Conv", "Linear"))
        )


@settings(max_examples=40)
@given(
    axes=st.integers(1, 2),
    kernel_size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    groups=st.integers(1, 2),
    transposed=st.booleans(),
    n=st.integers(3, 7),
)
def test_convolutions_are_counted_by_their_sizes(axes, kernel_size, stride, padding, groups, transposed, n):
    assume(not transposed or (n - 1) * stride + kernel_size > 2 * padding)
    convolution = {(1, False): nn.Conv1d, (1, True): nn.ConvTranspose1d, (2, False): nn.Conv2d}
    layer = convolution.get((axes, transposed), nn.ConvTranspose2d)(
        4, 6, kernel_size, stride=stride, padding=padding, groups=groups
    )
    size = (4, *(n + axis for axis in range(axes)))
    table = summary(layer, size)
    assert 2 * table.multiply_adds == counted_by_torch(layer, size)
    assert table.rows[0].output == tuple(layer(torch.zeros(1, *size)).shape[1:])


def test_a_layer_used_twice_learns_once_and_multiplies_twice():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    table = summary(nn.Sequential(conv, nn.ReLU(), conv), (3, 8, 8))
    assert [(row.name, row.parameters, row.shared) for row in table.rows] == [
        ("0", 84, 0),
        ("1", 0, 0),
        ("0", 0, 84),
    ]
    assert table.multiply_adds == 2 * multiply_adds((8, 8), (3, 3), 3, 3)
    assert [field.size for field in table.rows[2].receptive_field] == [5, 5]
    assert "shared" in str(table)


def test_a_weight_of_two_layers_is_counted_once():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    model[1].weight = model[0].weight
    table = summary(model, (5,))
    assert [(row.parameters, row.shared) for row in table.rows] == [(30, 0), (5, 25)]
    assert table.parameters == sum(p.numel() for p in model.parameters())
    assert "5 + shared" in str(table)


class Scaled(nn.Module):
    """Learns and multiplies by itself, beside its layers; one layer is not called."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))
        self.conv = nn.Conv2d(1, 6, 3)
        self.auxiliary = nn.Linear(6, 2)
        self.mix = nn.Parameter(torch.ones(2, 6, 1, 1))

    def forward(self, x):
        return functional.conv2d(functional.relu(self.conv(x)) * self.scale[:, None, None], self.mix)


def test_what_a_module_does_by_itself_has_a_row():
    table = summary(nn.Sequential(Scaled()), (1, 6, 6))
    assert [(row.name, row.parameters, row.multiply_adds) for row in table.rows] == [
        ("0.conv", 60, 16 * 6 * 9),
        ("0", 18, 16 * 6 * 2),
        ("0.auxiliary", 14, 0),
    ]
    assert table.rows[1].receptive_field == (ReceptiveField(3, 1, 0),) * 2
    assert table.rows[2].output is None
    assert table.notes == ("Not called, but with parameters: 0.auxiliary.",)
    assert table.notes[0] in str(table)
    assert table.notes[0] in table._repr_html_()


def test_a_parametrised_layer_is_one_row():
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 4, 3))
    (row,) = summary(layer, (2, 5, 5)).rows
    assert row.parameters == sum(p.numel() for p in layer.parameters())
    assert row.multiply_adds == multiply_adds((3, 3), (3, 3), 2, 4)


def test_what_is_not_known_is_said():
    table = summary(nn.Sequential(nn.Conv1d(1, 8, 3), nn.LSTM(8, 4)), (1, 10))
    assert table.rows[1].multiply_adds is None
    assert "The multiply-adds of 1 (LSTM) are not known." in table.notes


# ---------------------------------------------------------------------- layers that are not torch's
class FromScratch(nn.Module):
    """A convolution that torch's operations do not show as one: windows as a strided view, one product."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1):
        super().__init__()
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.weight = nn.Parameter(torch.ones(out_channels, in_channels, kernel_size, kernel_size))

    def forward(self, x):
        size, S = self.kernel_size, self.stride
        windows = functional.pad(x, (self.padding,) * 4).unfold(2, size, S).unfold(3, size, S)
        out = x.new_empty(x.shape[0], self.out_channels, *windows.shape[2:4])
        out[:] = torch.einsum("ncijab,mcab->nmij", windows, self.weight)
        return out


class PoolFromScratch(nn.Module):
    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x):
        return (
            x.unfold(2, self.kernel_size, self.kernel_size)
            .unfold(3, self.kernel_size, self.kernel_size)
            .amax((4, 5))
        )


def test_layers_from_scratch_are_told_by_their_attributes():
    ours = nn.Sequential(
        FromScratch(3, 4, 3, stride=2, padding=1), nn.ReLU(), PoolFromScratch(2), FromScratch(4, 2, 3)
    )
    torchs = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 2, 3, bias=False),
    )
    for row, expected in zip(summary(ours, (3, 24, 24)).rows, summary(torchs, (3, 24, 24)).rows, strict=True):
        for name in ("output", "parameters", "multiply_adds", "receptive_field"):
            assert getattr(row, name) == getattr(expected, name), name


def test_our_layers_give_the_table_of_torchs():
    model = nn.Sequential(
        nn.Conv2d(4, 8, (3, 2), groups=4, dilation=2, padding="same"),
        nn.Conv2d(8, 8, 1, stride=2),
        nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True),
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.Flatten(),
        nn.Linear(8 * 5 * 5, 3),
    )
    expected = str(summary(model, (4, 17, 17)))
    ours = from_scratch(model)
    assert type(ours[0]) is Conv2d
    assert str(summary(ours, (4, 17, 17))) == expected
    assert str(summary(from_scratch(LeNet()), (1, 28, 28))) == LENET
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    assert str(summary(from_scratch(model), (1, 8, 8))) == str(summary(model, (1, 8, 8)))


@pytest.mark.parametrize("last", [nn.AdaptiveAvgPool2d(1), nn.AvgPool2d(6), nn.Conv2d(2, 3, 6)])
def test_a_window_over_the_whole_map_sees_all_of_it(last):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), last)
    for table in (summary(model, (1, 8, 8)), summary(from_scratch(model), (1, 8, 8))):
        assert table.rows[1].receptive_field == (ReceptiveField(size=8, jump=0, start=0),) * 2


def test_locally_connected_layers_cost_as_much_as_convolutions():
    (row,) = summary(LocallyConnected1d(2, 3, input_size=9, kernel_size=3, stride=2), (2, 9)).rows
    assert row.parameters == local_parameters(4, 3, 2, 3, bias=True)
    assert row.multiply_adds == multiply_adds(4, 3, 2, 3)
    assert row.receptive_field == (ReceptiveField(size=3, jump=2, start=0),)


def test_attributes_that_do_not_fit_the_sizes_are_not_believed():
    class Misnamed(nn.Module):
        kernel_size, stride, padding = 3, 1, 0

        def forward(self, x):
            return x.roll(1, dims=2)

    table = summary(Misnamed(), (1, 8, 8))
    assert table.rows[0].receptive_field is None
    assert table.notes == ("Receptive fields are not known after `roll` in Misnamed 3, S=1.",)


# ---------------------------------------------------------------------- receptive fields
@settings(max_examples=60)
@given(
    axes=st.integers(1, 2),
    stack=st.lists(
        st.builds(Window, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_chain_has_the_receptive_fields_of_shapes(axes, stack):
    layers = []
    for window in stack:
        if window.dilation == 1 and window.padding <= window.kernel_size // 2:
            layers.append((nn.AvgPool1d, nn.AvgPool2d)[axes - 1](*list(vars(window).values())[:3]))
        else:
            layers.append((nn.Conv1d, nn.Conv2d)[axes - 1](1, 1, *vars(window).values()))
    table = summary(nn.Sequential(*layers), (1, *[400] * axes))
    assert [row.receptive_field for row in table.rows] == [
        (field,) * axes for field in receptive_fields(stack)[1:]
    ]


@pytest.mark.parametrize(
    ("build", "n", "size"),
    [(torchvision.models.alexnet, 224, 195), (torchvision.models.vgg16, 224, 212), (torchvision.models.inception_v3, 299, 1311)],
)  # fmt: skip
def test_known_models_have_their_published_receptive_fields(build, n, size):
    # Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (2019)
    with torch.device("meta"):
        model = build(**({"init_weights": False} if n == 299 else {}))
    fields = [row.receptive_field[0] for row in summary(model, (3, n, n)).rows if row.receptive_field]
    assert max(field.size for field in fields if field.jump) == size


class Branches(nn.Module):
    """A residual block with a strided shortcut, then a concatenation of branches with unlike windows."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3, padding=1)
        )
        self.shortcut = nn.Conv2d(2, 3, 1, stride=2)
        self.left = nn.Conv2d(3, 2, (5, 3), padding=(2, 1))
        self.right = nn.Sequential(
            nn.AvgPool2d(3, stride=1, padding=1), nn.Conv2d(3, 2, 3, padding=2, dilation=2)
        )
        self.last = nn.Identity()

    def forward(self, x):
        out = self.one(x)
        out += self.shortcut(x)
        return self.last(torch.cat([self.left(out), self.right(out)], 1))


class Functions(nn.Module):
    """Layers called as functions, slices, padding on one side, channels split and shuffled."""

    def __init__(self):
        super().__init__()
        self.w, self.back = nn.Parameter(torch.ones(4, 2, 3, 3)), nn.Parameter(torch.ones(4, 1, 2, 2))
        self.last = nn.Identity()

    def forward(self, x):
        x = functional.conv2d(functional.pad(x, (0, 1, 2, 0)), self.w, stride=(2, 1))[:, :, 1:, ::2]
        a, b = functional.pad(x, (1, 0)).chunk(2, dim=1)
        x = torch.cat([a * 2, functional.avg_pool2d(b, 3, 1, 1)], dim=1)
        x = x.view(1, 2, 2, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
        x = functional.conv_transpose2d(functional.gelu(x), self.back, padding=1)
        return self.last(torch.stack([x, x], 1).mean(1, keepdim=True).squeeze(1) + x.amax(1, keepdim=True))


class Gate(nn.Module):
    """A factor for each channel that is made of the whole map."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 2, 1), nn.Sigmoid())

    def forward(self, x):
        x = self.conv(x)
        return x * self.gate(x)


class Spread(nn.Module):
    """One node, of which a window made a map, is added everywhere."""

    def __init__(self):
        super().__init__()
        self.pool, self.last = nn.AvgPool2d((13, 17)), nn.Identity()

    def forward(self, x):
        return self.last(x + self.pool(x))


NETS = {
    "spread": Spread(),
    "branches": Branches(),
    "functions": Functions(),
    "gate": nn.Sequential(Gate(), nn.AvgPool2d(3)),
    "group norm": nn.Sequential(nn.Conv2d(2, 4, 3, stride=2), nn.GroupNorm(2, 4)),
    "instance norm": nn.Sequential(nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4), nn.AvgPool2d(2)),
    "channel norm": nn.Sequential(nn.Conv2d(2, 4, 3, stride=2), nn.LocalResponseNorm(3), nn.Softmax(dim=1), nn.Conv2d(4, 1, 3)),
    "softmax over a row": nn.Sequential(nn.Conv2d(2, 4, 3), nn.Softmax(dim=-1)),
    "layer norm": nn.Sequential(nn.AvgPool2d(2), nn.LayerNorm((6, 8))),
    "adaptive": nn.Sequential(nn.Conv2d(2, 4, (3, 2), padding=(2, 0)), nn.AdaptiveAvgPool2d((5, 4))),
    "same": nn.Sequential(nn.Conv2d(2, 2, 4, padding="same"), nn.PReLU(), nn.Hardswish(), nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")),
    "dropped": nn.Sequential(nn.AvgPool2d(5), nn.Flatten(), nn.Linear(12, 3)),
    "mean": nn.Sequential(nn.Conv2d(2, 4, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", NETS)
def test_receptive_fields_are_where_gradients_are(name):
    torch.manual_seed(0)
    model = copy.deepcopy(NETS[name]).double().eval()
    for parameter in model.parameters():  # positive, so that no two paths cancel
        parameter.data.uniform_(0.1, 1)
    x = torch.rand(1, 2, 13, 17, dtype=torch.float64, requires_grad=True)
    y = model(x)
    table = summary(model, x.shape[1:])
    assert table.notes == ()
    fields = table.rows[-1].receptive_field
    # nodes next to the padding of a cropped map, or to padding that reflects, see what no formula tells
    margin = {"functions": 2, "same": 4}.get(name, 0)
    places = [()]
    if y.dim() == 4:
        rows, columns = (range(margin, n - margin) for n in y.shape[2:])
        places = [(i, j) for i in rows for j in columns]
    for place in places:
        node = y[(0, slice(None), *place)]
        # a random direction, as some norms have a constant sum
        (gradient,) = torch.autograd.grad((node * torch.rand_like(node)).sum(), x, retain_graph=True)
        for axis, field in enumerate(fields):
            touched = gradient.abs().sum(dim=(0, 1, 3 - axis)).nonzero().flatten().tolist()
            inputs = field.inputs(place[axis] if place else 0)
            seen = [i for i in inputs if 0 <= i < x.shape[2 + axis]]
            assert (touched[0], touched[-1]) == (seen[0], seen[-1]), (place, axis)


def test_what_takes_in_a_whole_map_sees_all_of_it_but_no_more():
    dropped = summary(NETS["dropped"], (2, 13, 17))  # 5 x 5 windows leave 3 rows and 2 columns out
    assert dropped.rows[-1].receptive_field == (ReceptiveField(10, 0, 0), ReceptiveField(15, 0, 0))
    assert "  10 × 15     -" in str(dropped)
    assert str(summary(NETS["gate"], (2, 13, 17))).count("all") == 4


def test_rows_and_vectors_have_one_axis():
    table = summary(nn.Sequential(nn.Linear(6, 4), nn.ReLU()), (6,))
    assert [row.receptive_field for row in table.rows] == [(ReceptiveField(6, 0, 0),)] * 2
    row = summary(
        nn.Sequential(nn.Conv1d(1, 3, 5, padding=2), nn.MaxPool1d(2), nn.AvgPool1d(2)), (1, 16)
    ).rows[-1]
    assert row.receptive_field == (ReceptiveField(8, 4, -2),)


def test_a_transposed_convolution_without_a_stride_is_a_convolution():
    layer = nn.ConvTranspose2d(2, 2, 3, padding=1, dilation=2)
    assert rows(layer, (2, 9, 9))[""].receptive_field == (ReceptiveField(5, 1, -3),) * 2
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), layer, nn.Conv2d(2, 2, 3))
    assert str(summary(from_scratch(model), (1, 19, 19))) == str(summary(model, (1, 19, 19)))


def test_a_transposed_convolution_from_scratch_is_told_as_torchs_is():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2),
        nn.ConvTranspose2d(2, 4, (3, 2), stride=2, padding=1, output_padding=1, groups=2),
        nn.Conv2d(4, 1, 3),
    )
    ours, torchs = summary(from_scratch(model), (1, 9, 11)), summary(model, (1, 9, 11))
    assert ours.rows == torchs.rows
    assert ours.rows[1].receptive_field is None
    assert ours.notes[0].endswith("1 (ConvTranspose2d 3×2, 4, S=2, P=1, groups=2).")


class UnlikeJumps(nn.Module):
    def forward(self, x):
        return x[:, :, :4, :4] + x[:, :, ::2, ::2]


class SideBySide(nn.Module):
    def forward(self, x):
        return torch.cat([x, x], dim=3)


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        (UnlikeJumps(), "`add` in UnlikeJumps"),
        (SideBySide(), "`cat` in SideBySide"),
        (nn.ConvTranspose2d(1, 1, 2, stride=2), "`convolution` in ConvTranspose2d 2×2, 1, S=2"),
        (nn.Sequential(nn.Upsample(scale_factor=2), nn.ReLU()), "`upsample_nearest2d` in 0 (Upsample)"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(5)), "`_adaptive_avg_pool2d` in 0 (AdaptiveAvgPool2d to 5×5)"),
    ],
)
def test_what_cannot_be_told_is_said(model, operation):
    table = summary(model, (1, 8, 8))
    assert {row.receptive_field for row in table.rows} == {None}
    assert table.notes == (f"Receptive fields are not known after {operation}.",)


def test_writing_into_a_part_of_a_tensor_is_noticed():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(2, 2, 3, padding=1), nn.Identity()

        def forward(self, x):
            y = torch.empty_like(x)
            y[:, :1] = x[:, :1]
            y[:, 1:] += self.conv(x)[:, 1:]
            return self.last(y)

    table = summary(Writes(), (2, 8, 8))
    assert table.rows[-1].receptive_field is None
    assert len(table.notes) == 1


# ---------------------------------------------------------------------- the model stays as it was
class Counts(nn.Module):
    """Keeps books in its buffers at each call, and draws random numbers."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(3))
        self.register_buffer("replaced", torch.zeros(3))
        self.norm = nn.BatchNorm2d(2, track_running_stats=True)
        self.conv = nn.Conv2d(2, 2, 3)

    def forward(self, x):
        self.calls += 1
        self.replaced = self.replaced + 1
        self.register_buffer("added", torch.zeros(1))
        assert not self.training
        return self.conv(self.norm(x + torch.rand_like(x)))


@pytest.mark.parametrize("size", [(2, 8, 8), (2, 2, 2)], ids=["fits", "fails"])
def test_leaves_the_model_as_it_was(size):
    model = nn.Sequential(Counts(), nn.Dropout(), nn.BatchNorm2d(2))
    model[2].eval()
    model[0].conv.weight.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    buffers = dict(model.named_buffers())
    random = torch.get_rng_state()
    if size == (2, 8, 8):
        summary(model, size)
    else:
        with pytest.raises(ValueError, match="does not fit"):
            summary(model, size)
    assert [module.training for module in model.modules()] == [True, True, True, True, True, False]
    assert list(model.state_dict()) == list(before)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(buffer is buffers[name] for name, buffer in model.named_buffers())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert [p.requires_grad for p in model[0].conv.parameters()] == [False, True]
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.is_grad_enabled()


def test_a_backward_pass_that_has_begun_can_go_on():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2).eval())
    loss = model(torch.ones(1, 1, 4, 4)).sum()
    summary(model, (1, 4, 4))
    loss.backward()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtype_and_mode_of_the_caller_do_not_matter(mode, dtype):
    model = LeNet().to(dtype)
    with mode():
        assert str(summary(model, (1, 28, 28))) == LENET


def test_a_model_without_numbers_or_parameters():
    with torch.device("meta"):
        model = LeNet()
    assert str(summary(model, (1, 28, 28))) == LENET
    assert summary(nn.MaxPool2d(2), (1, 4, 4)).rows[0].output == (1, 2, 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_runs_on_the_gpu_without_touching_its_random_state():
    model = LeNet().to("cuda", torch.float16)
    random = torch.cuda.get_rng_state()
    assert str(summary(model, (1, 28, 28))) == LENET
    assert torch.equal(torch.cuda.get_rng_state(), random)


# ---------------------------------------------------------------------- bad input
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: summary("LeNet", (1, 28, 28)), TypeError, "model must be a torch.nn.Module, got 'LeNet' of type str"),
        (lambda: summary(LeNet(), 28), TypeError, r"input_size must hold the sizes of one example without the batch.*\(3, 224, 224\), got 28"),
        (lambda: summary(LeNet(), "28"), TypeError, "input_size must hold the sizes.*got '28'"),
        (lambda: summary(LeNet(), ()), ValueError, "input_size must hold the sizes.*got none"),
        (lambda: summary(LeNet(), (1, 28, 28), depth=0), ValueError, "depth must be at least 1, got 0"),
        (lambda: summary(LeNet(), (1, 28, 28), depth="1"), TypeError, "depth must be an integer, got '1'"),
        (
            lambda: summary(LeNet(), (1, 28, 28)).beside(notes={"features.9": "a", "features.0": "b", "x": "c"}),
            ValueError,
            "notes must name layers of the table, got features.9, x; near names: features.[0-5], .*With a depth, summary has rows for blocks",
        ),
        (
            lambda: summary(LeNet(), (1, 28, 28), depth=1).beside(notes={"x": "c"}),
            ValueError,
            "notes must name layers of the table, got x; near names: none",
        ),
        (lambda: summary(LeNet(), (1, 28.0, 28)), TypeError, r"input_size\[1\] must be an integer, got 28.0"),
        (lambda: summary(LeNet(), (1, 28, 0)), ValueError, r"input_size\[2\] must be at least 1, got 0"),
        (lambda: summary(nn.LazyConv2d(1, 3), (1, 8, 8)), ValueError, "weight has no size yet"),
        (
            lambda: summary(LeNet(), (3, 28, 28)),
            ValueError,
            r"input_size=\(3, 28, 28\) does not fit: LeNet has an input of shape \(1, 3, 28, 28\), batch first: x must have shape \(N, 1, 28, 28\)",
        ),
        (
            lambda: summary(nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten(), nn.Linear(99, 2)), (1, 8, 8)),
            ValueError,
            r"2 \(Linear 99 to 2\) has a weight of shape \(2, 99\) and an input of shape \(1, 96\), batch first: ",
        ),
        (
            lambda: summary(torchvision.models.resnet18(), (1, 64, 64)),
            ValueError,
            r"conv1 \(Conv2d 7×7, 64, S=2, P=3\) has a weight of shape \(64, 3, 7, 7\) and an input of shape \(1, 1, 64, 64\)",
        ),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
