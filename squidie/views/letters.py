"""Dead letters as people and programs read them: in pages, one by one, and by what failed the same way."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.errors import DeadLetterNotFound, InvalidArgument
from squidie.history.bodies import FailureCode
from squidie.history.chain import EPOCH, microseconds
from squidie.history.likeness import general
from squidie.journal import attempts, dead, listing

if TYPE_CHECKING:
    from squidie.journal.store import Journal

MOST = 1000
_CURSOR = 1
_NAMES = ("workflow", "step", "queue", "partition", "code", "fingerprint")
_FINGERPRINT = 16


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that was given up.

    `attempt` counts its tries, `claims` the claims that were made for them, `owner` held the last one. `reason` is the
    kind of failure, `code` the same or what the host's `Fail(code=)` said. `requeues_in` says what a requeue does: the
    step is tried again in the `same_run`, a `new_run` goes on at it, or `nothing`, since its run still goes on without
    it. `closed_by` is the receipt of whoever requeued or discarded it.
    """

    run_id: UUID
    short_id: str
    step: str
    attempt: int
    workflow: str
    queue: str
    partition: str | None
    reason: str
    code: str
    fingerprint: str
    error: dict[str, Any]
    claims: int
    owner: str | None
    requeues_in: str
    first_failed_at: datetime
    at: datetime
    closed_at: datetime | None = None
    closed_as: str | None = None
    closed_by: dict[str, Any] | None = None
    closed_why: str | None = None


class LetterPage(msgspec.Struct, frozen=True):
    """Some letters, when they were read, and the cursor of the page after this one (None on the last)."""

    letters: tuple[Letter, ...]
    next: str | None
    at: datetime


class LetterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What failed the same way: `message` has its ids, times and numbers taken out, `newest` is the last run of it."""

    fingerprint: str
    count: int
    first_at: datetime
    last_at: datetime
    newest: UUID
    workflow: str
    step: str
    reason: str
    code: str
    type: str
    origin: str | None
    message: str


class LetterGroups(msgspec.Struct, frozen=True):
    """Kinds of failures, the most frequent first, and when they were read."""

    groups: tuple[LetterGroup, ...]
    at: datetime


def list_letters(
    journal: Journal,
    *,
    open: bool | None = True,  # noqa: A002 - the word people use
    limit: int = 50,
    after: str | None = None,
    **query: Any,
) -> LetterPage:
    """A page of letters, newest first.

    By default those that nobody has taken in hand; `open=False` asks for the closed ones, None for both. `query` may
    hold `run_id`, `workflow`, `step`, `queue`, `partition`, `reason`, `code`, `fingerprint` (or its beginning), `since`
    and `until`. `after` is the `next` of the page before. Raises `InvalidArgument` naming what is wrong.
    """
    where = where_of(query, open_=open)
    check_limit(limit)
    if after is not None:
        where |= _place(after)
    with listing.snapshot(journal) as connection:
        rows = dead.page(journal, connection, where, is_open=open, limit=limit + 1)
        now = attempts.clock(journal, connection)
    shown = rows[:limit]
    return LetterPage(tuple(map(_letter, shown)), _cursor(shown[-1]) if len(rows) > limit else None, now)


def show_letter(journal: Journal, run_id: UUID, step: str, *, within: str | None = None) -> Letter:
    """The latest letter of a step, open or closed. Raises `DeadLetterNotFound`."""
    where: dict[str, Any] = {"run_id": run_id, "step": step}
    if within is not None:
        where["partition"] = within
    with journal.looking() as connection:
        found = dead.page(journal, connection, where, is_open=None, limit=1)
    if not found:
        raise DeadLetterNotFound(run_id, step)
    return _letter(found[0])


def group_letters(
    journal: Journal,
    *,
    open: bool | None = True,  # noqa: A002 - the word people use
    limit: int = 50,
    **query: Any,
) -> LetterGroups:
    """What failed the same way, the most frequent first; narrowed as `list_letters` narrows."""
    where = where_of(query, open_=open)
    check_limit(limit)
    with listing.snapshot(journal) as connection:
        rows = dead.groups(journal, connection, where, is_open=open, limit=limit)
        samples = dead.samples(journal, connection, rows)
        now = attempts.clock(journal, connection)
    return LetterGroups(tuple(_group(row, samples[row.fingerprint]) for row in rows), now)


def count_letters(journal: Journal, *, open: bool | None = True, **query: Any) -> int:  # noqa: A002 - likewise
    """How many letters `list_letters` would find in all."""
    where = where_of(query, open_=open)
    with journal.looking() as connection:
        return dead.count(journal, connection, where, is_open=open)


def where_of(query: dict[str, Any], *, open_: Any) -> dict[str, Any]:
    """The parameters of a query, or `InvalidArgument`."""
    known = (*_NAMES, "run_id", "reason", "since", "until")
    if unknown := sorted(set(query) - set(known)):
        raise InvalidArgument(unknown[0], "is no filter of dead letters", hint=f"known: open, {', '.join(known)}")
    if open_ is not None and not isinstance(open_, bool):
        raise InvalidArgument("open", "is true, false or None")
    where = {name: value for name, value in query.items() if value is not None}
    for name in _NAMES:
        if name in where and (not isinstance(where[name], str) or not where[name]):
            raise InvalidArgument(name, "is text")
    if "reason" in where and where["reason"] not in list(FailureCode):
        raise InvalidArgument("reason", "is no kind of failure", hint=f"known: {', '.join(FailureCode)}")
    for name in ("since", "until"):
        if name in where and (not isinstance(where[name], datetime) or where[name].tzinfo is None):
            raise InvalidArgument(name, "is a datetime with a time zone")
    if len(where.get("fingerprint", "")) not in {0, _FINGERPRINT}:
        where["fingerprints"] = where.pop("fingerprint")
    return where


def check_limit(limit: Any, most: int = MOST) -> None:
    """Nothing, or `InvalidArgument`."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        raise InvalidArgument("limit", f"is a whole number from 1 to {most:,}")


