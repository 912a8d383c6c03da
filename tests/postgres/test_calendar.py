"""Times at the ends of the calendar, and equal ones (T08): order is by number, and nothing overflows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.flows import Chain
from tests.support.lab import all_facts, claim, completion, settle, work_off

TIMES = {
    "the epoch": datetime(1970, 1, 1, tzinfo=UTC),
    "before the epoch": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "the last of 32 bits": datetime(2038, 1, 19, 3, 14, 7, 999999, tzinfo=UTC),
    "a day of a leap second": datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "the year 9999": datetime(9999, 12, 30, tzinfo=UTC),
}


@pytest.mark.parametrize("when", TIMES)
def test_a_run_takes_its_course_in_one_microsecond_of_any_year(squidie, clock, when):
    """T08: all its facts have the same time; their numbers say what came first."""
    clock(TIMES[when])
    run = squidie.start(Chain)

    work_off(squidie)

    assert run.result(1) == "c1"
    facts = squidie.inspect_run(run.id)
    assert (facts.started_at, facts.ended_at) == (TIMES[when], TIMES[when])


@pytest.mark.parametrize("when", TIMES)
def test_what_is_due_is_due_to_the_microsecond_in_any_year(squidie, clock, when):
    """T08, B04: not one early, and exactly then."""
    due = TIMES[when] + timedelta(hours=1)
    clock(TIMES[when])
    run = squidie.start(Chain, at=due)

    clock(due - timedelta(microseconds=1))
    assert claim(squidie) == []
    clock(due)
    (row,) = claim(squidie)

    assert settle(squidie, completion(row)) is None
    assert all_facts(squidie, run)[-1].kind == "attempt_completed"
