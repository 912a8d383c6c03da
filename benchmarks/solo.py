"""One workflow at a time on an idle system: how long each part of it takes. Peers' drivers use it, too."""

from __future__ import annotations

import random
import time
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from benchmarks import marks
from benchmarks.noop import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Solo = dict[str, Any]

LOOK = 0.0003
"""Seconds between two looks whether it has ended."""
PAUSE = 0.05
"""Seconds between the end of one and the start of the next, give or take a half."""
PATIENCE = 30.0
WARMING = 5
"""Workflows that come first and do not count."""


def one_at_a_time(
    folder: Path, count: int, start: Callable[[int], Any], is_done: Callable[[Any], bool], pause: float = PAUSE
) -> Solo:
    """Start so many, each when the one before has ended and about `pause` seconds are over.

    `rows` holds for each, in nanoseconds: asked, accepted, the begin of each step, ended. `looks` is how often
    `is_done` was asked.
    """
    seen, rows, looks = marks.moments(folder), [], 0
    for number in range(WARMING + count):
        time.sleep(pause * random.uniform(0.5, 1.5))
        seen[0] = 0
        asked = monotonic_ns()
        handle = start(number)
        accepted = monotonic_ns()
        while seen[0] < STEPS:
            _look(asked)
        looks += 1
        while not is_done(handle):
            looks += 1
            _look(asked)
        ended = monotonic_ns()
        if number >= WARMING:
            rows.append([asked, accepted, *seen[1 : 1 + STEPS], ended])
    return {"rows": rows, "looks": looks}


def wide(width: int, start: Callable[[int], Any], is_done: Callable[[Any], bool]) -> Solo:
    """Start one workflow of so many parallel steps, once to warm up and once for the clock; its seconds."""
    spent, looks = [], 0
    for each in (width // 5, width):
        began = monotonic_ns()
        handle = start(each)
        looks += 1
        while not is_done(handle):
            looks += 1
            time.sleep(0.002)
            if monotonic_ns() - began > 4 * PATIENCE * 1e9:
                raise TimeoutError("a workflow of parallel steps does not end")
        spent.append((monotonic_ns() - began) / 1e9)
    return {"seconds": spent[-1], "looks": looks}


def _look(asked: int) -> None:
    time.sleep(LOOK)
    if monotonic_ns() - asked > PATIENCE * 1e9:
        raise TimeoutError("a workflow that runs alone does not end")
