"""Facts: read back, in order, checked on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from squidie.errors import CorruptHistory
from squidie.history.canonical import NULL
from squidie.history.codec import decode
from squidie.history.facts import AttemptCompleted, EventBuffered, EventReceived, PauseResolved, RunStarted
from squidie.history.run import GOOD
from squidie.history.soundness import Flaw, Rule, corrupt, flaw_in_chain
from squidie.journal.arrays import Ints, Uuids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    import msgspec
    from sqlalchemy import Connection

    from squidie.history.facts import Fact
    from squidie.history.run import Run
    from squidie.journal.store import Journal
    from squidie.workflow.spec import Spec

STREAM = "select seq, kind, at, body::text as body, hash from {s}.facts where run_id = :run_id order by seq"
"""One run's facts in order."""

SOME = """
select seq, kind, at, body::text as body, hash from {s}.facts where run_id = :run_id and seq = any(:seqs) order by seq
"""
"""Some facts of one run."""

BY_CLAIM = """
select seq, kind, at, body::text as body, hash from {s}.facts
where run_id = :run_id and body->'claim'->>'id' = :claim order by seq limit 1
"""
"""The fact that ended a claim."""

NAMES_CLAIM = "select exists (select from {s}.facts where run_id = :run_id and position(:claim in body::text) > 0)"
"""Whether a run's facts know of a claim at all: its own end, or the end of the run that took it along."""

BY_COMMAND = """
select seq, kind, at, body::text as body, hash from {s}.facts
where run_id = :run_id and body->'by'->>'verb' = :verb
    and (body->'by'->>'request_id' = :request_id or body->'by'->>'key' = :key)
order by seq limit 1
"""
"""The fact that a command caused, found by its request or its key."""

THERE = """
select f.hash from {s}.facts f join unnest(:runs, :seqs) as w(run_id, seq) on f.run_id = w.run_id and f.seq = w.seq
"""
"""The facts that stand at these places, for everybody to see: those of a transaction that is still open do not."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact and its place in the stream."""

    seq: int
    at: datetime
    fact: Fact
    body: bytes
    hash: bytes


def read(journal: Journal, connection: Connection, run_id: UUID) -> list[Recorded]:
    """All facts of a run in order. Raises `CorruptHistory` or `UnknownFact` for what cannot be read."""
    return _recorded(connection.execute(journal.sql(STREAM), {"run_id": run_id}).all())


def rows(journal: Journal, connection: Connection, run_id: UUID) -> Sequence[Any]:
    """All facts of a run in order as they are stored, whether anybody can read them or not."""
    return connection.execute(journal.sql(STREAM), {"run_id": run_id}).all()


def recorded(row: Any) -> Recorded:
    """A stored fact as what it says. Raises `CorruptHistory` or `UnknownFact`."""
    return _recorded([row])[0]


def verified(journal: Journal, connection: Connection, run_id: UUID) -> list[Recorded]:
    """All facts of a run, after their numbers and hashes were checked: what is decided on is read so.

    Raises `CorruptHistory` naming the first bad seq, and `UnknownFact`.
    """
    rows, flaw = readable(journal, connection, run_id)
    if flaw is not None:
        raise corrupt(run_id, flaw)
    return rows


def readable(journal: Journal, connection: Connection, run_id: UUID) -> tuple[list[Recorded], Flaw | None]:
    """The facts of a run as far as they can be read, and what is wrong first. Raises `UnknownFact`."""
    return read_through(run_id, connection.execute(journal.sql(STREAM), {"run_id": run_id}).all())


def read_through(run_id: UUID, rows: Sequence[Any]) -> tuple[list[Recorded], Flaw | None]:
    """The same of rows that were read before."""
    flaw = flaw_in_chain(run_id, [(row.seq, row.kind, row.at, row.body.encode(), bytes(row.hash)) for row in rows])
    found: list[Recorded] = []
    for row in rows:
        try:
            found += _recorded([row])
        except CorruptHistory as error:
            unread = Flaw(row.seq, Rule.UNDECODABLE, error.message)
            return found, min(flaw, unread) if flaw is not None else unread
    return found, flaw


def outputs(
    journal: Journal, connection: Connection, run_id: UUID, run: Run, steps: Iterable[str]
) -> dict[str, msgspec.Raw]:
    """The outputs of these steps that the run's state does not keep, from their facts."""
    wanted = _left_out(run, steps)
    rows = {row.seq: row.fact for row in some(journal, connection, run_id, wanted.values())}
    found = ((name, output_in(rows[seq], name)) for name, seq in wanted.items() if seq in rows)
    return {name: output for name, output in found if output is not None}


