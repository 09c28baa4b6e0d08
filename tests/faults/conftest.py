"""The undisturbed run of two processes, which several tests compare with."""

import pytest

from tests.faults.processes import TORCHRUN, run_well, train


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory):
    """A recipe, and what it gives on two processes that nothing disturbs."""
    recipe = {"validation": 3500, "batch_size": 5, "epochs": 6, "pad_crop": 2, "cutout": 4, "block": 7}
    out = tmp_path_factory.mktemp("two-processes")
    run_well(train(out, recipe, launcher=TORCHRUN))
    return recipe, out
