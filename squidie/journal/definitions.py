"""One workflow graph by its fingerprint. A run keeps the graph it started with, so a deploy never strands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.errors import CorruptHistory
from squidie.workflow.spec import Spec

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.journal.store import Journal

KEEP = """
insert into {s}.definitions (fingerprint, workflow, version, spec, at)
values (:fingerprint, :workflow, :version, cast(:spec as json), {s}.clock())
on conflict (fingerprint) do nothing
"""
"""Remember a graph; the first to write it wins, and all write the same."""

FIND = "select spec::text from {s}.definitions where fingerprint = :fingerprint"
"""A graph by its fingerprint."""

NEWEST = "select spec::text from {s}.definitions where workflow = :workflow order by at desc, fingerprint limit 1"
"""The graph of a workflow that was kept last."""


def keep(journal: Journal, connection: Connection, fingerprint: str, spec: Spec) -> None:
    """Remember the graph that runs are about to be started on."""
    given = {
        "fingerprint": fingerprint,
        "workflow": spec.name,
        "version": spec.version,
        "spec": spec.to_json().decode(),
    }
    connection.execute(journal.sql(KEEP), given)


def find(journal: Journal, connection: Connection, fingerprint: str) -> Spec:
    """The graph a run started with."""
    stored = connection.execute(journal.sql(FIND), {"fingerprint": fingerprint}).scalar()
    if stored is None:
        raise CorruptHistory(
            "the journal does not hold the definition that the run started with", details={"definition": fingerprint}
        )
    return Spec.from_json(stored)


def newest(journal: Journal, connection: Connection, workflow: str) -> Spec | None:
    """The graph that a workflow of this name was last started with, if it ever was."""
    stored = connection.execute(journal.sql(NEWEST), {"workflow": workflow}).scalar()
    return None if stored is None else Spec.from_json(stored)
