"""All checks in their order, and how they are made: one that fails is a finding, and none stops the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.cli.checks import app, broker, database, fleet, journal, work
from squidie.cli.checks.broker import of_adapter
from squidie.cli.checks.patient import Check, Finding, Needs, Patient, Severity
from squidie.errors import SquidieError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.cli.setup import Setup

CHECKS: tuple[Check, ...] = (
    Check("app.import", app.app_import, Needs.NOTHING),
    Check("app.specs", app.app_specs, Needs.CODE),
    Check("app.actions", app.app_actions, Needs.CODE),
    Check("db.connect", database.db_connect, Needs.NOTHING),
    Check("db.schema", database.db_schema, Needs.DATABASE),
    Check("db.append_only", database.db_append_only),
    Check("db.indexes", database.db_indexes),
    Check("db.durability", database.db_durability, Needs.DATABASE),
    Check("db.encoding", database.db_encoding, Needs.DATABASE),
    Check("db.role", database.db_role, Needs.DATABASE),
    Check("db.clock", database.db_clock, Needs.DATABASE),
    Check("db.pool", database.db_pool, Needs.DATABASE),
    Check("db.pooler", database.db_pooler, Needs.DATABASE),
    Check("db.long_transactions", database.db_long_transactions, Needs.DATABASE),
    Check("db.test_flags", database.db_test_flags),
    Check("broker.connect", broker.broker_connect, Needs.CODE),
    *map(of_adapter, broker.BROKERS),
    Check("broker.quarantine", broker.broker_quarantine, Needs.CODE),
    *map(of_adapter, broker.ADAPTERS),
    Check("workers.alive", fleet.workers_alive),
    Check("workers.version", fleet.workers_version),
    Check("workers.callables", fleet.workers_callables),
    Check("queues.consumed", fleet.queues_consumed),
    Check("queues.paused", fleet.queues_paused),
    Check("beat.alive", fleet.beat_alive),
    Check("beat.single", fleet.beat_single),
    Check("schedules.missed", work.schedules_missed),
    Check("schedules.dst", work.schedules_dst),
    Check("lag.pickup", work.lag_pickup),
    Check("lag.sweep", work.lag_sweep),
    Check("claims.expired", work.claims_expired),
    Check("runs.stranded", work.runs_stranded),
    Check("dead.count", work.dead_count),
    Check("journal.regressed", journal.journal_regressed),
    Check("journal.verify", journal.journal_verify),
    Check("retention.policy", work.retention_policy),
    Check("access.authorize", app.access_authorize, Needs.CODE),
    Check("access.visibility", app.access_visibility, Needs.CODE),
    Check("access.masking", app.access_masking, Needs.CODE),
)
"""By id; each is an anchor in the documentation."""


def examine(setup: Setup, only: str | None = None) -> Iterator[tuple[str, Finding]]:
    """Every check that makes sense, in order."""
    patient = Patient(setup)
    for check in CHECKS:
        if check.needs not in patient.has:
            continue
        is_asked = only is None or check.id == only
        if is_asked or check.id in FIRST:
            finding = _look(check, patient)
            if is_asked and finding is not None:
                yield check.id, finding


FIRST = {"app.import", "db.connect", "db.schema"}
"""What these find decides which others make sense."""


def _look(check: Check, patient: Patient) -> Finding | None:
    try:
        return check.look(patient)
    except SquidieError as error:
        return Finding(Severity.ERROR, error.message, error.hint)
