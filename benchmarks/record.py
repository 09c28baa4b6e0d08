"""Run an experiment over seeds and keep the result with all that is needed to run it again.

An experiment is a module of ``benchmarks/experiments`` with

- ``run(seed, **settings) -> dict``: one seed's numbers, plain data;
- ``SETTINGS``: the settings of the stored result; ``SEEDS``: its seeds;
- ``SMALL``: settings of the same meaning that take a second or two; a test runs one seed of them and
  compares with what is stored, to the relative ``TOLERANCE``.

Its last lines are ``if __name__ == "__main__": store(sys.modules[__name__])``.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from tqdm import tqdm

RESULTS = Path(__file__).parent / "results"


def environment() -> dict[str, Any]:
    """Say on what a result was measured: hardware, versions, threads, load, date."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    threads = torch.get_num_threads()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": gpu or f"{threads} thread{'s' if threads != 1 else ''}",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }


def store(experiment: ModuleType) -> Path:
    """Run every seed of an experiment and write ``benchmarks/results/<its name, with hyphens>.json``."""
    name = _name(experiment)
    result = {
        "experiment": name,
        "command": f"python -m {command_name(experiment)}",
        "settings": experiment.SETTINGS,
        "seeds": list(experiment.SEEDS),
        "environment": environment(),
        "runs": [
            experiment.run(seed, **experiment.SETTINGS) for seed in tqdm(experiment.SEEDS, disable=None)
        ],
        "small": {"seed": 0, "run": experiment.run(0, **experiment.SMALL)},
    }
    return write(name, result)


def write(name: str, result: dict[str, Any]) -> Path:
    """Write a result as JSON, whole or not at all."""
    path = RESULTS / f"{name}.json"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")
    unfinished.replace(path)
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return path


def command_name(experiment: ModuleType) -> str:
    """The module's name for ``python -m``, also while it runs as ``__main__``."""
    assert experiment.__file__ is not None
    return f"benchmarks.experiments.{Path(experiment.__file__).stem}"


def _name(experiment: ModuleType) -> str:
    return command_name(experiment).rpartition(".")[2].replace("_", "-")


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
