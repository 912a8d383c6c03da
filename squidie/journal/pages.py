"""Pages of run heads by keyset, each read from an index that stands in the page's own order.

Runs that are open, and for each status those that are over, shown or archived, are streams of their own: each has an
index, and a page takes what comes first in any of them. So no page walks over runs that it does not show, however many
there are. What is found by an attribute comes from `attributes`, whose key is in the order of the starts too.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.history.lifecycle import RunStatus, is_terminal
from squidie.journal.arrays import Bools, Texts
from squidie.journal.listing import HEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

OVER = tuple(status for status in RunStatus if is_terminal(status))
UNENDED = tuple(status for status in RunStatus if not is_terminal(status))


class Order(StrEnum):
    """What a list begins with: the run that was started last, or the one that was written last."""

    NEWEST = "newest"
    UPDATED = "updated"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `after` is the place of the row before: its time in this order, and its run.

    `since` and `until` are about when a run ended, or started where it has not; `attributes` are pairs of a name and a
    value as JSON.
    """

    statuses: tuple[RunStatus, ...] = (*UNENDED, *OVER)
    archived: tuple[bool, ...] = (False,)
    workflow: str | None = None
    partition: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    order: Order = Order.NEWEST
    after: tuple[datetime, UUID] | None = None
    is_found_by_name: bool = True

    @property
    def open(self) -> tuple[RunStatus, ...]:
        """The statuses asked for that open runs have; none of these is archived."""
        return tuple(status for status in self.statuses if status in UNENDED and False in self.archived)

    @property
    def over(self) -> tuple[RunStatus, ...]:
        """The statuses asked for that ended runs have."""
        return tuple(status for status in self.statuses if status in OVER)


_SHOWN = f"""
select {HEAD}, r.fold, r.state::text as state, d.version
from {{s}}.runs r left join {{s}}.definitions d on d.fingerprint = r.definition
where r.run_id = any(array(select run_id from (
    %(streams)s
) page order by place desc, run_id desc limit :limit)) order by %(order)s desc, r.run_id desc
"""
_STREAM = """(select r.run_id, %(place)s as place from {s}.runs r
        where %(where)s
        order by %(place)s desc, r.run_id desc limit :limit)"""
_LATE = """(with late as materialized (
        select r.run_id, r.started_at as place from {s}.runs r
        where %(where)s)
        select run_id, place from late order by place desc, run_id desc limit :limit)"""
_LABELLED = """(select a.run_id, %(place)s as place from {s}.attributes a join {s}.runs r on r.run_id = a.run_id
        where %(where)s
        order by %(place)s desc, a.run_id desc limit :limit)"""
_HAS = """(select true from {s}.attributes b where b.name = :name%(n)d and b.value = cast(:value%(n)d as jsonb)
            and b.started_at = r.started_at and b.run_id = r.run_id)"""
HAVE = """
select count(*) from (
    select from {s}.attributes where name = :name and value = cast(:value as jsonb) order by started_at desc limit :most
) n
"""
"""How many runs have an attribute, as far as it matters."""

MANY = 1000
_COMMON = {"workflow": "r.workflow = :workflow", "partition": "r.partition = :partition"}
_DAY = "{s}.clock() - interval '24 hours'"
_WHEN = "coalesce(r.ended_at, r.started_at)"


def page(journal: Journal, connection: Connection, query: Query, limit: int) -> Sequence[Any]:
    """The heads that are asked for, in this order, at most `limit` of them."""
    if not (query.open or query.over):
        return []
    if query.attributes:
        query = _rarest_first(journal, connection, query)
    found = list(connection.execute(journal.sql(statement(query)), given(query, limit)).all())
    if len(found) < limit and has_more(query):
        found += connection.execute(journal.sql(statement(query, late=True)), given(query, limit - len(found))).all()
    return found


def _rarest_first(journal: Journal, connection: Connection, query: Query) -> Query:
    """The same, found by the attribute that the fewest have.

    What was written last is not in the order of their index. Where many have it, it is found in that order instead.
    """
    if len(query.attributes) == 1 and query.order is Order.NEWEST:
        return query
    named = [{"name": name, "value": value, "most": MANY} for name, value in query.attributes]
    have = [connection.execute(journal.sql(HAVE), each).scalar_one() for each in named]
    ranked = sorted(zip(have, query.attributes, strict=True))
    by_name = query.order is Order.NEWEST or ranked[0][0] < MANY
    return msgspec.structs.replace(query, attributes=tuple(pair for _, pair in ranked), is_found_by_name=by_name)


def has_more(query: Query) -> bool:
    """Whether runs may follow that ended since, and had started before.

    They all stand behind those that started since, and are looked for only where these do not fill the page.
    """
    return query.since is not None and query.order is Order.NEWEST and not query.attributes and bool(query.over)


def statement(query: Query, *, late: bool = False) -> str:
    """The page as SQL. `late`: of a page since a time, the runs that had started before it."""
    if query.attributes and query.is_found_by_name:
        streams = [_labelled(query)]
    elif late:
        streams = [_late(query, status, archived) for status in query.over for archived in query.archived]
    else:
        streams = [_open(query)] if query.open else []
        streams += [_over(query, status, archived) for status in query.over for archived in query.archived]
    order = "r.started_at" if query.order is Order.NEWEST else "r.updated_at"
    return _SHOWN % {"streams": "\n    union all\n    ".join(streams), "order": order}


