"""Training: a recipe, one loop, and nothing lost.

`cnnkit.recipe.Recipe` says all that decides the result. `fit` follows it; `evaluate` judges what came out;
`load` brings it back. The loop is the same on a laptop, on a GPU, and on many processes
(`cnnkit.distributed`).

Within a block of steps the host only hands out work and never asks the device for a number. After each block
it looks: at the flag that remembers the first step that was not finite, and at whether someone wants the run
to stop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from cnnkit import checkpoints, data, distributed, models, process
from cnnkit.batches import Normalization, batches, normalization, prepare, seed_of, shuffled
from cnnkit.checkpoints import Checkpoint
from cnnkit.data import Dataset, Examples
from cnnkit.image_folder import ImageFiles, ImageFolder, image_folder
from cnnkit.recipe import Recipe, step_size

__all__ = [
    "Diverged",
    "Stopped",
    "Trained",
    "evaluate",
    "fit",
    "is_of_this_launch",
    "load",
    "open_data",
    "predict",
    "pretrained",
]

History = list[dict[str, int | float]]
LAST, BEST, LOG = "last.safetensors", "best.safetensors", "log.jsonl"
SMALLEST_SCALE = 2.0**-20  # of the loss in float16: a gradient that overflows even so is not finite


@dataclass(frozen=True, eq=False)
class Trained:
    """A model, and what it takes to use it.

    Attributes:
        model: in training's device and dtype.
        recipe: what it was trained by.
        normal: mean and standard deviation of the training set, by which its inputs are normalised.
        history: one dictionary an epoch: ``epoch``, ``step_size``, ``train_loss``, ``train_accuracy``,
            ``test_loss``, ``test_accuracy``, with held-out examples ``validation_loss`` and
            ``validation_accuracy``, and ``seconds`` and ``images_per_second`` of training alone. Losses are
            means over examples, in nats; those of training are of the weights as they were when each batch
            came.
    """

    model: nn.Module
    recipe: Recipe
    normal: Normalization
    history: History

    def __repr__(self) -> str:
        """What it is and how good, the same on every machine that computes the same."""
        last = f", test accuracy {self.history[-1]['test_accuracy']:.3f}" if self.history else ""
        epochs = self.history[-1]["epoch"] if self.history else 0
        return f"Trained({self.recipe.model} on {self.recipe.data}, {epochs} epochs{last})"


class Diverged(ArithmeticError):  # noqa: N818 (what happened, not an error of the program)
    """The loss or its gradient was no longer finite; the model holds the weights of the step before."""


class Stopped(Exception):  # noqa: N818 (what happened, not an error of the program)
    """A signal ended the run early, between two blocks of steps.

    Attributes:
        signal_number: SIGINT (Ctrl-C) or SIGTERM.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


# ----------------------------------------------------------------------------- training
def fit(
    recipe: Recipe,
    model: nn.Module | None = None,
    dataset: Dataset | ImageFolder | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    watch: Callable[[History], None] | None = None,
) -> Trained:
    """Train a model by a recipe.

    Under ``torchrun`` call it in every process with the same arguments; what comes out is the same in each.

    Args:
        recipe: what to do.
        model: trained in place; without it the one that the recipe names, with new weights.
        dataset: without it the one that the recipe names.
        out: folder for ``last.safetensors`` and ``best.safetensors``, written whole after each epoch, and for
            ``log.jsonl``, a line an epoch. Without it nothing is written.
        resume: go on from ``last.safetensors`` where there is one. On the CPU the result is bit for bit that
            of a run that was never interrupted. The recipe must be the same, but for ``epochs``, ``block``
            and ``workers``; with other ``epochs`` the rest of the schedule is that of the new number.
        device: see `cnnkit.distributed.start`.
        watch: called by process 0 after each epoch with the history so far, to draw it for instance.

    Returns:
        The model and its history.

    Raises:
        ValueError: recipe, model and data do not go together; the message names the field.
        FileExistsError: ``out`` holds a run already and ``resume`` is False.
        Diverged: a loss or gradient was not finite.
        Stopped: SIGTERM or Ctrl-C; with ``out``, the state is saved.
        OSError: a checkpoint could not be written; the one before is intact.
    """
    run = _prepare(recipe, model, dataset, Path(out) if out else None, resume, distributed.start(device))
    with (
        process.own_random_numbers(run.device),
        process.tf32(recipe.precision == "tf32"),
        process.signals() as received,
        _progress_bar(run) as bar,
    ):
        while run.step < run.steps:
            _train_epoch(run, received, bar)
            _end_epoch(run)
            if watch and distributed.rank() == 0:
                watch(run.history)
            _stop_if_asked(run, received)
    return Trained(run.model.eval(), run.recipe, run.normal, run.history)


