"""The command line: each command, what it prints, and the status that it leaves."""

import dataclasses
import os
import re
import runpy
import signal
import sys

import pytest
import torch

from cnnkit import __main__ as command_line
from cnnkit import checkpoints, data, models
from cnnkit.__main__ import main
from cnnkit.data import DataNotFoundError, Dataset, Examples
from cnnkit.recipe import Recipe
from cnnkit.train import BEST, LAST, LOG


def few(device="cpu"):
    """A few digits, as a data set of its own. More follows."""
    digits = data.mnist5k(device)
    train, test = (
        Examples(part.x[::step], part.y[::step]) for part, step in ((digits.train, 20), (digits.test, 10))
    )
    return Dataset("few", train, test, digits.classes)


def fetched(root=None, download=False, device="cpu"):
    """Something to fetch."""
    if not download:
        raise DataNotFoundError("fetched is not here")
    return dataclasses.replace(few(device), name=f"fetched into {root}")


@pytest.fixture(autouse=True)
def own_sets_and_signals(monkeypatch, tmp_path):
    """The sets few and fetched, a folder of this test, and signals as they were."""
    for name, function in (("few", few), ("fetched", fetched)):
        monkeypatch.setitem(data.DATASETS, name, function)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def said(capsys):
    """Run a command: its status, and the lines on stdout and stderr."""

    def run(*words):
        try:
            status = main(list(words))
        except SystemExit as end:  # tyro's own
            status = end.code
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


def help_text(said, *words):
    status, out, err = said(*words, "--help")
    assert (status, err) == (0, [])
    return " ".join(" ".join(out).replace("│", " ").split())


TRAIN = ("train", "lenet", "--data", "few", "--batch-size", "20", "--device", "cpu")


# ----------------------------------------------------------------------------- commands
def test_train_then_go_on_then_evaluate(said, tmp_path):
    status, out, err = said(*TRAIN, "--epochs", "2", "--out", "runs/a")
    assert (status, err) == (0, [])
    line = (
        r"epoch +(\d): train loss \d\.\d{4}, test loss \d\.\d{4}, test accuracy (\d\.\d{4}), [\d,]+ images/s"
    )
    epochs = [re.fullmatch(line, each) for each in out[:2]]
    assert [epoch[1] for epoch in epochs] == ["1", "2"]
    assert re.fullmatch(r"Trained\(lenet on few, 2 epochs, test accuracy \d\.\d{3}\)", out[2])
    assert out[3:] == ["saved in runs/a; judge it again: cnnkit evaluate runs/a/best.safetensors"]
    assert sorted(os.listdir("runs/a")) == sorted([LAST, BEST, LOG])

    status, out, err = said(*TRAIN, "--epochs", "2", "--out", "runs/a")
    assert (status, out) == (1, [])
    assert err == [
        "cnnkit: out=runs/a holds a run already: resume=True (--resume) goes on with it, or choose another"
    ]

    status, out, err = said(*TRAIN, "--epochs", "3", "--out", "runs/a", "--resume")
    assert (status, err) == (0, [])
    assert out[0].startswith("epoch   3: ")
    last = checkpoints.read("runs/a/last.safetensors").facts["history"][-1]

    status, out, err = said("evaluate", "runs/a/last.safetensors", "--device", "cpu")
    assert (status, err) == (0, [])
    assert out == [
        "lenet on 100 test examples of few:",
        f"  loss {last['test_loss']:.4f} (cross-entropy, nats), accuracy {last['test_accuracy']:.4f}",
    ]
    status, out, err = said("evaluate", "runs/a/last.safetensors", "--data", "mnist5k", "--device", "cpu")
    assert (status, err) == (0, [])
    assert out[0] == "lenet on 1,000 test examples of mnist5k:"


def test_without_a_folder_nothing_is_kept(said, tmp_path):
    status, out, err = said(*TRAIN, "--epochs", "1")
    assert (status, err, len(out)) == (0, [], 2)
    assert os.listdir(tmp_path) == []


