"""One run in memory: its facts, its rows and a clock that we set. Outcomes come as an engine would bring them."""

from datetime import UTC, datetime, timedelta
from itertools import count
from types import MappingProxyType
from uuid import UUID

import msgspec

from squidie.decide import commands
from squidie.decide.commands import Situation, Start
from squidie.decide.judgement import decide
from squidie.decide.ready import row
from squidie.decide.start import start
from squidie.history.attempts import Lease
from squidie.history.canonical import canonical
from squidie.history.facts import (
    TERMINAL,
    AttemptCompleted,
    AttemptExpired,
    AttemptReleased,
    Claim,
    ErrorRecord,
    FailureCode,
    Receipt,
    ReleaseReason,
    counts_as_lost,
)
from squidie.history.run import fold
from squidie.workflow.spec import Edge, Node, Outcome, Spec, Trigger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = UUID(int=7)
BY = Receipt(verb="start", digest="d1", request_id="r1")
DECLINED = ErrorRecord(kind=FailureCode.STEP_RAISED, type="Declined", message="card declined")
TOKEN = b"the hash of a secret"
CLAIM = Claim(id="c1", n=1, owner="host:1:boot", claimed_at=NOON, lease_until=NOON + timedelta(seconds=30))


def after(seconds):
    """A time of the day, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def graph(text, **nodes):
    """A spec from `a>b b!c`: b follows a when it ends well, c follows b when it fails.

    What a node declares is given by its name.
    """
    names, edges = {}, []
    for word in text.split():
        mark = "!" if "!" in word else ">"
        source, _, target = word.partition(mark)
        names |= dict.fromkeys(name for name in (source, target) if name not in ("", "end"))
        if target:
            edges.append(Edge(source=source, target=target, on=Outcome.ERROR if mark == "!" else Outcome.OK))
    found = tuple(Node(name=name, action=f"shop:{name}", **nodes.get(name, {})) for name in names)
    return Spec(name="Shop", triggers=(Trigger(name="go"),), nodes=found, edges=tuple(edges))


def begin(spec, **options):
    """What starts a run of it."""
    given = {"trigger": "go", "payload": msgspec.Raw(b'{"order":5}'), "queue": "default", "by": BY, **options}
    return Start(run_id=RUN, spec=spec, definition="f1", **given)


class Scene:
    """A run under way. `now` is the database's clock, and ours to set."""

    def __init__(self, spec, *, now=NOON, max_claims=5, **options):
        self.spec = graph(spec) if isinstance(spec, str) else spec
        self.now = now
        self.max_claims = max_claims
        self.run = None
        self.rows = {}
        self.history = []
        self.claimed = []
        self._ids = count(1)
        self.record(now, [start(begin(self.spec, **options), now)])

    @property
    def facts(self):
        return [fact for _, fact in self.history]

    @property
    def situation(self):
        large = {
            fact.step: fact.output
            for fact in self.facts
            if isinstance(fact, AttemptCompleted) and not self.run.nodes[fact.step].kept
        }
        return Situation(self.run, self.spec, self.now, MappingProxyType(dict(self.rows)), large, self.max_claims)

    def row(self, step):
        [found] = [row for row in self.rows.values() if row.step == step]
        return found

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
        """Decide and record; the facts."""
        at, facts = decide(self.situation, command)
        self.record(at, facts)
        return list(facts)

    def record(self, at, facts):
        """The facts are written, and the rows follow them."""
        self.run = fold([(at, fact) for fact in facts], self.run)
        for fact in facts:
            self.history.append((at, fact))
            self._follow(fact)

    def _follow(self, fact):
        if isinstance(fact, TERMINAL):
            self.rows.clear()
        elif isinstance(fact, AttemptReleased | AttemptExpired):
            held = self.rows[RUN, fact.step, fact.attempt]
            self.rows[held.key] = held.given_back(fact.due_at, lost=counts_as_lost(fact))
        elif hasattr(fact, "step"):
            del self.rows[RUN, fact.step, fact.attempt]
        for opened in fact.opens:
            new = row(RUN, self.spec, opened)
            self.rows[new.key] = new

    def held(self, step):
        """What names a claim on the step; one is made where there is none."""
        found = self.claim(step)
        return (*found.key, found.lease.claim_id, found.lease.token_hash)

    def complete(self, step, output=None):
        return self.ask(commands.Complete(*self.held(step), canonical(output)))

    def fail(self, step, *, retryable=True, dice=0.0, after=None, error=DECLINED):
        return self.ask(commands.Fail(*self.held(step), error, retryable, dice, after))

    def release(self, step, reason=ReleaseReason.DRAINED, delay=0.0):
        return self.ask(commands.Release(*self.held(step), reason, delay))

    def expire(self, step, delay=0.0):
        """Not before the lease is over."""
        found = self.claim(step)
        self.now = max(self.now, found.lease.lease_until)
        return self.ask(commands.Expire(*found.key, found.lease.claim_id, delay))

    def cancel(self, reason="no longer wanted"):
        return self.ask(commands.Cancel(RUN, reason, BY))
