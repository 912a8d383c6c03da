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

MODULES = ("broker_faults", "database_faults", "time_faults", "change_faults", "batch_faults")
"""Each has a table `PLAYED`: what plays a row, by the row's number. They are played in this order."""


def played() -> dict[str, Scenario]:
    """Every row that has a scenario, and that."""
    found: dict[str, Scenario] = {}
    for name in MODULES:
        if find_spec(f"evidence.{name}") is not None:
            table: dict[str, Scenario] = import_module(f"evidence.{name}").PLAYED
            twice = sorted(found.keys() & table.keys())
            assert not twice, f"evidence.{name} plays what another module plays: {', '.join(twice)}"
            found |= table
    return found
