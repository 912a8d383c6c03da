"""W8: slow steps. Whether they share the slots that are there, and whether they keep short ones waiting."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from benchmarks import marks, postgres, workload
from benchmarks.contenders import ThroughCelery, ThroughNotify
from benchmarks.figures import Line, Workload, at_most
from benchmarks.watch import Cpu, Figures, Stopwatch, Trial
from squidie.testing import eventually

if TYPE_CHECKING:
    from benchmarks.contenders import Contender, Place
    from squidie import Squidie

NAPS = 64
SLOTS = 8
FEW_SLOTS = 2
LONG = 10.0
"""Seconds of the step that runs beside the short ones."""
PATIENCE = 60.0
ENDED = "select count(*) from squidie.runs where workflow = %s and ended_at is not null"
BEGUN = "select count(*) from squidie.attempts where claim_id is not null"

Workers = ThroughCelery | ThroughNotify


def attempt(contender: Contender, place: Place) -> Trial:
    """64 steps of a second on eight slots; then short ones on two, and short ones on two of which one is long."""
    assert isinstance(contender, Workers)
    marks.clear(place.marks)
    with contender.client(place) as squidie:
        slept, (seconds, cpu) = _many_naps(contender, place, squidie)
        alone, beside = _one_beside_short(replace(contender, processes=FEW_SLOTS), place, squidie)
    figures: Figures = {"naps_s": slept, "alone_s": alone, "beside_s": beside, "delay_s": max(0.0, beside - alone)}
    return Trial(contender, figures, cpu.elsewhere(seconds), contender.faults(place))


def _many_naps(contender: Workers, place: Place, squidie: Squidie) -> tuple[float, tuple[float, Cpu]]:
    with contender.work(place) as crew:
        _up(place, squidie)
        stopwatch = Stopwatch(place, crew)
        squidie.start_many(workload.Nap, [{"seconds": 1.0}] * NAPS)
        slept = _until(place, ENDED, "Nap", NAPS)
        used = stopwatch.read()
        crew.stop()
    return slept, used


def _one_beside_short(contender: Workers, place: Place, squidie: Squidie) -> tuple[float, float]:
    with contender.work(place) as crew:
        _up(place, squidie)
        before = _count(place, ENDED, "One")
        squidie.start_many(workload.One, [{}] * place.size)
        alone = _until(place, ENDED, "One", before + place.size)
        squidie.start(workload.Nap, {"seconds": LONG})
        _until(place, BEGUN, None, 1)
        squidie.start_many(workload.One, [{}] * place.size)
        beside = _until(place, ENDED, "One", before + 2 * place.size)
        _until(place, ENDED, "Nap", NAPS + 1)
        crew.stop()
    return alone, beside


def _up(place: Place, squidie: Squidie) -> None:
    """The worker has done something."""
    before = _count(place, ENDED, "One")
    squidie.start(workload.One, {})
    _until(place, ENDED, "One", before + 1)


def _until(place: Place, question: str, of: str | None, count: int) -> float:
    """Seconds until there are so many."""
    began = monotonic()
    why = f"{question} has not become {count}"
    eventually(lambda: _count(place, question, of) >= count, PATIENCE, every=0.01, why=why)
    return monotonic() - began


def _count(place: Place, question: str, of: str | None) -> int:
    with postgres.connect(place.database) as connection:
        row = connection.execute(question, [of] if of else None).fetchone()
    return int(row[0]) if row is not None else 0


W8 = Workload(
    name="W8",
    title="64 steps of a second on 8 slots; {size} short steps beside one of 10 s on 2 slots",
    size=1000,
    lines=(
        Line("naps_s", "64 steps of 1 s on 8 slots, s", 2, at_most(9)),
        Line("alone_s", "the short ones alone on 2 slots, s", 2),
        Line("beside_s", "beside the one of 10 s, s", 2),
        Line("delay_s", "later by, s (a turn's share is 1)", 2, at_most(1)),
    ),
    attempt=attempt,
    contenders=(ThroughCelery(SLOTS), ThroughNotify(SLOTS)),
    repeat=1,
)
