"""Experiments with a kernel: choose, press a button, and PyTorch computes while you watch.

`StepSizes`, `DropoutGap` and `OwnPicture` are widgets for JupyterLab, Binder and Colab. Each shows a result
at its default settings from the start. A page without a kernel shows the picture of that result, no controls.

What they compute and draw, `train_in_view`, `read_picture` and the other functions, needs no browser.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import io
import math
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor, nn

from cnnkit import plots, process
from cnnkit.batches import normalization, prepare, seed_of, shuffled
from cnnkit.data import Examples, mnist5k, photograph
from cnnkit.figures.images import MASKS
from cnnkit.functional.conv import conv2d
from cnnkit.models.lenet import LeNet
from cnnkit.train import Diverged, pretrained

__all__ = [
    "DropoutGap",
    "Experiment",
    "Moment",
    "OwnPicture",
    "Run",
    "StepSizes",
    "draw_answers",
    "draw_curves",
    "draw_gaps",
    "filter_picture",
    "first_layer_filters",
    "network_with_batch_norm",
    "network_with_dropout",
    "normalised_digits",
    "read_picture",
    "train_in_view",
]

STEP_SIZES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
RATES = tuple(k / 20 for k in range(19))
IMAGES = (100, 300, 1000, 4000)
PHOTOGRAPHS = ("camera", "chelsea", "coins", "brick", "astronaut", "coffee", "grass", "gravel", "moon")
YOUR_OWN = "your own"
SUBSCRIPTS = str.maketrans("123", "₁₂₃")

MOST_RUNS = 6  # in one picture: as many as there are colours
LONGEST_SIDE = 512  # of a picture, in pixels; larger ones are reduced
MOST_PIXELS = 50_000_000  # that are decoded: they take 350 MB for a moment
SMALLEST_SIDE = 5  # that of LeNet's filters

CPU = torch.device("cpu")


# ---------------------------------------------------------------------- training, a few steps at a time
class Moment(NamedTuple):
    """Where a training run is.

    Attributes:
        step: steps done.
        loss: mean over the batches since the last moment.
        accuracies: one for each set that is judged, with the network as it is at test time.
    """

    step: int
    loss: float
    accuracies: tuple[float, ...]


@dataclass(eq=False)
class Run:
    """One network, as far as its training has come.

    Attributes:
        name: what is special about it.
        moments: what is known of it so far.
        settings: numbers by which drawings sort it.
    """

    name: str
    moments: list[Moment] = field(default_factory=list)
    settings: dict[str, float | int] = field(default_factory=dict)


def normalised_digits() -> tuple[Examples, Examples]:
    """The digits of `cnnkit.data.mnist5k`, with mean 0 and variance 1 over the 4,000 training digits."""
    dataset = mnist5k()
    normal = normalization(dataset.train)
    train, test = (Examples(prepare(part.x, normal), part.y) for part in (dataset.train, dataset.test))
    return train, test


def network_with_batch_norm(batch_norm: bool) -> nn.Sequential:
    """LeNet's two convolutions and one hidden layer, each with batch norm before its ReLU, or without.

    Args:
        batch_norm: with it.
    """

    def norm(layer: nn.Module) -> list[nn.Module]:
        return [layer] if batch_norm else []

    return nn.Sequential(  # (N, 1, 28, 28)
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        *norm(nn.BatchNorm2d(6)),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 6, 14, 14)
        nn.Conv2d(6, 16, kernel_size=5),
        *norm(nn.BatchNorm2d(16)),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 5, 5)
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 60),
        *norm(nn.BatchNorm1d(60)),
        nn.ReLU(),
        nn.Linear(60, 10),
    )


def network_with_dropout(p: float | int) -> nn.Sequential:
    """One convolution and one large hidden layer, whose inputs and outputs are dropped.

    Args:
        p: the probability to drop a node, PyTorch's convention.
    """
    return nn.Sequential(  # (N, 1, 28, 28)
        nn.Conv2d(1, 8, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 8, 7, 7)
        nn.Flatten(),
        nn.Dropout(p),
        nn.Linear(8 * 7 * 7, 256),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(256, 10),
    )


def train_in_view(
    build: Callable[[], nn.Module],
    train: Examples,
    judged_on: Sequence[Examples],
    *,
    step_size: float | int,
    momentum: float | int = 0.0,
    steps: int,
    every: int = 10,
    batch_size: int = 64,
    seed: int = 0,
) -> Iterator[Moment]:
    """Gradient descent that says every few steps where it is; who asks no more has stopped it.

    The seed alone decides the result, whatever else draws random numbers between two moments.

    Args:
        build: makes the network.
        train: what to learn from, as the network takes it.
        judged_on: sets of which each moment has the accuracy.
        step_size: constant.
        momentum: of the steps; 0 for none.
        steps: of the whole run.
        every: steps between two moments; the last step has one in any case.
        batch_size: an epoch's last batch may be smaller, but has two examples at least.
        seed: for weights, order and dropout.

    Raises:
        Diverged: the loss was no longer finite.
    """
    with process.own_random_numbers(CPU):
        process.seed(CPU, seed_of(seed, "weights"))
        net = build()
    optimiser = torch.optim.SGD(net.parameters(), lr=step_size, momentum=momentum)
    batches = _endless_batches(len(train), batch_size, seed)
    done = 0
    while done < steps:
        losses = []
        with process.own_random_numbers(CPU):
            process.seed(CPU, seed_of(seed, "steps from", done))
            for _ in range(min(every, steps - done)):
                examples = next(batches)
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(net(train.x[examples]), train.y[examples])
                loss.backward()
                optimiser.step()
                losses.append(loss.item())
                done += 1
                if not math.isfinite(losses[-1]):
                    raise Diverged(
                        f"The loss was no longer finite in step {done}, at step size {step_size:g}: try a "
                        "smaller one."
                    )
        yield Moment(done, sum(losses) / len(losses), tuple(_accuracy(net, part) for part in judged_on))


def _endless_batches(n: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    epoch = 0
    while True:
        parts = shuffled(n, seed_of(seed, "order", epoch)).split(batch_size)
        yield from (part for part in parts if len(part) > 1)  # batch norm in training needs two
        epoch += 1


@torch.no_grad()
def _accuracy(net: nn.Module, examples: Examples) -> float:
    net.eval()
    right = (net(examples.x).argmax(1) == examples.y).double().mean().item()
    net.train()
    return right


def draw_curves(runs: Sequence[Run]) -> Figure:
    """Loss and test accuracy of training runs, step by step: the last run strong, those before it pale.

    Args:
        runs: at most six, each judged on one set.
    """
    figure = Figure(figsize=(8, 3.9), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for index, run in enumerate(runs):
        last = index == len(runs) - 1
        style: dict[str, Any] = {
            "color": plots.COLOURS[index % len(plots.COLOURS)],
            "linestyle": "-" if run.settings.get("batch norm") else "--",
            "marker": "osD^vp"[index % 6],
            "markersize": 4,
            "markevery": 3,
            "alpha": 1.0 if last else 0.4,
            "linewidth": 2.2 if last else 1.4,
        }
        steps = [moment.step for moment in run.moments]
        loss.plot(steps, [moment.loss for moment in run.moments], label=run.name, **style)
        accuracy.plot(steps, [moment.accuracies[0] for moment in run.moments], **style)
    loss.set(xlabel="step", ylabel="training loss", ylim=(0, 2.6))
    accuracy.set(xlabel="step", ylabel="test accuracy", ylim=(0, 1))
    if runs:
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def draw_gaps(runs: Sequence[Run]) -> Figure:
    """The last run step by step, and of all runs how far training and test accuracy are apart in the end.

    Args:
        runs: each judged on its training images and on the test images, with the settings ``rate`` and
            ``images``.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    curves, gaps = figure.subplots(1, 2)
    if runs:
        steps = [moment.step for moment in runs[-1].moments]
        for k, (what, marker, line) in enumerate((("training images", "o", "-"), ("test images", "s", "--"))):
            values = [moment.accuracies[k] for moment in runs[-1].moments]
            curves.plot(steps, values, marker=marker, markersize=4, linestyle=line, label=what)
        curves.legend(loc="lower right")
        curves.set_title(runs[-1].name, loc="center")
    for run in runs:
        rate, (train, test) = run.settings["rate"], run.moments[-1].accuracies
        colour, line = _of_images(run)
        gaps.plot([rate, rate], [test, train], color=colour, linestyle=line, linewidth=1.4)
        gaps.plot([rate], [train], "o", color=colour, markersize=6)
        gaps.plot([rate], [test], "s", color=colour, markersize=6, markerfacecolor="white")
    for images, (colour, line) in sorted({run.settings["images"]: _of_images(run) for run in runs}.items()):
        gaps.plot([], [], color=colour, linestyle=line, label=f"{images:,} images")
    if runs:
        gaps.legend(loc="lower left")
    curves.set(xlabel="step", ylabel="accuracy", ylim=(0, 1.03))
    gaps.set(xlabel="dropout rate", ylabel="training (dots), test (squares)", xlim=(-0.05, 0.95))
    gaps.set_ylim(top=1.02)
    return figure


