"""What the database says of itself: for `squidie doctor`, and for workers when they start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

SERVER = """
select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
    current_setting('server_encoding') as encoding, current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('full_page_writes') as full_page_writes, pg_is_in_recovery() as is_replica,
    current_setting('is_superuser') as is_superuser, current_user as role,
    extract(epoch from statement_timestamp())::float as at
"""
"""The server's version, the settings that promises depend on, who we are there, and its time in seconds."""

GUARD = """
select exists (
    select from pg_trigger t
    where t.tgrelid = cast(:facts as regclass) and t.tgname = 'facts_are_insert_only' and t.tgenabled <> 'D'
)
"""
"""Whether the trigger that keeps facts from being changed is there and enabled."""


CLOCK_IS_SET = """
select coalesce(current_setting('squidie.now', true), '') <> '' or exists (
    select from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
    where (s.setdatabase = 0 or d.datname = current_database()) and s.setconfig::text like '%squidie.now=%'
)
"""
"""Whether somebody has set `squidie.now` for this session, or for sessions of this database to come."""

CLOCK_CAN_BE_SET = "select pg_get_functiondef(cast(:clock as regprocedure)) like '%squidie.now%'"
"""Whether the journal's clock is the one of tests, which follows `squidie.now`."""


LONG_TRANSACTIONS = """
select pid, coalesce(nullif(application_name, ''), 'without a name') as name, state,
    extract(epoch from statement_timestamp() - xact_start)::float8 as seconds
from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
    and xact_start <= statement_timestamp() - make_interval(secs => :longest)
order by xact_start
"""
"""Who has held a transaction open for so many seconds."""


INDEXES = """
select c.relname as name, i.indisvalid as is_valid
from pg_index i join pg_class c on c.oid = i.indexrelid
where c.relnamespace = cast(:schema as regnamespace)
"""
"""The indexes that are there, and whether each can be used: one whose making was broken off cannot."""

ROOM = """
select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most,
    (select count(*) from pg_stat_activity where backend_type = 'client backend') as used
"""
"""How many connections the server has for us all, and how many are in use."""

BACKEND = "select pg_backend_pid()"
"""Which process of the server answers; whoever lies between names another one when a connection is made."""

LATE = """
select queue, count(*) as due, min(due_at) as oldest, {s}.clock() as at from {s}.attempts
where kind <> 'timer' and claim_id is null and limit_key = '' and rate_key = ''
    and due_at <= {s}.clock() - make_interval(secs => :late)
group by queue order by queue
"""
"""What has been due for so long, and waits for no limit and for no rate."""

SIZE = """
select coalesce((select sum(pg_total_relation_size(c.oid)) from pg_class c
        where c.relnamespace = cast(:schema as regnamespace) and c.relkind = 'r'), 0)::bigint as bytes,
    (select min(started_at) from {s}.runs) as since, oldest.workflow, oldest.status, oldest.ended_at, {s}.clock() as at
from (values (1)) one left join lateral (
    select workflow, status, ended_at from {s}.runs where ended_at is not null order by started_at, run_id limit 1
) oldest on true
"""
"""What the journal takes on disk, since when it has grown, and the oldest run that has ended."""


def server(journal: Journal, connection: Connection) -> Any:
    """The server in one row."""
    return connection.execute(journal.sql(SERVER)).one()


def can_clock_be_set(journal: Journal, connection: Connection) -> bool:
    """Whether the journal's clock is one that a session can move."""
    given = {"clock": f'"{journal.schema}".clock()'}
    return bool(connection.execute(journal.sql(CLOCK_CAN_BE_SET), given).scalar_one())


def is_clock_set(journal: Journal, connection: Connection) -> bool:
    """Whether the journal's clock was set by hand, as tests do."""
    found: bool = connection.execute(journal.sql(CLOCK_IS_SET)).scalar_one()
    return found


def long_transactions(journal: Journal, connection: Connection, longest: float) -> Sequence[Any]:
    """Sessions whose transaction has been open for longer than that, the oldest first."""
    return connection.execute(journal.sql(LONG_TRANSACTIONS), {"longest": longest}).all()


def is_guarded(journal: Journal, connection: Connection) -> bool:
    """Whether facts are insert-only."""
    found: bool = connection.execute(journal.sql(GUARD), {"facts": f'"{journal.schema}".facts'}).scalar_one()
    return found


def indexes(journal: Journal, connection: Connection) -> dict[str, bool]:
    """Every index of the journal, and whether it can be used."""
    rows = connection.execute(journal.sql(INDEXES), {"schema": f'"{journal.schema}"'}).all()
    return {row.name: row.is_valid for row in rows}


def room(journal: Journal, connection: Connection) -> Any:
    """How many connections the server takes, and how many it has."""
    return connection.execute(journal.sql(ROOM)).one()


def has_pooler(journal: Journal, connection: Connection) -> bool:
    """Whether somebody lies between this connection and the server, and answers in its place."""
    raw: Any = connection.connection.driver_connection
    answering: int = connection.execute(journal.sql(BACKEND)).scalar_one()
    return bool(raw.info.backend_pid != answering)


def late(journal: Journal, connection: Connection, seconds: float) -> Sequence[Any]:
    """What has been due for longer than that, by queue."""
    return connection.execute(journal.sql(LATE), {"late": seconds}).all()


def size(journal: Journal, connection: Connection) -> Any:
    """How large the journal is, and what is oldest in it."""
    return connection.execute(journal.sql(SIZE), {"schema": f'"{journal.schema}"'}).one()
