"""The ledger of effects: what steps have really done, kept outside the journal, in a database of its own.

A step writes its row on a connection of the ledger's that commits by itself, so the row stays whatever becomes of the
step, its worker and its outcome. `accepted` is what a receiver would do that knows idempotency keys: true once a key.
`amount` is what the step adds, in whatever it counts: a sum over the accepted rows says that each was taken once.
`entered_at` is the machine's clock when the step's code began, which is before the row where the ledger was away.
"""

from __future__ import annotations

import os
import time
from functools import wraps
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import make_url

from squidie import StepContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

URL = "EVIDENCE_EFFECTS_URL"
PATIENCE = 30.0
"""Seconds that a step waits for a ledger whose server is being restarted."""

TABLES = """
create table accepted (key text primary key);
create table effects (
    id uuid primary key, run_id uuid not null, step text not null, key text not null, attempt integer not null,
    claim uuid not null, pid integer not null,
    at timestamptz not null default clock_timestamp(), accepted boolean not null, amount integer not null,
    entered_at timestamptz not null
);
create index effects_run on effects (run_id);
"""
ADD = """
with first as (insert into accepted values (%(key)s) on conflict do nothing returning key)
insert into effects (id, run_id, step, key, attempt, claim, pid, accepted, amount, entered_at)
select %(id)s, %(run_id)s, %(step)s, %(key)s, %(attempt)s, %(claim)s, %(pid)s, exists (select from first), %(amount)s,
    to_timestamp(%(entered)s)
on conflict (id) do nothing
"""


class Effect(NamedTuple):
    """One effect that took place."""

    run_id: UUID
    step: str
    key: str
    attempt: int
    claim: UUID
    pid: int
    at: datetime
    accepted: bool
    amount: int = 0
    entered_at: datetime | None = None


class Effects:
    """A connection to the ledger, made anew when its server was away."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: psycopg.Connection[Any] | None = None

    def prepare(self) -> None:
        """Make the tables."""
        self._execute(TABLES, None)

    def record(self, ctx: StepContext, amount: int = 0) -> None:
        """The step's effect takes place now. A row whose answer was lost is not written twice: its id is drawn here."""
        entered = time.time()
        given = {"id": uuid4(), "run_id": ctx.run_id, "step": ctx.step, "key": ctx.idempotency_key}
        given |= {"attempt": ctx.attempt, "claim": ctx.claim_id, "pid": os.getpid()}
        given |= {"amount": amount, "entered": entered}
        self._persistently(ADD, given)

    def of(self, *runs: UUID) -> list[Effect]:
        """The effects of these runs, or of all, in the order in which they took place."""
        where = "where run_id = any(%s)" if runs else ""
        columns = ", ".join(Effect._fields)
        found = self._persistently(f"select {columns} from effects {where} order by at", [list(runs)] if runs else None)
        return [Effect(*row) for row in found.fetchall()]

    def times(self, ctx: StepContext) -> int:
        """How often the effect of this step has taken place so far, this time included if it has."""
        found = self._persistently("select count(*) from effects where key = %s", [ctx.idempotency_key]).fetchone()
        return int(found[0]) if found else 0

    def entered(self, step: str) -> set[UUID]:
        """The runs in which this step has been begun."""
        found = self._persistently("select distinct run_id from effects where step = %s", [step])
        return {run_id for (run_id,) in found.fetchall()}

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _persistently(self, statement: str, given: Any) -> psycopg.Cursor[Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._execute(statement, given)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _execute(self, statement: str, given: Any) -> psycopg.Cursor[Any]:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
            return self._connection.execute(statement, given)
        except psycopg.OperationalError:
            self.close()
            raise


_ours: dict[int, Effects] = {}


def ledger() -> Effects:
    """The connection of this process to the ledger; a fork opens its own."""
    if os.getpid() not in _ours:
        _ours[os.getpid()] = Effects(os.environ[URL])
    return _ours[os.getpid()]


def record(ctx: StepContext, amount: int = 0) -> None:
    """The effect of a step in this process."""
    ledger().record(ctx, amount)


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same step, which also writes into the ledger; its name and its arguments stay what they were."""
    has_context = "ctx" in signature(function).parameters

    @wraps(function)
    def call(ctx: StepContext, **arguments: Any) -> Any:
        if URL in os.environ:  # in a process of no cluster it is the step that it was
            record(ctx)
        return function(**arguments, **({"ctx": ctx} if has_context else {}))

    if not has_context:
        own = signature(function)
        ctx = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation="StepContext")
        call.__signature__ = own.replace(parameters=[ctx, *own.parameters.values()])  # type: ignore[attr-defined]
        call.__annotations__ = {"ctx": StepContext, **function.__annotations__}
    return call