def _of_images(run: Run) -> tuple[str, str]:
    """Colour and line of runs on so many images."""
    index = IMAGES.index(int(run.settings["images"]))
    return plots.COLOURS[2 + index], ("-.", "-", "--", ":")[index]


# ---------------------------------------------------------------------- pictures and masks
def read_picture(content: bytes, name: str = "the file") -> Float[Tensor, "H W"]:
    """Grey values from 0 (black) to 1 (white) of an image file of any kind that Pillow reads.

    Transparent pixels become white, a photograph that was stored lying on its side (EXIF orientation) is
    turned upright, of 16 bits the upper 8 count, of an animation the first picture. A longest side above 512
    pixels is reduced to 512. Grey is the mean of red, green and blue.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.

    Raises:
        ValueError: no image, a damaged one, one of more than 50 million pixels, or a side that is shorter
            than 5 pixels when the longest is 512.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    advice = "Expected a picture such as PNG or JPEG."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large and odd files: what matters is said below
            with Image.open(io.BytesIO(content)) as image:
                image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is decoded to about the size needed
                pixels = image.width * image.height
                upright = ImageOps.exif_transpose(image) if pixels <= MOST_PIXELS else None
    except UnidentifiedImageError:
        raise ValueError(f"{name} is not a picture that can be read. {advice}") from None
    except Image.DecompressionBombError:
        upright = None
    except Exception as error:  # Pillow's decoders answer damage with almost any kind of error
        raise ValueError(f"{name} is damaged: {type(error).__name__}, {error}. {advice}") from error
    if upright is None:
        raise ValueError(f"{name} must have at most {MOST_PIXELS // 10**6} million pixels: reduce it first.")
    if upright.mode.startswith("I"):  # Pillow would cut 16 bits at 255
        upright = Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8))
    size = f"{upright.width} by {upright.height}"
    colours = upright.convert("RGBA")
    colours.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if min(colours.size) < SMALLEST_SIDE:
        raise ValueError(
            f"{name} must have at least {SMALLEST_SIDE} pixels on each side when the longest is reduced to "
            f"{LONGEST_SIDE}; got {size}."
        )
    white = Image.new("RGBA", colours.size, "white")
    rgb = np.asarray(Image.alpha_composite(white, colours).convert("RGB"))
    return torch.from_numpy(rgb.copy()).float().mean(dim=2) / 255


def first_layer_filters() -> Float[Tensor, "6 5 5"]:
    """The filters of the first layer of the trained LeNet: see `cnnkit.train.pretrained`."""
    model = pretrained(device="cpu").model
    assert isinstance(model, LeNet)
    weight = model.features[0].weight
    assert isinstance(weight, Tensor)
    return weight.detach()[:, 0]


def filter_picture(picture: Float[Tensor, "H W"], mask: Float[Tensor, "F F"]) -> Float[Tensor, "new_H new_W"]:
    """The answer of a mask at every place where it fits into a picture.

    Args:
        picture: grey values.
        mask: the weights.

    Raises:
        ValueError: a weight is not finite.
    """
    if not mask.isfinite().all():
        raise ValueError(f"The weights of the mask must be finite numbers; got {mask.flatten().tolist()}.")
    return conv2d(picture[None], mask[None, None])[0]


def draw_answers(
    picture: Float[Tensor, "H W"], mask: Float[Tensor, "F F"], answers: Float[Tensor, "new_H new_W"]
) -> Figure:
    """Picture, mask, and what the mask answers.

    The answers of a mask whose weights sum to 1 are grey values again, and drawn as such, from 0 to 1. All
    others are coloured: blue is negative, zero is white, orange is positive. The colours are strongest at the
    size that one answer in a hundred exceeds.

    Args:
        picture: grey values.
        mask: the weights.
        answers: what `filter_picture` returned.
    """
    height = min(max(2.9 * picture.shape[0] / picture.shape[1], 2.0), 6.0) + 0.4
    figure = Figure(figsize=(7.6, height), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(3, 1.7, 3))
    left.imshow(picture.numpy(), cmap="gray", vmin=0, vmax=1)
    plots.mask(mask.numpy().round(2) + 0.0, ax=middle)
    for text in middle.texts:
        text.set_fontsize(9.5 if len(mask) == 3 else 5.5)
    if abs(mask.sum().item() - 1) < 1e-5:
        right.imshow(answers.numpy(), cmap="gray", vmin=0, vmax=1)
    else:
        limit = answers.abs().quantile(0.99).item() or answers.abs().max().item() or 1.0
        right.imshow(answers.numpy(), cmap=plots.DIVERGING, vmin=-limit, vmax=limit)
    for ax, title in ((left, "picture"), (middle, "mask"), (right, "answers")):
        ax.set_title(title, loc="center")
        ax.set_axis_off()
    return figure


# ---------------------------------------------------------------------- the widgets
class Experiment:
    """Controls, a message and a picture; where there is no kernel, the picture alone.

    As a cell's value it has two forms at once. A front end with a kernel takes the widget. All others, and
    the site, take the picture, which is stored with the notebook.

    Args:
        controls: rows of widgets, above the message.
        kind: ``"svg"`` or ``"png"``, the format of the picture.
    """

    def __init__(self, controls: Sequence[Any], kind: str = "svg") -> None:
        self._kind = kind
        self._image = b""
        self._message = ipywidgets.HTML()
        self._picture = ipywidgets.HTML()
        self.box = ipywidgets.VBox([*controls, self._message, self._picture])

    @property
    def message(self) -> str:
        """What the reader is told, as HTML."""
        return self._message.value

    @property
    def summary(self) -> str:
        """The numbers of the picture in words."""
        raise NotImplementedError

    def figure(self) -> Figure:
        """The picture of the result so far."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show the result so far."""
        buffer = io.BytesIO()
        dateless = {"svg": {"Date": None}, "png": {"Software": None}}[self._kind]
        self.figure().savefig(buffer, format=self._kind, metadata=dateless)
        self._image = buffer.getvalue()
        data = base64.b64encode(self._image).decode()
        mime = {"svg": "image/svg+xml", "png": "image/png"}[self._kind]
        alt = html.escape(self.summary.replace("\n", "; "))
        self._picture.value = (
            f'<img alt="{alt}" src="data:{mime};base64,{data}" style="max-width: 100%; height: auto">'
        )

    def say(self, text: str, *, alert: bool = False, details: str = "") -> None:
        """Tell the reader something.

        Args:
            text: what.
            alert: something went wrong.
            details: more, folded.
        """
        role = "alert" if alert else "status"
        more = f"<details><summary>Details</summary><pre>{html.escape(details)}</pre></details>"
        self._message.value = f'<p role="{role}">{html.escape(text)}</p>' + (more if details else "")

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Show the reader the error of a callback, which would end in a log that nobody reads."""
        try:
            yield
        except (ValueError, Diverged) as error:
            self.say(str(error), alert=True)
        except Exception as error:
            self.say(f"{type(error).__name__}: {error}", alert=True, details=traceback.format_exc())

    def __repr__(self) -> str:
        """The summary: the same at every run."""
        return self.summary

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, and the picture for who has no kernel."""
        bundle = self.box._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = repr(self)
        if self._kind == "svg":
            bundle["image/svg+xml"] = self._image.decode()
        else:
            bundle["image/png"] = base64.b64encode(self._image).decode()
        return bundle


