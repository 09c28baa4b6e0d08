"""SIGTERM and Ctrl-C: the run saves in the middle of an epoch, ends with a clear line, and goes on bit for bit."""

import json
import signal
import time

import pytest

from tests.faults.processes import (
    LAST,
    ROOT,
    TORCHRUN,
    all_load,
    assert_same_run,
    assert_same_weights,
    content,
    fails_with_one_line,
    finish,
    run_well,
    running,
    step_of,
    train,
    wait_for_save,
)

STEPS = 1000  # of an epoch: it takes long enough to send a signal
RECIPE = {"batch_size": 4, "epochs": 3, "pad_crop": 2, "cutout": 4, "block": 7}


def test_each_signal_ends_the_run_within_an_epoch_and_nothing_is_lost(tmp_path):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "run"
    run_well(train(undisturbed, RECIPE))
    for number, name, status in ((signal.SIGTERM, "SIGTERM", 143), (signal.SIGINT, "SIGINT", 130)):
        with running(train(out, RECIPE, resume=out.exists())) as process:
            wait_for_save(out, process)
            time.sleep(0.2)
            process.send_signal(number)
            line = fails_with_one_line(finish(process), f"stopped by {name}", str(out / LAST), status=status)
        all_load(out)
        step = step_of(out)
        assert step % STEPS > 0
        assert step % RECIPE["block"] == 0
        assert f"after step {step} of {3 * STEPS}" in line
    run_well(train(out, RECIPE, resume=True))
    assert_same_run(out, undisturbed)


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    # an epoch of one block: the first Ctrl-C alone would take to the end of it
    recipe = RECIPE | {"batch_size": 2, "block": 1_000_000}
    with running(train(tmp_path, recipe)) as process:
        wait_for_save(tmp_path, process)
        before = content(tmp_path)
        for _ in range(2):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.returncode == -signal.SIGINT
    assert "Traceback" not in done.stderr
    assert content(tmp_path) == before
    all_load(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_ranks_stop_at_the_same_step(tmp_path, two_processes, number):
    recipe, undisturbed = two_processes
    out, ended = tmp_path / "run", tmp_path / "rank"
    driver = str(ROOT / "tests" / "faults" / "each_rank.py")
    facts = json.dumps({"model": "lenet", **recipe})
    with running([*TORCHRUN, driver, str(out), str(ended), facts]) as process:
        wait_for_save(out, process)
        time.sleep(0.1)
        process.send_signal(number)
        done = finish(process)
    assert done.returncode != 0
    lines = [(tmp_path / f"rank{rank}").read_text() for rank in range(2)]
    assert lines[0] == lines[1]
    assert f"stopped by {number.name} after step {step_of(out)} of " in lines[0]
    all_load(out)
    run_well(train(out, recipe, resume=True, launcher=TORCHRUN))
    assert_same_weights(out, undisturbed)
