"""Checks of `squidie doctor` that look at the database: the server, our role there, and the schema."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from squidie import migrate
from squidie.cli.patient import Finding, Needs, Severity, summed
from squidie.engine import conditions
from squidie.journal import health

if TYPE_CHECKING:
    from squidie.cli.patient import Patient

OLDEST = 140_000


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
    with patient.journal.reading() as connection:
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
