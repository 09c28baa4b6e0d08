"""What notes and papers state of the networks: every word is read, and what does not follow is listed."""

import math
import re

import pytest
import torch
from torch import nn

from cnnkit.models import MODELS, create
from cnnkit.models.published import NOTES, PAPER, stated
from cnnkit.summary import summary

TABLES = {"notes": NOTES, "paper": PAPER}
STATED = [(source, name) for source, table in TABLES.items() for name in table]
# what the source means where the table of models has another default
OPTIONS = {
    "lenet": {"activation": "sigmoid", "pool": "average"},
    **{f"resnet{depth}": {"stride_in_1x1": True} for depth in (50, 101, 152)},
}
CHANNELS = {"lenet": 1, "lenet5_1998": 1}
CLASSES = {"lenet": 10, "lenet5_1998": 10, "network_in_network": 10, "fcn32s": 21}
CLASSES |= {f"resnet{depth}": 10 for depth in (20, 32, 44, 56, 110)}

# (source, network, layer, what is stated) -> why the network has another number
UNLIKE = {
    # the notes' variants, beside the papers' networks
    ("notes", "alexnet", "features.12", "384 filters"): "the paper has 256",
    ("notes", "vgg11", "features.16", "1024 filters"): "the paper stops at 512",
    ("notes", "vgg11", "features.18", "1024 filters"): "the paper stops at 512",
    # slips of the papers
    ("paper", "alexnet", "features.0", "253,440 neurons"): "96 × 55 × 55 = 290,400, as figure 2 draws",
    ("paper", "googlenet", "conv1", "2.7K params"): "7 × 7 × 3 × 64 = 9.2K",
    ("paper", "googlenet", "conv1", "34M ops"): "2.7K × 112 × 112; 9.2K make 118M",
    ("paper", "googlenet", "inception3b", "380K params"): "its widths make 379K",
    ("paper", "googlenet", "inception4a", "364K params"): "its widths make 366K",
    ("paper", "googlenet", "inception4b", "437K params"): "its widths make 438K",
    ("paper", "googlenet", "inception4c", "463K params"): "its widths make 497K",
    ("paper", "googlenet", "inception4d", "580K params"): "its widths make 590K",
    ("paper", "googlenet", "inception4e", "840K params"): "its widths make 847K",
    ("paper", "googlenet", "inception5a", "1072K params"): "its widths make 1018K",
    ("paper", "googlenet", "inception5a", "54M ops"): "1072K × 7 × 7; 1018K make 51M",
    ("paper", "googlenet", "inception5b", "1388K params"): "its widths make 1409K",
}  # fmt: skip


def build(name):
    with torch.device("meta"):  # sizes, no numbers
        return create(name, CLASSES.get(name, 1000), CHANNELS.get(name, 3), **OPTIONS.get(name, {}))


def table_of(name, model, texts):
    size = MODELS[name].image_size
    depth = max(layer.count(".") + 1 for layer in texts)
    return summary(model, (CHANNELS.get(name, 3), size, size), depth=depth)


WITH_CONV2 = ", with conv2 112K params, 360M ops"


def weights(module):
    return sum(p.numel() for p in module.parameters() if p.dim() > 1)


KINDS = {
    "sigmoid": nn.Sigmoid, "average": nn.AvgPool2d, "max": nn.MaxPool2d, "maxpool": nn.MaxPool2d,
    "max pooling": nn.MaxPool2d, "dropout": nn.Dropout, "40%": nn.Dropout,
    "global average pooling": nn.AdaptiveAvgPool2d,
}  # fmt: skip


