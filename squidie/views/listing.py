"""Runs in pages, newest first, by keyset; and one run by the end of its id."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.errors import InvalidArgument, RunNotFound
from squidie.history.attributes import NOTHING_DECLARED
from squidie.history.lifecycle import RunStatus, is_terminal
from squidie.journal import attempts, listing, pages
from squidie.journal.pages import COUNTED, Order, Query
from squidie.views.cursors import cursor, place_of
from squidie.views.rows import Look, RunRow, looks_of, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from squidie.history.attributes import Schema
    from squidie.journal.store import Journal

__all__ = ["COUNTED", "MOST", "SHORT", "RunPage", "RunRow", "counts", "find_run", "list_runs", "short_ids"]

SHORT = 6
MOST = 1000
_TAIL = re.compile(r"[0-9a-f]{4,32}")


class RunPage(msgspec.Struct, frozen=True):
    """Some runs, when they were read, and the cursor of the page after this one (None on the last)."""

    runs: tuple[RunRow, ...]
    next: str | None
    at: datetime | None = None


def list_runs(
    journal: Journal,
    *,
    workflow: str | None = None,
    partition: str | None = None,
    status: str | Iterable[str] | None = None,
    open: bool | None = None,  # noqa: A002 - the word people use
    archived: bool | None = False,
    attributes: Mapping[str, Any] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    order: str = "newest",
    limit: int = 50,
    after: str | None = None,
    schema: Schema = NOTHING_DECLARED,
    secret: str | None = None,
) -> RunPage:
    """A page of runs, the newest first, or with `order="updated"` those first that were written last.

    `open` keeps the runs that have not ended, or those that have; `archived` keeps those that are archived, and None
    both. `attributes` keeps those that have all of these values; of a list one is enough. `since` and `until` (not
    included) are about when a run ended, or started if it has not. `after` is the `next` of the page before, of the
    same query; only `since` and `until` may have moved on. `schema` says which attributes there are, `secret` signs
    cursors. Raises `InvalidArgument` naming what is wrong, `InvalidAttributes`, `InvalidCursor`.
    """
    asked: dict[str, Any] = {
        "workflow": workflow,
        "partition": partition,
        "status": status,
        "open": open,
        "archived": archived,
    }
    asked |= {"attributes": attributes, "schema": schema, "since": since, "until": until, "order": order}
    looks, following, now = looks_at(journal, **asked, limit=limit, after=after, secret=secret)
    tails = short_ids([look.head.run_id for look in looks])
    rows = tuple(row_of(look, tails[look.head.run_id], now) for look in looks)
    return RunPage(rows, following, now)


def looks_at(
    journal: Journal, *, limit: int, after: str | None = None, secret: str | None = None, **asked: Any
) -> tuple[list[Look], str | None, datetime]:
    """What such a page is made from, the cursor of the next, and the database's time. Raises as `list_runs` does."""
    query = query_of(asked)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        raise InvalidArgument("limit", f"is a whole number from 1 to {MOST}")
    bound = _bound(query)
    if after is not None:
        query = msgspec.structs.replace(query, after=place_of(after, bound, secret))
    with listing.snapshot(journal) as connection:
        heads = pages.page(journal, connection, query, limit + 1)
        shown = heads[:limit]
        looks = looks_of(journal, connection, shown)
        now = attempts.clock(journal, connection)
    if len(heads) <= limit:
        return looks, None, now
    last = shown[-1]
    place = last.started_at if query.order is Order.NEWEST else last.updated_at
    return looks, cursor((place, last.run_id), bound, secret), now


def find_run(journal: Journal, text: str) -> UUID:
    """The run with this id, or whose id is the only one to end with these four or more hex digits."""
    wanted = text.strip().lower().replace("-", "") if isinstance(text, str) else ""
    if not _TAIL.fullmatch(wanted):
        raise InvalidArgument("run", "is a run's id, or at least its last four hex digits")
    with journal.looking() as connection:
        found = listing.by_tail(journal, connection, wanted)
    if not found:
        raise RunNotFound(text.strip())
    if len(found) > 1:
        tails = short_ids([row.run_id for row in found], len(wanted) + 2)
        candidates = ", ".join(f"{tails[row.run_id]} ({row.workflow}, {row.status})" for row in found)
        raise InvalidArgument("run", f"more than one run's id ends with {wanted}", hint=f"one of {candidates}")
    run_id: UUID = found[0].run_id
    return run_id


def counts(journal: Journal) -> dict[RunStatus, int]:
    """How many runs are open, and how many ended in the last 24 hours and are not archived, by status.

    Of each at most one more than `COUNTED` is counted, which then says "more than that".
    """
    with journal.looking() as connection:
        found = pages.counts(journal, connection)
    return {status: found.get(status.value, 0) for status in RunStatus}


def short_ids(ids: Sequence[UUID], digits: int = SHORT) -> dict[UUID, str]:
    """The tails by which these runs can be told apart: six digits, or more where neighbours clash."""
    while digits < 32 and len({each.hex[-digits:] for each in ids}) < len(set(ids)):
        digits += 2
    return {each: each.hex[-digits:] for each in ids}


def query_of(asked: Mapping[str, Any]) -> Query:
    """What `list_runs` was asked for, or `InvalidArgument`."""
    for name in ("workflow", "partition"):
        if asked.get(name) is not None and not isinstance(asked[name], str):
            raise InvalidArgument(name, f"is the name of a {name}, as text")
    for name in ("open", "archived"):
        if asked.get(name) is not None and not isinstance(asked[name], bool):
            raise InvalidArgument(name, "is true or false")
    for name in ("since", "until"):
        at = asked.get(name)
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
            raise InvalidArgument(name, "is a datetime with a time zone")
    order = asked.get("order", Order.NEWEST)
    if order not in tuple(Order):
        raise InvalidArgument("order", "is no order of a list", hint=f"known: {', '.join(Order)}")
    archived = asked.get("archived", False)
    return Query(
        statuses=tuple(sorted(_statuses(asked.get("status"), asked.get("open")))),
        archived=(False, True) if archived is None else (archived,),
        attributes=asked.get("schema", NOTHING_DECLARED).sought(asked.get("attributes") or {}),
        order=Order(order),
        workflow=asked.get("workflow"),
        partition=asked.get("partition"),
        since=asked.get("since"),
        until=asked.get("until"),
    )


def _bound(query: Query) -> dict[str, Any]:
    """What a cursor is bound to. "Since two hours ago" is another time on each page, and leads on all the same."""
    return msgspec.to_builtins(msgspec.structs.replace(query, since=None, until=None))  # type: ignore[no-any-return]


def _statuses(status: Any, open_: Any) -> set[RunStatus]:
    given = [status] if isinstance(status, str) else list(RunStatus) if status is None else list(status)
    known = {each.value for each in RunStatus}
    if not all(isinstance(each, str) and each in known for each in given):
        raise InvalidArgument("status", "is not a run's status", hint=f"known: {', '.join(RunStatus)}")
    asked = {RunStatus(each) for each in given}
    return asked if open_ is None else {each for each in asked if is_terminal(each) != open_}
