"""Where the time of one worker goes, by room of the house: the workload in this process, under cProfile.

Every call is charged to the room it is in, not to its callees; only what Python itself has built in is charged to the
room that calls it. Profiling makes Python about twice as slow and leaves C as it is: read the shares, not the seconds.
"""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from benchmarks import workload
from squidie import migrate
from squidie.testing import Services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from squidie import Squidie

Place = tuple[str, int, str]
"""File, line and name of a function, as the profiler has them; what is written in C has the file `~`."""

WAITS = ("psycopg/connection.py", "wait"), ("psycopg_c/", "wait"), ("~", "_psycopg.wait"), ("~", "'poll' of 'select")
ROOMS: tuple[tuple[str, str], ...] = (  # the first whose text is in the path
    ("engine", "/squidie/engine/"),
    ("journal", "/squidie/journal/"),
    ("decide", "/squidie/decide/"),
    ("history", "/squidie/history/"),
    ("workflow", "/squidie/workflow/"),
    ("squidie, the rest", "/squidie/"),
    ("the steps themselves", "/benchmarks/"),
    ("sqlalchemy", "sqlalchemy"),
    ("psycopg", "psycopg"),
    ("msgspec", "msgspec"),
    ("msgspec", "_core."),
)
WAITING = "waiting for Postgres"
ELSEWHERE = "Python, the rest"
MOST = 12


class Spent(NamedTuple):
    """Seconds by room, and by function."""

    rooms: Counter[str]
    functions: Counter[Place]
    calls: Mapping[Place, int]


def room_of(place: Place) -> str:
    """Which room a function belongs to."""
    file, _, name = place
    path = file.replace("\\", "/")
    if any(part in path and word in name for part, word in WAITS):
        return WAITING
    known = f"{path} {name}" if path == "~" else path
    return next((room for room, part in ROOMS if part in known), ELSEWHERE)


def tell(workflows: int, console: Console) -> None:
    """Run the workload here, and print where the time went."""
    with Services.start(redis=False) as services:
        migrate.upgrade(services.database_url)
        squidie = workload.serving(services.database_url)
        try:
            workload.start(squidie, workflows)
            spent = _profiled(squidie)
        finally:
            squidie.close()
    _print(spent, workflows * workload.STEPS, console)


def work_off(squidie: Squidie) -> int:
    """Turns until nothing is left; how many there were."""
    turns = 0
    while squidie.turn(["default"]).claimed:
        turns += 1
    return turns


def _profiled(squidie: Squidie) -> Spent:
    profiler = cProfile.Profile()
    profiler.runcall(work_off, squidie)
    rooms: Counter[str] = Counter()
    functions: Counter[Place] = Counter()
    calls: dict[Place, int] = {}
    for place, (_, count, seconds, _, callers) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        room = room_of(place)
        if room != ELSEWHERE or place[0] != "~":
            rooms[room] += seconds
        else:
            for caller, (*_, charged, _) in callers.items():
                rooms[room_of(caller)] += charged
        functions[place] += seconds
        calls[place] = count
    return Spent(rooms, functions, calls)


def _print(spent: Spent, steps: int, console: Console) -> None:
    whole = spent.rooms.total()
    table = Table(title=f"{steps} steps in {whole:.2f} s under the profiler")
    for column in ("room", "share", "µs a step"):
        table.add_column(column, justify="left" if column == "room" else "right")
    for room, seconds in spent.rooms.most_common():
        table.add_row(room, f"{seconds / whole:.1%}", f"{seconds / steps * 1e6:.1f}")
    console.print(table)
    listing = Table(title="the dearest functions")
    for column in ("function", "room", "calls a step", "µs a step"):
        listing.add_column(column, justify="left" if column in {"function", "room"} else "right")
    for place, seconds in spent.functions.most_common(MOST):
        row = (_short(place), room_of(place), f"{spent.calls[place] / steps:.2f}", f"{seconds / steps * 1e6:.1f}")
        listing.add_row(*row)
    console.print(listing)


def _short(place: Place) -> str:
    file, line, name = place
    return name if file == "~" else f"{'/'.join(file.split('/')[-2:])}:{line} {name}"