def holds(piece, rows, i, layer, texts):
    """Whether a piece of a text is true of a row; None if nothing here can read it."""
    row = rows[i]
    volume = row.output
    if piece in KINDS:
        return isinstance(layer, KINDS[piece]) and (piece != "40%" or layer.p == 0.4)
    if piece == "half the size":
        return volume == (volume[0], *(n // 2 for n in rows[i - 1].output[1:]))
    if found := re.fullmatch(r"(\d+) filters", piece):
        return row.type == "Conv2d" and volume[0] == int(found[1])
    if found := re.fullmatch(r"(\d+) of (\d+×\d+)×(\d+)", piece):
        return (layer.out_channels, layer.weight.shape[1]) == (int(found[1]), int(found[3])) and (
            row.settings.startswith(f"{found[2]}, ")
        )
    if re.fullmatch(r"\d+×\d+|[SP]=\d", piece):
        return piece in row.settings.split(", ")
    if re.fullmatch(r"\d+( × \d+)+", piece):  # sizes, with or without channels
        sizes = tuple(map(int, piece.split(" × ")))
        return volume[-len(sizes) :] == sizes
    if found := re.fullmatch(r"(\d+)|FC-(\d+)", piece):
        return volume == (int(found[1] or found[2]),) or row.settings.split(", ")[1:2] == [piece]
    if found := re.fullmatch(r"conv3-(\d+)", piece):
        return row.settings == f"3×3, {found[1]}, P=1"
    if found := re.fullmatch(r"([\d,]+) neurons", piece):
        return math.prod(volume) == int(found[1].replace(",", ""))
    if found := re.fullmatch(r"([\d,]+) parameters", piece):
        return row.parameters == int(found[1].replace(",", ""))
    if found := re.fullmatch(r"([\d.]+)K params", piece):
        return abs(weights(layer) / 1024 - float(found[1])) < 1
    if found := re.fullmatch(r"(\d+)M ops", piece):
        return abs(row.multiply_adds / 1e6 - int(found[1])) < 1
    if found := re.fullmatch(r"(\d+) layers", piece):
        return sum(isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) for m in layer.modules()) == int(
            found[1]
        )
    if found := re.fullmatch(r"\[(.*)\] × (\d+)", piece):
        convolutions = [
            "×".join(map(str, m.kernel_size)) + f", {m.out_channels}"
            for block in layer
            for name, m in block.named_children()
            if isinstance(m, nn.Conv2d)
        ]
        return convolutions == found[1].split("; ") * int(found[2])
    if found := re.fullmatch(r"([knαβ])=([\d.]+)", piece):
        settings = {"k": layer.k, "n": layer.size, "α": layer.alpha / layer.size, "β": layer.beta}
        return math.isclose(settings[found[1]], float(found[2]))
    if found := re.fullmatch(r"receptive field (\d+)", piece):
        return [field.size for field in row.receptive_field] == [int(found[1])] * 2
    if found := re.fullmatch(r"mlpconv layer (\d)", piece):
        ordinal = sum(
            text.startswith("mlpconv") for text in list(texts.values())[: list(texts).index(row.name)]
        )
        sizes = [r.settings.split(", ")[0] for r in rows[i : i + 5 : 2]]
        return int(found[1]) == ordinal + 1 and sizes[0] != "1×1" and sizes[1:] == ["1×1", "1×1"]
    return None


def pieces(text):
    """The parts of a text, without the paper's name of the layer; what stands in brackets is one."""
    return re.split(r", (?![^\[]*\])", re.sub(r"^[CSF]\d: ", "", text))


@pytest.mark.parametrize(("source", "name"), STATED)
def test_what_is_stated_holds_or_is_listed(source, name):
    texts, model = TABLES[source][name], build(name)
    table = table_of(name, model, texts)
    layers, places = dict(model.named_modules()), {row.name: i for i, row in enumerate(table.rows)}
    assert set(texts) <= {*places, "total"}
    unlike = set()
    for layer, text in texts.items():
        if layer == "total":
            continue
        for piece in pieces(text.removesuffix(WITH_CONV2)):
            true = holds(piece, table.rows, places[layer], layers[layer], texts)
            assert true is not None, f"nothing reads {piece!r} of {layer}"
            if not true:
                unlike.add((source, name, layer, piece))
    assert unlike == {key for key in UNLIKE if key[:2] == (source, name)}


@pytest.mark.parametrize(("source", "name"), [key for key in STATED if "total" in TABLES[key[0]][key[1]]])
def test_totals_hold(source, name):
    texts = TABLES[source][name]
    table = table_of(name, build(name), texts)
    number, unit, what = re.fullmatch(
        r"([\d.,]+)( million| billion)? (.*)", texts["total"].removesuffix(", stride_in_1x1")
    ).groups()
    count = {"parameters": table.parameters, "multiply-adds": table.multiply_adds}[what]
    if not unit:
        assert count == int(number.replace(",", ""))
        return
    last_digit = 10.0 ** -len(number.partition(".")[2])
    assert abs(count / {" million": 1e6, " billion": 1e9}[unit] - float(number)) < last_digit


def test_a_row_of_the_paper_is_two_convolutions():
    model = build("googlenet")
    assert PAPER["googlenet"]["conv3"].endswith(WITH_CONV2)
    assert weights(model.conv2) + weights(model.conv3) == 112 * 1024
    rows = [row for row in summary(model, (3, 224, 224), depth=1).rows if row.name in ("conv2", "conv3")]
    assert round(sum(row.multiply_adds for row in rows) / 1e6) == 360


def test_what_the_notes_say_of_lenet_is_said_of_its_table():
    table = summary(build("lenet"), (1, 28, 28)).beside(**stated("lenet"))
    assert "16 × 10 × 10  16 filters, 5×5, 10 × 10           2,416        240,000  " in str(table)
    assert [heading for heading, _ in table.columns] == ["notes"]
    assert stated("alexnet") == {"notes": NOTES["alexnet"], "paper": PAPER["alexnet"]}
    assert stated("vgg11_bn") == {}


def test_all_networks_of_the_notes_and_of_tables_in_papers_are_there():
    assert set(NOTES) == {"lenet", "alexnet", "alexnet_notes", "vgg11", "vgg11_notes"}
    # no paper has these: later batch norm, the authors' Caffe model, skips whose sizes the paper does not print
    without = {name for name in MODELS if name.endswith(("_bn", "_notes"))}
    assert set(MODELS) - set(PAPER) == without | {"lenet", "network_in_network_imagenet", "fcn16s", "fcn8s"}


def test_the_order_is_that_of_the_network():
    for source, name in STATED:
        texts = TABLES[source][name]
        names = [row.name for row in table_of(name, build(name), texts).rows] + ["total"]
        assert list(texts) == sorted(texts, key=names.index)


@pytest.mark.parametrize(
    ("source", "name"), [(source, name) for source, name in STATED if name.startswith(("alexnet", "vgg"))]
)
def test_filters_and_units_are_stated_of_the_layers_that_learn(source, name):
    with torch.device("meta"):
        model = create(name)
    learn = {path for path, layer in model.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}
    stated_of = set(TABLES[source][name])
    assert learn <= stated_of
    assert {path for path in stated_of if path.startswith("classifier")} <= learn
