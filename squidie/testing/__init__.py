"""For tests of workflows, ours and yours: real services of one's own, real processes, and waiting without sleeping."""

from squidie.testing.clock import at_time, set_clock
from squidie.testing.invariants import stuck, violations
from squidie.testing.postgres import Postgres
from squidie.testing.processes import Beat, Process, Worker, children_of
from squidie.testing.services import Services
from squidie.testing.valkey import Redis
from squidie.testing.waiting import eventually

__all__ = [
    "Beat",
    "Postgres",
    "Process",
    "Redis",
    "Services",
    "Worker",
    "at_time",
    "children_of",
    "eventually",
    "set_clock",
    "stuck",
    "violations",
]