def test_every_field_of_the_recipe_is_an_option(said, monkeypatch):
    recipes = []

    def fit(recipe, **how):
        recipes.append((recipe, how))
        raise ValueError("enough")

    monkeypatch.setattr(command_line, "fit", fit)
    wanted = Recipe(
        "lenet", width=2.0, data="few", epochs=3, batch_size=7, optimizer="adamw", step_size=0.5, schedule="cosine", momentum=0.1,
        weight_decay=0.2, max_norm=3.0, label_smoothing=0.3, pad_crop=1, flip=True, cutout=2, image_size=9,
        validation=4, precision="bfloat16", channels_last=True, compile=True, fused=True, accumulate=5,
        sync_batch_norm=True, workers=1, block=6, seed=8,
    )  # fmt: skip
    words = []
    for field in dataclasses.fields(Recipe)[1:]:
        value = getattr(wanted, field.name)
        assert value != field.default
        words += [f"--{field.name.replace('_', '-')}", *([] if value is True else [str(value)])]
    status, out, err = said("train", "lenet", *words)
    assert (status, out, err) == (1, [], ["cnnkit: enough"])
    assert recipes[0][0] == wanted
    assert (recipes[0][1]["out"], recipes[0][1]["resume"], recipes[0][1]["device"]) == (None, False, None)
    said("train", "lenet")
    assert recipes[1][0] == Recipe("lenet")
    said("train", "lenet", "--max-norm", "None", "--no-flip")
    assert recipes[2][0] == Recipe("lenet")


def test_a_restart_goes_on_with_its_own_run_only(said, monkeypatch, tmp_path):
    asked = []

    def fit(recipe, **how):
        asked.append(how["resume"])
        raise ValueError("enough")

    monkeypatch.setattr(command_line, "fit", fit)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")  # torchrun starts a process again
    out = ("--out", str(tmp_path))
    said("train", "lenet", *out)  # nothing was saved yet
    for launcher in (os.getppid(), os.getppid() + 1):
        checkpoints.write(tmp_path / LAST, checkpoints.Checkpoint({}, {"launcher": launcher}))
        said("train", "lenet", *out)
    said("train", "lenet", *out, "--resume")
    assert asked == [False, True, False, True]


def test_summary(said):
    status, out, err = said("summary", "lenet")
    assert (status, err) == (0, [])
    assert "61,706" in "\n".join(out)
    colour = "\n".join(said("summary", "lenet", "--in-channels", "3", "--num-classes", "2")[1])
    parameters = sum(p.numel() for p in models.create("lenet", 2, 3).parameters())
    assert f"{parameters:,}" in colour


def test_summary_shows_what_notes_and_paper_state_beside(said):
    out = said("summary", "lenet")[1]
    assert "output  notes  " in out[2]
    assert "6 × 28 × 28  6 filters, 5×5, P=2, 28 × 28  " in out[4]
    plain = str(command_line.table(models.create("lenet"), (1, 28, 28))).splitlines()
    assert said("summary", "lenet", "--no-beside")[1] == plain
    narrow = said("summary", "lenet", "--width", "0.5")[1]  # of which nobody states anything
    assert narrow[2].split() == plain[2].split()

    blocks = said("summary", "resnet20")[1]
    assert blocks[2].split()[2:5] == ["output", "dropped", "paper"]
    assert [line.split()[0] for line in blocks if "layer2" in line] == ["layer2"]
    assert "  0.27 million parameters  " in blocks[-1]
    assert len(said("summary", "resnet20", "--no-beside")[1]) > 2 * len(blocks)

    status, out, err = said("summary", "network_in_network_imagenet")  # in no paper
    assert (status, err) == (0, [])
    assert "paper" not in out[2]


def test_data_list(said):
    status, out, err = said("data", "list")
    assert (status, err) == (0, [])
    rows = {line.split()[0]: line for line in out}
    assert list(rows) == list(data.DATASETS)
    assert "here" in rows["few"]
    assert "to fetch" in rows["fetched"]
    assert rows["few"].endswith("A few digits, as a data set of its own. More follows.")


def test_data_fetch(said):
    status, out, err = said("data", "fetch", "fetched", "--root", "there")
    assert (status, err) == (0, [])
    assert out[0].startswith("Dataset(fetched into there: 200 train and 100 test of uint8 (1, 28, 28)")


# ----------------------------------------------------------------------------- help
def test_help_names_the_commands(said):
    text = help_text(said)
    for words in ("train", "evaluate", "summary", "data", "Train and judge the networks of the book."):
        assert words in text


def test_help_of_train_explains_every_field(said):
    text = help_text(said, "train")
    for field in dataclasses.fields(Recipe)[1:]:
        assert f"--{field.name.replace('_', '-')}" in text
    for words in (
        "network, by its name", "passes over the training set", "{sgd,adam,adamw}", "default: 0.004",
        "examples of one step, over all processes", "folder for last.safetensors", "go on from last.safetensors",
    ):  # fmt: skip
        assert words in text


