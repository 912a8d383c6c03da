"""One run in memory: its facts, its rows and a clock that we set. Outcomes come as an engine would bring them."""

from datetime import UTC, datetime, timedelta
from itertools import count
from types import MappingProxyType
from uuid import UUID

import msgspec

from squidie.decide import commands
from squidie.decide.commands import Limits, Situation, Start, needs_all_rows
from squidie.decide.judgement import decide
from squidie.decide.ready import row
from squidie.decide.start import start
from squidie.history.attempts import Lease
from squidie.history.canonical import NULL, canonical
from squidie.history.facts import (
    TERMINAL,
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptFailed,
    AttemptHastened,
    Claim,
    Decision,
    ErrorRecord,
    EventBuffered,
    EventReceived,
    FailureCode,
    OpenKind,
    PauseResolved,
    Receipt,
    ReleaseReason,
    RunStarted,
    counts_as_lost,
)
from squidie.history.fold import fold
from squidie.history.run import GOOD, NodeStatus
from squidie.workflow.spec import LOG_ACTION, UNDO, Condition, Deadline, Edge, Node, NodeKind, Outcome, Spec, Trigger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = UUID(int=7)
BY = Receipt(verb="start", digest="d1", request_id="r1")
DECLINED = ErrorRecord(kind=FailureCode.STEP_RAISED, type="Declined", message="card declined")
TOKEN = b"the hash of a secret"
CLAIM = Claim(id="c1", n=1, owner="host:1:boot", claimed_at=NOON, lease_until=NOON + timedelta(seconds=30))
SETTLED = (AttemptCompleted, AttemptFailed, AttemptDeadLettered)
ANSWERED = ("wait_elapsed", "pause_resolved", "event_received", "event_lapsed", "deadline_passed")