@dataclass(eq=False)
class _Run:
    """A training run: what stays, and what each step changes."""

    recipe: Recipe
    model: nn.Module
    forward: nn.Module  # the model as it is called: compiled, or averaging gradients over processes
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    dataset: Dataset | ImageFolder
    training: Int64[Tensor, " n"]  # which examples of dataset.train to learn from
    held_out: Int64[Tensor, " v"]  # and which to choose the best checkpoint by
    normal: Normalization
    device: torch.device
    out: Path | None

    step: int  # steps done, over all epochs
    step_on_device: Int64[
        Tensor, ""
    ]  # the same: a number that is made in the loop would have to be sent there
    history: History
    sums: Float[Tensor, " 2"]  # of this epoch so far, this process: loss, right answers
    seconds: float  # of this epoch so far
    first_bad: Int64[Tensor, ""]  # the first step that was not finite, or -1

    @property
    def steps_of_epoch(self) -> int:
        return math.ceil(len(self.training) / self.recipe.batch_size)

    @property
    def steps(self) -> int:
        return self.recipe.epochs * self.steps_of_epoch

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.step // self.steps_of_epoch


def _train_epoch(run: _Run, received: list[int], bar: tqdm) -> None:
    """Train to the end of the epoch, in blocks of steps."""
    recipe, began = run.recipe, time.perf_counter() - run.seconds
    order = run.training[shuffled(len(run.training), seed_of(recipe.seed, "order", run.epoch))]
    whole = order.to(run.device if isinstance(run.dataset, Dataset) else "cpu").split(recipe.batch_size)
    whole = whole[run.step % run.steps_of_epoch :]
    parts = batches(
        run.dataset.train,
        [distributed.shard(indices) for indices in whole],
        device=run.device,
        image_size=recipe.image_size,
        workers=recipe.workers,
        crop_seed=seed_of(recipe.seed, "crop", run.epoch),
    )
    for (x, y), indices in zip(parts, whole, strict=True):
        _train_step(run, x, y, len(indices))
        if run.step % recipe.block == 0 or run.step % run.steps_of_epoch == 0:
            _raise_if_diverged(run)
            run.seconds = time.perf_counter() - began
            _show_progress(run, bar)
            if run.step % run.steps_of_epoch:
                _stop_if_asked(run, received)


def _train_step(run: _Run, x: Shaped[Tensor, "n *example"], y: Int64[Tensor, " n"], batch_size: int) -> None:
    """One step of gradient descent, on this process's part of a batch of ``batch_size`` examples.

    A step whose loss or gradient is not finite, and every step after it, leaves the model as it was. (Not the
    optimiser's means: the run ends at the next look.)
    """
    process.seed(run.device, seed_of(run.recipe.seed, "step", run.step, distributed.rank()))
    for group in run.optimizer.param_groups:
        group["lr"] = step_size(run.recipe, run.step, run.steps)
    kept = [*run.model.parameters(), *run.model.buffers()]
    before = [tensor.detach().clone() for tensor in kept]

    sums, finite = _gradient(run, x, y, batch_size)
    run.first_bad = torch.where((run.first_bad < 0) & ~finite, run.step_on_device, run.first_bad)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    with torch.no_grad():
        if run.recipe.max_norm is not None:
            for weight in (p for p in run.model.parameters() if p.dim() > 1):
                weight.copy_(torch.renorm(weight, p=2, dim=0, maxnorm=run.recipe.max_norm))
        for now, was in zip(kept, before, strict=True):
            now.copy_(torch.where(run.first_bad < 0, now, was))
    run.sums += sums
    run.step_on_device += 1
    run.step += 1


