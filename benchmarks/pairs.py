"""Compare by turns: each turn measures all, so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm


def seconds(run: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def take_turns(
    measures: Mapping[str, Callable[[], float]], turns: int, against: str
) -> dict[str, dict[str, Any]]:
    """Measure all in each turn, after a turn to warm up.

    Args:
        measures: by name, what returns a number of any unit, such as seconds.
        turns: at least 1; what is stored should have at least 5.
        against: the name of the one that the others are compared with.

    Returns:
        By name the ``median``, ``least`` and ``largest`` of the turns, and ``ratio``: the median over the
        turns of its number divided by that of ``against`` in the same turn.
    """
    for measure in measures.values():
        measure()
    rows = [{name: measure() for name, measure in measures.items()} for _ in tqdm(range(turns), disable=None)]
    found = {}
    for name in measures:
        values = [row[name] for row in rows]
        found[name] = {
            "median": round(statistics.median(values), 4),
            "least": round(min(values), 4),
            "largest": round(max(values), 4),
            "ratio": round(statistics.median(row[name] / row[against] for row in rows), 4),
        }
    return found


def show(title: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print rows of numbers."""
    print(f"\n{title}")
    for name, row in rows.items():
        print(f"{name:40}" + ", ".join(f"{column} {value}" for column, value in row.items()), flush=True)


def largest_megabytes(run: Callable[[], Any]) -> float:
    """The largest size that this process has while it runs something, in MB of 2^20 bytes (Linux only)."""
    if sys.platform != "linux":
        raise RuntimeError(f"the size of a process is read from Linux's /proc; this is {sys.platform}")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the largest size so far
    run()
    return kilobytes("VmHWM") / 2**10


def kilobytes(what: str) -> int:
    """A line of ``/proc/self/status``, such as VmRSS, the size of this process now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{what}:")[2].split()[0])
