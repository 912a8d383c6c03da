"""A shop's own ledger in the journal's database: its table, and the role in which transactional steps write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

ROLE = "reference_steps"
"""It may use the shop's tables, and none of the journal's."""

_PREPARE = (
    "create table if not exists ledger (order_id integer not null, cents integer not null, idempotency_key text)",
    f"grant usage on schema public to {ROLE}",
    f"grant select, insert on ledger to {ROLE}",
)


def prepare(engine: Engine) -> None:
    """Make the table and the role, where they are not there yet."""
    with engine.begin() as connection:
        if connection.execute(text("select from pg_roles where rolname = :role"), {"role": ROLE}).first() is None:
            connection.execute(text(f"create role {ROLE}"))
        for statement in _PREPARE:
            connection.execute(text(statement))


def booked(engine: Engine) -> list[tuple[int, int]]:
    """What stands in the ledger: order and cents."""
    with engine.connect() as connection:
        found = connection.execute(text("select order_id, cents from ledger order by order_id"))
        return [(row.order_id, row.cents) for row in found]
