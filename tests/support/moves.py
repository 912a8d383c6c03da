"""What anybody may do to runs of random workflows, drawn from few choices, so that it is often about the same thing.

Everything drawn is a number or a word, and what it means depends on where things stand: so a sequence of moves can be
told again, and shortened.
"""

from __future__ import annotations

from functools import partial
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from squidie.decide import commands
from squidie.history.canonical import canonical
from squidie.history.facts import Decision, ErrorRecord, FailureCode, OpenKind, ReleaseReason
from squidie.history.run import NodeStatus
from squidie.testing.invariants import stuck, violations
from squidie.workflow.spec import NodeKind
from tests.pure.drawn import runnable
from tests.support.fixtures import renew
from tests.support.side_by_side import LIMITS, QUEUES, WELL, WORDS, SideBySide
from tests.support.twin import receipt

DECLINED = ErrorRecord(kind=FailureCode.STEP_RAISED, type="Declined", message="card declined")
TIMED_OUT = ErrorRecord(kind=FailureCode.TIMED_OUT, type="TimedOut", message="too slow")
SOME = range(60)
"""Which of those there are."""
SEEDS = range(10_000)
KEYS = (None, None, "k1", "k2")
PEOPLE = ("ann", "bob", "eve")
AT = "2026-03-10T12:00:40+00:00"
PAYLOADS = ({"order": 5, "at": None}, {"order": 6, "at": AT}, {"order": "x" * 9_000, "at": AT})
MOST_RUNS, MOST_OPEN = 16, 3
LOOK_EVERY = 40
"""Calls between two looks at the invariants, which take as long as ten calls."""

