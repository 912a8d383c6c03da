"""Which scenario plays which row of the list of faults: each module tells its own."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.cluster import Cluster
    from evidence.report import Report

    Scenario = Callable[[Cluster, Report], None]

LANES = (("broker_faults", "time_faults"), ("database_faults", "change_faults", "batch_faults"))
"""Modules, each with a table `PLAYED`: what plays a row, by the row's number.

A lane has servers of its own, so that what is done to them in one does not reach the other; within a lane one row is
played after the other.
"""


def lanes() -> list[dict[str, Scenario]]:
    """Every row that has a scenario, and that, by lanes."""
    found = [{row: scenario for name in lane for row, scenario in played_by(name).items()} for lane in LANES]
    twice = sorted({row for lane in found for row in lane if sum(row in each for each in found) > 1})
    assert not twice, f"played in two lanes: {', '.join(twice)}"
    return found


def played_by(name: str) -> dict[str, Scenario]:
    """The rows of one module, if there is one of that name."""
    if find_spec(f"evidence.{name}") is None:
        return {}
    table: dict[str, Scenario] = import_module(f"evidence.{name}").PLAYED
    return table