def _gradient(
    run: _Run, x: Shaped[Tensor, "n *example"], y: Int64[Tensor, " n"], batch_size: int
) -> tuple[Float[Tensor, " 2"], Bool[Tensor, ""]]:
    """Leave the gradient of the mean loss over the whole batch on the parameters of every process.

    Each process adds up the losses of its own examples and divides by the size of the whole batch. PyTorch
    then averages the gradients over the processes, so their number is multiplied in: the mean is right
    however unevenly the batch was shared, also where a process got nothing.

    Returns:
        This part's sums (loss, right answers), and whether loss and gradient are finite.
    """
    recipe, sums = run.recipe, torch.zeros_like(run.sums)
    run.optimizer.zero_grad()
    x = prepare(
        x,
        run.normal,
        dtype=_dtype(recipe),
        image_size=recipe.image_size,
        pad_crop=recipe.pad_crop,
        flip=recipe.flip,
        cutout=recipe.cutout,
    )
    x = _in_memory_format(recipe, x)
    parts = list(zip(x.tensor_split(recipe.accumulate), y.tensor_split(recipe.accumulate), strict=True))
    for number, (part_x, part_y) in enumerate(parts, start=1):
        run.forward.train()
        if len(part_x) == 0 and not recipe.sync_batch_norm:
            _keep_statistics(run.model)  # no examples have none
        with _exchange(run.forward, now=number == len(parts)):
            with _autocast(recipe, run.device):
                logits = run.forward(part_x)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            loss = functional.cross_entropy(
                logits, part_y, reduction="sum", label_smoothing=recipe.label_smoothing
            )
            # 1, or NaN if the loss is not finite: then no gradient is, and every process gets to know
            one = 1 + 0 * loss.detach()
            run.scaler.scale(loss * one * (distributed.size() / batch_size)).backward()
        sums += torch.stack([loss.detach(), (logits.detach().argmax(1) == part_y).sum()]).to(sums.dtype)
    if run.scaler.is_enabled():  # a gradient that overflows means: skip the step, and scale less
        finite = distributed.total(sums)[0].isfinite()
    else:
        finite = sums[0].isfinite()
        norm = nn.utils.get_total_norm([p.grad for p in run.model.parameters() if p.grad is not None])
        finite = finite & norm.isfinite()
    return sums, finite


# ----------------------------------------------------------------------------- between blocks and epochs
def _raise_if_diverged(run: _Run) -> None:
    """Ask the device, which takes until it has done all steps so far, whether each of them was finite."""
    bad = int(distributed.largest(run.first_bad))
    if run.scaler.is_enabled() and run.scaler.get_scale() < SMALLEST_SCALE:
        bad = run.step - 1  # the scaler has skipped every step for a long time, and would go on to
    if bad < 0:
        return
    epoch, last = bad // run.steps_of_epoch + 1, run.out and run.out / LAST
    raise Diverged(
        f"the loss or its gradient was not finite in step {bad + 1} of {run.steps} (epoch {epoch}), "
        f"at step size {step_size(run.recipe, bad, run.steps):.3g}. "
        "The model has the weights of the step before. "
        + (f"{last} is of an earlier epoch and intact. " if last and last.exists() else "")
        + "Try a smaller step_size, or another precision."
    )


def _stop_if_asked(run: _Run, received: list[int]) -> None:
    """Save and raise, on every process, where one of them received a signal."""
    number = int(distributed.largest(torch.tensor(received[0] if received else 0, device=run.device)))
    if not number:
        return
    where = f"after step {run.step} of {run.steps} ({run.epoch} of {run.recipe.epochs} epochs done)"
    kept = "; nothing was saved, as there is no folder for it"
    if run.out:
        _save(run)
        kept = f"; {run.out / LAST} has all that it takes to go on"
    raise Stopped(f"stopped by {signal.Signals(number).name} {where}{kept}", number)


def is_of_this_launch(out: Path, device: torch.device) -> bool:
    """Say whether the checkpoint in a folder was written by a process that the same ``torchrun`` started.

    Args:
        out: the folder.
        device: what `cnnkit.distributed.start` returned; all processes get process 0's answer.
    """
    path = out / LAST
    own = distributed.rank() == 0 and path.exists()
    own = own and checkpoints.read(path).facts.get("launcher") == os.getppid()
    return bool(distributed.largest(torch.tensor(int(own), device=device)))


