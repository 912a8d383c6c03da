"""The tables as SQLAlchemy Core sees them, without a schema: `Journal` adds its own.

The migrations create them; a test holds both against each other.

CHECK constraints over states are made from the enums, so a state that the code does not know cannot be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

from squidie.history.bodies import WITH_ROW
from squidie.history.lifecycle import RunStatus
from squidie.journal.operations import Subject
from squidie.workflow.spec import Catchup, Overlap

if TYPE_CHECKING:
    from enum import StrEnum

metadata = MetaData()
TIME = DateTime(timezone=True)

definitions = Table(
    "definitions",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("version", Text),
    Column("spec", JSON, nullable=False),
    Column("at", TIME, nullable=False),
)
runs = Table(
    "runs",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("rev", Integer, nullable=False),
    Column("head_hash", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("partition", Text),
    Column("key", Text),
    Column("parent_run_id", Uuid),
    Column("attributes", JSONB),
    Column("fold", SmallInteger, nullable=False),
    Column("state", JSON),
    Column("started_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    Column("ended_at", TIME),
    Column("rested_at", TIME),
    Column("archived", Boolean, nullable=False),
)
attributes = Table(
    "attributes",
    metadata,
    Column("name", Text(collation="C"), primary_key=True),
    Column("value", JSONB, primary_key=True),
    Column("started_at", TIME, primary_key=True),
    Column("run_id", Uuid, primary_key=True),
)
facts = Table(
    "facts",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("body", JSON, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
attempts = Table(
    "attempts",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("action", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("due_at", TIME, nullable=False),
    Column("lost", SmallInteger, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("partition", Text(collation="C"), nullable=False),
    Column("limit_key", Text(collation="C"), nullable=False),
    Column("rate_key", Text(collation="C"), nullable=False),
    Column("claim_id", Uuid),
    Column("token_hash", LargeBinary),
    Column("owner", Text),
    Column("claimed_at", TIME),
    Column("lease_until", TIME),
)
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("partition", Text),
    Column("reason", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("error", JSON, nullable=False),
    Column("claims", Integer, nullable=False),
    Column("owner", Text),
    Column("first_failed_at", TIME, nullable=False),
    Column("at", TIME, nullable=False),
    Column("closed_at", TIME),
    Column("closed_as", Text),
    Column("closed_by", JSON),
    Column("closed_why", Text),
)
receipts = Table(
    "receipts",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("verb", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", TIME, nullable=False),
    Column("seen", Integer, nullable=False),
)
retired = Table(
    "retired",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", TIME, nullable=False),
    Column("ended_at", TIME, nullable=False),
    Column("head_hash", LargeBinary, nullable=False),
    Column("retired_at", TIME, nullable=False),
    Column("until", TIME, nullable=False),
)
schedules = Table(
    "schedules",
    metadata,
    Column("workflow", Text, primary_key=True),
    Column("trigger", Text, primary_key=True),
    Column("expression", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("input", JSON, nullable=False),
    Column("catchup", Text, nullable=False),
    Column("catchup_max", Integer),
    Column("overlap", Text, nullable=False),
    Column("jitter", Double, nullable=False),
    Column("starts", TIME),
    Column("ends", TIME),
    Column("partition", Text),
    Column("origin", Text, nullable=False),
    Column("paused_at", TIME),
    Column("paused_by", JSON),
    Column("paused_why", Text),
    Column("orphaned_at", TIME),
    Column("over_at", TIME),
    Column("enabled", Boolean, nullable=False),
    Column("next_at", TIME),
    Column("last_at", TIME),
    Column("queued_at", TIME),
    Column("open_runs", ARRAY(Uuid), nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("skipped_at", TIME),
    Column("skipped_why", Text),
    Column("synced_at", TIME, nullable=False),
)
limits = Table(
    "limits",
    metadata,
    Column("key", Text(collation="C"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("n", Integer),
    Column("per", Double),
    Column("burst", Integer),
    Column("set_n", Integer),
    Column("set_per", Double),
    Column("set_burst", Integer),
    Column("set_at", TIME),
    Column("tokens", Double),
    Column("taken_at", TIME),
)
queues = Table(
    "queues",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("paused_at", TIME, nullable=False),
    Column("paused_by", JSON, nullable=False),
    Column("paused_why", Text, nullable=False),
)
operations = Table(
    "operations",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("key", Text),
    Column("digest", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("receipt", JSON, nullable=False),
    Column("change", JSON, nullable=False),
)
workers = Table(
    "workers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("queues", ARRAY(Text), nullable=False),
    Column("actions", ARRAY(Text), nullable=False),
    Column("version", Text, nullable=False),
    Column("code_version", Text),
    Column("delivery", Text, nullable=False),
    Column("slots", Integer),
    Column("started_at", TIME, nullable=False),
    Column("seen_at", TIME, nullable=False),
    Column("left_at", TIME),
    Column("bell_ok_at", TIME),
    Column("bell_failed_at", TIME),
)

CHECKS: dict[str, str] = {}


def one_of(column: str, states: type[StrEnum]) -> str:
    """The CHECK that keeps a column to the values of an enum."""
    return f"{column} in ({', '.join(repr(state.value) for state in states)})"


CHECKS["runs_status"] = one_of("status", RunStatus)
CHECKS["attempts_kind"] = f"kind in ({', '.join(repr(kind.value) for kind in WITH_ROW)})"
CHECKS["dead_letters_closed_as"] = "closed_as in ('requeued', 'discarded')"
CHECKS["limits_kind"] = "kind in ('limit', 'rate')"
CHECKS["operations_subject"] = one_of("subject", Subject)
CHECKS["schedules_catchup"] = one_of("catchup", Catchup)
CHECKS["schedules_overlap"] = one_of("overlap", Overlap)