def _letter(row: Any) -> Letter:
    return Letter(
        run_id=row.run_id,
        short_id=row.run_id.hex[-6:],
        step=row.step,
        attempt=row.attempt,
        workflow=row.workflow,
        queue=row.queue,
        partition=row.partition,
        reason=row.reason,
        code=row.code,
        fingerprint=row.fingerprint,
        error=json.loads(row.error),
        claims=row.claims,
        owner=row.owner,
        requeues_in=_requeues_in(row),
        first_failed_at=row.first_failed_at,
        at=row.at,
        closed_at=row.closed_at,
        closed_as=row.closed_as,
        closed_by=None if row.closed_by is None else json.loads(row.closed_by),
        closed_why=row.closed_why,
    )


def _requeues_in(row: Any) -> str:
    if row.closed_at is not None:
        return "nothing"
    if not row.is_open:
        return "new_run"
    return "same_run" if row.disposition == "parked" else "nothing"


def _group(row: Any, sample: Any) -> LetterGroup:
    error = json.loads(sample.error)
    return LetterGroup(
        fingerprint=row.fingerprint,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
        newest=row.newest,
        workflow=sample.workflow,
        step=sample.step,
        reason=sample.reason,
        code=sample.code,
        type=error["type"],
        origin=error.get("origin"),
        message=general(error["message"]),
    )


def _cursor(row: Any) -> str:
    """Where a page stopped."""
    place = [_CURSOR, microseconds(row.at), row.run_id.hex, row.step, row.attempt]
    return urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _place(cursor: Any) -> dict[str, Any]:
    try:
        version, at, run, step, attempt = json.loads(urlsafe_b64decode(f"{cursor}=="))
        if version == _CURSOR and isinstance(step, str):
            when = EPOCH + timedelta(microseconds=int(at))
            return {"place_at": when, "place_run": UUID(run), "place_step": step, "place_attempt": int(attempt)}
    except (ValueError, TypeError, OverflowError, AttributeError):
        pass
    raise InvalidArgument("after", "is not a cursor that a page of dead letters gave")
