"""Whole graphs, everything that can be asked of their runs, in any order: Postgres and the pure half stay equal.

Hypothesis draws workflows of every kind of node and a sequence of calls: starts, work done by hand and by turns,
people's answers, events, cancels, letters taken up, runs made from runs, time that passes, lost caches. After each call the
journal must hold what `decide` and `fold` alone have made of the same commands at the same times: the same facts, or the
same refusal and nothing; the same status, rows, caches, letters and receipts. In the end everybody works and answers,
and every run ends.

The run in CI is derandomized and small. `SQUIDIE_EXAMPLES=2000 make test ARGS=tests/journeys/test_stateful.py` draws as
many examples as it says, each time others.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import partial
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from squidie.decide import commands
from squidie.history.canonical import canonical
from squidie.history.facts import KINDS, Decision, ErrorRecord, FailureCode, ReleaseReason
from squidie.history.run import NodeStatus
from squidie.testing.invariants import stuck, violations
from tests.pure.drawn import runnable
from tests.support.fixtures import renew
from tests.support.side_by_side import LIMITS, QUEUES, WELL, WORDS, SideBySide
from tests.support.twin import receipt

EXAMPLES = "SQUIDIE_EXAMPLES"
DECLINED = ErrorRecord(kind=FailureCode.STEP_RAISED, type="Declined", message="card declined")
TIMED_OUT = ErrorRecord(kind=FailureCode.TIMED_OUT, type="TimedOut", message="too slow")
SOME = st.integers(0, 59)
"""Which of those there are; a number, so that what is drawn never depends on what has happened."""
KEYS = st.sampled_from([None, None, "k1", "k2"])
PEOPLE = st.sampled_from(["ann", "bob", "eve"])
MOST_RUNS = 5
LOOK_EVERY = int(os.environ.get("SQUIDIE_LOOK", "30"))

OUTCOMES = [
    *[lambda fence, dice, n=n: commands.Complete(*fence, canonical({"n": n})) for n in (0, 1, 2)],
    lambda fence, dice: commands.Complete(*fence, canonical({"n": 1, "of": "x" * 9_000})),
    lambda fence, dice: commands.Fail(*fence, DECLINED, True, dice),
    lambda fence, dice: commands.Fail(*fence, DECLINED, True, dice),
    lambda fence, dice: commands.Fail(*fence, DECLINED, False, dice),
    lambda fence, dice: commands.Fail(*fence, TIMED_OUT, True, dice),
    lambda fence, dice: commands.Fail(*fence, DECLINED, True, dice, 3.5),
    lambda fence, dice: commands.Defer(*fence, after=3.0),
    lambda fence, dice: commands.Release(*fence, ReleaseReason.DRAINED),
    lambda fence, dice: commands.Release(*fence, ReleaseReason.CHILD_DIED, 2.0),
]


def is_asked(node):
    return node.is_open and node.is_manual and node.waiting is not None


def is_parked(node):
    return node.status is NodeStatus.PARKED


def awaits(node):
    return node.is_open and node.waiting is not None and node.waiting.event is not None


class Machine(RuleBasedStateMachine):
    """The rules. Everything drawn is a number or a word, and what it means depends on where things stand."""

    database = None
    tally = Counter()

    def __init__(self):
        super().__init__()
        self.both, self.calls = None, 0

    @initialize(seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)))
    def begin(self, seeds):
        renew(self.database)
        url = self.database.url.render_as_string(hide_password=False)
        self.both = SideBySide(url, [runnable(Random(seed)) for seed in seeds])
        self.repeatable = []
        self.start(0, 0, None, None, "eve")
        self.start(1, 1, "k1", None, "ann")

    # ---- which

    def twin(self, which, wanted=None):
        """One of the runs; an open one rather, and one with such a node rather still."""
        twins = list(self.both.twins.values())
        open_now = [twin for twin in twins if twin.run.is_open]
        best = [twin for twin in open_now if wanted and any(map(wanted, twin.run.nodes.values()))]
        found = best * 6 + open_now * 2 + twins
        return found[which % len(found)]

    def step(self, twin, which, wanted):
        """A step of the run: one of those that are wanted, rather."""
        found = [name for name, node in twin.run.nodes.items() if wanted(node)] * 5 + sorted(twin.spec.work)
        return found[which % len(found)]

    # ---- starts

    @rule(which=SOME, payload=SOME, key=KEYS, after=st.sampled_from([None, None, 5.0]), actor=PEOPLE)
    def start(self, which, payload, key, after, actor):
        if key is None and len(self.both.twins) >= MOST_RUNS:
            return
        at = "2026-03-10T12:00:40+00:00"
        given = [{"order": 5, "at": None}, {"order": 6, "at": at}, {"order": "x" * 9_000, "at": at}][payload % 3]
        number = len(self.both.twins) + 1 if payload < 50 else 1
        self.both.start(which % 2, given, number=number, key=key, after=after, actor=actor, priority=100 - which % 3)

    @rule(which=SOME, key=st.sampled_from(["k1", "k2"]), allowed=st.booleans())
    def replay(self, which, key, allowed):
        twin = self.twin(which)
        if len(self.both.twins) < MOST_RUNS + 2:
            self.both.replay(twin, key, allowed=tuple(sorted(twin.spec.by_name)) if allowed else ())

    @rule(which=SOME, step=SOME, key=st.sampled_from(["k1", "k2"]), allowed=st.booleans(), changed=st.booleans())
    def fork(self, which, step, key, allowed, changed):
        twin = self.twin(which, is_parked)
        name = self.step(twin, step, is_parked)
        names = tuple(sorted(twin.spec.by_name)) if allowed else ()
        if len(self.both.twins) < MOST_RUNS + 2:
            self.both.fork(twin, name, key, allowed=names, changes={"order": 6} if changed else None)

    # ---- work

    @rule(most=st.integers(1, 3), queue=st.sampled_from(QUEUES))
    def claim(self, most, queue):
        self.both.claim(most, queue)

    @rule(found=st.lists(st.tuples(SOME, SOME, st.floats(0, 0.99)), min_size=1, max_size=3))
    def settle(self, found):
        made = []
        for queue in QUEUES if len(self.both.held) < len(found) else ():
            self.both.claim(3, queue)
        for which, how, dice in found:
            if self.both.held:
                row = self.both.held.pop(which % len(self.both.held))
                fence = (*row.key, row.lease.claim_id, row.lease.token_hash)
                made.append(OUTCOMES[how % len(OUTCOMES)](fence, dice))
        if made:
            self.both.settle(made)
            self.both.spent += made

    @rule(which=SOME, same=st.booleans())
    def settle_again(self, which, same):
        """4.6: the outcome of a claim comes a second time, or another one does."""
        if self.both.spent:
            command = self.both.spent[which % len(self.both.spent)]
            fence = (*command.key, command.claim_id, command.token_hash)
            self.both.settle([command if same else commands.Complete(*fence, canonical("another"))])

    @rule(which=SOME)
    def renew(self, which):
        if self.both.held:
            self.both.renew(self.both.held[which % len(self.both.held) :])

    @rule(seed=st.integers(0, 99))
    def turn(self, seed):
        self.both.turn(seed, WORDS)

    @rule(seed=st.integers(0, 99), queue=st.sampled_from(QUEUES))
    def execute_next(self, seed, queue):
        self.both.execute_next(seed, WORDS, queue)

    # ---- time, and what it does

    @rule(seconds=st.sampled_from([0.5, 3.0, 10.0, 31.0, 61.0, 1_000.0, -20.0]))
    def wait(self, seconds):
        self.both.advance(seconds)

    @rule(seconds=st.sampled_from([0.0, 10.0, 31.0]))
    def sweep(self, seconds):
        if seconds:
            self.both.advance(seconds)
        self.both.sweep()

    @rule()
    def drop_caches(self):
        self.both.drop_caches()

    # ---- people and programs

    def ask(self, twin, verb, command, request, *given, key, actor, **named):
        """Ask now; under a key it may be asked again."""
        command = partial(command, twin.id, receipt(verb, key, actor))
        call = partial(getattr(self.both.squidie, verb), twin.id, *given, key=key, actor=actor, **named)
        if key is not None:
            self.repeatable.append((twin, verb, command, call, request, key))
        self.both.ask(twin, verb, command(), call, request, key)

    @rule(which=SOME, another=st.booleans())
    def again(self, which, another):
        """6.9, 17.2: the same request under its key again, or another one."""
        if self.repeatable:
            twin, verb, command, call, request, key = self.repeatable[which % len(self.repeatable)]
            if another:
                call, request = partial(call, comment="now in other words"), (*request, "other")
                made = command()
                changed = msgspec.structs.replace(made.by, comment="now in other words")
                self.both.ask(twin, verb, msgspec.structs.replace(made, by=changed), call, request, key)
            else:
                self.both.ask(twin, verb, command(), call, request, key)

    @rule(
        which=SOME,
        decision=st.sampled_from([Decision.APPROVED] * 3 + [Decision.REJECTED, Decision.RESUMED, Decision.RESUMED]),
        step=SOME,
        fits=st.integers(0, 4),
        actor=PEOPLE,
        expect=st.sampled_from([None, None, 1, 999]),
        key=KEYS,
    )
    def review(self, which, decision, step, fits, actor, expect, key):
        twin = self.twin(which, is_asked)
        name = self.step(twin, step, is_asked)
        if fits and name in twin.spec.by_name:  # the right word, mostly
            is_pause = twin.spec.by_name[name].kind == "pause"
            decision = Decision.RESUMED if is_pause else decision
            decision = Decision.APPROVED if decision is Decision.RESUMED and not is_pause else decision
        name = None if step > 50 else name
        verb = {Decision.APPROVED: "approve", Decision.REJECTED: "reject", Decision.RESUMED: "resume"}[decision]
        make = partial(commands.Review, decision=decision, step=name, data={"n": 1}, expect=expect)
        request, given = (name, actor), {"step": name, "data": {"n": 1}, "expect": expect}
        self.ask(twin, verb, make, request, key=key, actor=actor, **given)

    @rule(which=SOME, step=SOME, due=st.sampled_from([None, 7.0]), key=KEYS, actor=PEOPLE)
    def delegate(self, which, step, due, key, actor):
        twin = self.twin(which, is_asked)
        name = self.step(twin, step, is_asked)
        make = partial(commands.Delegate, role="boss", step=name, due=due)
        self.ask(twin, "delegate", make, (name, due, actor), key=key, actor=actor, to_role="boss", step=name, due=due)

    @rule(
        which=SOME,
        event=SOME,
        payload=st.sampled_from([{"n": 0}, {"n": 1}, {"n": "x" * 9_000}]),
        correlation=st.sampled_from([None, None, "5", "6"]),
        key=KEYS,
    )
    def signal(self, which, event, payload, correlation, key):
        twin = self.twin(which, awaits)
        events = [node.event or node.name for node in twin.spec.nodes if node.kind == "event"] * 3 + ["a", "paid"]
        name = events[event % len(events)]
        make = partial(commands.Deliver, event=name, payload=canonical(payload), correlation=correlation)
        given = {"event": name, "payload": payload, "correlation": correlation}
        self.ask(twin, "signal_run", make, (name, correlation, str(payload)), key=key, actor="shop", **given)

    @rule(which=SOME, step=SOME, key=KEYS)
    def retry_now(self, which, step, key):
        rows = [row for twin in self.both.twins.values() for row in twin.rows.values()]
        later = [(row.run_id, row.step) for row in rows if row.kind != "timer" and row.due_at > self.both.now]
        run_id, name = later[which % len(later)] if later and step else (self.twin(which).id, "abc"[step % 3])
        twin = self.both.twins[run_id]
        self.ask(twin, "retry_now", partial(commands.Hasten, step=name), (name,), name, key=key, actor="ann")

    @rule(which=SOME, how=SOME, key=KEYS)
    def cancel(self, which, how, key):
        """A plain one seldom: it ends what others could still do."""
        twin = self.twin(which)
        compensate, abandon = how % 4 > 0, how % 5 == 0
        if not compensate and how % 3:
            return
        given = {"reason": "no longer wanted", "compensate": compensate, "abandon_undo": abandon}
        make = partial(commands.Cancel, **given)
        self.ask(twin, "cancel", make, (compensate, abandon), key=key, actor="ann", **given)

    @rule(which=SOME, step=SOME, verb=st.sampled_from(["requeue", "discard"]), key=st.sampled_from(["k1", "k2"]))
    def take_up(self, which, step, verb, key):
        twins = [twin for twin in self.both.twins.values() if twin.letters] or list(self.both.twins.values())
        twin = twins[which % len(twins)]
        found = [letter.step for letter in twin.letters] * 5 + sorted(twin.spec.work)
        if len(self.both.twins) < MOST_RUNS + 2:
            self.both.take_up(verb, twin, found[step % len(found)], "the card is fixed", "ann", key)

    # ---- always, and in the end

    @invariant()
    def is_sound(self):
        """Now and then: it takes as long as ten calls."""
        self.calls += 1
        if self.both is not None and self.calls % LOOK_EVERY == 0:
            assert violations(self.both.squidie.engine, max_claims=LIMITS.max_claims) == []

    def teardown(self):
        if self.both is None:
            return
        try:
            if sys.exc_info()[0] is None:
                self.come_to_rest()
        finally:
            self.tally.update(self.both.tally)
            self.both.squidie.close()

    def come_to_rest(self):
        """Time passes, everybody works and answers: every run ends, and nothing is left."""
        both = self.both
        for _ in range(60):
            if not any(twin.run.is_open for twin in both.twins.values()):
                break
            both.advance(3_600)
            both.sweep()
            for twin in list(both.twins.values()):
                self.answer(twin)
            both.turn(0, WELL)
        assert {twin.run.status for twin in both.twins.values()} <= {"completed", "failed", "cancelled"}
        assert violations(both.squidie.engine, max_claims=LIMITS.max_claims) == []
        assert stuck(both.squidie.engine) == []

    def answer(self, twin):
        for name in twin.run.open_steps:
            node = twin.run.nodes[name]
            if not node.is_open or not twin.run.is_open:
                continue
            if node.status is NodeStatus.PARKED:
                verb = "discard" if twin.run.revision % 2 else "requeue"
                self.both.take_up(verb, twin, name, "come to rest", "ann", f"r{twin.run.revision}")
            elif node.waiting is not None and node.waiting.kind == "event":
                self.tell(twin, node.waiting)
            elif node.waiting is not None and node.waiting.kind in ("pause", "approval"):
                decision = Decision.RESUMED if node.waiting.kind == "pause" else Decision.APPROVED
                verb, actor = ("resume", "ann") if decision is Decision.RESUMED else ("approve", f"p{twin.run.revision}")
                make = partial(commands.Review, decision=decision, step=name)
                self.ask(twin, verb, make, (name,), key=None, actor=actor, step=name)

    def tell(self, twin, wait):
        make = partial(commands.Deliver, event=wait.event, payload=canonical(None), correlation=wait.correlation)
        given = {"event": wait.event, "correlation": wait.correlation}
        self.ask(twin, "signal_run", make, (), key=None, actor="shop", **given)


def test_postgres_and_the_pure_half_say_the_same_of_every_run(database_url, scratch):
    """2.7, 2.8, 3.4, 4.3 to 4.6, 5.4 to 5.7, 5.11, 6.5, 6.6, 6.9, 7.1, 7.2, 7.5, 8.3, 17.2, 18.1 to 18.4, 18.11."""
    machine = type("Drawn", (Machine,), {"database": scratch, "tally": Counter()})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get(EXAMPLES, "30")),
            stateful_step_count=int(os.environ.get("SQUIDIE_STEPS", "40")),
            deadline=None,
            phases=[Phase.generate] if EXAMPLES not in os.environ else [Phase.generate, Phase.shrink],
            derandomize=EXAMPLES not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

    print(sorted(machine.tally.items()))
    assert machine.tally.keys() >= KINDS.keys()