def _row(*parts: ipywidgets.Widget) -> ipywidgets.HBox:
    """Side by side, or below each other where the page is narrow."""
    return ipywidgets.HBox(parts, layout={"flex_flow": "row wrap"})


class _Training(Experiment):
    """Runs that grow in view, with a button that starts and stops and one that clears away.

    Training goes on in the kernel's event loop, a few steps at a time: between them the kernel hears the
    button, and runs other cells.
    """

    def __init__(self, controls: Sequence[ipywidgets.Widget], steps: int, most_runs: int) -> None:
        self.steps, self._most_runs = steps, most_runs
        self.runs: list[Run] = []
        self.task: asyncio.Task[None] | None = None
        self._draws: Counter[str] = Counter()
        self._stopping = False
        self.button = ipywidgets.Button(description="Train", icon="play", button_style="primary")
        self.clear = ipywidgets.Button(description="Remove the runs", icon="trash")
        self.progress = ipywidgets.IntProgress(max=steps, description="steps")
        self.button.on_click(self._start_or_stop)
        self.clear.on_click(self._remove)
        super().__init__([*controls, _row(self.button, self.clear, self.progress)])
        self.say("Choose, and press Train.")

    def new_run(self) -> tuple[Run, Iterator[Moment]]:
        """A run of the chosen settings, and its moments to come."""
        raise NotImplementedError

    def _seed(self, name: str) -> int:
        """0 for the first run of this name, and another for each time that the reader wants it again."""
        self._draws[name] += 1
        return self._draws[name] - 1

    def train_now(self) -> None:
        """Train a network of the chosen settings to its end."""
        run, moments = self.new_run()
        run.moments.extend(moments)
        self._keep(run)
        self.draw()

    def _start_or_stop(self, _: ipywidgets.Button) -> None:
        with self.reporting():
            if self.task is not None and not self.task.done():
                self._stopping = True
            else:
                self._stopping = False
                self.task = asyncio.get_running_loop().create_task(self._train())

    async def _train(self) -> None:
        self.button.description, self.button.icon = "Stop", "stop"
        try:
            with self.reporting():
                run, moments = self.new_run()
                self.say(f"Training: {run.name}")
                for moment in moments:
                    run.moments.append(moment)
                    self._keep(run)
                    self.progress.value = moment.step
                    self.draw()
                    await asyncio.sleep(0.01)  # the time in which the kernel hears the button
                    if self._stopping:
                        break
                ended = "Done" if run.moments[-1].step == self.steps else f"Stopped after step {moment.step}"
                self.say(f"{ended}: {self._in_words(run)}")
        finally:
            self.button.description, self.button.icon = "Train", "play"

    def _keep(self, run: Run) -> None:
        if run not in self.runs:
            self.runs = [*self.runs, run][-self._most_runs :]

    def _remove(self, _: ipywidgets.Button) -> None:
        with self.reporting():
            self.runs = []
            self.draw()
            self.say("No runs.")

    def _in_words(self, run: Run) -> str:
        raise NotImplementedError

    @property
    def summary(self) -> str:
        """A line a run."""
        return "\n".join(self._in_words(run) for run in self.runs) or "No runs."