def after(seconds):
    """A time of the day, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def by(actor, comment=None):
    """The receipt of what somebody asked for."""
    return Receipt(verb="answer", digest="d2", request_id="r2", actor=actor, comment=comment)


def where(path, **asked):
    """A condition: `where("a.total", at_least=5)`."""
    return Condition(path=path, **asked)


def of_kind(name, **options):
    """What a node of this kind declares, besides its name."""
    return {"kind": NodeKind(name), **options}


def graph(text, **named):
    """A spec from `a>b b!c a>d?big`: b follows a when it ends well, c follows b when it fails, d if `big` holds.

    What a node or a condition declares is given by its name, a deadline of the whole by any.
    """
    names, edges = {}, []
    for word in text.split():
        way, _, condition = word.partition("?")
        mark = "!" if "!" in way else ">"
        source, _, target = way.partition(mark)
        names |= dict.fromkeys(name for name in (source, target) if name not in ("", "end"))
        if target:
            on = Outcome.ERROR if mark == "!" else Outcome.OK
            edges.append(Edge(source=source, target=target, on=on, when=named[condition] if condition else None))
    found = tuple(graph_node(name, **named.get(name, {})) for name in names)
    limit = next((each for each in named.values() if isinstance(each, Deadline)), None)
    return Spec(name="Shop", triggers=(Trigger(name="go"),), nodes=found, edges=tuple(edges), deadline=limit)


def graph_node(name, **declared):
    """A node with the action that its kind has."""
    kind = declared.get("kind", NodeKind.STEP)
    action = {NodeKind.STEP: f"shop:{name}", NodeKind.LOG: LOG_ACTION}.get(kind, "")
    return Node(name=name, action=action, **declared)


def begin(spec, **options):
    """What starts a run of it."""
    given = {"trigger": "go", "payload": msgspec.Raw(b'{"order":5}'), "queue": "default", "by": BY, **options}
    return Start(run_id=RUN, spec=spec, definition="f1", **given)


class Scene:
    """A run under way. `now` is the database's clock, and ours to set."""

    def __init__(self, spec, *, now=NOON, limits=None, max_claims=5, **options):
        self.spec = graph(spec) if isinstance(spec, str) else spec
        self.now = now
        self.limits = limits or Limits(max_claims=max_claims)
        self.run = None
        self.rows = {}
        self.history = []
        self.claimed = []
        self._ids = count(1)
        self.record(now, start(begin(self.spec, **options), now, self.limits))

    @property
    def facts(self):
        return [fact for _, fact in self.history]

    @property
    def kinds(self):
        return [fact.kind for fact in self.facts]

    @property
    def situation(self):
        return self._seen(self.rows)

    def _seen(self, rows):
        return Situation(
            self.run, self.spec, self.now, MappingProxyType(dict(rows)), self._beside_the_state(), self.limits
        )

    def _beside_the_state(self):
        """What an engine reads for a decision because the state only refers to it, and nothing more."""
        found = {f"event:{each.seq}": self.facts[each.seq - 1].payload for each in self.run.buffered if not each.kept}
        for name in self.spec.decided_on & self.run.nodes.keys():
            node = self.run.nodes[name]
            if node.status in GOOD and not node.kept:
                found[name] = brought(self.facts[node.seq - 1], name)
        if self.spec.decides_on_payload and self.run.payload == NULL:
            found["payload"] = self.facts[0].payload
        return found

    def row(self, step):
        [found] = [row for row in self.rows.values() if row.step == step]
        return found

    def status(self, step):
        return self.run.nodes[step].status

    def claim(self, step, *, lease=30.0):
        """The row of the step under a lease; one that is held stays as it is."""
        found = self.row(step)
        if found.lease is None:
            over = self.now + timedelta(seconds=lease)
            found = found.held(Lease(UUID(int=next(self._ids)), TOKEN, "host:1:boot", self.now, over))
            self.claimed.append(str(found.lease.claim_id))
            self.rows[found.key] = found
        return found

    def renew(self, step, until):
        held = self.row(step)
        self.rows[held.key] = held.held(msgspec.structs.replace(held.lease, lease_until=until))

    def ask(self, command):
        """Decide and record; the facts. A step that ended well brings its own row, and the others only where needed."""
        rows = self.rows
        if not needs_all_rows(command, self.run, self.spec):
            rows = {key: row for key, row in rows.items() if key == command.key}
        at, facts = decide(self._seen(rows), command)
        assert [fact.by for fact in facts] == [getattr(command, "by", None), *[None] * len(facts)][: len(facts)]
        self.record(at, facts)
        return list(facts)

    def record(self, at, facts):
        """The facts are written, and the rows follow them."""
        self.run = fold([(at, fact) for fact in facts], self.run)
        for fact in facts:
            self.history.append((at, fact))
            self._follow(fact)

    def _follow(self, fact):
        """What a fact says of rows, straight from its fields."""
        if isinstance(fact, TERMINAL):
            self.rows.clear()
        elif isinstance(fact, SETTLED):
            del self.rows[RUN, fact.step, fact.attempt]
        elif isinstance(fact, AttemptHastened):
            hastened = self.rows[RUN, fact.step, fact.attempt]
            self.rows[hastened.key] = msgspec.structs.replace(hastened, due_at=fact.due_at)
        elif hasattr(fact, "claim") and fact.due_at is not None:
            held = self.rows[RUN, fact.step, fact.attempt]
            self.rows[held.key] = held.given_back(fact.due_at, lost=counts_as_lost(fact))
        elif fact.kind in ANSWERED:
            for key in [key for key, row in self.rows.items() if row.kind is OpenKind.TIMER and row.step == fact.step]:
                del self.rows[key]
        for closing in fact.closes:
            if closing.kind not in (OpenKind.WAIT, OpenKind.PARKED):
                del self.rows[RUN, closing.step, closing.attempt]
        for opened in fact.opens:
            new = row(RUN, self.spec, opened)
            assert new.key not in self.rows
            self.rows[new.key] = new

    def held(self, step):
        """What names a claim on the step; one is made where there is none."""
        found = self.claim(step)
        return (*found.key, found.lease.claim_id, found.lease.token_hash)

    def complete(self, step, output=None):
        return self.ask(commands.Complete(*self.held(step), canonical(output)))

    def fail(self, step, *, retryable=True, dice=0.0, after=None, error=DECLINED):
        return self.ask(commands.Fail(*self.held(step), error, retryable, dice, after))

    def defer(self, step, *, due_at=None, after=None, reason=None):
        return self.ask(commands.Defer(*self.held(step), due_at, after, reason))

    def release(self, step, reason=ReleaseReason.DRAINED, delay=0.0):
        return self.ask(commands.Release(*self.held(step), reason, delay))

    def expire(self, step, delay=0.0):
        """Not before the lease is over."""
        found = self.claim(step)
        self.now = max(self.now, found.lease.lease_until)
        return self.ask(commands.Expire(*found.key, found.lease.claim_id, delay))

    def elapse(self, timer):
        """Not before it is due."""
        found = self.row(timer)
        self.now = max(self.now, found.due_at)
        return self.ask(commands.Elapse(*found.key))

    def resume(self, step=None, *, actor=None, data=None):
        return self.ask(commands.Review(RUN, by(actor), Decision.RESUMED, step, data))

    def approve(self, step=None, *, actor="ann", data=None, comment=None, expect=None):
        return self.ask(commands.Review(RUN, by(actor, comment), Decision.APPROVED, step, data, expect))

    def reject(self, step=None, *, actor="ann", data=None, comment=None):
        return self.ask(commands.Review(RUN, by(actor, comment), Decision.REJECTED, step, data))

    def delegate(self, role="boss", step=None, *, due=None):
        return self.ask(commands.Delegate(RUN, by("ann"), role, step, due))

    def deliver(self, event, payload=None, correlation=None):
        return self.ask(commands.Deliver(RUN, by("shop"), event, canonical(payload), correlation))

    def hasten(self, step):
        return self.ask(commands.Hasten(RUN, by("ann"), step))

    def requeue(self, step, reason="the card is fixed"):
        return self.ask(commands.Requeue(RUN, by("ann"), step, reason))

    def discard(self, step, reason="it was a test"):
        return self.ask(commands.Discard(RUN, by("ann"), step, reason))

    def cancel(self, reason="no longer wanted", *, compensate=False, abandon_undo=False):
        return self.ask(commands.Cancel(RUN, BY, reason, compensate, abandon_undo))

    def label(self, **changes):
        return self.ask(commands.SetAttributes(RUN, by("ann"), changes))

    def archive(self, reason="the year is over"):
        return self.ask(commands.Archive(RUN, by("ann"), reason))

    def unarchive(self):
        return self.ask(commands.Unarchive(RUN, by("ann")))


def owed(run):
    """The rows that a run's state asks for: an open node that a worker runs, and every timer."""
    found = [
        (name, node.attempt, OpenKind.COMPENSATION if name.startswith(UNDO) else OpenKind.STEP, node.lost)
        for name, node in run.nodes.items()
        if node.status is NodeStatus.OPEN and node.waiting is None
    ]
    found += [(name, attempt, OpenKind.TIMER, 0) for name, attempt in run.timers.items()]
    return sorted(found) if run.is_open else []


def shown(rows):
    """The same of rows."""
    return sorted((row.step, row.attempt, row.kind, row.lost) for row in rows.values())


def brought(fact, step):
    """The result of a step in the fact that ended it."""
    if isinstance(fact, AttemptCompleted | PauseResolved):
        return fact.output
    if isinstance(fact, EventReceived | EventBuffered):
        return fact.payload
    assert isinstance(fact, RunStarted), f"{fact.kind} brings nothing, and null is always kept"
    return next(each.output for each in fact.carried if each.step == step)
