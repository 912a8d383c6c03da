"""Receipts: which request a key stood for, and which fact it caused. The same request again is answered from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from squidie.journal.arrays import Texts, Uuids

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

FIND = """
select r.run_id, r.verb, r.key, r.digest, r.seq
from unnest(:runs, :verbs, :keys) as k(run_id, verb, key) join {s}.receipts r using (run_id, verb, key)
"""
"""What these keys stood for."""

ADD = """
insert into {s}.receipts (run_id, verb, key, digest, seq, at) values (:run_id, :verb, :key, :digest, :seq, :at)
"""
"""A receipt, in the commit of the fact it is for."""

SEEN = "update {s}.receipts set seen = seen + 1 where run_id = :run_id and verb = :verb and key = :key"
"""The same request came again."""

REPEATED = """
insert into {s}.receipts (run_id, verb, key, digest, seq, at, seen)
values (:run_id, :verb, :key, :digest, 1, {s}.clock(), 1)
on conflict (run_id, verb, key) do update set seen = receipts.seen + 1
"""
"""A start came again: its receipt is its first fact, and this row counts."""

Identity = tuple["UUID", str, str]
"""Run, verb and key."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a key stood for, and the seq of the fact it caused."""

    digest: str
    seq: int


def find(journal: Journal, connection: Connection, asked: Collection[Identity]) -> dict[Identity, Kept]:
    """Those of these keys that were used before. The heads of their runs are locked."""
    if not asked:
        return {}
    given = {
        "runs": Uuids(run_id for run_id, _, _ in asked),
        "verbs": Texts(verb for _, verb, _ in asked),
        "keys": Texts(key for _, _, key in asked),
    }
    rows = connection.execute(journal.sql(FIND), given).all()
    return {(row.run_id, row.verb, row.key): Kept(row.digest, row.seq) for row in rows}


def add(journal: Journal, connection: Connection, who: Identity, kept: Kept, at: datetime) -> None:
    """Keep a receipt."""
    run_id, verb, key = who
    given = {"run_id": run_id, "verb": verb, "key": key, "digest": kept.digest, "seq": kept.seq, "at": at}
    connection.execute(journal.sql(ADD), given)


def seen(journal: Journal, connection: Connection, who: Identity) -> None:
    """Count a repetition."""
    connection.execute(journal.sql(SEEN), dict(zip(("run_id", "verb", "key"), who, strict=True)))


def repeated(journal: Journal, connection: Connection, who: Identity, digest: str) -> None:
    """Count the repetition of a start."""
    given = dict(zip(("run_id", "verb", "key"), who, strict=True)) | {"digest": digest}
    connection.execute(journal.sql(REPEATED), given)