def _end_epoch(run: _Run) -> None:
    """Judge, write it down, and save."""
    n = len(run.training)
    loss, right = distributed.total(run.sums).tolist()
    record = {
        "epoch": run.epoch,
        "step_size": step_size(run.recipe, run.step - 1, run.steps),
        "train_loss": loss / n,
        "train_accuracy": right / n,
    }
    run.sums.zero_()
    distributed.share_buffers(run.model)
    trained = Trained(run.model, run.recipe, run.normal, run.history)
    if len(run.held_out):
        record |= _named("validation", evaluate(trained, run.dataset.train, run.held_out))
    record |= _named("test", evaluate(trained, run.dataset.test))
    record |= {"seconds": round(run.seconds, 4), "images_per_second": round(n / run.seconds, 1)}
    run.history.append(record)
    run.seconds = 0.0
    if run.out:
        _save(run)


def _named(prefix: str, scores: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in scores.items()}


def _save(run: _Run) -> None:
    """Write the last checkpoint, the best if this is it, and the log."""
    assert run.out is not None
    sums = distributed.total(run.sums).tolist()
    if distributed.rank() > 0:
        return
    facts: dict[str, Any] = {
        "recipe": dataclasses.asdict(run.recipe),
        "normal": dataclasses.asdict(run.normal),
        "in_channels": len(run.normal.mean),
        "num_classes": len(run.dataset.classes),
        "examples": len(run.training),
        "launcher": os.getppid(),
        "history": run.history,
    }
    going_on = {"step": run.step, "sums": sums, "seconds": run.seconds, "scaler": run.scaler.state_dict()}
    weights = checkpoints.weights_of(run.model)
    optimizer = {
        index: {name: value for name, value in values.items() if isinstance(value, Tensor)}
        for index, values in run.optimizer.state_dict()["state"].items()
    }
    judged_by = "validation_accuracy" if len(run.held_out) else "test_accuracy"
    at_epoch_end = run.step % run.steps_of_epoch == 0
    if at_epoch_end and max(run.history, key=lambda record: record[judged_by]) is run.history[-1]:
        checkpoints.write(run.out / BEST, Checkpoint(weights, facts))
    lines = [json.dumps(record) + "\n" for record in run.history]
    checkpoints.write_file(run.out / LOG, "".join(lines).encode())
    # comes last: a run that is killed before it does the epoch again, and with it the two files above
    checkpoints.write(run.out / LAST, Checkpoint(weights, facts | {"going_on": going_on}, optimizer))


# ----------------------------------------------------------------------------- using what was trained
@torch.no_grad()
def predict(trained: Trained, x: Shaped[Tensor, "n *example"]) -> Float[Tensor, "n K"]:
    """The logits of inputs as the data set has them: they are resized and normalised here, as in training.

    Args:
        trained: what `fit` or `load` returned.
        x: images as bytes (n, C, H, W), or floats where the data set had floats; on any device.
    """
    recipe, model = trained.recipe, trained.model
    parameter = next(model.parameters())
    was_training = model.training
    model.eval()
    inputs = prepare(
        x.to(parameter.device), trained.normal, dtype=parameter.dtype, image_size=recipe.image_size
    )
    with process.tf32(recipe.precision == "tf32"), _autocast(recipe, parameter.device):
        logits = model(_in_memory_format(recipe, inputs))
    model.train(was_training)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def evaluate(
    trained: Trained,
    examples: Examples | ImageFiles,
    indices: Int64[Tensor, " m"] | None = None,
    batch_size: int = 500,
) -> dict[str, float]:
    """Mean loss and share of right answers.

    Over several processes each judges its part, and all get the same exact sums: call it in every one.

    Args:
        trained: what `fit` or `load` returned.
        examples: the data, on any device.
        indices: which of them; all without it.
        batch_size: examples at a time: more need more memory.

    Returns:
        ``loss``: the mean cross-entropy in nats, without label smoothing. ``accuracy``: from 0 to 1.

    Raises:
        ValueError: there are no examples, or they have other channels or more classes than the training set.
    """
    indices = torch.arange(len(examples)) if indices is None else indices.cpu()
    if len(indices) == 0:
        raise ValueError("examples must not be empty, got none")
    parameter = next(trained.model.parameters())
    on = examples.x.device if isinstance(examples, Examples) else torch.device("cpu")
    sums, largest = _zeros(2, parameter.device), int(examples.y[indices.to(examples.y.device)].max())
    parts = batches(
        examples,
        distributed.shard(indices).to(on).split(batch_size),
        device=parameter.device,
        image_size=trained.recipe.image_size,
        workers=trained.recipe.workers,
    )
    for x, y in parts:
        logits, y = predict(trained, x), y.to(parameter.device)
        if largest >= logits.shape[1]:
            raise ValueError(
                f"examples must have labels below {logits.shape[1]}, the model's outputs; got {largest}"
            )
        loss, right = functional.cross_entropy(logits, y, reduction="sum"), (logits.argmax(1) == y).sum()
        sums += torch.stack([loss, right]).to(sums.dtype)
    loss, right = distributed.total(sums).tolist()
    return {"loss": loss / len(indices), "accuracy": right / len(indices)}


