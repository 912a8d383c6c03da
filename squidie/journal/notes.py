"""What notes leave beside their facts: what a run is found by, and whether lists show it.

`runs.attributes` says it of one run; in `attributes` each value has a row, by which the run is found. Most runs have
none, and write nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.history.attributes import values_of
from squidie.journal.arrays import Bools, Texts, Uuids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.history.run import Run
    from squidie.journal.store import Journal

_VALUES = "unnest(:runs, :names, :values) as v(run_id, name, value) join {s}.runs r on r.run_id = v.run_id"

ADD = f"""
insert into {{s}}.attributes (name, value, started_at, run_id)
select v.name, v.value::jsonb, r.started_at, r.run_id from {_VALUES}
order by 1, 2, 3, 4 on conflict do nothing
"""
"""Runs are found by these values, too."""

REMOVE = f"""
delete from {{s}}.attributes a using {_VALUES}
where a.name = v.name and a.value = v.value::jsonb and a.started_at = r.started_at and a.run_id = r.run_id
"""
"""Runs are not found by these values any more."""

NOTE = """
update {s}.runs r set attributes = n.attributes::jsonb, archived = n.archived
from unnest(:runs, :attributes, :archived) as n(run_id, attributes, archived) where r.run_id = n.run_id
"""
"""Heads as their notes leave them; whoever writes this has them locked."""

Value = tuple["UUID", str, str]
"""A run, and one value that it is found by: its name, and the value as JSON."""


def add(journal: Journal, connection: Connection, runs: Mapping[UUID, Mapping[str, object]]) -> None:
    """The attributes of runs that have just been started."""
    _each(journal, connection, ADD, [(run_id, *pair) for run_id, had in runs.items() for pair in values_of(had)])


def write(journal: Journal, connection: Connection, noted: Iterable[tuple[UUID, Run, Run]]) -> None:
    """Runs as they were and as their notes leave them; their facts and heads have been written."""
    noted = list(noted)
    if not noted:
        return
    given = {
        "runs": Uuids(run_id for run_id, _, _ in noted),
        "attributes": Texts(as_json(after.attributes) for _, _, after in noted),
        "archived": Bools(after.archived for _, _, after in noted),
    }
    connection.execute(journal.sql(NOTE), given)
    gone, new = [], []
    for run_id, before, after in noted:
        had, has = values_of(before.attributes or {}), values_of(after.attributes or {})
        gone += [(run_id, *pair) for pair in had - has]
        new += [(run_id, *pair) for pair in has - had]
    replace(journal, connection, gone, new)


def replace(journal: Journal, connection: Connection, gone: list[Value], new: list[Value]) -> None:
    """Runs are found by some values no more, and by others from now on."""
    _each(journal, connection, REMOVE, gone)
    _each(journal, connection, ADD, new)


def _each(journal: Journal, connection: Connection, statement: str, values: list[Value]) -> None:
    if values:
        runs, names, each = zip(*values, strict=True)
        given = {"runs": Uuids(runs), "names": Texts(names), "values": Texts(each)}
        connection.execute(journal.sql(statement), given)


def as_json(attributes: Mapping[str, object] | None) -> bytes | None:
    """As heads keep them; None for none."""
    return msgspec.json.encode(attributes) if attributes else None
