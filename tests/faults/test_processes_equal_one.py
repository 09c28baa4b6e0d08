"""Two processes do what one does with the joint batch, also where a process gets no example of it."""

import pytest
import torch

from cnnkit import checkpoints
from cnnkit.data import mnist5k
from cnnkit.train import evaluate, load
from tests.faults import batch_norm
from tests.faults.processes import LAST, ROOT, TORCHRUN, run_well, train

# 501 examples by 5: parts of 3 and 2, and at the end of the epoch of 1 and none
RECIPE = {"validation": 3499, "batch_size": 5, "epochs": 2, "precision": "float64"}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_give_the_weights_of_one(tmp_path, accumulate):
    one, two = tmp_path / "one", tmp_path / "two"
    run_well(train(one, RECIPE))
    run_well(train(two, RECIPE | {"accumulate": accumulate}, launcher=TORCHRUN))
    of_one, of_two = checkpoints.read(one / LAST), checkpoints.read(two / LAST)
    differences = [(of_two.weights[name] - value).abs().max() for name, value in of_one.weights.items()]
    print("largest difference of a weight:", max(differences).item())
    for difference in differences:
        torch.testing.assert_close(difference, torch.zeros_like(difference), rtol=0, atol=1e-10)
    moved = checkpoints.read(one / LAST).facts["history"]
    assert moved[-1]["train_loss"] < moved[0]["train_loss"]

    # judged by two processes as by one: right answers are counted, so exactly; losses but for rounding
    judged = evaluate(load(two / LAST, device="cpu"), mnist5k().test)
    last = of_two.facts["history"][-1]
    assert judged["accuracy"] == last["test_accuracy"]
    assert judged["loss"] == pytest.approx(last["test_loss"], rel=1e-13)
    for ours, theirs in zip(of_two.facts["history"], of_one.facts["history"], strict=True):
        for name in ("train_accuracy", "validation_accuracy", "test_accuracy"):
            assert ours[name] == theirs[name]
        for name in ("train_loss", "validation_loss", "test_loss"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-10)


def test_batch_norm_judges_by_the_statistics_that_are_saved(tmp_path):
    run_well([*TORCHRUN, str(ROOT / "tests" / "faults" / "batch_norm.py"), str(tmp_path)])
    trained = load(tmp_path / LAST, batch_norm.model(), device="cpu")
    judged = evaluate(trained, batch_norm.DATA.test)
    assert judged["accuracy"] == trained.history[-1]["test_accuracy"]
    assert judged["loss"] == pytest.approx(trained.history[-1]["test_loss"], rel=1e-13)
