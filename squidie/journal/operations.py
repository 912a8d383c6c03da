"""What operators have changed: who, when, why, and under which key; insert-only, like facts."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.history.bodies import Receipt
    from squidie.journal.store import Journal

HOLD = "select pg_advisory_xact_lock(hashtextextended(:place, 0))"
"""One change at a time, also of what has no row that could be locked."""

ADD = """
insert into {s}.operations (subject, name, verb, key, digest, at, receipt, change)
values (:subject, :name, :verb, :key, :digest, {s}.clock(), cast(:receipt as json), cast(:change as json))
"""
"""Keep who changed what."""

FIND = """
select digest, change::text as change from {s}.operations
where subject = :subject and name = :name and verb = :verb and key = :key
"""
"""The request that had this key."""

LAST = """
select verb, at, receipt::text as receipt, change::text as change from {s}.operations
where subject = :subject and name = :name order by id desc limit :most
"""
"""The last changes, the newest first."""


class Subject(StrEnum):
    """What is changed."""

    SCHEDULE = "schedule"
    QUEUE = "queue"
    LIMIT = "limit"
    RETENTION = "retention"


def hold(journal: Journal, connection: Connection, subject: Subject, name: str) -> None:
    """Wait until nobody else changes it; until the transaction ends nobody else does."""
    connection.execute(journal.sql(HOLD), {"place": f"{journal.schema}:{subject}:{name}"})


def add(
    journal: Journal, connection: Connection, subject: Subject, name: str, *, by: Receipt, change: dict[str, Any]
) -> None:
    """Keep who changed what, in the commit that did."""
    texts = {"receipt": msgspec.json.encode(by).decode(), "change": msgspec.json.encode(change).decode()}
    given = {**_request(subject, name, by), "digest": by.digest, **texts}
    connection.execute(journal.sql(ADD), given)


def find(
    journal: Journal, connection: Connection, subject: Subject, name: str, by: Receipt
) -> tuple[str, dict[str, Any]] | None:
    """The digest and the change of the request that had this verb and key, if there was one."""
    row = connection.execute(journal.sql(FIND), _request(subject, name, by)).one_or_none()
    return None if row is None else (row.digest, msgspec.json.decode(row.change))


def last(
    journal: Journal, connection: Connection, subject: Subject, name: str, most: int
) -> tuple[dict[str, Any], ...]:
    """Who has changed it, the newest first."""
    rows = connection.execute(journal.sql(LAST), {"subject": subject.value, "name": name, "most": most})
    return tuple(
        {
            "verb": row.verb,
            "at": row.at,
            "by": msgspec.json.decode(row.receipt),
            "change": msgspec.json.decode(row.change),
        }
        for row in rows
    )


def _request(subject: Subject, name: str, by: Receipt) -> dict[str, Any]:
    return {"subject": subject.value, "name": name, "verb": by.verb, "key": by.key}