def load(
    path: str | Path, model: nn.Module | None = None, device: torch.device | str | None = None
) -> Trained:
    """Bring back a model from a checkpoint, to use it; to go on with its training, see ``resume`` of `fit`.

    Args:
        path: ``last.safetensors`` or ``best.safetensors``.
        model: a model of the same architecture, which receives the weights; without it the one that the
            recipe names is made.
        device: see `cnnkit.distributed.start`.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, of another kind, or of another model.
        ValueError: it is of a model that no name stands for, and ``model`` was not given.
    """
    checkpoint = checkpoints.read(path)
    facts = checkpoint.facts
    try:
        recipe = Recipe(**facts["recipe"])
        normal = Normalization(*(tuple(facts["normal"][name]) for name in ("mean", "std")))
        history, sizes = facts["history"], (facts["num_classes"], facts["in_channels"])
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoints.CheckpointError(
            f"{path} was written by another version of cnnkit: {error}"
        ) from error
    if model is None and recipe.model not in models.MODELS:
        raise ValueError(
            f"{path} is of a model of your own, {recipe.model!r}: give a new one of its kind as model"
        )
    model = model or models.create(recipe.model, *sizes, recipe.image_size, width=recipe.width)
    _place(model, recipe, distributed.start(device))
    checkpoints.load_weights(model, checkpoint.weights, path)
    return Trained(model.eval(), recipe, normal, history)


def pretrained(name: str = "lenet-mnist5k", device: torch.device | str | None = None) -> Trained:
    """A network that comes with cnnkit, trained. Needs no download and no training.

    ``lenet-mnist5k`` is LeNet (ReLU, max pooling) after 20 epochs on the 4,000 training digits of
    `cnnkit.data.mnist5k`, shifted by up to two pixels; ``python -m benchmarks.weights`` makes it again. Its
    history holds the last epoch only.

    Args:
        name: which one.
        device: see `cnnkit.distributed.start`.

    Raises:
        ValueError: there is none of this name; the message lists them.

    Example:
        >>> pretrained(device="cpu")
        Trained(lenet on mnist5k, 20 epochs, test accuracy 0.983)
    """
    folder = Path(__file__).parent / "assets"
    known = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name not in known:
        raise ValueError(f"name must be one of {', '.join(known)}, got {name!r}")
    return load(folder / f"{name}.safetensors", device=device)


