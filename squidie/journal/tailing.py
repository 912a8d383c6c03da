"""Facts as they are committed, over all runs, by `(run_id, seq)`.

A number drawn from a sequence would skip, for ever, what commits late. So whoever looks on knows how far it has read
each open run, and asks by their keys for those that have moved. New runs are found by when they were started, back to a
time before which no transaction can have started one that was not to be seen in the look before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.history.codec import decode
from squidie.journal.arrays import Ints, Uuids
from squidie.journal.facts import Recorded
from squidie.journal.pages import ended_since

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

_HEAD = "r.run_id, r.rev, r.workflow, r.started_at, r.ended_at, r.rested_at"
_FITS = """
(cast(:workflow as text) is null or r.workflow = :workflow)
    and (cast(:partition as text) is null or r.partition = :partition)
    and (cast(:only as uuid) is null or r.run_id = :only)
"""

NOW = """
select {s}.clock() as now, array(
    select backend_xid::text from pg_stat_activity where datname = current_database() and backend_xid is not null
    union all select transaction::text from pg_prepared_xacts where database = current_database()
) as running
"""
"""The time, and the transactions that write and are not over."""

BEFORE = f"""
select {_HEAD} from {{s}}.runs r where r.ended_at is null and {_FITS.strip()}
union all select {_HEAD} from {{s}}.runs r where {ended_since(":since", "r.")} and {_FITS.strip()}
"""
"""What there is when somebody begins to look: the runs that are open, or were last written since."""

STARTED = f"""
select {_HEAD} from {{s}}.runs r where r.ended_at is null and r.started_at >= :horizon and {_FITS.strip()}
union all select {_HEAD} from {{s}}.runs r where {ended_since(":horizon", "r.")} and {_FITS.strip()}
"""
"""The runs that were started since, and those over that were written since: by their end, or by a note after it."""

MOVED = f"""
select {_HEAD} from unnest(cast(:runs as uuid[]), cast(:seqs as int[])) k(run_id, seq)
join {{s}}.runs r on r.run_id = k.run_id and r.rev > k.seq
"""
"""Of some runs those that have facts after these."""

AFTER = """
select k.run_id, f.seq, f.kind, f.at, f.body::text as body, f.hash
from unnest(cast(:runs as uuid[]), cast(:seqs as int[])) k(run_id, seq) cross join lateral (
    select * from {s}.facts f where f.run_id = k.run_id and f.seq > k.seq order by f.seq
) f order by f.at, k.run_id, f.seq
"""
"""The facts of some runs after these, run by run: the order within keeps Postgres from reading all facts at once."""


def now(journal: Journal, connection: Connection) -> Any:
    """`now` and `running`. To be asked before a snapshot is taken: who is not running any more is seen in it."""
    return connection.execute(journal.sql(NOW)).one()


def before(journal: Journal, connection: Connection, since: datetime, fits: Mapping[str, Any]) -> Sequence[Any]:
    """Heads that are open or have ended since; `fits` has `workflow`, `partition` and `only`, which may be None."""
    return connection.execute(journal.sql(BEFORE), {"since": since, **fits}).all()


def started(journal: Journal, connection: Connection, horizon: datetime, fits: Mapping[str, Any]) -> Sequence[Any]:
    """Heads of runs that were started since."""
    return connection.execute(journal.sql(STARTED), {"horizon": horizon, **fits}).all()


def moved(journal: Journal, connection: Connection, read: Mapping[UUID, int]) -> Sequence[Any]:
    """Heads of those of these runs that have more facts than were read."""
    return connection.execute(journal.sql(MOVED), _columns(read)).all() if read else ()


def after(journal: Journal, connection: Connection, read: Mapping[UUID, int]) -> list[tuple[UUID, Recorded]]:
    """The facts of these runs that were not read, by their time."""
    rows = connection.execute(journal.sql(AFTER), _columns(read)).all() if read else ()
    return [
        (row.run_id, Recorded(row.seq, row.at, decode(row.kind, row.body), row.body.encode(), bytes(row.hash)))
        for row in rows
    ]


def _columns(read: Mapping[UUID, int]) -> dict[str, Any]:
    return {"runs": Uuids(read), "seqs": Ints(read.values())}