class StepSizes(_Training):
    """Step size and batch norm on a training curve: choose both, press Train, compare with earlier runs.

    The network is that of `network_with_batch_norm`, the data are `normalised_digits`, the steps those of
    plain gradient descent on batches of 64. To train again at the same settings draws other weights and
    batches.

    Args:
        first: step size and batch norm of the runs that are there from the start.
        steps: of each run.
    """

    def __init__(
        self, first: Sequence[tuple[float | int, bool]] = ((0.1, False), (0.1, True)), steps: int = 180
    ) -> None:
        self._digits = normalised_digits()
        self.step_size = ipywidgets.Dropdown(options=STEP_SIZES, value=0.1, description="step size")
        self.batch_norm = ipywidgets.Checkbox(description="batch norm", indent=False)
        super().__init__([_row(self.step_size, self.batch_norm)], steps, MOST_RUNS)
        for step_size, batch_norm in first:
            self.step_size.value, self.batch_norm.value = step_size, batch_norm
            self.train_now()
        self.draw()

    def new_run(self) -> tuple[Run, Iterator[Moment]]:
        """A run of the chosen settings, and its moments to come."""
        step_size, batch_norm = self.step_size.value, self.batch_norm.value
        name = f"step size {step_size:g}, {'batch norm' if batch_norm else 'no batch norm'}"
        seed = self._seed(name)
        train, test = self._digits
        moments = train_in_view(
            lambda: network_with_batch_norm(batch_norm),
            train,
            [test],
            step_size=step_size,
            steps=self.steps,
            seed=seed,
        )
        return Run(
            name if seed == 0 else f"{name}, draw {seed + 1}", settings={"batch norm": batch_norm}
        ), moments

    def figure(self) -> Figure:
        """The curves: see `draw_curves`."""
        return draw_curves(self.runs)

    def _in_words(self, run: Run) -> str:
        step, loss, (test,) = run.moments[-1]
        return f"{run.name}: {step} steps, loss {loss:.2f}, test accuracy {test:.2f}"