def given(query: Query, limit: int) -> dict[str, Any]:
    """The parameters of the statement."""
    found: dict[str, Any] = {"limit": limit}
    found |= {name: value for name in (*_COMMON, "since", "until") if (value := getattr(query, name)) is not None}
    if query.after is not None:
        found |= {"place_at": query.after[0], "place_run": query.after[1]}
    if query.attributes or _is_part(query):
        found["statuses"] = Texts(query.statuses)
    if query.attributes:
        found["archived"] = Bools(query.archived)
    for n, (name, value) in enumerate(query.attributes):
        found |= {f"name{n}": name, f"value{n}": value}
    return found


def _stream(query: Query, place: str, *where: str) -> str:
    return _STREAM % {"place": place, "where": " and ".join((*where, *_narrowed(query, place)))}


def _narrowed(query: Query, place: str = "r.started_at") -> list[str]:
    narrowed = [clause for name, clause in _COMMON.items() if getattr(query, name) is not None]
    narrowed += [_HAS % {"n": n} for n in range(len(query.attributes))]
    return narrowed if query.after is None else [*narrowed, f"({place}, r.run_id) < (:place_at, :place_run)"]


def _open(query: Query) -> str:
    where = ["r.ended_at is null"]
    where += ["r.status = any(:statuses)"] if _is_part(query) else []
    where += [f"r.started_at {sign}" for sign in _bounds(query)]
    return _stream(query, "r.started_at" if query.order is Order.NEWEST else "r.updated_at", *where)


def _over(query: Query, status: RunStatus, archived: bool) -> str:  # noqa: FBT001 - a column's value
    bounds = [f"r.ended_at {sign}" for sign in _bounds(query)]
    if query.order is Order.UPDATED:
        within = ["r.rested_at >= :since"] if query.since is not None else []
        return _stream(query, "r.rested_at", *_ended(status, archived=archived), *within, *bounds)
    within = [f"r.started_at {sign}" for sign in _bounds(query)]
    return _stream(query, "r.started_at", *_ended(status, archived=archived), *within, *bounds)


def _late(query: Query, status: RunStatus, archived: bool) -> str:  # noqa: FBT001 - likewise
    """All that ended since are found first, by the index of that, and then put in order.

    With a bound at either end Postgres takes what it does not know for narrow, and keeps to the index.
    """
    where = [*_ended(status, archived=archived), "r.rested_at between :since and 'infinity'"]
    where += ["r.started_at < :since", *(f"r.ended_at {sign}" for sign in _bounds(query)), *_narrowed(query)]
    return _LATE % {"where": " and ".join(where)}


def _labelled(query: Query) -> str:
    """By the first attribute, of which the index is in the order of starts; the others are looked up."""
    place = "a.started_at" if query.order is Order.NEWEST else "r.updated_at"
    where = ["a.name = :name0", "a.value = cast(:value0 as jsonb)"]
    where += [_HAS % {"n": n} for n in range(1, len(query.attributes))]
    where += ["r.status = any(:statuses)", "r.archived = any(:archived)"]
    where += [clause for name, clause in _COMMON.items() if getattr(query, name) is not None]
    where += [f"{_WHEN} {sign}" for sign in _bounds(query)]
    if query.after is not None:
        where.append(f"({place}, a.run_id) < (:place_at, :place_run)")
    return _LABELLED % {"place": place, "where": " and ".join(where)}


def _ended(status: RunStatus, *, archived: bool) -> tuple[str, ...]:
    """One stream of ended runs, in the words of its indexes."""
    return ("r.ended_at is not null", f"r.archived = {str(archived).lower()}", f"r.status = '{status.value}'")


def _lately(status: RunStatus) -> str:
    return " and ".join((*_ended(status, archived=False), f"r.rested_at >= {_DAY}", f"r.ended_at >= {_DAY}"))


def ended_since(since: str, of: str = "") -> str:
    """A condition: those over that were last written since, archived or not, in the words of `runs_rested`.

    With a bound at either end Postgres takes what it does not know for narrow, and keeps to the index.
    """
    statuses = ", ".join(f"'{status.value}'" for status in OVER)
    return (
        f"{of}ended_at is not null and {of}archived in (false, true) and {of}status in ({statuses}) "
        f"and {of}rested_at between {since} and 'infinity'"
    )


def _is_part(query: Query) -> bool:
    """Whether of open runs only some statuses are asked for."""
    return bool(query.open) and len(query.open) < len(UNENDED)


def _bounds(query: Query) -> list[str]:
    signs = {"since": ">= :since", "until": "< :until"}
    return [sign for name, sign in signs.items() if getattr(query, name) is not None]


EVERYTHING = statement(Query())
"""The page that is asked for most: what is open and what is over, newest first, without what is archived."""

UPDATED = statement(Query(order=Order.UPDATED, archived=(False, True)))
"""What was written last, with what is archived."""

COUNTED = 1000
"""Of each more are not counted: a number beyond says "more than that"."""

_COUNT = """
union all select '%(status)s', count(*) from (
    select from {s}.runs r where %(where)s order by r.rested_at desc limit :most) n"""
COUNTS = """
select status, count(*) as n from (
    select status from {s}.runs where ended_at is null order by started_at desc limit :most) n group by status""" + (
    "".join(_COUNT % {"status": status.value, "where": _lately(status)} for status in OVER)
)
"""How many runs are open, and how many ended within a day and are not archived; at most so many of each."""


def counts(journal: Journal, connection: Connection) -> dict[str, int]:
    """Runs by status, at most one more than `COUNTED` of those that are open, and of each other status."""
    return {row.status: row.n for row in connection.execute(journal.sql(COUNTS), {"most": COUNTED + 1})}
