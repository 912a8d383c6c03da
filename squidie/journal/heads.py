"""Run heads: locked, read and written. The head is what serialises a run; whoever holds it decides."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from squidie.errors import HistoryError, RunNotFound, RunRetired
from squidie.history.fold import fold
from squidie.history.run import FOLD, Run
from squidie.history.soundness import corrupt, flaw_at_end, flaw_in_fold
from squidie.journal import facts
from squidie.journal.arrays import Blobs, Uuids

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from squidie.journal.store import Journal

T = TypeVar("T")

LOCK_WAITING = """
select r.run_id, r.rev, r.head_hash, r.fold,
    case when r.head_hash is distinct from k.hash then r.state::text end as state
from unnest(:ids, :hashes) as k(run_id, hash) join {s}.runs r on r.run_id = k.run_id
order by r.run_id for no key update of r
"""
"""Heads in id order, waiting for at most `lock_timeout`: for a member alone. A state that we know is not sent again."""

LOCK_PASSING = f"{LOCK_WAITING.rstrip()} skip locked\n"
"""The same, passing over those that somebody holds: one slow holder never stalls a batch."""

LOCK_AT_ONCE = f"{LOCK_WAITING.rstrip()} nowait\n"
"""The same, not waiting at all: from the second head on in a host's transaction, whose lock order is the host's."""

READ = """
select run_id, rev, head_hash, fold, state::text as state from {s}.runs where run_id = any(:ids) order by run_id
"""
"""Heads as they stand, without a lock."""

EXISTING = "select run_id from {s}.runs where run_id = any(:ids)"
"""Which of these runs exist at all."""

RETIRED = "select exists (select from {s}.retired where run_id = :run_id and until > {s}.clock())"
"""Whether a run was removed by retention, and is still remembered."""

_decoder = msgspec.json.Decoder(Run)
_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Head:
    """One run's head as it was locked, and what was decided since."""

    run_id: UUID
    rev: int
    hash: bytes
    run: Run


class Known(NamedTuple):
    """A run as its facts up to this hash leave it."""

    hash: bytes
    run: Run


NOBODY: Mapping[UUID, Known] = MappingProxyType({})


def lock(
    journal: Journal,
    connection: Connection,
    ids: Collection[UUID],
    statement: str = LOCK_PASSING,
    known: Mapping[UUID, Known] = NOBODY,
) -> dict[UUID, Head | HistoryError]:
    """The heads of these runs, locked; those that are missing or passed over are not among them.

    A run whose history cannot be read harms only itself: its error stands in its place.
    """
    wanted = sorted(ids)
    at_hand = {run_id: found for run_id in wanted if (found := known.get(run_id)) is not None}
    hashes = Blobs(at_hand[run_id].hash if run_id in at_hand else None for run_id in wanted)
    rows = connection.execute(journal.sql(statement), {"ids": Uuids(wanted), "hashes": hashes}).all()
    return {row.run_id: _head_or_error(journal, connection, row, at_hand.get(row.run_id)) for row in rows}


def read(journal: Journal, connection: Connection, run_id: UUID) -> Head | None:
    """One head as it stands, without a lock."""
    row = connection.execute(journal.sql(READ), {"ids": Uuids([run_id])}).one_or_none()
    return _head(journal, connection, row) if row is not None else None


def existing(journal: Journal, connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Which of these runs exist, whoever holds them."""
    return set(connection.execute(journal.sql(EXISTING), {"ids": Uuids(ids)}).scalars())


def is_retired(journal: Journal, connection: Connection, run_id: UUID) -> bool:
    """Whether there was such a run, and retention has removed it."""
    return bool(connection.execute(journal.sql(RETIRED), {"run_id": run_id}).scalar_one())


def missing(journal: Journal, connection: Connection, run_id: UUID) -> RunNotFound | RunRetired:
    """Why there is no such run."""
    return RunRetired(run_id) if is_retired(journal, connection, run_id) else RunNotFound(run_id)


def state_of(journal: Journal, connection: Connection, row: Any) -> Run:
    """The cached fold of a head's row (`run_id, rev, fold, state`).

    Where it is missing, of another version of the fold, of another revision or unreadable, the facts are folded again,
    and trusted only when they are whole. Raises `CorruptHistory` and `UnknownFact`.
    """
    cached = _cached(row.state) if row.state is not None and row.fold == FOLD else None
    if cached is not None and cached.revision == row.rev:
        return cached
    rows = facts.verified(journal, connection, row.run_id)
    run = fold((each.at, each.fact) for each in rows)
    hash_ = getattr(row, "head_hash", None)
    flaw = flaw_at_end(row.rev, None if hash_ is None else bytes(hash_), [each.hash for each in rows])
    flaw = flaw or flaw_in_fold(run)
    if flaw is not None:
        raise corrupt(row.run_id, flaw)
    return run


def _cached(state: str) -> Run | None:
    try:
        return decode(state)
    except msgspec.MsgspecError:
        return None


def decode(state: str | bytes) -> Run:
    """The cached fold, as stored."""
    run = _decoder.decode(state)
    run.edges, run.nodes = _turned(run.edges), _turned(run.nodes)
    return run


def encode(run: Run) -> bytes | None:
    """The cache of an open run. An ended run keeps none: its facts are final, and its head stays small.

    The newest nodes and edges stand first: what has ended is then part of what does not differ, which is not logged.
    """
    if not run.is_open:
        return None
    return _encoder.encode(replace(run, edges=_turned(run.edges), nodes=_turned(run.nodes)))


def _turned(entries: dict[str, T]) -> dict[str, T]:
    return dict(reversed(entries.items()))


def _head_or_error(journal: Journal, connection: Connection, row: Row[Any], known: Known | None) -> Head | HistoryError:
    digest = bytes(row.head_hash)
    if known is not None and known.hash == digest and known.run.revision == row.rev:
        return Head(row.run_id, row.rev, digest, known.run)
    try:
        return _head(journal, connection, row)
    except HistoryError as error:
        return error


def _head(journal: Journal, connection: Connection, row: Row[Any]) -> Head:
    return Head(row.run_id, row.rev, bytes(row.head_hash), state_of(journal, connection, row))