# ----------------------------------------------------------------------------- preparation
def _prepare(
    recipe: Recipe,
    model: nn.Module | None,
    dataset: Dataset | ImageFolder | None,
    out: Path | None,
    resume: bool,
    device: torch.device,
) -> _Run:
    """All that a run needs before its first step, and every check that can be made before it."""
    if out and (out / LAST).exists() and not resume:
        raise FileExistsError(
            f"out={out} holds a run already: resume=True (--resume) goes on with it, or choose another"
        )
    if dataset is None:
        dataset = open_data(recipe.data)
    else:
        recipe = dataclasses.replace(recipe, data=dataset.name)
    known = models.MODELS.get(recipe.model)
    if isinstance(dataset, Dataset):
        dataset = dataset.to(device)
    if recipe.image_size is None:
        if not isinstance(dataset, Dataset):
            recipe = dataclasses.replace(recipe, image_size=known.image_size if known else 224)
        elif model is None and known and known.takes_image_size and dataset.train.x.dim() == 4:
            recipe = dataclasses.replace(recipe, image_size=dataset.train.x.shape[-1])
    _check_together(recipe, dataset, device)
    if model is None and known and known.per_pixel:
        raise ValueError(
            f"model={recipe.model!r} gives logits for every pixel, but {dataset.name} has one class an image"
        )
    order = shuffled(len(dataset.train), seed_of(recipe.seed, "validation"))
    held_out, training = order[: recipe.validation].sort().values, order[recipe.validation :].sort().values
    normal = normalization(dataset.train)

    if model is None:
        with process.own_random_numbers(device):
            process.seed(device, seed_of(recipe.seed, "model"))
            sizes = len(dataset.classes), len(normal.mean), recipe.image_size
            model = models.create(recipe.model, *sizes, width=recipe.width)
    model = checkpoints.unwrap(model)
    if recipe.sync_batch_norm:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    _place(model, recipe, device)
    run = _Run(
        recipe, model, model, _optimizer(recipe, model),
        torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16"),
        dataset, training, held_out, normal, device, out,
        step=0, step_on_device=torch.tensor(0, device=device), history=[],
        sums=_zeros(2, device), seconds=0.0, first_bad=torch.tensor(-1, device=device),
    )  # fmt: skip
    if out:
        if resume and (out / LAST).exists():
            try:
                _go_on(run, checkpoints.read(out / LAST))
            except (AttributeError, IndexError, KeyError, TypeError) as error:
                raise checkpoints.CheckpointError(
                    f"{out / LAST} lacks what it takes to go on ({type(error).__name__}: {error})"
                ) from error
        elif distributed.rank() == 0:
            out.mkdir(parents=True, exist_ok=True)
            checkpoints.write_file(out / LOG, b"")  # better to fail now than after the first epoch
    if run.step != int(distributed.largest(run.step_on_device)):
        raise ValueError(
            f"out={out} must be a folder that all processes see: process {distributed.rank()} found no "
            "checkpoint in it, and another one did"
        )
    # copies the weights of process 0 to the others: after they were read
    run.forward = distributed.data_parallel(model, device)
    if recipe.compile:
        run.forward = cast(nn.Module, torch.compile(run.forward))
    return run


def open_data(name: str) -> Dataset | ImageFolder:
    """The data set of this name, or the folder of images at this path.

    Args:
        name: a name in ``cnnkit.data.DATASETS``, or a path: an existing folder, or anything with a slash.

    Raises:
        ValueError: no such name; see also `cnnkit.data.load` and `cnnkit.image_folder.image_folder`.
    """
    is_path = "/" in name or (name not in data.DATASETS and Path(name).is_dir())
    return image_folder(name) if is_path else data.load(name)


def _check_together(recipe: Recipe, dataset: Dataset | ImageFolder, device: torch.device) -> None:
    """Refuse what no step could do."""
    images = isinstance(dataset, ImageFolder) or dataset.train.x.dim() == 4
    if recipe.validation >= len(dataset.train):
        n = len(dataset.train)
        raise ValueError(f"validation must be less than the {n} training examples, got {recipe.validation}")
    if recipe.flip and not dataset.mirror:
        raise ValueError(
            f"flip must be False for {dataset.name}, whose examples mean something else when mirrored"
        )
    for name in ("pad_crop", "cutout", "image_size", "channels_last"):
        if getattr(recipe, name) and not images:
            raise ValueError(
                f"{name} is for images, but {dataset.name} has signals; got {getattr(recipe, name)}"
            )
    if recipe.sync_batch_norm and device.type != "cuda":
        raise ValueError(
            f"sync_batch_norm needs GPUs: PyTorch has none for {device.type}; got sync_batch_norm=True"
        )
    if recipe.precision == "tf32" and device.type != "cuda":
        raise ValueError(f"precision='tf32' is a number format of NVIDIA's GPUs; the device is {device.type}")
    if recipe.precision == "float64" and device.type == "mps":
        raise ValueError("precision='float64' does not exist on MPS; use the CPU")


