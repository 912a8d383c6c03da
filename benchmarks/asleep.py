"""W7: a million runs that wait. What they cost those that do not, and many that fall due in the same second."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from benchmarks import marks, postgres, proc, workload
from benchmarks.ballast import Laden, put_to_sleep
from benchmarks.contenders import ThroughCelery
from benchmarks.figures import Against, Line, Workload, at_least, at_most
from benchmarks.noop import STEPS
from benchmarks.trial import wait
from benchmarks.watch import Stopwatch, Trial, middle
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contenders import Contender, Place
    from benchmarks.watch import Figures
    from squidie import Squidie

ASLEEP = 1_000_000
LOOKS = 100
AHEAD = 12.0
"""Seconds from the first start of those that fall due together to that instant; workers are up by then."""
SIZES = """
select sum(pg_total_relation_size(c)) / greatest(1, (select count(*) from squidie.attempts))
from unnest(array['squidie.runs', 'squidie.facts', 'squidie.attempts']::regclass[]) as c
"""
RECENT = Laden.done


def attempt(contender: Contender, place: Place) -> Trial:
    """Looks and turns in this process, then many that fall due at once, through a real worker."""
    assert isinstance(contender, ThroughCelery)
    marks.clear(place.marks)
    bells = contender.count_bells(place)
    figures: Figures = {"bytes_per_run": None if contender == EMPTY else _asked(place, SIZES)}
    squidie = workload.serving(place.database)
    try:
        figures |= _in_hand(squidie)
    finally:
        squidie.close()
    already = _asked(place, RECENT)
    with contender.client(place) as squidie, contender.work(place) as crew:
        begun = monotonic()
        for number in range(0, place.size, workload.AT_ONCE):
            due = [workload.order(each) for each in range(number, min(place.size, number + workload.AT_ONCE))]
            squidie.start_many(workload.Five, due, after=AHEAD - (monotonic() - begun))
        rung = bells()
        wait(crew, lambda: marks.first_at(place.marks) > 0, "nothing has fallen due")
        stopwatch = Stopwatch(place, crew)
        wait(crew, lambda: marks.steps_begun(place.marks) >= place.size * STEPS, "steps are missing")
        eventually(lambda: _asked(place, RECENT) >= already + place.size, 60.0, why="runs have not ended")
        seconds, cpu = stopwatch.read()
        figures["peak_mib"] = max((peak for pid in crew.pids if (peak := proc.peak_mib(pid))), default=None)
        crew.stop()
    figures |= {"due_per_s": place.size / seconds, "bells_while_asleep": float(rung)}
    return Trial(contender, figures, cpu.elsewhere(seconds), contender.faults(place))


def _in_hand(squidie: Squidie) -> Figures:
    """Milliseconds of a look that finds nothing, of a sweep, and of a turn that finds one run and works it off."""

    def one() -> object:
        squidie.start(workload.Five, workload.order(1))
        return squidie.turn(["default"])

    return {
        "look_ms": _milliseconds(lambda: squidie.turn(["default"])),
        "sweep_ms": _milliseconds(lambda: squidie.sweep(["default"])),
        "turn_ms": _milliseconds(one),
    }


def _milliseconds(call: Callable[[], object]) -> float:
    spent = []
    for _ in range(LOOKS):
        began = monotonic()
        call()
        spent.append((monotonic() - began) * 1e3)
    return middle(spent[LOOKS // 10 :])


def _asked(place: Place, question: str) -> float:
    with postgres.connect(place.database) as connection:
        row = connection.execute(question).fetchone()
    return float(row[0]) if row is not None and row[0] is not None else 0.0


EMPTY = ThroughCelery(1, name="none asleep")
LADEN = Laden(1, name=f"{ASLEEP:,} asleep", fill=put_to_sleep, many=ASLEEP, what="asleep")
W7 = Workload(
    name="W7",
    title="{size} runs of 5 steps fall due at once, beside many that sleep on",
    size=2000,
    lines=(
        Line("look_ms", "a look that finds nothing, ms", 2),
        Line("sweep_ms", "a sweep, ms", 2),
        Line("turn_ms", "start and work off one run, ms", 2),
        Line("look_of_empty", "the look beside none asleep", 2, at_most(1.2)),
        Line("turn_of_empty", "start and work beside none asleep", 2, at_most(1.2)),
        Line("due_per_s", "workflows/s of those that fall due"),
        Line("due_of_empty", "the same beside none asleep", 2, at_least(0.95)),
        Line("bells_while_asleep", "bells until they fall due", 0, at_most(0)),
        Line("peak_mib", "peak MiB of a process"),
        Line("bytes_per_run", "bytes of a run that sleeps, with indexes"),
    ),
    attempt=attempt,
    contenders=(EMPTY, LADEN),
    against=(
        Against("look_of_empty", "look_ms", EMPTY.name),
        Against("turn_of_empty", "turn_ms", EMPTY.name),
        Against("due_of_empty", "due_per_s", EMPTY.name),
    ),
    repeat=2,
)
