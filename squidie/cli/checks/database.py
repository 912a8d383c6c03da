"""Checks of `squidie doctor` that look at the database: the server, our role there, and the schema."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from squidie import failpoints, migrate
from squidie.cli.checks.patient import Finding, Needs, Severity, error, ok, some, summed, warning
from squidie.engine import conditions
from squidie.journal import health

if TYPE_CHECKING:
    from squidie.cli.checks.patient import Patient

OLDEST = 140_000
NEEDED = 2
"""Connections that a process may want at once: for a step that writes, and for the sweep beside it."""

CROWDED = 0.8
"""From here on the next pool that fills up may find no connection."""

_INDEX = re.compile(r"create (?:unique )?index (\w+)")


def db_connect(patient: Patient) -> Finding:
    """Postgres answers, is new enough, and takes writes."""
    began = time.monotonic()
    server = patient.server
    took = time.monotonic() - began
    patient.has.add(Needs.DATABASE)
    if server.is_replica:
        return Finding(Severity.ERROR, "this is a read-only replica", "name the primary in the database URL")
    if server.number < OLDEST:
        return Finding(Severity.ERROR, f"PostgreSQL {server.version} is too old", "use 14 or newer")
    return Finding(Severity.OK, f"PostgreSQL {server.version.partition(' ')[0]}, answered in {took * 1000:.0f} ms")


def db_schema(patient: Patient) -> Finding:
    """The journal's schema is what this code needs."""
    patient.squidie.ensure_schema()
    patient.has.add(Needs.SCHEMA)
    return Finding(Severity.OK, f"schema {patient.squidie.schema} is at {migrate.head()}, as this code needs")


def db_append_only(patient: Patient) -> Finding:
    """Nobody has switched off what keeps facts from being changed."""
    with patient.journal.looking() as connection:
        guarded = health.is_guarded(patient.journal, connection)
    if guarded:
        return Finding(Severity.OK, "the trigger that keeps facts insert-only is in place")
    fix = f'alter table "{patient.squidie.schema}".facts enable trigger facts_are_insert_only'
    return Finding(Severity.ERROR, "facts can be changed: their trigger is missing or disabled", fix)


def db_durability(patient: Patient) -> Finding:
    """A commit is on disk when it says so."""
    server = patient.server
    well = f"fsync on, full_page_writes on, synchronous_commit {server.synchronous_commit}"
    return _of_conditions(patient, {"fsync", "full_page_writes", "synchronous_commit"}, well)


def db_encoding(patient: Patient) -> Finding:
    """Every text can be stored."""
    return _of_conditions(patient, {"server_encoding"}, patient.server.encoding)


def db_role(patient: Patient) -> Finding:
    """What we may do in the database is bounded."""
    return _of_conditions(patient, {"role"}, f"{patient.server.role} is no superuser")


def db_clock(patient: Patient) -> Finding:
    """Both clocks, of this machine and of the database, say about the same."""
    return _of_conditions(patient, {"clock"}, "this machine's and the database's differ by less than 5 s")


def db_long_transactions(patient: Patient) -> Finding:
    """No transaction has been open so long that claims become slow."""
    return _of_conditions(patient, {"transactions"}, f"none is older than {conditions.LONGEST:g} s")


def _of_conditions(patient: Patient, settings: set[str], well: str) -> Finding:
    return summed([each for each in patient.conditions if each.setting in settings], well)


def db_indexes(patient: Patient) -> Finding:
    """Every index that the statements rest on is there and can be used."""
    wanted = {name: text for text in _statements() for name in _INDEX.findall(text)}
    with patient.journal.looking() as connection:
        found = health.indexes(patient.journal, connection)
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        return error(f"missing: {some(missing)}", f'in schema "{patient.squidie.schema}": {wanted[missing[0]].strip()}')
    broken = sorted(name for name, is_valid in found.items() if not is_valid)
    if broken:
        fix = f'reindex index concurrently "{patient.squidie.schema}"."{broken[0]}"'
        return error(f"not finished, and so not used: {some(broken)}", fix)
    return ok(f"all {len(found)}")


def _statements() -> list[str]:
    """Single statements of the migrations."""
    return [each for text in migrate.statements() for each in text.split(";")]


def db_pool(patient: Patient) -> Finding:
    """There are connections for this process, and for everybody at the server."""
    pool: Any = patient.squidie.engine.pool
    overflow = getattr(pool, "_max_overflow", -1)
    if overflow >= 0 and pool.size() + overflow < NEEDED:
        return warning(
            "this process may hold one connection: whoever needs a second one waits in vain",
            "create_engine(..., pool_size=5)",
        )
    with patient.journal.looking() as connection:
        room = health.room(patient.journal, connection)
    evidence = f"{room.used} of the server's {room.most} connections are in use"
    if room.used > CROWDED * room.most:
        return warning(evidence, "a larger max_connections, or smaller pools")
    return ok(evidence)


def db_pooler(patient: Patient) -> Finding:
    """Whether somebody hands out connections in Postgres' place."""
    with patient.journal.looking() as connection:
        is_between = health.has_pooler(patient.journal, connection)
    if not is_between:
        return ok("none: Postgres itself answers")
    if patient.squidie.settings.listen_url is not None:
        return ok("one lies between, and NOTIFY is listened for past it")
    return warning(
        "a pooler lies between, and nobody can LISTEN through it: work and schedules are found by looking",
        "settings.listen_url: a URL that leads to Postgres itself",
    )


def db_test_flags(patient: Patient) -> Finding:
    """Nothing that is meant for tests is switched on: planned failures here, a clock that was set by hand there."""
    planned = [f"{plan.point}={plan.action}" for plan in failpoints.armed()]
    with patient.journal.looking() as connection:
        is_set = health.is_clock_set(patient.journal, connection)
        can_be_set = health.can_clock_be_set(patient.journal, connection)
    found = [f"failpoints are armed: {some(planned)}"] if planned else []
    found += ["the clock of this journal is that of tests, which any session can set"] if can_be_set else []
    found += [f"squidie.now is set, and {'obeyed' if can_be_set else 'ignored'}"] if is_set else []
    if not found:
        return Finding(Severity.OK, "no failpoints, and the clock runs")
    if planned:
        fix = f"unset {failpoints.SWITCH} and {failpoints.VARIABLE}"
    else:
        fix = "squidie.testing.set_clock(engine, None)" if can_be_set else 'alter database … reset "squidie.now"'
    return Finding(Severity.WARNING, "; ".join(found), fix)