def _place(model: nn.Module, recipe: Recipe, device: torch.device) -> None:
    """Move a model to its device, dtype and memory format."""
    model.to(device, _dtype(recipe))
    if recipe.channels_last:
        model.to(memory_format=torch.channels_last)


def _dtype(recipe: Recipe) -> torch.dtype:
    return torch.float64 if recipe.precision == "float64" else torch.float32


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    common: dict[str, Any] = {
        "lr": recipe.step_size,
        "weight_decay": recipe.weight_decay,
        # with float16 a step may have to be skipped: only the fused kernels do that without asking the host
        "fused": recipe.fused or recipe.precision == "float16",
    }
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=recipe.momentum, **common)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(model.parameters(), betas=(recipe.momentum, 0.999), **common)


def _go_on(run: _Run, checkpoint: Checkpoint) -> None:
    """Take over the state that a run left."""
    assert run.out is not None
    path, facts = run.out / LAST, checkpoint.facts
    if "going_on" not in facts:
        raise checkpoints.CheckpointError(f"{path} holds weights only: it is to be used, not to go on from")
    now, then = dataclasses.asdict(run.recipe), facts["recipe"]
    differs = [
        f"{name} was {then.get(name)!r}, is {value!r}"
        for name, value in now.items()
        if then.get(name) != value and name not in ("epochs", "block", "workers")
    ]
    if facts["examples"] != len(run.training):
        differs.append(f"the training examples were {facts['examples']}, are {len(run.training)}")
    if differs:
        raise ValueError(f"{path} was made by another recipe: {'; '.join(differs)}")
    checkpoints.load_weights(run.model, checkpoint.weights, path)
    going_on = facts["going_on"]
    if (
        not checkpoint.optimizer
        and going_on["step"] > 0
        and (run.recipe.optimizer != "sgd" or run.recipe.momentum)
    ):
        raise KeyError("the optimiser's state")
    parameters = list(run.model.parameters())
    state = {
        index: {
            # beside its parameter a tensor has the parameter's memory format
            name: torch.empty_like(parameters[index]).copy_(value)
            if value.shape == parameters[index].shape
            else value
            for name, value in values.items()
        }
        for index, values in checkpoint.optimizer.items()
    }
    run.optimizer.load_state_dict(
        {"state": state, "param_groups": run.optimizer.state_dict()["param_groups"]}
    )
    if run.scaler.is_enabled():
        run.scaler.load_state_dict(going_on["scaler"])
    run.step, run.seconds, run.history = going_on["step"], going_on["seconds"], facts["history"]
    run.step_on_device += run.step
    if distributed.rank() == 0:  # the sums are of all processes
        run.sums += torch.tensor(going_on["sums"], dtype=run.sums.dtype, device=run.device)


# ----------------------------------------------------------------------------- small things
def _in_memory_format(recipe: Recipe, x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if recipe.channels_last else x


def _zeros(n: int, device: torch.device) -> Float[Tensor, " n"]:
    """For sums: double precision, where the device has it."""
    return torch.zeros(n, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)


def _autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    reduced = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(recipe.precision)
    return torch.autocast(device.type, reduced, enabled=reduced is not None)


def _keep_statistics(model: nn.Module) -> None:
    """Let batch norm use its running statistics for the next forward pass."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _exchange(forward: nn.Module, now: bool) -> contextlib.AbstractContextManager[Any]:
    """Within it, backward passes exchange gradients between processes only if ``now``."""
    no_sync = getattr(forward, "no_sync", None)
    return contextlib.nullcontext() if now or no_sync is None else no_sync()


def _progress_bar(run: _Run) -> tqdm:
    """A bar over the steps, drawn by process 0 and only in a terminal."""
    hidden = None if distributed.rank() == 0 else True
    return tqdm(total=run.steps, initial=run.step, unit="step", disable=hidden)


def _show_progress(run: _Run, bar: tqdm) -> None:
    if not bar.disable:
        seen = (run.step - 1) % run.steps_of_epoch + 1
        loss = float(run.sums[0]) / (seen * run.recipe.batch_size / distributed.size())
        bar.set_postfix_str(
            f"epoch {(run.step - 1) // run.steps_of_epoch + 1}, loss {loss:.3f}", refresh=False
        )
        bar.update(run.step - bar.n)
