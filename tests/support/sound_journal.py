"""A journal in which everything has happened that can, made by real commands: nothing of it is wrong.

Each part is a story of a few runs; it moves the clock on, and leaves nothing due behind it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from squidie import Defer, RetryLater
from squidie.engine.sweep import child_died
from tests.support.flows import HOOKS, Chain, Diamond, Elsewhere, Nightly, Patient, Single, Wide
from tests.support.lab import all_facts, claim, completion, end_lease, failure, release, renew, rows, settle, work_off
from tests.support.race_flows import Bounded
from tests.support.standing_flows import Draining, Halting, Late, Listening, Napping, Polling, Saga
from tests.support.steering_flows import Awaiting, Escalating, Parking, Paused, Several, Stern, Undoable

WORKFLOWS = (
    Single, Chain, Diamond, Wide, Patient, Elsewhere, Nightly, Bounded, Draining, Halting, Late, Listening, Napping,
    Polling, Saga, Awaiting, Escalating, Parking, Paused, Several, Stern, Undoable,
)  # fmt: skip
BEGIN = datetime(2020, 1, 1, 20, tzinfo=UTC)
FAR = 10**9
"""Seconds: what is open at the end is due later than anybody looks."""


class Story:
    """The runtime, its clock, and the runs that a test may want to harm, by name."""

    def __init__(self, squidie, clock):
        self.squidie, self._clock, self.now, self.runs = squidie, clock, BEGIN, {}
        clock(BEGIN)

    def later(self, **time):
        self.now += timedelta(**time)
        self._clock(self.now)

    def start(self, workflow, plan=None, **options):
        return self.squidie.start(workflow, {"plan": plan or {}}, **options)

    def work_off(self):
        work_off(self.squidie, "default", "other")

    def done(self, workflow, plan=None, **options):
        run = self.start(workflow, plan, **options)
        self.work_off()
        return run


def play(squidie, clock):
    """Every part, one after the other; the names of some runs."""
    story = Story(squidie, clock)
    for part in PARTS:
        part(story)
    return story.runs


def ordinary_runs(story):
    story.runs["done"] = story.done(Chain, key="order-7").id
    for workflow in (Diamond, Wide, Elsewhere):
        story.done(workflow)
    story.squidie.start_many(Chain, [{} for _ in range(8)])
    story.work_off()
    story.runs["failed"] = story.done(Diamond, {"c": ["fail"]}).id


def noted(story):
    """Before its end and after it: what a run is found by, and whether it is shown."""
    squidie = story.squidie
    run = story.start(Single)
    squidie.update_attributes(run.id, {"tags": ["a", "b"], "a": 1})
    story.work_off()
    squidie.update_attributes(run.id, {"tags": ["b", "c"], "a": None}, key="later")
    squidie.archive_run(run.id, "enough")
    squidie.unarchive_run(run.id)
    squidie.archive_run(run.id, "enough")


def tries_again(story):
    run = story.start(Patient, {"a": ["raise", "raise"]})
    story.runs["retried"] = run.id
    story.work_off()
    story.later(seconds=10)
    story.work_off()
    story.squidie.retry_now(run.id, "a", actor="ann")
    story.work_off()
    HOOKS["poll"] = _once(Defer(after=5, reason="not yet"), RetryLater(after=7))
    story.done(Polling)
    story.later(seconds=5)
    story.work_off()
    story.later(seconds=7)
    story.work_off()


def claims_that_end(story):
    """Given back, lost with a child, lost with a host, lost too often; late, and revived."""
    squidie = story.squidie
    lost = story.start(Chain)
    story.runs["lost"] = lost.id
    host, _, boot = squidie.owner.split(":")
    settle(squidie, release(claim(squidie)[0]))
    claim(squidie, owner=f"{host}:4242:{boot}")
    child_died(squidie._parts, 4242)
    claim(squidie)
    story.later(minutes=1)
    squidie.sweep()
    story.later(minutes=1)
    (late,) = claim(squidie, lease=2)
    story.later(hours=1)
    settle(squidie, completion(late))
    (revived,) = claim(squidie, lease=2)
    story.later(hours=1)
    renew(squidie, revived)
    assert end_lease(squidie, revived) == ()
    settle(squidie, failure(revived))
    poison = story.start(Single)
    while claim(squidie):
        story.later(hours=1)
        squidie.sweep()
        story.later(hours=1)
    assert all_facts(squidie, poison)[-1].kind == "run_failed"


def commands(story):
    squidie = story.squidie
    run = story.start(Wide)
    claim(squidie, 2)
    squidie.cancel(run.id, reason="enough", key="cancel-1", actor="ann")
    squidie.cancel(run.id, reason="enough", key="cancel-1", actor="ann")
    story.runs["cancelled"] = run.id
    squidie.replay(run.id, reason="again")
    squidie.fork(story.runs["done"], "b", key="fork-1")
    squidie.requeue(story.runs["failed"], "c", reason="mended", actor="ann")
    story.work_off()


def people(story):
    squidie = story.squidie
    several = story.done(Several, actor="sam")
    squidie.approve(several.id, actor="ann", key="a")
    squidie.delegate(several.id, to_role="council", due="2h", actor="ann")
    squidie.approve(several.id, actor="bob")
    squidie.reject(story.done(Stern).id, actor="bob")
    story.done(Escalating)
    story.done(Halting)
    squidie.resume(story.done(Paused).id, data=1)
    story.work_off()
    for _ in range(2):
        story.later(hours=1)
        squidie.sweep()
    story.later(days=1)
    squidie.sweep()
    story.work_off()


def times_and_events(story):
    squidie = story.squidie
    story.done(Napping)
    squidie.signal_run(story.start(Awaiting).id, event="paid", correlation="order-1", payload=1, key="evt-1")
    received = story.done(Awaiting)
    squidie.signal_run(received.id, event="paid", correlation="order-1")
    story.done(Listening)
    story.work_off()
    story.later(hours=2)
    squidie.sweep()
    story.work_off()


def deadlines(story):
    squidie = story.squidie
    story.done(Late)
    story.done(Bounded)
    story.start(Bounded)
    (overdue,) = claim(squidie)
    story.start(Late)
    story.later(hours=4)
    squidie.sweep()
    assert settle(squidie, completion(overdue)).code == "run_ended"
    story.work_off()


def parked(story):
    squidie = story.squidie
    again, given_up = (story.done(Parking, {"b": ["fail"]}) for _ in range(2))
    squidie.requeue(again.id, "b", reason="the bank is back", actor="ann")
    squidie.discard(given_up.id, "b", reason="hopeless", actor="ann")
    story.work_off()


def undone(story):
    """All of it; stuck and requeued; cancelled with an undo."""
    squidie = story.squidie
    story.done(Saga, {"charge": ["fail"]})
    stuck = story.done(Saga, {"charge": ["fail"], "compensate:reserve": ["raise", "raise"]})
    story.later(seconds=10)
    story.work_off()
    squidie.requeue(stuck.id, "compensate:reserve", reason="mended", actor="ann")
    story.work_off()
    run = story.start(Undoable)
    squidie.execute_next()
    squidie.cancel(run.id, reason="enough", compensate=True)
    story.work_off()


def drained(story):
    """While a sibling runs: it settles, it dies, it is withdrawn when the time is over."""
    squidie = story.squidie
    for end in ("settles", "dies", "stays"):
        run = story.start(Draining)
        squidie.execute_next()
        taken = {row.step: row for row in claim(squidie, 2)}
        settle(squidie, failure(taken["charge"]))
        if end == "settles":
            settle(squidie, completion(taken["slow"]))
        story.later(minutes=2)
        if end == "dies":
            assert end_lease(squidie, taken["slow"])
        squidie.sweep(["default"])
        story.work_off()
        assert run.snapshot().status == "failed"


def windows(story):
    squidie = story.squidie
    squidie.tick()
    story.later(days=1)
    squidie.tick()
    story.work_off()
    window = squidie.list_runs(workflow="Nightly").runs[0]
    story.runs["window"] = window.id


def clock_steps_back(story):
    """While one attempt is claimed and others follow; and with nothing later in its stream than the claim."""
    squidie = story.squidie
    run = story.start(Wide)
    story.later(minutes=10)
    before, across, _ = claim(squidie, 3)
    settle(squidie, completion(before))
    story.later(minutes=-5)
    settle(squidie, completion(across))
    alone = story.start(Single)
    story.later(minutes=5)
    (mine,) = claim(squidie)
    story.later(minutes=-3)
    settle(squidie, completion(mine))
    squidie.cancel(run.id, reason="enough")
    assert [alone.snapshot().status, rows(squidie)] == ["completed", []]
    story.later(days=1)


def work_in_flight(story):
    """Claimed for a long time, due after a long time, or waiting for a person, an event, or somebody to mend it."""
    held = story.start(Single)
    claim(story.squidie, lease=FAR)
    story.runs |= {
        "held": held.id,
        "later": story.start(Single, after=FAR).id,
        "asked": story.done(Stern).id,
        "awaiting": story.done(Awaiting).id,
        "parked": story.done(Parking, {"b": ["fail"]}).id,
        "partly": story.done(Chain, {"a": [f"later:{FAR}"]}).id,
    }


PARTS = (
    ordinary_runs, noted, tries_again, claims_that_end, commands, people, times_and_events, deadlines, parked, undone,
    drained, windows, clock_steps_back, work_in_flight,
)  # fmt: skip


def _once(*wishes):
    """A hook that raises these, one a call."""
    left = list(wishes)

    def hook(_):
        if left:
            raise left.pop(0)

    return hook