def test_help_of_the_others(said):
    assert "a file that train wrote" in help_text(said, "evaluate")
    assert "height and width of the input" in help_text(said, "summary")
    assert "the set to fetch" in help_text(said, "data")


def test_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cnnkit", "summary", "lenet"])
    monkeypatch.delitem(sys.modules, "cnnkit.__main__")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("cnnkit", run_name="__main__")
    assert end.value.code == 0
    assert "61,706" in capsys.readouterr().out


# ----------------------------------------------------------------------------- refusals and signals
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("train", "lenett", "--data", "few"),
            "model must be one of .*lenet.*; got 'lenett'. Did you mean lenet",
        ),
        (("train", "lenet", "--data", "fewer"), "name must be one of .*few.*; got 'fewer' .near: few"),
        (("train", "lenet", "--data", "fetched"), "fetched is not here"),
        (("train", "lenet", "--data", "few", "--flip"), "flip must be False for few"),
        (("train", "lenet", "--data", "few", "--epochs", "0"), "epochs must be at least 1; got 0"),
        (
            ("train", "lenet", "--data", "few", "--device", "abacus"),
            "device must be one that this machine has .*, got 'abacus'",
        ),
        (("evaluate", "nowhere.safetensors"), "no checkpoint at nowhere.safetensors: there is no such file"),
        (("summary", "lenett"), "model must be one of .*lenet.*; got 'lenett'. Did you mean lenet"),
        (
            ("summary", "lenet", "--image-size", "32"),
            r"x must have shape \(N, 1, 28, 28\), got \(1, 1, 32, 32\)",
        ),
        (
            ("data", "fetch", "few"),
            r"name must be one of .*fetched.* \(the others need no download\); got 'few'",
        ),
        (("data", "fetch"), r"name must be one of .*fetched.*; got ''"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_a_user_can_mend_is_one_line_and_status_1(said, words, message):
    status, out, err = said(*words)
    assert (status, out, len(err)) == (1, [], 1), err
    assert re.match(f"cnnkit: .*{message}", err[0])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("train", "lenet", "--epoch", "3"), "--epochs"),
        (("train", "lenet", "--optimizer", "lion"), "adamw"),
        (("train", "lenet", "--epochs", "few"), "few"),
        (("train",), "network, by its name"),
        (("learn",), "train"),
        ((), "train"),
        (("data", "steal"), "fetch"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_words_that_are_no_command_have_status_2_and_a_hint(said, words, hint):
    status, out, err = said(*words)
    assert status == 2
    assert hint in "\n".join(out + err)
    assert "Traceback" not in "\n".join(out + err)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_a_signal_ends_has_the_status_of_the_shell(said, monkeypatch, number, expected):
    monkeypatch.setattr(command_line, "_print_last", lambda history: os.kill(os.getpid(), number))
    status, out, err = said(*TRAIN, "--epochs", "2", "--out", "a")
    assert (status, err) == (expected, [])
    assert out == [
        f"cnnkit: stopped by {number.name} after step 10 of 20 (1 of 2 epochs done); a/last.safetensors has all that "
        "it takes to go on"
    ]


def test_a_diverged_run_is_one_line_and_status_1(said):
    status, out, err = said(*TRAIN, "--epochs", "2", "--optimizer", "sgd", "--step-size", "1e30")
    assert (status, out, len(err)) == (1, [], 1)
    assert re.match(r"cnnkit: the loss or its gradient was not finite in step \d+ of 20 \(epoch 1\)", err[0])


@pytest.mark.bad_input
def test_another_models_checkpoint_is_one_line_and_status_1(said):
    weights = {"x": torch.zeros(3)}
    facts = {
        "recipe": dataclasses.asdict(Recipe("lenet")), "normal": {"mean": [0.5], "std": [1.0]}, "in_channels": 1,
        "num_classes": 10, "history": [],
    }  # fmt: skip
    checkpoints.write(command_line.Path("other"), checkpoints.Checkpoint(weights, facts))
    status, out, err = said("evaluate", "other")
    assert (status, out, len(err)) == (1, [], 1)
    assert err[0].startswith("cnnkit: other is of another model than this LeNet: it lacks ")