def _left_out(run: Run, steps: Iterable[str]) -> dict[str, int]:
    """Of these steps those whose outputs are only in their facts, and in which."""
    ended = ((name, run.nodes[name]) for name in steps if name in run.nodes)
    return {name: node.seq for name, node in ended if node.status in GOOD and not node.kept}


def output_in(fact: Fact, step: str) -> msgspec.Raw | None:
    """What a step brought, out of the fact that settled it."""
    match fact:
        case AttemptCompleted() | PauseResolved():
            return fact.output
        case EventReceived():
            return fact.payload
        case RunStarted():
            return next((carried.output for carried in fact.carried if carried.step == step), None)
        case _:
            return None


def some(journal: Journal, connection: Connection, run_id: UUID, seqs: Iterable[int]) -> list[Recorded]:
    """These facts of a run; nothing is asked where none is wanted."""
    wanted = Ints(seqs)
    if not wanted:
        return []
    return _recorded(connection.execute(journal.sql(SOME), {"run_id": run_id, "seqs": wanted}).all())


def beside_state(
    journal: Journal, connection: Connection, run_id: UUID, run: Run, spec: Spec
) -> dict[str, msgspec.Raw]:
    """What decisions look at and the state only refers to: outputs, the payload, events that came early."""
    found = outputs(journal, connection, run_id, run, spec.decided_on)
    if run.payload == NULL and spec.decides_on_payload:
        found["payload"] = first(journal, connection, run_id).payload
    early = [each.seq for each in run.buffered if not each.kept]
    for row in some(journal, connection, run_id, early):
        if isinstance(row.fact, EventBuffered):
            found[f"event:{row.seq}"] = row.fact.payload
    return found


def is_beside_state(run: Run, spec: Spec) -> bool:
    """Whether decisions look at something that `beside_state` would have to read."""
    if run.payload == NULL and spec.decides_on_payload:
        return True
    return bool(_left_out(run, spec.decided_on)) or any(not each.kept for each in run.buffered)


def first(journal: Journal, connection: Connection, run_id: UUID) -> RunStarted:
    """The fact that started the run. Raises `CorruptHistory` where the stream does not begin with one."""
    rows = _recorded(connection.execute(journal.sql(SOME), {"run_id": run_id, "seqs": Ints([1])}).all())
    if not rows or not isinstance(rows[0].fact, RunStarted):
        raise CorruptHistory(f"run {run_id} does not begin with its start", details={"run_id": str(run_id), "seq": 1})
    return rows[0].fact


def by_claim(journal: Journal, connection: Connection, run_id: UUID, claim_id: UUID) -> Fact | None:
    """The fact that ended this claim, if one has."""
    rows = _recorded(connection.execute(journal.sql(BY_CLAIM), {"run_id": run_id, "claim": str(claim_id)}).all())
    return rows[0].fact if rows else None


def names_claim(journal: Journal, connection: Connection, run_id: UUID, claim_id: UUID) -> bool:
    """Whether any fact says that there was this claim."""
    given = {"run_id": run_id, "claim": str(claim_id)}
    found: bool = connection.execute(journal.sql(NAMES_CLAIM), given).scalar_one()
    return found


def there(journal: Journal, connection: Connection, places: Iterable[tuple[UUID, int]]) -> set[bytes]:
    """The hashes of the facts that have been committed at these places: runs and numbers."""
    runs, seqs = zip(*places, strict=True)
    found = connection.execute(journal.sql(THERE), {"runs": Uuids(runs), "seqs": Ints(seqs)})
    return {bytes(each) for each in found.scalars()}


def by_command(
    journal: Journal, connection: Connection, run_id: UUID, *, verb: str, request_id: str, key: str | None
) -> Fact | None:
    """The fact that this request, or an earlier one under the same key, has caused."""
    found = connection.execute(
        journal.sql(BY_COMMAND), {"run_id": run_id, "verb": verb, "request_id": request_id, "key": key}
    ).all()
    rows = _recorded(found)
    return rows[0].fact if rows else None


def _recorded(rows: Sequence[Any]) -> list[Recorded]:
    return [Recorded(row.seq, row.at, decode(row.kind, row.body), row.body.encode(), bytes(row.hash)) for row in rows]
