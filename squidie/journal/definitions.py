"""One workflow graph by its fingerprint. A run keeps the graph it started with, so a deploy never strands it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.errors import CorruptHistory
from squidie.workflow.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

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

NAMES = "select distinct workflow from {s}.definitions order by 1"
"""The workflows of which a graph was ever kept."""

SEVERAL = "select fingerprint, spec::text as spec from {s}.definitions where fingerprint = any(:fingerprints)"
"""Some graphs by their fingerprints."""

KEPT = "select workflow, definition, count(*) as runs from {s}.runs where ended_at is null group by 1, 2 order by 1, 2"
"""Which graphs open runs keep, and how many of them."""

ALL = """
select d.workflow, d.fingerprint, d.version, d.at, d.spec::text as spec, count(r.run_id) as runs,
    count(r.run_id) filter (where r.ended_at is null) as open, max(r.started_at) as last_at
from {s}.definitions d left join {s}.runs r on r.definition = d.fingerprint
group by d.fingerprint order by d.workflow, d.at
"""
"""Every graph that was ever kept, and how many runs keep it."""


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


def names(journal: Journal, connection: Connection) -> list[str]:
    """The workflows of which a run was ever started."""
    return list(connection.execute(journal.sql(NAMES)).scalars())


def several(journal: Journal, connection: Connection, fingerprints: Sequence[str]) -> dict[str, Spec]:
    """These graphs, as far as they are there."""
    rows = connection.execute(journal.sql(SEVERAL), {"fingerprints": list(fingerprints)}).all()
    return {row.fingerprint: Spec.from_json(row.spec) for row in rows}


def kept(journal: Journal, connection: Connection) -> Sequence[Any]:
    """The graphs that open runs keep, by workflow."""
    return connection.execute(journal.sql(KEPT)).all()


def everything(journal: Journal, connection: Connection) -> Sequence[Any]:
    """Every graph there is, by workflow and age."""
    return connection.execute(journal.sql(ALL)).all()