OUTCOMES = [
    *[lambda fence, dice, n=n: commands.Complete(*fence, canonical({"n": n})) for n in (0, 1, 2) * 3],
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
WELL_ENDED = 10
"""So many of them are good; an undo ends badly more often than a step."""
MOVES = []
"""The weight of each move, its name, and what its arguments are chosen from."""


def move(weight=1, **choices):
    """One that Hypothesis or plain dice may choose."""

    def known(method):
        MOVES.append((weight, method.__name__, choices))
        return rule(**{name: st.sampled_from(found) for name, found in choices.items()})(method)

    return known


def is_asked(node):
    return node.is_open and node.is_manual and node.waiting is not None


def is_parked(node):
    return node.status is NodeStatus.PARKED


def awaits(node):
    return node.is_open and node.waiting is not None and node.waiting.event is not None


class Moves:
    """The moves, on the engine and the pure half at once."""

    database = None
    both = None
    calls = 0

    @initialize(one=st.sampled_from(SEEDS), two=st.sampled_from(SEEDS))
    def begin(self, one, two):
        renew(self.database)
        url = self.database.url.render_as_string(hide_password=False)
        self.both = SideBySide(url, [runnable(Random(seed)) for seed in (one, two)])
        self.asked, self.taken = [], []
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
        found = [name for name, node in twin.run.nodes.items() if wanted(node)] * 9 + sorted(twin.spec.work)
        return found[which % len(found)]

    def there_is(self, wanted, which):
        """Whether any open run has such a node; now and then it is tried all the same, and refused."""
        runs = [twin.run for twin in self.both.twins.values() if twin.run.is_open]
        return which % 6 == 0 or any(wanted(node) for run in runs for node in run.nodes.values())

    def may_make(self):
        """Few at a time, so that they are met again and again."""
        twins = self.both.twins.values()
        return len(twins) < MOST_RUNS and sum(twin.run.is_open for twin in twins) < MOST_OPEN

    # ---- starts

    @move(4, which=SOME, payload=SOME, key=KEYS, after=(None, None, 5.0), actor=PEOPLE)
    def start(self, which, payload, key, after, actor):
        """2.1, 2.3: under a key, or with an id that may be there already."""
        if key is None and not self.may_make():
            return
        number = len(self.both.twins) + 1 if payload < 50 else 1
        given = {"number": number, "key": key, "after": after, "actor": actor, "priority": 100 - which % 3}
        self.both.start(which % 2, PAYLOADS[payload % 3], **given)

    @move(2, which=SOME, key=("k1", "k2"), allowed=(False, True))
    def replay(self, which, key, allowed):
        """8.1 to 8.3."""
        twin = self.twin(which)
        if self.may_make():
            self.both.replay(twin, key, allowed=tuple(sorted(twin.spec.by_name)) if allowed else ())

    @move(which=SOME, step=SOME, key=("k1", "k2"), allowed=(False, True), changed=(False, True))
    def fork(self, which, step, key, allowed, changed):
        """18.11."""
        twin = self.twin(which, is_parked)
        names = tuple(sorted(twin.spec.by_name)) if allowed else ()
        if self.may_make():
            changes = {"order": 6} if changed else None
            self.both.fork(twin, self.step(twin, step, is_parked), key, allowed=names, changes=changes)

    # ---- work

    @move(2, most=(1, 2, 3), queue=QUEUES)
    def claim(self, most, queue):
        """4.2."""
        self.both.claim(most, queue)

    @move(8, number=(1, 2, 3), which=SOME, how=SOME, dice=SOME)
    def settle(self, number, which, how, dice):
        """4.5, 5.4, 18.1: one outcome, or some in one commit."""
        for queue in QUEUES if len(self.both.held) < number else ():
            self.both.claim(3, queue)
        made = []
        for n in range(min(number, len(self.both.held))):
            row = self.both.held.pop(which % len(self.both.held))
            fence = (*row.key, row.lease.claim_id, row.lease.token_hash)
            outcomes = OUTCOMES[WELL_ENDED:] if row.kind is OpenKind.COMPENSATION and how % 2 else OUTCOMES
            made.append(outcomes[(how + 7 * n) % len(outcomes)](fence, dice / len(SOME)))
        if made:
            self.both.settle(made)
            self.both.spent += made

    @move(which=SOME, same=(False, True))
    def settle_again(self, which, same):
        """4.6: the outcome of a claim comes a second time, or another one does."""
        if self.both.spent:
            command = self.both.spent[which % len(self.both.spent)]
            fence = (*command.key, command.claim_id, command.token_hash)
            self.both.settle([command if same else commands.Complete(*fence, canonical("another"))])

    @move(2, which=SOME, late=(0.0, 31.0), queue=QUEUES)
    def renew(self, which, late, queue):
        """4.7: a lease that had ended lives again."""
        self.both.claim(2, queue)
        self.both.advance(late)
        if self.both.held:
            self.both.renew(self.both.held[-1 - which % 3 :])

    @move(2, queue=QUEUES)
    def lose(self, queue):
        """4.3, 4.4: claimed, and never heard of again; what comes of it later is too late."""
        self.both.claim(3, queue)
        self.both.advance(31.0)
        self.both.sweep()

    @move(2, seed=SEEDS)
    def turn(self, seed):
        self.both.turn(seed, WORDS)

    @move(3, seed=SEEDS, queue=QUEUES)
    def execute_next(self, seed, queue):
        """2.5."""
        self.both.execute_next(seed, WORDS, queue)

    # ---- time, and what it does

    @move(3, seconds=(0.5, 0.5, 3.0, 3.0, 10.0, 61.0, 1_000.0, -20.0))
    def wait(self, seconds):
        self.both.advance(seconds)

    @move(2, seconds=(0.0, 0.0, 10.0, 31.0))
    def sweep(self, seconds):
        """4.3, 6.6, 18.3, 18.4: leases that are over, timers that are due."""
        self.both.advance(seconds)
        self.both.sweep()

    @move()
    def drop_caches(self):
        """3.4."""
        self.both.drop_caches()

    # ---- people and programs

    def ask(self, twin, verb, command, request, *given, key, actor, **named):
        """Ask now; under a key it may be asked again."""
        command = partial(command, twin.id)
        call = partial(getattr(self.both.squidie, verb), twin.id, *given, key=key, actor=actor, **named)
        if key is not None:
            self.asked.append((twin, verb, command, call, request, key, actor))
        self.both.ask(twin, verb, command(receipt(verb, key, actor)), call, request, key)

    @move(2, which=SOME, comment=(None, None, "now in other words"))
    def ask_again(self, which, comment):
        """6.9, 7.5, 17.2: the same request under its key again, or another one."""
        if self.asked:
            twin, verb, command, call, request, key, actor = self.asked[which % len(self.asked)]
            call, request = partial(call, comment=comment), request if comment is None else (*request, comment)
            self.both.ask(twin, verb, command(receipt(verb, key, actor, comment)), call, request, key)

    @move(
        4,
        which=SOME,
        decision=(*[Decision.APPROVED] * 3, Decision.REJECTED, Decision.RESUMED),
        step=SOME,
        actor=PEOPLE,
        expect=(None, None, None, 1, 999),
        key=KEYS,
    )
    def review(self, which, decision, step, actor, expect, key):
        """6.2 to 6.8: with the right word, mostly."""
        if not self.there_is(is_asked, which):
            return
        twin = self.twin(which, is_asked)
        name = self.step(twin, step, is_asked)
        if which % 5 and name in twin.spec.by_name:
            is_pause = twin.spec.by_name[name].kind is NodeKind.PAUSE
            decision = Decision.RESUMED if is_pause else decision
            decision = Decision.APPROVED if decision is Decision.RESUMED and not is_pause else decision
        name = None if step > 50 else name
        verb = {Decision.APPROVED: "approve", Decision.REJECTED: "reject", Decision.RESUMED: "resume"}[decision]
        make = partial(commands.Review, decision=decision, step=name, data={"n": 1}, expect=expect)
        given = {"step": name, "data": {"n": 1}, "expect": expect}
        self.ask(twin, verb, make, (name, actor), key=key, actor=actor, **given)

    @move(which=SOME, step=SOME, due=(None, 7.0), key=KEYS, actor=PEOPLE)
    def delegate(self, which, step, due, key, actor):
        """6.5."""
        if not self.there_is(is_asked, which):
            return
        twin = self.twin(which, is_asked)
        name = self.step(twin, step, is_asked)
        make = partial(commands.Delegate, role="boss", step=name, due=due)
        self.ask(twin, "delegate", make, (name, due, actor), key=key, actor=actor, to_role="boss", step=name, due=due)

    @move(
        3,
        which=SOME,
        event=SOME,
        payload=({"n": 0}, {"n": 1}, {"n": "x" * 9_000}),
        correlation=(None, None, "5", "6"),
        key=KEYS,
    )
    def signal(self, which, event, payload, correlation, key):
        """18.4: early, right, or the wrong one."""
        if which % 3 and not self.there_is(awaits, which):  # an early one is welcome, too
            return
        twin = self.twin(which, awaits)
        known = [node.event or node.name for node in twin.spec.nodes if node.kind is NodeKind.EVENT]
        events = known * 5 + ["a", "paid"]
        name = events[event % len(events)]
        make = partial(commands.Deliver, event=name, payload=canonical(payload), correlation=correlation)
        given = {"event": name, "payload": payload, "correlation": correlation}
        self.ask(twin, "signal_run", make, (name, correlation, str(payload)), key=key, actor="shop", **given)

    @move(which=SOME, step=SOME, key=KEYS)
    def retry_now(self, which, step, key):
        """5.7."""
        rows = [row for twin in self.both.twins.values() for row in twin.rows.values()]
        rows = [row for row in rows if row.kind is not OpenKind.TIMER and row.due_at > self.both.now]
        later = [(row.run_id, row.step) for row in rows]
        if not later and which % 6:
            return
        run_id, name = later[which % len(later)] if later and step else (self.twin(which).id, "abc"[step % 3])
        make = partial(commands.Hasten, step=name)
        self.ask(self.both.twins[run_id], "retry_now", make, (name,), name, key=key, actor="ann")

    @move(which=SOME, how=SOME, key=KEYS)
    def cancel(self, which, how, key):
        """7.1, 7.2: seldom, since it ends what others could still do."""
        compensate, abandon = how % 9 > 0, how % 5 == 0
        if how % 3 == 0:
            given = {"reason": "no longer wanted", "compensate": compensate, "abandon_undo": abandon}
            make = partial(commands.Cancel, **given)
            self.ask(self.twin(which), "cancel", make, (compensate, abandon), key=key, actor="ann", **given)

    @move(2, which=SOME, verb=("update_attributes", "archive_run", "archive_run", "unarchive_run"), key=KEYS)
    def note(self, which, verb, key):
        """2.8, 18.6, 18.7: before the end, and rather after it."""
        ended = [twin for twin in self.both.twins.values() if not twin.run.is_open]
        twin = ended[which % len(ended)] if ended and which % 4 else self.twin(which)
        make, given = {
            "update_attributes": (commands.SetAttributes, {"changes": {"a": which % 3 or None}}),
            "archive_run": (commands.Archive, {"reason": "enough"}),
            "unarchive_run": (commands.Unarchive, {}),
        }[verb]
        self.ask(twin, verb, partial(make, **given), (str(given),), key=key, actor="ann", **given)

    @move(3, which=SOME, step=SOME, verb=("requeue", "requeue", "discard"), key=("k1", "k2", "k3"))
    def take_up(self, which, step, verb, key):
        """5.6."""
        ended = [twin for twin in self.both.twins.values() if twin.letters and not twin.run.is_open]
        if not ended and not self.there_is(is_parked, which):
            return
        twin = ended[step % len(ended)] if ended and which % 3 == 0 else self.twin(which, is_parked)
        parked = [name for name, node in twin.run.nodes.items() if is_parked(node)] * 9
        found = parked + [letter.step for letter in twin.letters] * 5 + sorted(twin.spec.work)
        self.take(verb, twin, found[step % len(found)], "the card is fixed", key)

    @move(which=SOME, reason=("the card is fixed", "the card is fixed", "another one"))
    def take_up_again(self, which, reason):
        """5.6, 17.2: under the same key, wherever the run stands by now."""
        if self.taken:
            verb, twin, step, key = self.taken[which % len(self.taken)]
            self.take(verb, twin, step, reason, key)

    def take(self, verb, twin, step, reason, key):
        if len(self.both.twins) < MOST_RUNS:
            self.both.take_up(verb, twin, step, reason, "ann", key)
            self.taken += [(verb, twin, step, key)] if twin.letters else []

    # ---- always, and in the end

    @invariant()
    def is_sound(self):
        """2 (invariants): now and then."""
        self.calls += 1
        if self.both is not None and self.calls % LOOK_EVERY == 0:
            assert violations(self.both.squidie.engine, max_claims=LIMITS.max_claims) == []

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
        """Everything that this run waits for."""
        for name in twin.run.open_steps:
            node = twin.run.nodes[name]
            if not node.is_open or not twin.run.is_open:
                continue
            if is_parked(node):
                verb = "discard" if twin.run.revision % 2 else "requeue"
                self.both.take_up(verb, twin, name, "come to rest", "ann", f"r{twin.run.revision}")
            elif is_asked(node):
                is_pause = node.waiting.kind is NodeKind.PAUSE
                decision, verb = (Decision.RESUMED, "resume") if is_pause else (Decision.APPROVED, "approve")
                make = partial(commands.Review, decision=decision, step=name)
                self.ask(twin, verb, make, (name,), key=None, actor=f"p{twin.run.revision}", step=name)
            elif awaits(node):
                given = {"event": node.waiting.event, "correlation": node.waiting.correlation}
                make = partial(commands.Deliver, payload=canonical(None), **given)
                self.ask(twin, "signal_run", make, (), key=None, actor="shop", **given)
