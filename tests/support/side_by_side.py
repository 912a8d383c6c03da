"""The engine on Postgres and the pure half in memory, asked for the same things at the same times, and compared.

Every method asks both. What follows from a command that is known beforehand the twin says first; of what a turn or a
sweep does in an order of its own, each fact in the journal must be what the twin decides from some outcome, lease or
timer that was due, and in the end nothing of that may be left.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec
from sqlalchemy import text

from squidie import Squidie, Workflow
from squidie.decide import commands, forking, gate
from squidie.decide.backoff import after_loss
from squidie.decide.commands import Limits
from squidie.engine.ids import keyed_run_id
from squidie.errors import (
    DeadLetterNotFound,
    InvalidTransition,
    KeyReused,
    Refused,
    SquidieError,
)
from squidie.history.attempts import Lease
from squidie.history.canonical import NULL, canonical, plain
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeferred,
    AttemptExpired,
    AttemptFailed,
    Disposition,
    Origin,
)
from squidie.history.run import FOLD
from squidie.journal import attempts, facts, heads
from squidie.testing.clock import set_clock
from squidie.workflow.fingerprint import fingerprint
from squidie.workflow.spec import LOG_ACTION, UNDO, PayloadField
from squidie.workflow.steps import Defer, Fail, RetryLater
from tests.support.lab import NOON, claim, renew, settle
from tests.support.twin import Twin, comparable, receipt

QUEUES = ("default", "other")
LIMITS = Limits(max_claims=2, buffer=2)
LEASE = timedelta(seconds=30)
WORDS = [*["ok"] * 8, "big", "big", "raise", "raise", "fail", "later", "defer"]
WELL = ["ok"]
BIG = "x" * 9_000
"""More than a run's state keeps of one output."""

HEADS = "select run_id, rev, status, fold, state::text as state from {s}.runs"
LETTERS = "select run_id, step, attempt, closed_as from {s}.dead_letters"
RECEIPTS = "select run_id, verb, key, seq from {s}.receipts"


class Steps:
    """What every step does when a worker calls it, by dice that are set before, and what it did."""

    def __init__(self):
        self.prepare(0, WELL)

    def prepare(self, seed, words):
        self.dice, self.words, self.said = random.Random(seed), words, {}

    def act(self, ctx=None):
        """A step that does not take its context has nothing to tell by."""
        if ctx is None:
            return {"n": 1}
        word, n = self.dice.choice(self.words), self.dice.randrange(3)
        if self.words is WORDS and ctx.step.startswith(UNDO) and self.dice.random() < 0.5:
            word = "raise"
        self.said[ctx.run_id, ctx.step, ctx.attempt] = word, n
        match word:
            case "raise":
                raise ValueError("it went wrong")
            case "fail":
                raise Fail("for good", code="declined")
            case "later":
                raise RetryLater(after=7)
            case "defer":
                raise Defer(after=11, reason="not yet")
        return {"n": n, "of": BIG} if word == "big" else {"n": n}


STEPS = Steps()


def act(ctx=None):
    return STEPS.act(ctx)


ACTIONS = {f"shop:{name}": act for name in "abcdefg"} | {"undo": act}
PAYLOAD = (PayloadField(name="order", type="any"), PayloadField(name="at", type="any", nullable=True))


def declared(spec, name):
    """A workflow of this graph, though no author could have written every one of them."""
    spec = msgspec.structs.replace(spec, name=name, payload=PAYLOAD)
    return type(name, (Workflow,), {"name": name, "spec": spec, "actions": {}})


