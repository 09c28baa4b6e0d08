"""A disk that is full, a folder that may not be written: the error names the path, and what was there stays."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from cnnkit.checkpoints import read
from tests.faults.processes import (
    BEST,
    LAST,
    LOG,
    PYTHON,
    all_load,
    content,
    fails_with_one_line,
    run,
    run_well,
    train,
)

RECIPE = {"validation": 3900, "batch_size": 50}
# a checkpoint to go on from has 750 kB, one to use 250 kB: room for one of each, not for another beside them
ROOM = 1_400_000
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def mounts_are_allowed() -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()]
    return subprocess.run(mount, capture_output=True).returncode == 0


def test_a_full_disk(tmp_path):
    if not mounts_are_allowed():
        pytest.skip("no file system can be mounted here; the test with a limited file size stands for it")
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    out = disk / "run"
    # the file system is seen from within the namespace only: what is on it is copied out
    script = f"""
        mount -t tmpfs -o size={ROOM} tmpfs {disk} || exit 9
        {command(out, 1)} >&2 || exit 8
        cp -r {out} {kept}/before
        {command(out, 3, resume=True)}
        status=$?
        cp -r {out} {kept}/after
        exit $status
    """
    done = run([*NAMESPACE, "sh", "-c", script])
    fails_with_one_line(done, str(out), "No space left on device")
    assert_last_is_intact(kept / "after", content(kept / "before"))


def assert_last_is_intact(folder: Path, before: dict[str, bytes]) -> None:
    """The log and the best checkpoint, written before it, may be those of the next epoch."""
    after = content(folder)
    assert set(after) == {LAST, BEST, LOG}, "an unfinished file was left"
    assert after[LAST] == before[LAST]
    all_load(folder)


def command(out: Path, epochs: int, resume: bool = False) -> str:
    return " ".join(train(out, RECIPE | {"epochs": epochs}, resume))


def test_a_file_that_may_not_grow(tmp_path):
    run_well(train(tmp_path, RECIPE | {"epochs": 1}))
    before = content(tmp_path)
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000));"
        "runpy.run_module('cnnkit', run_name='__main__', alter_sys=True)"
    )
    words = train(tmp_path, RECIPE | {"epochs": 3}, resume=True)
    assert words[:3] == [*PYTHON, "-m", "cnnkit"]
    fails_with_one_line(run([*PYTHON, "-c", limited, *words[3:]]), str(tmp_path / LAST), "File too large")
    assert_last_is_intact(tmp_path, before)


# root may write anywhere, so it becomes nobody; not before, as nobody may not read Python's own files everywhere
NO_PERMISSION = """
import os, sys
from cnnkit.__main__ import main
out = sys.argv[sys.argv.index("--out") + 1]
assert main([*sys.argv[1:], "--epochs", "1"]) == 0
os.chmod(out, 0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
sys.exit(main([*sys.argv[1:], "--epochs", "3", "--resume"]))
"""


@pytest.mark.parametrize("resume", [True, False], ids=["a file", "a folder"])
def test_no_permission(open_folder, resume):
    driver = NO_PERMISSION if resume else NO_PERMISSION.replace('"--resume"', '"--out", out + "/deeper"')
    out = open_folder / "run"
    words = train(out, RECIPE)
    done = run([*PYTHON, "-c", driver, *words[3:]])
    fails_with_one_line(done, str(out), "Permission denied")
    assert set(content(out)) == {LAST, BEST, LOG}
    assert len(read(out / LAST).facts["history"]) == 1


@pytest.fixture
def open_folder():
    """A folder that everyone may enter: pytest's own are for one user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
