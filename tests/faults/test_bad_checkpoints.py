"""Files that are no checkpoints of this model are refused by name, and nothing in them is executed."""

import os
import shutil

import pytest
import torch

from cnnkit import checkpoints
from cnnkit.__main__ import main
from cnnkit.checkpoints import Checkpoint
from tests.faults.processes import BEST, LAST, PYTHON, content, fails_with_one_line, run, run_well, train

RECIPE = {"validation": 3900, "batch_size": 50, "epochs": 1}

pytestmark = pytest.mark.bad_input


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    out = tmp_path_factory.mktemp("good")
    run_well(train(out, RECIPE))
    return out


class Code:
    """Unpickled, it makes a folder: that would be seen."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def cut(start, stop):
    return lambda good, path: path.write_bytes((good / BEST).read_bytes()[start:stop])


def of_another_model(good, path):
    checkpoint = checkpoints.read(good / BEST)
    checkpoints.write(path, Checkpoint(torch.nn.Linear(3, 2).state_dict(), checkpoint.facts))


def of_another_version(good, path):
    checkpoint = checkpoints.read(good / BEST)
    recipe = checkpoint.facts["recipe"] | {"unheard_of": 1}
    checkpoints.write(path, Checkpoint(checkpoint.weights, checkpoint.facts | {"recipe": recipe}))


BAD = {
    "empty": cut(0, 0),
    "a few bytes": cut(0, 5),
    "cut in the header": cut(0, 300),
    "cut in the weights": cut(0, 100_000),
    "one byte short": cut(0, -1),
    "without its beginning": cut(100, None),
    "bytes of another kind": lambda good, path: path.write_bytes(b"\x89PNG\r\n\x1a\n" * 1000),
    "text": lambda good, path: path.write_text("weights: none\n" * 100),
    "a pickle with code": lambda good, path: torch.save(Code(path.parent / "executed"), path),
    "another model": of_another_model,
    "another version": of_another_version,
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused(tmp_path, good, capsys, kind):
    path = tmp_path / LAST
    BAD[kind](good, path)
    before = content(tmp_path)
    assert main(["evaluate", str(path), "--device", "cpu"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cnnkit: {path} ")
    resume = train(tmp_path, RECIPE, resume=True)[3:]
    assert main(resume) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cnnkit: {path} ")
    assert content(tmp_path) == before, "the file stays, and nothing is beside it"


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_the_code_in_a_pickle_is_not_executed(tmp_path, command):
    path, effect = tmp_path / LAST, tmp_path / "executed"
    torch.save(Code(effect), path)
    words = (
        train(tmp_path, RECIPE, resume=True)
        if command == "train"
        else [*PYTHON, "-m", "cnnkit", command, str(path)]
    )
    fails_with_one_line(run(words), str(path), "pickles")
    assert not effect.exists()
    # the test would notice
    with open(path, "rb") as file:
        torch.load(file, weights_only=False)
    assert effect.exists()


def test_weights_alone_are_nothing_to_go_on_from(tmp_path, good, capsys):
    shutil.copy(good / BEST, tmp_path / LAST)
    assert main(train(tmp_path, RECIPE, resume=True)[3:]) == 1
    assert f"{tmp_path / LAST} holds weights only" in capsys.readouterr().err
    assert (tmp_path / LAST).read_bytes() == (good / BEST).read_bytes()
