"""The shop's own tables, in the schema `fulfilment` of the same Postgres as the journal.

Whatever must happen once is a row under an idempotency key: a second try meets the row of the first. `charges` has no
other unique key, so that a double charge would be seen and not merely prevented; `charge_calls` counts every call, also
those whose worker died in the middle.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Engine,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.schema import CreateSchema

from examples.fulfilment.catalogue import stock as first_stock
from squidie.errors import MissingConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

URL = "SQUIDIE_DATABASE_URL"
SCHEMA = "fulfilment"
LOCK = 7_433_001
"""An advisory lock: of many workers that meet an empty database, one makes the tables."""

metadata = MetaData(schema=SCHEMA)


def _once(name: str, *columns: Column[Any]) -> Table:
    """A table whose rows happen once."""
    at = Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())
    return Table(name, metadata, Column("idempotency_key", Text, primary_key=True), *columns, at)


stock = Table("stock", metadata, Column("sku", Text, primary_key=True), Column("available", Integer, nullable=False))
orders = _once(
    "orders",
    Column("order_id", Text, nullable=False, index=True),
    Column("customer", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="accepted"),
    Column("receipt", JSONB),
)
reservations = _once("reservations", Column("order_id", Text, nullable=False), Column("items", JSONB, nullable=False))
charges = _once(
    "charges",
    Column("order_id", Text, nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("card", Text, nullable=False),
)
shipments = _once(
    "shipments",
    Column("order_id", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("parcels", JSONB, nullable=False),
    Column("tracking", Text, nullable=False),
)
messages = _once(
    "messages",
    Column("order_id", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("body", Text, nullable=False),
)
reports = _once("reports", Column("figures", JSONB, nullable=False))
charge_calls = Table(
    "charge_calls",
    metadata,
    Column("call", BigInteger, Identity(), primary_key=True),
    Column("idempotency_key", Text, nullable=False, index=True),
    Column("order_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
)


def database_url() -> str:
    """Where the shop's tables and the journal are."""
    url = os.environ.get(URL)
    if not url:
        raise MissingConfig(
            f"the shop has no database: {URL} is not set", hint="for example postgresql+psycopg://user@localhost/app"
        )
    return url


@cache
def engine() -> Engine:
    """The shop's connections, made at their first use in each process; its tables with them."""
    made = create_engine(database_url(), pool_size=4, pool_pre_ping=True)
    prepare(made)
    return made


os.register_at_fork(after_in_child=engine.cache_clear)  # sockets belong to the process that opened them


def prepare(on: Engine) -> None:
    """Make the tables where they are missing, and fill the shelves once."""
    with on.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        metadata.create_all(connection)
        connection.execute(insert(stock).values(first_stock()).on_conflict_do_nothing())


def book_once(connection: Connection, table: Table, key: str, values: Mapping[str, Any]) -> bool:
    """Write this row unless its key is there already; whether it was new."""
    row = insert(table).values(idempotency_key=key, **values).on_conflict_do_nothing(index_elements=["idempotency_key"])
    return connection.execute(row.returning(table.c.idempotency_key)).first() is not None


def forget_everything(on: Engine) -> None:
    """Drop the shop's schema: for demos and tests."""
    with on.begin() as connection:
        connection.execute(text(f'drop schema if exists "{SCHEMA}" cascade'))
