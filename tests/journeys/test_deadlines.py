"""What happens when a deadline passes: once, by a timer, of a step or of a run (18.3)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie import Deadline
from tests.support.flows import Planned, act, step
from tests.support.lab import NOON, all_facts, claim, completion, kinds, query, settle, work_off

MINUTE = timedelta(minutes=1)


def bounded(name, then, *, whole):
    """A workflow whose only step, or which as a whole, has a minute."""
    more = {"escalate_after": 30} if then == "escalate" else {}
    deadline = Deadline(60, due_soon=45, then=then, **more)
    body = {"deadline": deadline, "only": step(act)} if whole else {"only": step(act, deadline=deadline)}
    return type(name, (Planned,), {**body, "__doc__": "Bounded.", "__module__": __name__})


THENS = ("note", "fail", "cancel", "escalate")
FLOWS = {
    (then, whole): bounded(f"{'Run' if whole else 'Step'}{then.title()}", then, whole=whole)
    for then in THENS
    for whole in (False, True)
}
ENDS = {"fail": "failed", "cancel": "cancelled"}


@pytest.fixture
def squidie(make, bells):
    return make(*FLOWS.values(), delivery=bells)


def seen(run, whole):
    snapshot = run.snapshot()
    return (snapshot if whole else snapshot.steps[0]).deadline.status


@pytest.mark.parametrize("whole", [False, True], ids=["step", "run"])
@pytest.mark.parametrize("then", THENS)
def test_a_deadline_passes_once_and_its_action_follows(squidie, clock, then, whole):
    """18.3: the status is computed as one looks, to the microsecond; two sweepers make one fact."""
    clock(NOON)
    run = squidie.start(FLOWS[then, whole])
    (row,) = claim(squidie, lease=3600)
    assert seen(run, whole) == "on_time"
    clock(NOON + timedelta(seconds=45))
    assert seen(run, whole) == "due_soon"
    acts = NOON + MINUTE + (MINUTE / 2 if then == "escalate" else MINUTE * 0)
    clock(acts - timedelta(microseconds=1))
    squidie.sweep()
    assert kinds(squidie, run) == ["run_started"]
    assert seen(run, whole) == ("overdue" if then == "escalate" else "due_soon")

    clock(acts)
    squidie.sweep()
    squidie.sweep()

    (passed,) = (fact for fact in all_facts(squidie, run) if fact.kind == "deadline_passed")
    assert (passed.due_at, passed.action, passed.bounds) == (acts, then, None if whole else "only")
    assert run.snapshot().status == ENDS.get(then, "running")
    if then in ENDS:
        assert settle(squidie, completion(row)).code == "run_ended"
        assert query(squidie, "select 1 from {s}.attempts") == []
    else:
        assert seen(run, whole) == ("escalated" if then == "escalate" else "overdue")
        assert settle(squidie, completion(row)) is None
        assert run.snapshot().status == "completed"
    if then == "fail":
        assert run.snapshot().error["kind"] == "deadline_passed"


def test_a_step_that_ends_in_time_is_never_overdue(squidie, clock):
    """18.3"""
    clock(NOON)
    run = squidie.start(FLOWS["fail", False])
    work_off(squidie)
    clock(NOON + MINUTE)
    squidie.sweep()

    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]
