"""What the journal and the shop's own tables say, counted. Nothing here is remembered: each answer is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Row

STATUSES = "select status, count(*) as runs from {s}.runs where workflow = 'Fulfilment' group by status"
WORK = """
select count(*) filter (where claim_id is null and due_at <= clock_timestamp()) as due, count(claim_id) as claimed
from {s}.attempts"""
IN_CHARGE = """
select r.key as order_id, a.owner, exists (select from fulfilment.charges c where c.order_id = r.key) as booked
from {s}.attempts a join {s}.runs r using (run_id)
where a.step = 'charge' and a.claim_id is not null
  and exists (select from fulfilment.charge_calls c where c.order_id = r.key)"""
ENDED = """
select r.key as order_id, r.run_id, r.status,
  f.body -> 'error' ->> 'code' as code, f.body -> 'error' ->> 'message' as message
from {s}.runs r join {s}.facts f on f.run_id = r.run_id and f.seq = r.rev
where r.workflow = 'Fulfilment' and r.ended_at is not null"""
LOST = """
select r.key as order_id, f.body ->> 'step' as step, f.body -> 'claim' ->> 'owner' as owner
from {s}.facts f join {s}.runs r using (run_id)
where f.kind = 'attempt_expired' or (f.kind = 'attempt_released' and f.body ->> 'reason' = 'child_died')"""
BOOKED = "select order_id, count(*) as times, sum(amount) as amount from fulfilment.charges group by order_id"
CALLS = "select order_id, count(*) as calls from fulfilment.charge_calls group by order_id"


class Tally(NamedTuple):
    """Where the orders are at one moment."""

    orders: int
    completed: int
    refused: int
    open: int
    due: int
    claimed: int

    def said(self) -> str:
        """In one line."""
        work = f"{self.open} open: {self.claimed} claimed, {self.due} due"
        return f"{self.completed} completed · {self.refused} refused · {work}"


class Charging(NamedTuple):
    """A charge that a worker is at: its order, the worker's process, and whether the gateway has booked it already."""

    order_id: str
    pid: int
    is_booked: bool


class Books:
    """The journal of this `Squidie` and the tables of the shop beside it, as a reader sees them."""

    def __init__(self, squidie: Any, orders: int) -> None:
        self._engine, self._schema, self._orders = squidie.engine, squidie.schema, orders

    def tally(self) -> Tally:
        """Where the orders are now."""
        by_status = {row.status: row.runs for row in self._read(STATUSES)}
        work = self._read(WORK)[0]
        done, refused = by_status.get("completed", 0), by_status.get("failed", 0)
        return Tally(self._orders, done, refused, by_status.get("running", 0), work.due, work.claimed)

    def charging(self, pids: Collection[int]) -> list[Charging]:
        """The charges that these processes are in the middle of."""
        found = (Charging(row.order_id, pid_of(row.owner), row.booked) for row in self._read(IN_CHARGE))
        return [each for each in found if each.pid in pids]

    def ended(self) -> dict[str, Row[Any]]:
        """How each order ended: its status, and the reason's code and message where it was refused."""
        return {row.order_id: row for row in self._read(ENDED)}

    def lost_claims(self) -> list[Row[Any]]:
        """Claims whose holder died, as the journal recorded it."""
        return list(self._read(LOST))

    def booked(self) -> dict[str, tuple[int, int]]:
        """The ledger: how often and how much, by order."""
        return {row.order_id: (row.times, int(row.amount)) for row in self._read(BOOKED)}

    def calls(self) -> dict[str, int]:
        """How often the gateway was called, by order."""
        return {row.order_id: row.calls for row in self._read(CALLS)}

    def _read(self, statement: str) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(text(statement.format(s=f'"{self._schema}"'))))


def pid_of(owner: str) -> int:
    """The process in `host:pid:boot`."""
    return int(owner.rsplit(":", 2)[1])