class SideBySide:
    """One journal, the twins of its runs, what is held by hand, and a clock."""

    def __init__(self, database_url, specs):
        self.workflows = [declared(spec, f"Drawn{n}") for n, spec in enumerate(specs)]
        settings = {"max_claims": LIMITS.max_claims, "early_events": LIMITS.buffer}
        self.squidie = Squidie(
            database_url, workflows=self.workflows, actions=ACTIONS, attributes={"a": "integer"}, settings=settings
        )
        self.now, self.twins, self.held, self.spent = NOON, {}, [], []
        self.starts, self.repeated, self.tally = {}, set(), Counter()
        set_clock(self.squidie.engine, NOON)

    @property
    def journal(self):
        return self.squidie._parts.journal

    # ---- time

    def advance(self, seconds):
        self.now += timedelta(seconds=seconds)
        set_clock(self.squidie.engine, self.now)

    # ---- starts

    def start(self, which, payload, *, number=None, key=None, after=None, actor=None, priority=100):
        """A start by its number or its key: both make the run's id, so that asking again finds it."""
        workflow = self.workflows[which]
        run_id = keyed_run_id("key", None, workflow.name, "go", key) if key else UUID(int=number)
        given = {"key": key} if key else {"run_id": run_id}
        call = partial(
            self.squidie.start, workflow, payload, after=after, actor=actor, priority=priority, queue="default", **given
        )
        command = commands.Start(
            run_id=run_id,
            spec=workflow.spec,
            definition=fingerprint(workflow.spec),
            trigger="go",
            payload=canonical(payload),
            queue="default",
            by=receipt("start", key, actor),
            priority=priority,
            at=None if after is None else self.now + timedelta(seconds=after),
            key=key,
        )
        self._begin(call, command, (which, canonical(payload)))

    def _begin(self, call, command, request):
        """A new run, the one that there is, or a key that stands for another request."""
        before = self.starts.get(command.run_id)
        if before is not None and before != request:
            return self._refused(call, KeyReused)
        run = call()
        assert run.id == command.run_id
        assert run.created is (before is None)
        if before is None:
            self.starts[command.run_id] = request
            self.twins[command.run_id] = Twin(command, self.now, LIMITS)
        else:
            self.tally["repeated start"] += 1
            if command.by.key is not None:
                self.repeated.add((command.run_id, "start", command.by.key))
        return self.compare()

    # ---- what workers do by hand

    def claim(self, most, queue):
        """A batch of those that are due; alone, it is the most urgent."""
        due = sorted(
            (row for twin in self.twins.values() for row in twin.due(self.now, queue)),
            key=lambda row: (row.priority, row.due_at, row.run_id, row.step),
        )
        rows = claim(self.squidie, most, queue)
        first_alone = next((n for n, row in enumerate(due[:most]) if row.alone or row.lost), most)
        assert [msgspec.structs.replace(row, lease=None) for row in rows] == due[:most][: max(1, first_alone)]
        for row in rows:
            lease = row.lease
            assert (lease.claimed_at, lease.lease_until) == (self.now, self.now + LEASE)
            self.twins[row.run_id].rows[row.key] = row
        self.held += rows
        self.compare()

    def settle(self, made):
        """Outcomes of claims in one batch."""
        expected = [self.twins[command.run_id].settle(command, self.now) for command in made]
        found = settle(self.squidie, *made)
        errors = found if isinstance(found, list) else [found]
        assert [None if error is None else type(error) for error in errors] == expected, errors
        self.tally.update(f"outcome {error.code}" for error in expected if error is not None)
        self.compare()

    def renew(self, rows):
        kept = renew(self.squidie, *rows)
        expected = set()
        for row in rows:
            twin_rows = self.twins[row.run_id].rows
            held = twin_rows.get(row.key)
            if held is not None and held.lease is not None and held.lease.claim_id == row.lease.claim_id:
                expected.add(row.lease.claim_id)
                self.tally["revived"] += held.lease.lease_until <= self.now
                twin_rows[row.key] = held.until(max(held.lease.lease_until, self.now + LEASE))
        assert kept == expected
        self.compare()

    def drop_caches(self):
        with self.squidie.engine.begin() as connection:
            connection.execute(text("update squidie.runs set state = null"))
        for twin in self.twins.values():
            twin.is_cached = False
        self.compare()

    # ---- what people and programs ask

    def ask(self, twin, verb, command, call, request, key):
        """A command on a run: its facts, its refusal, or the answer to a request that was made before."""
        receipts = twin.receipts.get((verb, key)) if key is not None else None
        before = twin.requests.get((verb, key)) if receipts is not None else None
        if receipts is not None:
            if before != request:
                return self._refused(call, KeyReused)
            self.tally["repeated"] += 1
            call()
            return self.compare()
        try:
            made = twin.ask(command, self.now)
        except Refused as refusal:
            return self._refused(call, type(refusal))
        twin.requests[verb, key] = request
        call()
        self.compare()
        return made

    def _refused(self, call, expected):
        try:
            answer = call()
        except SquidieError as error:
            assert type(error) is expected, f"{type(error).__name__} for {expected.__name__}: {error}"
            self.tally[f"refused {error.code}"] += 1
            self.compare()
            return
        raise AssertionError(f"{expected.__name__} was not raised, but {answer} came back")

    def take_up(self, verb, twin, step, reason, actor, key):
        """Requeue or discard: a parked step in its run, or the letter of an ended one."""
        given = {"reason": reason, "actor": actor, "key": key}
        call = partial(getattr(self.squidie, verb), twin.id, step, **given)
        letter = twin.letter(step)
        if letter is None:
            return self._refused(call, DeadLetterNotFound)
        request = (step, reason)
        if twin.run.is_open or (key is not None and (verb, key) in twin.receipts):
            kind = commands.Requeue if verb == "requeue" else commands.Discard
            command = kind(twin.id, receipt(verb, key, actor), step, reason)
            if twin.run.is_open and not (key is not None and (verb, key) in twin.receipts):
                return self._close_with(twin, verb, command, call, request, key)
            return self.ask(twin, verb, command, call, request, key)
        if verb == "requeue":
            return self._requeue_ended(twin, step, reason, actor, key, call)
        return self._discard_ended(twin, step, key, call, request)

    def _close_with(self, twin, verb, command, call, request, key):
        """In the commit of the command its letter is closed; one that is closed already keeps how."""
        try:
            twin.decide(command, self.now)
        except Refused as refusal:
            return self._refused(call, type(refusal))
        twin.close(command.step, f"{verb}ed" if verb == "discard" else "requeued", key, request)
        return self.ask(twin, verb, command, call, request, key)

    def _discard_ended(self, twin, step, key, call, request):
        if not twin.close(step, "discarded", key, request):
            letter = twin.letter(step)
            if key is None or letter.key != key or letter.closed_as != "discarded":
                return self._refused(call, InvalidTransition)
            if letter.request != request:
                return self._refused(call, KeyReused)
        self.tally["discarded after the end"] += 1
        call()
        return self.compare()

    def _requeue_ended(self, twin, step, reason, actor, key, call):
        run_id = keyed_run_id("requeue", str(twin.id), key)
        try:
            command = self._fork(twin, "requeue", run_id, key, actor, reason, step)
        except Refused as refusal:
            return self._refused(call, type(refusal))
        request = ("requeue", step, reason)
        if run_id not in self.starts and not twin.close(step, "requeued", key, request):
            return self._refused(call, InvalidTransition)
        self.tally["requeued after the end"] += 1
        return self._begin(call, command, request)

    def fork(self, twin, step, key, *, allowed=(), changes=None, actor=None):
        run_id = keyed_run_id("fork", str(twin.id), key)
        call = partial(
            self.squidie.fork, twin.id, step, allow_irreversible=allowed, payload_changes=changes, key=key, actor=actor
        )
        try:
            command = self._fork(twin, "fork", run_id, key, actor, None, step, allowed, changes)
        except Refused as refusal:
            return self._refused(call, type(refusal))
        return self._begin(call, command, ("fork", step, allowed, str(changes)))

    def _fork(self, twin, verb, run_id, key, actor, reason, step, allowed=(), changes=None):
        plan = forking.plan(twin.spec, twin.run, twin.id, step, twin.results())
        self._gate(twin, allowed, plan.again)
        origin = Origin(run=str(twin.id), step=step, seq=twin.run.revision)
        fork = commands.Fork(origin, plan.carried, plan.moved, plan.begins)
        payload = canonical({**plain(twin.started.payload), **(changes or {})})
        by = receipt(verb, key, actor, reason)
        return self._again(twin, run_id, payload, by, fork=fork)

    def replay(self, twin, key, *, allowed=(), actor=None):
        run_id = keyed_run_id("replay", str(twin.id), key)
        call = partial(self.squidie.replay, twin.id, allow_irreversible=allowed, key=key, actor=actor)
        if twin.run.is_open:
            return self._refused(call, InvalidTransition)
        try:
            self._gate(twin, allowed, None)
        except Refused as refusal:
            return self._refused(call, type(refusal))
        command = self._again(twin, run_id, twin.started.payload, receipt("replay", key, actor), replay_of=twin.id)
        return self._begin(call, command, ("replay", allowed))

    @staticmethod
    def _gate(twin, allowed, again):
        named = gate.named(twin.spec, allowed)
        found = gate.unsafe(twin.spec, twin.history, key=lambda *_: "", again=again, allowed=named)
        gate.check(twin.id, found)

    @staticmethod
    def _again(twin, run_id, payload, by, **lineage):
        return commands.Start(
            run_id=run_id,
            spec=twin.spec,
            definition=twin.run.definition,
            trigger=twin.run.trigger,
            payload=payload,
            queue=twin.run.queue,
            by=by,
            priority=twin.run.priority,
            attributes=twin.run.attributes,
            **lineage,
        )

    # ---- what workers and sweepers do by themselves

    def turn(self, seed, words):
        STEPS.prepare(seed, words)
        self.squidie._parts.pace.short = self.squidie.registry.served
        self.squidie.turn(QUEUES)
        self._follow()
        left = [row for queue in QUEUES for twin in self.twins.values() for row in twin.due(self.now, queue)]
        assert left == []
        self.compare()

    def execute_next(self, seed, words, queue):
        STEPS.prepare(seed, words)
        due = [row for twin in self.twins.values() for row in twin.due(self.now, queue)]
        run = self.squidie.execute_next(queue)
        if not due:
            assert run is None
            return
        first = min(due, key=lambda row: (row.priority, row.due_at, row.run_id, row.step))
        assert run.id == first.run_id
        self._follow(only=first.run_id)
        assert self.twins[run.id].rows.get(first.key) != first
        self.compare()

    def sweep(self):
        """One look ends all claims and settles all timers that it finds; of what that opens, another one."""
        while True:
            found = {each.key for twin in self.twins.values() for each in self._late(twin)}
            self.squidie.sweep(QUEUES)
            self._follow()
            late = {each.key for twin in self.twins.values() for each in self._late(twin)}
            assert late.isdisjoint(found)
            if not late:
                break
        self.compare()

    def _late(self, twin):
        over = [row for row in twin.rows.values() if row.lease and row.lease.lease_until <= self.now]
        return [*twin.timers(self.now), *over]

    def _follow(self, only=None):
        for twin in self.twins.values():
            new = self._new(twin)
            assert not new or only in (None, twin.id)
            self._adopt_claims(twin, new)
            while new:
                new = new[self._explain(twin, new) :]

    def _new(self, twin):
        with self.journal.reading() as connection:
            found = facts.verified(self.journal, connection, twin.id)
        return [(each.at, each.fact) for each in found[len(twin.history) :]]

    def _adopt_claims(self, twin, new):
        """The claims that were made and ended meanwhile; each is taken over by its row where the twin has one."""
        said = [fact for _, fact in new if hasattr(fact, "claim")]
        said += [ended for _, fact in new for ended in fact.ends]
        known = {str(row.lease.claim_id) for row in twin.rows.values() if row.lease is not None}
        twin.claims = {(twin.id, each.step, each.attempt): each.claim for each in said if each.claim.id not in known}

    def _claimed(self, twin):
        for key in [key for key in twin.claims if key in twin.rows]:
            row, made = twin.rows[key], twin.claims.pop(key)
            assert row.lease is None
            assert row.due_at <= self.now
            assert (made.claimed_at, made.lease_until) == (self.now, self.now + LEASE)
            twin.rows[key] = row.held(Lease(UUID(made.id), b"", made.owner, made.claimed_at, made.lease_until))

    def _explain(self, twin, new):
        """How many of the new facts are what the twin decides from something that could have happened now."""
        self._claimed(twin)
        tried = []
        for command in self._could_be(twin, new[0][1]):
            at, made = twin.decide(command, self.now)
            made = _as_drawn(twin, made, new[0][1])
            if made and [(at, fact) for fact in made] == new[: len(made)]:
                twin.record(at, made)
                return len(made)
            tried.append((command, made))
        raise AssertionError(f"nothing explains {new[0][1]}; tried {tried}")

    def _could_be(self, twin, fact):
        if isinstance(fact, AttemptExpired):
            row = twin.rows[twin.id, fact.step, fact.attempt]
            return [commands.Expire(*row.key, row.lease.claim_id, after_loss(row.lost + 1))]
        if not hasattr(fact, "claim"):
            return twin.timers(self.now)
        row = twin.rows[twin.id, fact.step, fact.attempt]
        fence = (*row.key, row.lease.claim_id, row.lease.token_hash)
        if row.action == LOG_ACTION:
            return [commands.Complete(*fence, NULL)]
        node = twin.spec.work[row.step]
        word, n = STEPS.said.pop(row.key, ("plain", 1))
        again = node.retry is not None
        match word:
            case "defer":
                return [commands.Defer(*fence, after=11.0, reason="not yet")]
            case "raise" | "fail" | "later":
                assert isinstance(fact, AttemptFailed)
                assert fact.error.type == {"raise": "ValueError", "fail": "Fail", "later": "RetryLater"}[word]
                retryable = {"raise": again, "fail": False, "later": True}[word]
                return [commands.Fail(*fence, fact.error, retryable, 0.0, 7.0 if word == "later" else None)]
        assert isinstance(fact, AttemptCompleted | AttemptFailed | AttemptDeferred)
        return [commands.Complete(*fence, canonical({"n": n, "of": BIG} if word == "big" else {"n": n}))]

    # ---- the comparison

    def compare(self):
        """Facts, heads, caches, rows, letters and receipts."""
        with self.journal.reading() as connection:
            listed = connection.execute(self.journal.sql(HEADS)).all()
            _, rows = attempts.decisive(self.journal, connection, {}, set(self.twins))
            letters = connection.execute(self.journal.sql(LETTERS)).all()
            kept = connection.execute(self.journal.sql(RECEIPTS)).all()
        assert {head.run_id for head in listed} == self.twins.keys()
        for head in listed:
            self._compare_head(self.twins[head.run_id], head)
        assert rows == {key: row for twin in self.twins.values() for key, row in twin.rows.items()}
        self._compare_besides(letters, kept)

    def _compare_head(self, twin, head):
        if len(twin.history) != twin.written or head.rev != twin.written:
            with self.journal.reading() as connection:
                found = facts.verified(self.journal, connection, twin.id)[twin.written :]
            new = twin.history[twin.written :]
            assert [(row.at, comparable(row.fact)) for row in found] == [(at, comparable(fact)) for at, fact in new]
            self.tally.update(fact.kind for _, fact in new)
            twin.written = len(twin.history)
        assert (head.rev, head.status) == (twin.run.revision, twin.run.status)
        assert (head.state is not None) is (twin.is_cached and twin.run.is_open)
        if head.state is not None:
            assert head.fold == FOLD
            assert heads.decode(head.state) == twin.run

    def _compare_besides(self, letters, kept):
        twins = self.twins.values()
        known = Counter((twin.id, each.step, each.attempt, each.closed_as) for twin in twins for each in twin.letters)
        assert Counter(map(tuple, letters)) == known
        receipts = {(twin.id, *said, seq) for twin in twins for said, seq in twin.receipts.items()}
        assert set(map(tuple, kept)) == receipts | {(*said, 1) for said in self.repeated}


def _as_drawn(twin, made, said):
    """The facts with the delay that the engine has drawn: between none and all of it."""
    if not made or not isinstance(made[0], AttemptFailed) or not isinstance(said, AttemptFailed):
        return made
    first, policy = made[0], twin.spec.work[made[0].step].retry
    if first.disposition is not Disposition.RETRIED or not policy or not policy.jitter or not said.opens:
        return made
    longest, drawn = first.opens[0], said.opens[0]
    assert longest.due_at - timedelta(seconds=policy.max) <= drawn.due_at <= longest.due_at
    opened = msgspec.structs.replace(longest, due_at=drawn.due_at)
    return (msgspec.structs.replace(first, opens=(opened,)), *made[1:])
