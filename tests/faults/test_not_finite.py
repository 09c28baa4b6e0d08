"""A loss that is not finite stops the run, names the step, and spoils nothing."""

import json

import pytest

from cnnkit import checkpoints
from tests.faults import poisoned
from tests.faults.processes import (
    LAST,
    ROOT,
    TORCHRUN,
    all_load,
    assert_same_weights,
    fails_with_one_line,
    run,
    run_well,
    train,
)

# each step takes the weights times 1 - 50: good for an epoch of two steps, too large for floats soon after
RECIPE = {"validation": 3900, "batch_size": 50, "optimizer": "sgd", "schedule": "constant", "momentum": 0}
DIVERGES = RECIPE | {"step_size": 0.5, "weight_decay": 100}


def test_a_run_that_diverges_keeps_the_last_good_checkpoint(tmp_path):
    every_step, once = tmp_path / "every-step", tmp_path / "once"
    lines = []
    for out, block in ((every_step, 1), (once, 50)):
        done = run(train(out, DIVERGES | {"epochs": 20, "block": block}))
        lines.append(fails_with_one_line(done, "not finite", "step size 0.5", str(out / LAST)))
        all_load(out)
        epochs_done = len(checkpoints.read(out / LAST).facts["history"])
        assert 0 < epochs_done < 20
        assert f"(epoch {epochs_done + 1})" in lines[-1]
    # however often the host looks, the same step is the first bad one
    assert lines[0].replace(str(every_step), str(once)) == lines[1]
    # and what is kept is what a run has that ends there
    shorter = tmp_path / "shorter"
    run_well(train(shorter, DIVERGES | {"epochs": epochs_done}))
    assert_same_weights(once, shorter)


def test_weights_and_buffers_are_those_before_the_bad_step():
    message, weights, before = poisoned.fit_until_it_diverges()
    assert f"in step {poisoned.BAD_STEP + 1} of {poisoned.STEPS} (epoch 1), at step size 0.01" in message
    assert len(before) == poisoned.STEPS, "the steps after the bad one were done too"
    assert poisoned.same(weights, before[poisoned.BAD_STEP])
    assert all(poisoned.same(weights, later) for later in before[poisoned.BAD_STEP :])
    assert not poisoned.same(weights, before[poisoned.BAD_STEP - 1])


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_all_ranks_stop_where_one_sees_the_bad_example(tmp_path, precision):
    run(
        [
            "env",
            f"PRECISION={precision}",
            *TORCHRUN,
            str(ROOT / "tests" / "faults" / "poisoned.py"),
            str(tmp_path),
        ]
    )
    ends = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [end["saw_it"] for end in ends].count(True) == 1
    for end in ends:
        assert f"in step {poisoned.BAD_STEP + 1} of {poisoned.STEPS} (epoch 1)" in end["message"]
        assert end["as_before"]