class DropoutGap(_Training):
    """Dropout rate against the gap between training and test accuracy, with few images to learn from.

    The network is that of `network_with_dropout`. The images are drawn from the training digits of
    `normalised_digits`; to train again at the same settings draws other images, weights and batches.

    Args:
        first: the rates of the runs that are there from the start, on 300 images.
        steps: of each run.
    """

    def __init__(self, first: Sequence[float | int] = (0, 0.25, 0.5, 0.75), steps: int = 400) -> None:
        self._digits = normalised_digits()
        self.rate = ipywidgets.Dropdown(options=RATES, value=0.5, description="dropout rate")
        self.images = ipywidgets.Dropdown(options=IMAGES, value=300, description="images")
        super().__init__([_row(self.rate, self.images)], steps, most_runs=24)
        for rate in first:
            self.rate.value = rate
            self.train_now()
        self.draw()

    def new_run(self) -> tuple[Run, Iterator[Moment]]:
        """A run of the chosen settings, and its moments to come."""
        rate, images = self.rate.value, self.images.value
        name = f"dropout {rate:.2f}, {images:,} images"
        seed = self._seed(name)
        train, test = self._digits
        chosen = shuffled(len(train), seed_of(seed, "images"))[:images]
        few = Examples(train.x[chosen], train.y[chosen])
        moments = train_in_view(
            lambda: network_with_dropout(rate),
            few,
            [few, test],
            step_size=0.03,
            momentum=0.9,
            steps=self.steps,
            every=25,
            batch_size=50,
            seed=seed,
        )
        settings = {"rate": rate, "images": images}
        return Run(f"{name}, draw {seed + 1}", settings=settings), moments

    def figure(self) -> Figure:
        """The curves of the last run and all gaps: see `draw_gaps`."""
        return draw_gaps(self.runs)

    def _in_words(self, run: Run) -> str:
        train, test = run.moments[-1].accuracies
        return f"{run.name}: training {train:.2f}, test {test:.2f}, gap {train - test:.2f}"


