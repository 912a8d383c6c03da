"""A stand-in for the company that charges cards: it takes its time, and books each idempotency key once.

`FULFILMENT_GATEWAY_MS` is how long a call takes (only the demo sets it): half on the way there, half on the way back,
so that a worker killed in the middle leaves either nothing behind or a charge nobody has heard of.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert

from examples.fulfilment import store

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Charge(NamedTuple):
    """What is asked of the gateway."""

    order_id: str
    amount: int
    currency: str
    card: str


def charge(engine: Engine, key: str, asked: Charge, *, attempt: int) -> bool:
    """Book the charge, unless this key was booked before; whether it is new. The call is counted first, in any case."""
    with engine.begin() as connection:
        connection.execute(
            insert(store.charge_calls).values(idempotency_key=key, order_id=asked.order_id, attempt=attempt)
        )
    _travel()
    with engine.begin() as connection:
        is_new = store.book_once(connection, store.charges, key, asked._asdict())
    _travel()
    return is_new


def _travel() -> None:
    time.sleep(float(os.environ.get("FULFILMENT_GATEWAY_MS", "0")) / 2_000)
