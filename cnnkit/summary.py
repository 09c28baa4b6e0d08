"""What a network is made of: a row for every layer, from one example that runs through the model.

No model is known by name. Hooks see what goes into each layer and what comes out, and a second listener
follows PyTorch's own operations in between, so that additions, concatenations and layers called as functions
count too.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from cnnkit.shapes import (
    ReceptiveField,
    Window,
    check_integer,
    dropped_nodes,
    full_parameters,
    multiply_adds,
    output_size,
    receptive_fields,
    same_padding,
)

Fields = tuple[ReceptiveField, ...]


# ---------------------------------------------------------------------- the table
@dataclass(frozen=True)
class Row:
    """One use of a layer, or of a block (see `summary`), which sums up its layers.

    Attributes:
        name: where the layer is in the model, such as ``"features.0"``; empty for the model itself.
        type: its class, such as ``"Conv2d"``.
        settings: filter size and number of filters (``"5×5, 6"``), then what is not the default: stride S,
            padding P, dilation d, groups. Of a linear layer ``"400 to 120"``.
        output: sizes of what comes out, channels first, without the batch; None if the layer is not called.
        parameters: numbers that the layer learns and that no row above has counted.
        shared: numbers that it learns but a row above has counted.
        multiply_adds: for one example; None where they are not known.
        receptive_field: one an axis of the input; None where there is none to tell (see `summary`).
        dropped: what the floor drops behind the last window of a convolution or a pooling (``"1 pixel"``,
            ``"1 of padding"``), or by how much that window hangs over the edge (``ceil_mode``); empty where
            the size equation holds. One for all axes, or one an axis where they differ.
    """

    name: str
    type: str
    settings: str
    output: tuple[int, ...] | None
    parameters: int
    shared: int
    multiply_adds: int | None
    receptive_field: Fields | None
    dropped: str = ""


@dataclass(frozen=True, repr=False)
class Summary:
    """A model layer by layer, which prints as a table, in notebooks too; made by `summary`.

    Attributes:
        model: the model's class.
        input_size: sizes of one example, channels first.
        rows: one for every use of a layer, in the order in which they finish.
        notes: what the table cannot tell, and why; usually empty.
        columns: the headings that `beside` has added, each with a text for every row and one for the totals.
    """

    model: str
    input_size: tuple[int, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def parameters(self) -> int:
        """All numbers that the model learns, each counted once."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one example, as far as they are known."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def title(self) -> str:
        """The model and the sizes of its input."""
        return f"{self.model}, input {_times(self.input_size)}"

    def beside(self, **columns: Mapping[str, str]) -> Summary:
        """The same table with more columns: what a book or a paper states of its layers.

        Args:
            columns: heading -> names of layers, and ``"total"`` for the totals -> texts. Rows without a text
                stay empty.

        Raises:
            ValueError: a column names a layer that the table has not; the message lists near names.

        Example:
            >>> table = summary(nn.Conv2d(1, 6, 5), (1, 28, 28)).beside(paper={"total": "156 parameters"})
        """
        names = [*(row.name for row in self.rows), "total"]
        added = []
        for heading, texts in columns.items():
            unknown = [name for name in texts if name not in names]
            if unknown:
                near = dict.fromkeys(match for name in unknown for match in get_close_matches(name, names))
                raise ValueError(
                    f"{heading} must name layers of the table, got {', '.join(unknown)}; "
                    f"near names: {', '.join(near) or 'none'}. With a depth, summary has rows for blocks."
                )
            added.append((heading, tuple(texts.get(name, "") for name in names)))
        return replace(self, columns=(*self.columns, *added))

    def __str__(self) -> str:
        columns = []
        for left, cells in self._columns():
            width = max(map(len, cells))
            columns.append([cell.ljust(width) if left else cell.rjust(width) for cell in cells])
        lines = ["  ".join(line) for line in zip(*columns, strict=True)]
        rule, text = "-" * len(lines[0]), [line.rstrip() for line in lines]
        return "\n".join([self.title, rule, text[0], rule, *text[1:-1], rule, text[-1], *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        is_left, columns = zip(*self._columns(), strict=True)
        headings, *body, totals = zip(*columns, strict=True)

        def line(cells: Sequence[str], headings: int, scope: str) -> str:
            tags = [f'th scope="{scope}"'] * headings + ["td"] * (len(cells) - headings)
            return "".join(
                f'<{tag} style="text-align: {"left" if left else "right"}">{html.escape(cell)}</{tag[:2]}>'
                for tag, cell, left in zip(tags, cells, is_left, strict=True)
            )

        rows = "\n".join(f"<tr>{line(cells, 1, 'row')}</tr>" for cells in body)
        notes = "".join(f"\n<p>{html.escape(note)}</p>" for note in self.notes)
        return (
            '<table class="dataframe" style="white-space: nowrap">\n'
            f'<caption style="caption-side: top; text-align: left">{html.escape(self.title)}</caption>\n'
            f"<thead>\n<tr>{line(headings, len(headings), 'col')}</tr>\n</thead>\n"
            f"<tbody>\n{rows}\n</tbody>\n"
            f"<tfoot>\n<tr>{line(totals, 1, 'row')}</tr>\n</tfoot>\n"
            f"</table>{notes}"
        )

    def _columns(self) -> list[tuple[bool, tuple[str, ...]]]:
        """Whether its cells go to the left, heading, rows, total."""
        lines = [_HEADINGS, *map(self._cells, self.rows), self._totals()]
        columns = list(zip(_LEFT, zip(*lines, strict=True), strict=True))
        added = [(True, (heading, *texts)) for heading, texts in self.columns]
        if any(row.dropped for row in self.rows):
            added.insert(0, (True, ("dropped", *(row.dropped for row in self.rows), "")))
        return columns[:3] + added + columns[3:]  # behind the output: they are compared with it

    def _cells(self, row: Row) -> tuple[str, ...]:
        parameters = [f"{row.parameters:,}"] * (row.parameters > 0 or not row.shared)
        return (
            row.name or "(model)",
            f"{row.type} {row.settings}".strip(),
            "-" if row.output is None else _times(row.output) or "1",
            " + ".join(parameters + ["shared"] * (row.shared > 0)),
            "-" if row.multiply_adds is None else f"{row.multiply_adds:,}",
            *self._field(row.receptive_field),
        )

    def _field(self, fields: Fields | None) -> tuple[str, str]:
        if fields is None:
            return "-", "-"
        sizes = self.input_size[-len(fields) :]
        jumps = [field.jump for field in fields]
        everything = not any(jumps) and all(
            field.start <= 0 and field.start + field.size >= n for field, n in zip(fields, sizes, strict=True)
        )
        return (
            "all" if everything else _times(field.size for field in fields),
            "-" if not any(jumps) else _times(jumps if len(set(jumps)) > 1 else jumps[:1]),
        )

    def _totals(self) -> tuple[str, ...]:
        return ("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", "", "")


_HEADINGS = ("layer", "type", "output", "parameters", "multiply-adds", "receptive field", "jump")
_LEFT = (True, True, False, False, False, False, False)


def _times(sizes: Iterable[int]) -> str:
    return " × ".join(map(str, sizes))


# ---------------------------------------------------------------------- one example runs through
def summary(model: nn.Module, input_size: Sequence[int], depth: int | None = None) -> Summary:
    """List the layers of a model: volume, parameters, multiply-adds and receptive field of each.

    One example of zeros runs through the model, in evaluation mode and without gradients, on the model's
    device and in its dtype. Afterwards the model is as it was: mode, buffers, hooks and random state.

    *Parameters* are counted where they are first used, so that they add up to those of the model.

    *Multiply-adds* are those of convolutions, of linear layers and of matrix products, for one example; one
    is two FLOPs. Additions, activations, pooling and normalisation are not counted. A module that learns or
    multiplies by itself, beside the layers in it, has a row of its own.

    The *receptive field* of a node is the part of the input on which it can depend, through every path that
    leads there: on each axis from the first such input to the last, padding included. The *jump* is by how
    many inputs it moves from one node to the next. Where branches meet, in an addition or a concatenation, it
    reaches from the smaller start to the larger end. A node that takes in a whole map (of a linear layer, a
    global average, a group norm) depends on all that the map sees, and its jump is 0; the table says ``all``
    where that is the whole input. The only node of an axis has jump 0, too.

    There is no field (None, ``-``) where nodes lie in no grid, as after `torch.nn.Flatten`, or where it
    cannot be told, as after a transposed convolution with a stride, whose nodes do not all see equally many
    inputs: then the notes name the operation.

    With a *depth*, modules that are called so deep in the model are blocks: each has one row, which sums up
    what its layers learn, multiply and drop, and has the output and the receptive field of the block.

    Args:
        model: any `torch.nn.Module` that takes one tensor.
        input_size: sizes of one example without the batch: (C, H, W) for images, (C, n) for rows, (n,) for
            vectors.
        depth: 1 for rows of what the model itself calls, 2 for what these call, and so on; if not given, all
            layers have rows.

    Returns:
        The table, with rows and totals as data.

    Raises:
        TypeError: the model is no module, or the sizes or the depth are no integers.
        ValueError: there is no size, one or the depth is below 1, the model has parameters without a size
            yet, or it refuses the input (the message names the layer and the shapes).

    Example:
        >>> table = summary(nn.Conv2d(1, 6, kernel_size=5), input_size=(1, 28, 28))
        >>> table.parameters, table.multiply_adds
        (156, 86400)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {model!r} of type {type(model).__name__}")
    sizes = _sizes(input_size)
    depth = None if depth is None else check_integer("depth", depth)
    tensors = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        if is_lazy(tensor):
            raise ValueError(f"{name} has no size yet: let an example through the model before its summary")
    like = next((tensor for _, tensor in tensors if tensor.is_floating_point()), torch.empty(0))
    with torch.inference_mode(False), torch.no_grad(), _unchanged(model):
        x = torch.zeros(1, *sizes, device=like.device, dtype=like.dtype)
        with _Listener(model, x, depth) as listener:
            try:
                model(x)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                raise ValueError(f"input_size={sizes} does not fit: {listener.refusal()}: {error}") from error
    listener.write_uncalled()
    return Summary(type(model).__name__, sizes, tuple(listener.rows), tuple(dict.fromkeys(listener.notes)))


def _sizes(input_size: Sequence[int]) -> tuple[int, ...]:
    expected = "the sizes of one example without the batch, channels first, such as (3, 224, 224)"
    if not isinstance(input_size, Sequence) or isinstance(input_size, str):
        raise TypeError(f"input_size must hold {expected}, got {input_size!r}")
    if not input_size:
        raise ValueError(f"input_size must hold {expected}, got none")
    return tuple(check_integer(f"input_size[{i}]", size) for i, size in enumerate(input_size))


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; outside, mode, buffers and random state are what they were."""
    modules = list(model.modules())
    modes = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    values = [(b, b.clone()) for kept in buffers for b in kept.values() if b is not None and not b.is_meta]
    devices = {p.device for p in model.parameters() if p.device.type not in ("cpu", "meta")}
    device_type = next((device.type for device in devices), "cuda")
    with torch.random.fork_rng(devices=list(devices), device_type=device_type):
        try:
            for module in modules:
                module.training = False  # not eval(): a class may have changed what that does
            yield
        finally:
            for module, mode, kept in zip(modules, modes, buffers, strict=True):
                module.training = mode
                module._buffers.clear()
                module._buffers.update(kept)
            for buffer, value in values:
                # only where needed, as autograd refuses to go back to a tensor that was written to
                if not torch.equal(buffer, value):
                    buffer.copy_(value)


@dataclass
class _Call:
    """A module that is running."""

    module: nn.Module
    x: Tensor | None
    is_layer: bool
    flops_before: int
    rows_before: int
    flops_inside: int = 0


class _Listener:
    """Hooks on all modules, which write a row whenever a layer has run."""

    def __init__(self, model: nn.Module, x: Tensor, depth: int | None) -> None:
        self.depth = depth
        self.names = {module: name for name, module in model.named_modules()}
        self.follower = _Follower(x)
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.running: list[_Call] = []
        self.counted: set[int] = set()
        self.handles: list[RemovableHandle] = []

    def __enter__(self) -> _Listener:
        for module in self.names:
            self.handles.append(module.register_forward_pre_hook(self.before, prepend=True, with_kwargs=True))
            self.handles.append(module.register_forward_hook(self.after))
        self.follower.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.follower.__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # what a layer calls, such as the modules of a parametrised weight, belongs to the layer
        inside = bool(self.running) and self.running[-1].is_layer
        x = next(_tensors((args, kwargs)), None)
        self.running.append(
            _Call(module, x, inside or _is_layer(module), self.follower.flops, len(self.rows))
        )
        self.follower.place = self.describe(module)

    def after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        call, caller = self.running[-1], self.running[-2] if len(self.running) > 1 else None
        if caller is None or not caller.is_layer:
            y = next(_tensors(output), None)
            flops = self.follower.flops - call.flops_before
            products: int | None = (flops - call.flops_inside) // 2
            if call.is_layer and call.x is not None and y is not None:
                self.follower.leave_layer(module, call.x, y)
                products = _products(module, call.x, y, counted=products)
            self.write(call, y, products)
            if len(self.running) - 1 == self.depth and not call.is_layer:
                self.fold(call, y)
            if caller is not None:
                caller.flops_inside += flops
        if caller is not None:
            self.follower.place = self.describe(caller.module)
        self.running.pop()

    def write(self, call: _Call, y: Tensor | None, products: int | None) -> None:
        """Write the row of a layer, or of a module that learns or multiplies beside its layers."""
        module = call.module
        parameters = {id(p): p.numel() for p in module.parameters(recurse=call.is_layer)}
        new = sum(number for key, number in parameters.items() if key not in self.counted)
        self.counted |= parameters.keys()
        if not call.is_layer and not new and not products:
            return
        if products is None:
            self.notes.append(f"The multiply-adds of {self.describe(module)} are not known.")
        row = self.row(module, y)
        if call.is_layer:
            dropped = _dropped(module, call.x, y) if call.x is not None and y is not None else ""
            row = replace(row, settings=_settings(module), dropped=dropped)
        shared = sum(parameters.values()) - new
        self.rows.append(replace(row, parameters=new, shared=shared, multiply_adds=products))

    def fold(self, call: _Call, y: Tensor | None) -> None:
        """Put the row of a block in place of those of its layers."""
        rows = self.rows[call.rows_before :]
        block = replace(
            self.row(call.module, y),
            parameters=sum(row.parameters for row in rows),
            shared=sum(row.shared for row in rows),
            multiply_adds=sum(row.multiply_adds or 0 for row in rows),
            dropped=", ".join(dict.fromkeys(row.dropped for row in rows if row.dropped)),
        )
        self.rows[call.rows_before :] = [block]

    def row(self, module: nn.Module, y: Tensor | None) -> Row:
        """What a row tells of the output, and nothing else."""
        output = None if y is None else tuple(y.shape[1:] if y.shape[:1] == (1,) else y.shape)
        seen = None if y is None else self.follower.seen.get(y)
        if seen is not None and seen.lost_in:
            self.notes.append(f"Receptive fields are not known after {seen.lost_in}.")
        field = seen.fields if seen is not None and seen.is_grid else None
        return Row(self.names[module], type(module).__name__, "", output, 0, 0, 0, field)

    def write_uncalled(self) -> None:
        """Write the rows of modules that have parameters, but did not run."""
        uncalled = []
        for module, name in self.names.items():
            own = {id(p): p.numel() for p in module.parameters(recurse=False)}
            new = sum(number for key, number in own.items() if key not in self.counted)
            self.counted |= own.keys()
            if new:
                uncalled.append(name)
                self.rows.append(Row(name, type(module).__name__, _settings(module), None, new, 0, 0, None))
        if uncalled:
            more = f" and {len(uncalled) - 4} more" if len(uncalled) > 4 else ""
            self.notes.append(f"Not called, but with parameters: {', '.join(uncalled[:4])}{more}.")

    def describe(self, module: nn.Module) -> str:
        """Name and type."""
        kind = type(module).__name__ + (f" {_settings(module)}" if _is_layer(module) else "")
        return f"{self.names[module]} ({kind.strip()})" if self.names[module] else kind.strip()

    def refusal(self) -> str:
        """Which module has failed, and on which shapes."""
        if not self.running or self.running[-1].x is None:
            return "the model fails"
        call = self.running[-1]
        assert call.x is not None
        weight = getattr(call.module, "weight", None)
        shape = f"a weight of shape {tuple(weight.shape)} and " if isinstance(weight, Tensor) else ""
        return f"{self.describe(call.module)} has {shape}an input of shape {tuple(call.x.shape)}, batch first"


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


# ---------------------------------------------------------------------- layers
# They are known by their attributes, which layers written from scratch share with torch's, and not by class.
def _is_layer(module: nn.Module) -> bool:
    return all(name == "parametrizations" for name, _ in module.named_children())


def _is_convolution(module: Any) -> bool:
    return all(hasattr(module, name) for name in ("in_channels", "out_channels", "kernel_size"))


def _axes(value: Any, axes: int) -> tuple[Any, ...]:
    """One number an axis, where torch takes one for all."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * axes if len(values) == 1 else values


def _settings(module: Any) -> str:
    """Filter size, number of filters, and what is not the default, in the letters of the notes."""
    if hasattr(module, "in_features") and hasattr(module, "out_features"):
        return f"{module.in_features} to {module.out_features}"
    name = type(module).__name__
    axes = int(name[-2]) if name[-2:] in ("1d", "2d", "3d") else 1
    if name.startswith("Adaptive") and hasattr(module, "output_size"):
        return f"to {'×'.join(map(str, _axes(module.output_size, axes)))}"
    if not hasattr(module, "kernel_size"):
        return ""
    settings = ["×".join(map(str, _axes(module.kernel_size, axes)))]
    if _is_convolution(module):
        settings.append(str(module.out_channels))
    for attribute, letter, usual in (
        ("stride", "S", 1 if _is_convolution(module) else None),
        ("padding", "P", 0),
        ("dilation", "d", 1),
        ("groups", "groups", 1),
    ):
        values = _axes(getattr(module, attribute, usual), axes)
        if any(value != usual for value in values):
            settings.append(f"{letter}={'×'.join(map(str, values if len(set(values)) > 1 else values[:1]))}")
    return ", ".join(settings)


def _products(module: Any, x: Tensor, y: Tensor, counted: int | None) -> int | None:
    """Multiply-adds by the sizes of a convolution or a linear layer; of another layer what was counted."""
    weight = getattr(module, "weight", None)
    shape = tuple(weight.shape) if isinstance(weight, Tensor) else ()
    if _is_convolution(module) and len(shape) > 2:
        F = _axes(module.kernel_size, x.dim() - 2)
        groups = getattr(module, "groups", 1)
        # a transposed convolution applies its filters to each node that comes in
        nodes = (x if getattr(module, "transposed", False) else y).shape[2:]
        return multiply_adds(tuple(nodes), F, module.in_channels, module.out_channels, groups=groups)
    if hasattr(module, "in_features") and shape == (module.out_features, module.in_features):
        return x.shape[:-1].numel() * full_parameters(module.in_features, module.out_features)
    # numbers that only scale or shift the output are no matrix
    has_matrix = any(p.dim() > 1 and p.shape != y.shape[-p.dim() :] for p in module.parameters())
    return None if has_matrix and not counted else counted


def _windows(module: Any, axes: int) -> list[Window] | None:
    """What a convolution or a pooling does to each axis; None for another layer."""
    if not all(hasattr(module, name) for name in ("kernel_size", "stride", "padding")):
        return None
    F, d = _axes(module.kernel_size, axes), _axes(getattr(module, "dilation", 1), axes)
    S = F if module.stride is None else _axes(module.stride, axes)
    P = _axes(module.padding, axes)
    if module.padding == "same":
        P = tuple(same_padding(*sizes)[0] for sizes in zip(F, d, strict=True))
    elif module.padding == "valid":
        P = (0,) * axes
    if getattr(module, "transposed", False):
        return _transposed_windows(F, S, P, d)
    try:
        return [Window(*sizes) for sizes in zip(F, S, P, d, strict=True)]
    except (TypeError, ValueError):  # attributes of these names that mean something else
        return None


def _dropped(module: Any, x: Tensor, y: Tensor) -> str:
    """What lies behind the last window, or by how much it hangs over."""
    windows = _windows(module, x.dim() - 2) if x.dim() == y.dim() > 2 else None
    if windows is None:
        return ""
    pixel = "pixel" if len(windows) > 1 else "node"
    texts = []
    for n, n_out, w in zip(x.shape[2:], y.shape[2:], windows, strict=True):
        left_over = n + 2 * w.padding - (n_out - 1) * w.stride - (w.kernel_size - 1) * w.dilation - 1
        if not -w.stride * getattr(module, "ceil_mode", False) <= left_over < w.stride:
            return ""  # the attributes do not fit the sizes
        nodes, inputs = dropped_nodes(n, **vars(w)) if left_over > 0 else (0, 0)
        parts = [f"{inputs} {pixel}" + "s" * (inputs > 1)] * (inputs > 0)
        parts += [f"{nodes - inputs} of padding"] * (nodes > inputs)
        parts += [f"hangs over by {-left_over}"] * (left_over < 0)
        texts.append(" + ".join(parts))
    return " × ".join(text or "0" for text in texts) if len(set(texts)) > 1 else texts[0]


def _transposed_windows(F: Sequence[int], S: Any, P: Any, d: Any) -> list[Window] | None:
    """Without a stride a transposed convolution is a convolution with more padding: (F - 1) d - P.

    None where it is not: with a stride, nodes see unequally many inputs.
    """
    more = [(f - 1) * step - p for f, step, p in zip(F, d, P, strict=True)]
    if any(s != 1 for s in S) or min(more) < 0:
        return None
    return [Window(*sizes) for sizes in zip(F, S, more, d, strict=True)]


# ---------------------------------------------------------------------- receptive fields
@dataclass(frozen=True)
class _Seen:
    """What the elements of a tensor see of the input.

    Attributes:
        fields: one an axis of the input; a jump of 0 says that all elements see the same.
        is_grid: whether the last dimensions of the tensor are these axes. If not, its elements see different
            parts of the fields, in an order that is not followed, but together all of them.
        lost_in: the operation behind which nothing is known.
    """

    fields: Fields
    is_grid: bool = True
    lost_in: str = ""

    @property
    def is_uniform(self) -> bool:
        return self.is_grid and not any(field.jump for field in self.fields)


class _Follower(TorchDispatchMode):
    """Follows PyTorch's operations: on what does every element depend, and how much is multiplied?"""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        itself = ReceptiveField(size=1, jump=1, start=0)
        self.seen = WeakTensorKeyDictionary({x: _Seen((itself,) * max(1, x.dim() - 2))})
        self.flops = 0
        self.place = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        before = {id(t): self.seen.get(t) for t in _tensors((args, kwargs))}
        out = func(*args, **kwargs)
        packet = func.overloadpacket
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **kwargs, out_val=out)
        makes_new = packet.__name__.startswith("new_") or packet.__name__.endswith("_like")
        if any(before.values()) and not makes_new:
            for y in _tensors(out):
                self.seen[y] = after = self.follow(func, args, kwargs, y)
                if id(y) in before and after != before[id(y)]:
                    self.forget_memory_of(y)
        return out

    def follow(self, func: Any, args: Any, kwargs: Any, y: Tensor) -> _Seen:
        """What the elements of an operation's result see."""
        parts = [(self.seen[t], t) for t in _tensors((args, kwargs)) if t in self.seen]
        first = parts[0][0]
        for seen, _ in parts:
            if seen.lost_in:
                return seen
        if first.is_uniform and all(seen == first for seen, _ in parts):
            return first  # whatever the operation does
        name = func.overloadpacket.__name__
        a = _by_name(func, args, kwargs)
        after = None
        if torch.Tag.pointwise in func.tags or name.removesuffix("_") in _POINTWISE:
            after = _union(parts, y)
        elif name in ("cat", "stack"):
            along_axis = a["dim"] % y.dim() >= y.dim() - len(first.fields)
            after = None if along_axis and any(seen.is_grid for seen, _ in parts) else _union(parts, y)
        elif name in _RULES and len(parts) == 1:
            seen, x = parts[0]
            # weights that are computed from the input are no weights
            if x is a.get("mat1", a.get("input", a.get("self"))):
                after = _RULES[name](seen, x, y, a)
        return after or _Seen(first.fields, is_grid=False, lost_in=f"`{name}` in {self.place}")

    def forget_memory_of(self, y: Tensor) -> None:
        """Once a tensor is written to, nothing is known of others in the same memory."""
        lost = _Seen((), is_grid=False, lost_in=f"writing into a part of a tensor in {self.place}")
        memory = y.untyped_storage()._cdata
        others = [t for t in self.seen if t is not y and t.untyped_storage()._cdata == memory]
        for other in [*others, *([] if y._base is None else [y._base])]:
            self.seen[other] = lost

    def leave_layer(self, module: nn.Module, x: Tensor, y: Tensor) -> None:
        """Take a layer's window where its operations told nothing, as in a layer written from scratch."""
        before, after = self.seen.get(x), self.seen.get(y)
        if before is None or before.lost_in or (after is not None and not after.lost_in):
            return
        axes = len(before.fields)
        windows = _windows(module, axes) if x.dim() == y.dim() == axes + 2 else None
        if windows is None:
            return
        for n, n_out, window in zip(x.shape[2:], y.shape[2:], windows, strict=True):
            # PyTorch rounds up if told so; padding="same" may put one zero more on the right
            if n_out - output_size(n, **vars(window), floor=True) not in (0, 1):
                return
        passed = _slide(before, y, windows)
        if passed is not None:
            self.seen[y] = passed


def _by_name(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of an operation of PyTorch by their names, defaults included."""
    declared = func._schema.arguments
    given = {argument.name: value for argument, value in zip(declared, args, strict=False)}
    return {argument.name: argument.default_value for argument in declared} | given | kwargs


def _hull(fields: Iterable[ReceptiveField], jump: int = 0) -> ReceptiveField:
    """From the smallest start to the largest end."""
    fields = list(fields)
    start = min(field.start for field in fields)
    return ReceptiveField(max(field.start + field.size for field in fields) - start, jump, start)


def _whole(field: ReceptiveField, n: int) -> ReceptiveField:
    """What n nodes see together."""
    return ReceptiveField(field.size + (n - 1) * field.jump, 0, field.start)


def _union(parts: Sequence[tuple[_Seen, Tensor]], y: Tensor) -> _Seen | None:
    """What elements see that take one element of each tensor, the same place in all of them."""
    if not all(seen.is_grid or seen.is_uniform for seen, _ in parts):
        return _union_without_grid([seen for seen, _ in parts])
    axes = len(parts[0][0].fields)
    fields = []
    for axis in range(-axes, 0):
        column = []
        for seen, x in parts:
            field = seen.fields[axis]
            # a single node that is spread along an axis is seen from everywhere
            spread = field.jump and x.shape[axis] == 1 != y.shape[axis]
            column.append(field._replace(jump=0) if spread else field)
        jumps = {field.jump for field in column}
        if len(jumps) == 1:
            fields.append(_hull(column, jumps.pop()))
            continue
        all_of_it = _hull(_whole(field, y.shape[axis]) for field in column)
        if all_of_it not in column:
            return None
        fields.append(all_of_it)
    return _Seen(tuple(fields))


def _union_without_grid(parts: Sequence[_Seen]) -> _Seen | None:
    if any(seen.is_grid and not seen.is_uniform for seen in parts):
        return None
    fields = tuple(_hull(column) for column in zip(*(seen.fields for seen in parts), strict=True))
    return _Seen(fields, is_grid=_Seen(fields) in parts)


def _slide(seen: _Seen, y: Tensor, windows: Sequence[Window]) -> _Seen | None:
    """A convolution or a pooling; windows beyond the input's axes run over channels."""
    axes = len(seen.fields)
    if not seen.is_grid or len(windows) < axes:
        return None
    fields = []
    for field, window, n_out in zip(seen.fields, windows[-axes:], y.shape[-axes:], strict=True):
        one = receptive_fields([window])[-1]  # in the layer before
        size, start = field.size + (one.size - 1) * field.jump, field.start + one.start * field.jump
        jump = 0 if n_out == 1 else field.jump * one.jump  # a single node moves nowhere
        fields.append(ReceptiveField(size, jump, start))
    return _Seen(tuple(fields))


def _mix(seen: _Seen, x: Tensor, dims: Iterable[int], *, keeps_dims: bool = True) -> _Seen | None:
    """Every element takes in all elements along some dimensions."""
    mixed = {dim % x.dim() for dim in dims}
    if not seen.is_grid:
        mixes_all = all(dim in mixed or x.shape[dim] == 1 for dim in range(x.dim()))
        return _Seen(seen.fields) if mixes_all else None
    first = x.dim() - len(seen.fields)
    is_mixed = [first + axis in mixed for axis in range(len(seen.fields))]
    if any(is_mixed) and not all(is_mixed) and not keeps_dims:
        return None
    fields = zip(seen.fields, x.shape[first:], is_mixed, strict=True)
    return _Seen(tuple(_whole(field, n) if mix else field for field, n, mix in fields))


# Operations without PyTorch's tag "pointwise" that nevertheless take each element by itself.
_POINTWISE = {"hardswish", "log_sigmoid_forward", "_prelu_kernel", "rsub", "_to_copy", "detach", "alias"}


# A rule for each of the others: what was seen before, the tensor, the result, the arguments by name.
def _convolution(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    F = a["weight"].shape[2:]
    S, P, d = (_axes(a[name], len(F)) for name in ("stride", "padding", "dilation"))
    if a["transposed"]:
        windows = _transposed_windows(F, S, P, d)
        return None if windows is None else _slide(seen, y, windows)
    return _slide(seen, y, [Window(*sizes) for sizes in zip(F, S, P, d, strict=True)])


def _pool(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    F = tuple(a["kernel_size"])
    S, P, d = a["stride"] or F, a["padding"], a.get("dilation", 1)
    sizes = zip(F, *(_axes(v, len(F)) for v in (S, P, d)), strict=True)
    return _slide(seen, y, [Window(*axis) for axis in sizes])


def _adaptive_pool(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    axes = len(a["output_size"])
    sizes = list(zip(x.shape[-axes:], y.shape[-axes:], strict=True))
    if all(n_out == 1 for _, n_out in sizes):
        return _mix(seen, x, range(-axes, 0))
    if any(n % n_out for n, n_out in sizes):
        return None  # windows of unequal sizes
    return _slide(seen, y, [Window(n // n_out, n // n_out) for n, n_out in sizes])


def _reduce(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    dims = a.get("dim")
    dims = [dims] if isinstance(dims, int) else dims or range(x.dim())
    return _mix(seen, x, dims, keeps_dims=a.get("keepdim", False))


def _softmax(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    return _mix(seen, x, [a["dim"]])


def _product(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    return _mix(seen, x, [-1])


def _layer_norm(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    return _mix(seen, x, range(-len(a["normalized_shape"]), 0))


def _group_norm(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    return _mix(seen, x, range(1, x.dim())) if seen.is_grid else None


def _batch_norm(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    # without running statistics it takes them from the map, in evaluation too
    return _mix(seen, x, [0, *range(2, x.dim())]) if a["training"] else seen


def _view(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    axes = len(seen.fields)
    if not seen.is_grid or x.shape[-axes:] == y.shape[-axes:]:
        return seen
    if x.numel() != y.numel():
        return None
    fields = zip(seen.fields, x.shape[-axes:], strict=True)
    return _Seen(tuple(_whole(field, n) for field, n in fields), is_grid=False)


def _permute(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    dims = list(range(x.dim()))
    if "dims" in a:
        dims = [dim % x.dim() for dim in a["dims"]]
    else:
        i, j = a.get("dim0", 0) % x.dim(), a.get("dim1", 1) % x.dim()
        dims[i], dims[j] = dims[j], dims[i]
    axes = len(seen.fields)
    return seen if not seen.is_grid or dims[-axes:] == list(range(x.dim()))[-axes:] else None


def _part(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    axis = a["dim"] % x.dim() - (x.dim() - len(seen.fields))
    if not seen.is_grid or (axis >= 0 and "step" not in a):
        return None
    if axis < 0:
        return seen
    begin, _, step = slice(a["start"], a["end"], a["step"]).indices(x.shape[a["dim"]])
    fields = list(seen.fields)
    field = fields[axis]
    jump = 0 if y.shape[a["dim"]] == 1 else field.jump * step
    fields[axis] = field._replace(start=field.start + begin * field.jump, jump=jump)
    return _Seen(tuple(fields))


def _pad(seen: _Seen, x: Tensor, y: Tensor, a: dict[str, Any]) -> _Seen | None:
    if not seen.is_grid:
        return None
    before = (a["pad"] if "pad" in a else a["padding"])[::2]  # the last axis comes first
    fields = list(seen.fields)
    for axis, zeros in zip(range(len(fields) - 1, -1, -1), before, strict=False):
        fields[axis] = fields[axis]._replace(start=fields[axis].start - zeros * fields[axis].jump)
    return _Seen(tuple(fields))


_RULES: dict[str, Callable[[_Seen, Tensor, Tensor, dict[str, Any]], _Seen | None]] = {
    "convolution": _convolution,
    **dict.fromkeys(
        ["max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d"], _pool
    ),
    **dict.fromkeys(["_adaptive_avg_pool2d", "_adaptive_avg_pool3d"], _adaptive_pool),
    **dict.fromkeys(["adaptive_max_pool2d", "adaptive_max_pool3d"], _adaptive_pool),
    **dict.fromkeys(["mean", "sum", "amax", "amin", "max", "min", "var", "std", "logsumexp"], _reduce),
    **dict.fromkeys(["linalg_vector_norm"], _reduce),
    **dict.fromkeys(["_softmax", "_log_softmax"], _softmax),
    **dict.fromkeys(["mm", "addmm"], _product),
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    **dict.fromkeys(["native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"], _batch_norm),
    **dict.fromkeys(["view", "_unsafe_view", "unsqueeze", "squeeze", "expand"], _view),
    **dict.fromkeys(["permute", "transpose", "t"], _permute),
    **dict.fromkeys(["select", "slice", "split", "split_with_sizes", "unbind"], _part),
    **dict.fromkeys(["constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d"], _pad),
    **dict.fromkeys(["replication_pad1d", "replication_pad2d", "replication_pad3d"], _pad),
}