class OwnPicture(Experiment):
    """A mask on the reader's own picture: open a file, choose a mask or write one.

    The masks are those of the chapter on features and the first-layer filters of the trained LeNet. A file
    that is no picture is refused, and what is shown stays.

    Args:
        picture: the photograph to begin with, a name that `cnnkit.data.photograph` knows.
        mask: the mask to begin with.
    """

    def __init__(self, picture: str = "camera", mask: str = "edge") -> None:
        self._masks = {name: torch.tensor(weights, dtype=torch.float32) for name, weights in MASKS.items()}
        learned = {f"LeNet filter {k}": w for k, w in enumerate(first_layer_filters(), start=1)}
        self._masks |= learned
        self._uploaded: dict[str, Tensor] = {}
        self._filling = False

        self.upload = ipywidgets.FileUpload(accept="image/*", description="Open a picture")
        self.picture = ipywidgets.Dropdown(options=PHOTOGRAPHS, value=picture, description="picture")
        self.mask = ipywidgets.Dropdown(options=[*MASKS, YOUR_OWN, *learned], value=mask, description="mask")
        self.weights = [
            ipywidgets.FloatText(
                description=f"w{k // 3 + 1}{k % 3 + 1}".translate(SUBSCRIPTS),
                layout={"width": "7em"},
                style={"description_width": "2.2em"},
            )
            for k in range(9)
        ]
        self._grid = ipywidgets.VBox([ipywidgets.HBox(self.weights[k : k + 3]) for k in (0, 3, 6)])
        super().__init__([_row(self.upload, self.picture, self.mask), self._grid], kind="png")

        self._show_weights()
        self._picture_now, self._mask_now = self._chosen()
        self._answers = filter_picture(self._picture_now, self._mask_now)
        self.draw()
        self.upload.observe(self._opened, "value")
        self.picture.observe(self._changed, "value")
        self.mask.observe(self._mask_chosen, "value")
        for weight in self.weights:
            weight.observe(self._weight_changed, "value")

    def figure(self) -> Figure:
        """Picture, mask and answers: see `draw_answers`."""
        return draw_answers(self._picture_now, self._mask_now, self._answers)

    @property
    def summary(self) -> str:
        """Sizes, the sum of the weights, and the range of the answers."""
        rows, columns = self._picture_now.shape
        low, mean, high = (
            round(f(self._answers).item(), 2) + 0.0 for f in (torch.amin, torch.mean, torch.amax)
        )
        total = round(self._mask_now.sum().item(), 2) + 0.0
        return (
            f"{self.mask.value} (weights sum to {total:g}) on {self.picture.value}, {rows} by {columns}: "
            f"answers from {low:g} to {high:g}, mean {mean:g}"
        )

    def _chosen(self) -> tuple[Tensor, Tensor]:
        name = self.picture.value
        picture = self._uploaded.get(name)
        if picture is None:
            picture = photograph(name).float().mean(dim=0) / 255
        if self.mask.value == YOUR_OWN:
            return picture, torch.tensor([weight.value for weight in self.weights]).view(3, 3)
        return picture, self._masks[self.mask.value]

    def _changed(self, _: Any = None) -> None:
        if self._filling:
            return
        with self.reporting():
            picture, mask = self._chosen()
            self._answers = filter_picture(picture, mask)
            self._picture_now, self._mask_now = picture, mask
            self.draw()
            self.say(self.summary)

    @contextlib.contextmanager
    def _fill_in(self) -> Iterator[None]:
        """Controls that the program sets do not each draw."""
        self._filling = True
        try:
            yield
        finally:
            self._filling = False

    def _show_weights(self) -> None:
        """The mask's weights in the fields; LeNet's are too many for them, and stand in the picture."""
        mask = self._masks.get(self.mask.value)
        small = mask is None or len(mask) == 3
        self._grid.layout.display = "flex" if small else "none"
        if mask is not None and small:
            with self._fill_in():
                for weight, value in zip(self.weights, mask.flatten().tolist(), strict=True):
                    weight.value = round(value, 4)

    def _mask_chosen(self, _: Any) -> None:
        with self.reporting():
            self._show_weights()
            self._changed()

    def _weight_changed(self, _: Any) -> None:
        if self._filling:
            return
        if self.mask.value == YOUR_OWN:
            self._changed()
        else:
            self.mask.value = YOUR_OWN  # which draws

    def _opened(self, change: Any) -> None:
        if not change.new:
            return
        with self.reporting():
            file = change.new[0]
            name = f"yours: {file['name']}"
            self._uploaded[name] = read_picture(bytes(file["content"]), file["name"])
            with self._fill_in():
                self.picture.options = [*PHOTOGRAPHS, *self._uploaded]
                self.picture.value = name
            self._changed()
        self.upload.value = ()  # so that the same file can be opened again
