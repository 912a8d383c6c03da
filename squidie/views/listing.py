"""Runs in pages, newest first, by keyset; and one run by the end of its id."""

from __future__ import annotations

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.errors import InvalidArgument, RunNotFound
from squidie.history.chain import EPOCH, microseconds
from squidie.history.lifecycle import RunStatus, is_terminal
from squidie.journal import attempts, listing
from squidie.views.rows import Look, RunRow, looks_of, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from squidie.journal.store import Journal

__all__ = ["MOST", "SHORT", "RunPage", "RunRow", "counts", "find_run", "list_runs", "short_ids"]

SHORT = 6
MOST = 1000
_PLACE = struct.Struct("!Bq16s")
_CURSOR_VERSION = 1
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
    since: datetime | None = None,
    limit: int = 50,
    after: str | None = None,
) -> RunPage:
    """A page of runs, newest first.

    `open` keeps the runs that have not ended, or those that have; `since` is about when a run ended, or started if it
    has not. `after` is the `next` of the page before. Raises `InvalidArgument` naming what is wrong.
    """
    asked = {"workflow": workflow, "partition": partition, "status": status, "open": open, "since": since}
    looks, cursor, now = looks_at(journal, **asked, limit=limit, after=after)
    tails = short_ids([look.head.run_id for look in looks])
    rows = tuple(row_of(look, tails[look.head.run_id], now) for look in looks)
    return RunPage(rows, cursor, now)


def looks_at(
    journal: Journal, *, limit: int, after: str | None = None, **query: Any
) -> tuple[list[Look], str | None, datetime]:
    """What such a page is made from, the cursor of the next, and the database's time. Raises as `list_runs` does."""
    asked = {name: query.get(name) for name in ("workflow", "partition", "status", "since")}
    where = _where(**asked, open_=query.get("open"))
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        raise InvalidArgument("limit", f"is a whole number from 1 to {MOST}")
    if after is not None:
        where |= _place(after)
    with listing.snapshot(journal) as connection:
        heads = listing.page(journal, connection, where, limit=limit + 1)
        shown = heads[:limit]
        looks = looks_of(journal, connection, shown)
        now = attempts.clock(journal, connection)
    return looks, _cursor(shown[-1]) if len(heads) > limit else None, now


def find_run(journal: Journal, text: str) -> UUID:
    """The run with this id, or whose id is the only one to end with these four or more hex digits."""
    wanted = text.strip().lower().replace("-", "") if isinstance(text, str) else ""
    if not _TAIL.fullmatch(wanted):
        raise InvalidArgument("run", "is a run's id, or at least its last four hex digits")
    with journal.reading() as connection:
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
    """How many runs are open, and how many ended in the last 24 hours, by status."""
    with journal.reading() as connection:
        found = listing.counts(journal, connection)
    return {status: found.get(status.value, 0) for status in RunStatus}


def short_ids(ids: Sequence[UUID], digits: int = SHORT) -> dict[UUID, str]:
    """The tails by which these runs can be told apart: six digits, or more where neighbours clash."""
    while digits < 32 and len({each.hex[-digits:] for each in ids}) < len(set(ids)):
        digits += 2
    return {each: each.hex[-digits:] for each in ids}


def _where(*, workflow: Any, partition: Any, status: Any, open_: Any, since: Any) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for argument, name in (("workflow", workflow), ("partition", partition)):
        if name is not None and not isinstance(name, str):
            raise InvalidArgument(argument, f"is the name of a {argument}, as text")
        if name is not None:
            where[argument] = name
    if open_ is not None and not isinstance(open_, bool):
        raise InvalidArgument("open", "is true or false")
    if status is not None or open_ is not None:
        where["statuses"] = sorted(_statuses(status, open_))
    if since is not None:
        if not isinstance(since, datetime) or since.tzinfo is None:
            raise InvalidArgument("since", "is a datetime with a time zone")
        where["since"] = since
    return where


def _statuses(status: Any, open_: Any) -> set[RunStatus]:
    given = [status] if isinstance(status, str) else list(RunStatus) if status is None else list(status)
    known = {each.value for each in RunStatus}
    if not all(isinstance(each, str) and each in known for each in given):
        raise InvalidArgument("status", "is not a run's status", hint=f"known: {', '.join(RunStatus)}")
    asked = {RunStatus(each) for each in given}
    return asked if open_ is None else {each for each in asked if is_terminal(each) != open_}


def _cursor(head: Any) -> str:
    """Where a page stopped: version, start in microseconds, run id."""
    packed = _PLACE.pack(_CURSOR_VERSION, microseconds(head.started_at), head.run_id.bytes)
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def _place(cursor: Any) -> dict[str, Any]:
    try:
        version, started, run_id = _PLACE.unpack(urlsafe_b64decode(f"{cursor}=="))
        if version == _CURSOR_VERSION:
            return {"started_at": EPOCH + timedelta(microseconds=started), "run_id": UUID(bytes=run_id)}
    except (ValueError, OverflowError, struct.error):
        pass
    raise InvalidArgument("after", "is not a cursor that a page of runs gave")
