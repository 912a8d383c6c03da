"""Whether what was promised is so: judged from the journal and the ledger, not from what the demo thinks it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.testing.invariants import violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Row

    from squidie_celery.demo.scenes import Deeds
    from squidie_celery.demo.tally import Books


@dataclass(frozen=True)
class Evidence:
    """Everything that was read at the end."""

    orders: dict[str, dict[str, Any]]
    ended: dict[str, Row[Any]]
    booked: dict[str, tuple[int, int]]
    calls: dict[str, int]
    lost_claims: list[Row[Any]]
    violations: list[str]
    deeds: Deeds

    @property
    def completed(self) -> list[str]:
        """The orders that were fulfilled."""
        return sorted(order for order, row in self.ended.items() if row.status == "completed")

    @property
    def refused(self) -> list[Row[Any]]:
        """The orders that were refused, each with its reason."""
        return [row for _, row in sorted(self.ended.items()) if row.status == "failed"]

    @property
    def lost(self) -> list[str]:
        """The orders that have not ended."""
        return sorted(self.orders.keys() - self.ended.keys())

    @property
    def charged_twice(self) -> list[str]:
        """The orders that the ledger has more than once."""
        return sorted(order for order, (times, _) in self.booked.items() if times > 1)


def gather(squidie: Any, books: Books, orders: list[dict[str, Any]], deeds: Deeds) -> Evidence:
    """Read it all."""
    return Evidence(
        orders={order["order_id"]: order for order in orders},
        ended=books.ended(),
        booked=books.booked(),
        calls=books.calls(),
        lost_claims=books.lost_claims(),
        violations=violations(squidie.engine, squidie.schema),
        deeds=deeds,
    )


def _accounted(evidence: Evidence) -> Iterator[str]:
    yield from (f"{order} has not ended" for order in evidence.lost)
    yield from (
        f"{row.order_id} failed without a stated reason: {row.message}" for row in evidence.refused if not row.code
    )
    yield from (f"{order} was never placed" for order in sorted(evidence.ended.keys() - evidence.orders.keys()))


def _charged_once(evidence: Evidence) -> Iterator[str]:
    for order in evidence.completed:
        times, amount = evidence.booked.get(order, (0, 0))
        if times != 1:
            yield f"{order} was completed and charged {times} times"
        elif amount != evidence.orders[order]["amount"]:
            yield f"{order} was charged {amount}, it costs {evidence.orders[order]['amount']}"


def _nobody_else_charged(evidence: Evidence) -> Iterator[str]:
    yield from (
        f"{order} was charged and not fulfilled" for order in sorted(evidence.booked.keys() - set(evidence.completed))
    )


def _sound(evidence: Evidence) -> Iterator[str]:
    yield from evidence.violations


def _taken_over(evidence: Evidence) -> Iterator[str]:
    """The journal itself must know of the killed worker, and the gateway of its second call."""
    lost = {row.order_id for row in evidence.lost_claims if row.step == "charge"}
    for charging in evidence.deeds.killed:
        if charging.order_id not in lost:
            yield f"the journal does not know that the charge of {charging.order_id} lost its claim"
        if evidence.calls.get(charging.order_id, 0) < 2:
            yield f"the charge of {charging.order_id} was not tried again"


class Rule(NamedTuple):
    """What must be so, in words, and who says why it is not; some can only be judged where a worker was killed."""

    said: str
    faults: Callable[[Evidence], Iterator[str]]
    needs_a_kill: bool = False

    def applies(self, evidence: Evidence) -> bool:
        """Whether there is anything to judge: a promise that was not tested is not called kept."""
        return not self.needs_a_kill or bool(evidence.deeds.killed)


RULES = (
    Rule("every order is accounted for: completed, or refused for a stated reason", _accounted),
    Rule("every completed order has exactly one charge in the ledger, of its amount", _charged_once),
    Rule("no other order was charged", _nobody_else_charged),
    Rule("every claim that a dead worker left was taken over", _taken_over, needs_a_kill=True),
    Rule("the journal is consistent: every invariant holds", _sound),
)


def closing(evidence: Evidence, seconds: float) -> str:
    """All of it in one line."""
    deeds = evidence.deeds
    orders = f"{len(evidence.orders)} orders: {len(evidence.completed)} completed, {len(evidence.refused)} refused"
    done = f"{_many(len(deeds.killed), 'worker')} killed, {deeds.flushed} Redis flushed"
    return f"{orders}; {done}; {len(evidence.lost)} lost, {len(evidence.charged_twice)} charged twice; {seconds:.0f} s"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
