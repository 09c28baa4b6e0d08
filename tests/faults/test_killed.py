"""Processes that are killed (SIGKILL) lose nothing but the steps since their last checkpoint."""

import random
import signal
import time

import psutil
import pytest

from cnnkit import checkpoints
from tests.faults.processes import (
    BEST,
    LAST,
    LOG,
    TORCHRUN,
    UNFINISHED,
    all_load,
    assert_same_run,
    assert_same_weights,
    descendants,
    finish,
    run_well,
    running,
    step_of,
    train,
    wait_for,
    wait_for_save,
)

# ten steps an epoch; random numbers in each of them; the optimiser has a state
RECIPE = {"validation": 3500, "batch_size": 50, "epochs": 48, "pad_crop": 2, "cutout": 4, "block": 3}
KILLS = 20


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    run_well(train(out, RECIPE))
    return out


def test_20_kills_half_of_them_while_a_checkpoint_is_written(tmp_path, undisturbed):
    draw, out = random.Random(0), tmp_path / "run"
    in_save, elsewhere, done = 0, 0, 0
    while in_save < KILLS / 2 or in_save + elsewhere < KILLS:
        resume = (out / LAST).exists()
        with running(train(out, RECIPE, resume=resume)) as process:
            wait_for_save(out, process)
            began = time.monotonic()
            if in_save <= elsewhere:
                wait_for((out / UNFINISHED).exists, process)
            else:
                wait_for_save(out, process)
                time.sleep(draw.random() * (time.monotonic() - began))
            process.kill()
            assert process.wait() == -signal.SIGKILL
        # what was being written is left where it was, under the other name
        if (out / UNFINISHED).exists():
            in_save += 1
        else:
            elsewhere += 1
        all_load(out)
        assert step_of(out) > done
        done = step_of(out)
    run_well(train(out, RECIPE, resume=True))
    assert_same_run(out, undisturbed)


def test_a_kill_while_the_best_checkpoint_is_written_leaves_no_older_one_as_the_best(tmp_path):
    undisturbed, out, recipe = tmp_path / "undisturbed", tmp_path / "run", RECIPE | {"epochs": 6}
    run_well(train(undisturbed, recipe))
    history = checkpoints.read(undisturbed / LAST).facts["history"]
    best = max(history, key=lambda record: record["validation_accuracy"])["epoch"]
    with running(train(out, recipe)) as process:
        wait_for(
            lambda: (out / LOG).exists() and len((out / LOG).read_text().splitlines()) == best - 1, process
        )
        wait_for((out / f".{BEST}.unfinished").exists, process)
        process.kill()
    run_well(train(out, recipe, resume=True))
    assert_same_run(out, undisturbed)


@pytest.mark.parametrize("rank", [0, 1])
def test_torchrun_restarts_after_a_rank_was_killed(tmp_path, two_processes, rank):
    recipe, undisturbed = two_processes
    out = tmp_path / "run"
    with running(train(out, recipe, launcher=[*TORCHRUN, "--max-restarts=1"])) as process:
        wait_for_save(out, process)
        worker(process, rank).kill()
        done = finish(process)
    assert done.returncode == 0, done.stderr
    assert_same_weights(out, undisturbed)
    assert_same_weights(out, undisturbed, BEST)


def worker(process, rank):
    (found,) = (each for each in descendants(process) if rank_of(each) == str(rank))
    return found


def rank_of(process):
    try:
        return process.environ().get("LOCAL_RANK")
    except psutil.NoSuchProcess:
        return None
