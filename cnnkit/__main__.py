"""The command line: ``cnnkit train | evaluate | summary | data``, the same as ``python -m cnnkit``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from inspect import getdoc, signature
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tqdm import tqdm
from tyro.conf import Positional

from cnnkit import data, distributed, models
from cnnkit.models.published import stated
from cnnkit.recipe import Recipe
from cnnkit.summary import summary as table
from cnnkit.train import History, Stopped, fit, is_of_this_launch, load, open_data
from cnnkit.train import evaluate as judge


def train(
    recipe: Annotated[Recipe, tyro.conf.arg(name="")],
    out: Path | None = None,
    resume: bool = False,
    device: str | None = None,
) -> None:
    """Train a network: cnnkit train lenet --data mnist5k --epochs 10 --out runs/lenet.

    On many processes: torchrun --nproc-per-node=2 -m cnnkit train lenet ...

    Args:
        recipe: what to do.
        out: folder for last.safetensors, best.safetensors and log.jsonl; without it nothing is kept
        resume: go on from last.safetensors in --out, where there is one
        device: cpu, cuda or mps; if not given, the GPU if there is one
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends at once, wherever the process waits
    if out and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0:
        resume = resume or is_of_this_launch(out, distributed.start(device))
    trained = fit(recipe, out=out, resume=resume, device=device, watch=_print_last)
    _say(str(trained))
    if out:
        _say(f"saved in {out}; judge it again: cnnkit evaluate {out / 'best.safetensors'}")


def _print_last(history: History) -> None:
    last = history[-1]
    _say(
        f"epoch {last['epoch']:3}: train loss {last['train_loss']:.4f}, test loss {last['test_loss']:.4f}, "
        f"test accuracy {last['test_accuracy']:.4f}, {last['images_per_second']:,.0f} images/s"
    )


def evaluate(checkpoint: Positional[Path], data: str | None = None, device: str | None = None) -> None:
    """Judge a checkpoint on a test set: cnnkit evaluate runs/lenet/best.safetensors.

    Args:
        checkpoint: a file that train wrote
        data: data set or folder of images; if not given, the one that it was trained on
        device: cpu, cuda or mps; if not given, the GPU if there is one
    """
    trained = load(checkpoint, device=device)
    dataset = open_data(data or trained.recipe.data)
    scores = judge(trained, dataset.test)
    _say(f"{trained.recipe.model} on {len(dataset.test):,} test examples of {dataset.name}:")
    _say(f"  loss {scores['loss']:.4f} (cross-entropy, nats), accuracy {scores['accuracy']:.4f}")


def summary(
    model: Positional[str],
    image_size: int | None = None,
    in_channels: int | None = None,
    num_classes: int | None = None,
    width: float = 1.0,
    beside: bool = True,
) -> None:
    """List the layers of a network: cnnkit summary lenet.

    Where the lecture notes or the paper state numbers, these stand beside them; some papers do so for blocks.

    Args:
        model: a network, by its name
        image_size: height and width of the input; if not given, the paper's
        in_channels: 1 for grey images, 3 for colour; if not given, the paper's
        num_classes: size of the last layer; if not given, the paper's
        width: what to multiply the numbers of filters with
        beside: show what notes and paper state of just this network; without, every layer has a row
    """
    paper = models.find(model)
    size, channels = image_size or paper.image_size, in_channels or paper.in_channels
    classes = num_classes or paper.num_classes
    network = models.create(model, classes, channels, size, width=width)
    given = (size, channels, classes, width)
    is_papers = given == (paper.image_size, paper.in_channels, paper.num_classes, 1)
    columns = stated(model) if beside and is_papers else {}
    depths = [name.count(".") + 1 for texts in columns.values() for name in texts]
    rows = table(network, (channels, size, size), depth=max(depths, default=None))
    _say(str(rows.beside(**columns)))


def data_sets(
    action: Positional[Literal["list", "fetch"]], name: Positional[str] = "", root: Path | None = None
) -> None:
    """List the data sets, or download one: cnnkit data fetch fashion_mnist.

    Args:
        action: list the sets, or fetch one
        name: the set to fetch
        root: folder to keep it in; if not given, CNNKIT_DATA (an environment variable) or ~/.cache/cnnkit
    """
    downloaded = [known for known, make in data.DATASETS.items() if "download" in signature(make).parameters]
    if action == "list":
        for known, make in data.DATASETS.items():
            how = "to fetch" if known in downloaded else "here"
            _say(f"{known:20}{how:10}{str(getdoc(make)).partition(chr(10))[0]}")
    elif name in downloaded:
        _say(str(data.DATASETS[name](root=root, download=True)))
    else:
        known = ", ".join(downloaded)
        raise ValueError(f"name must be one of {known} (the others need no download); got {name!r}")


COMMANDS: dict[str, Callable[..., Any]] = {
    "train": train,
    "evaluate": evaluate,
    "summary": summary,
    "data": data_sets,
}


def _say(line: str) -> None:
    """Print a line at once, and once for all processes."""
    if distributed.rank() == 0:
        tqdm.write(line)  # above the progress bar, if there is one
        sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return its exit status.

    What a user can mend is a line, not a trace: status 1. A run that a signal ended has the status that a
    shell gives to a process that died of it: 130 for Ctrl-C, 143 for SIGTERM.

    Args:
        arguments: the words after ``cnnkit``; by itself those of the command line.
    """
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="cnnkit",
            description="Train and judge the networks of the book.",
            args=arguments,
            config=(tyro.conf.PositionalRequiredArgs, tyro.conf.OmitArgPrefixes),
        )
    except (ValueError, ArithmeticError, OSError) as error:
        print(f"cnnkit: {error}", file=sys.stderr, flush=True)
        return 1
    except Stopped as stopped:
        _say(f"cnnkit: {stopped}")
        return 128 + stopped.signal_number
    finally:
        distributed.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
