"""How things are, as numbers for a monitor."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from squidie.engine.tally import Met
from squidie.views.fleet import fleet, total

if TYPE_CHECKING:
    from squidie.delivery import Delivery
    from squidie.engine.parts import Parts


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What is open in the journal at this moment, and what this process has met since it began.

    Of the journal: attempts that are `due` (`oldest_due_age` is how many seconds the oldest has been), `scheduled` for
    later, `claimed`, and claimed with the lease over (`expired`); steps that are `parked`; `dead_letters` that nobody
    has taken in hand.

    Of this process: claims it has ended because their lease was over (`expiries`), attempts it has taken over after
    such a loss (`takeovers`), outcomes of its own that were not taken (`refusals`), of which so many because a crash of
    the database had erased the claim (`erased`), attempts it has given up (`given_up`), `bells_rung` and
    `bells_failed`, and how often telemetry's handlers have failed (`telemetry_faults`). A child of a worker counts for
    itself.
    """

    at: datetime
    due: int
    oldest_due_age: float
    scheduled: int
    claimed: int
    expired: int
    parked: int
    dead_letters: int
    expiries: int
    takeovers: int
    refusals: int
    erased: int
    given_up: int
    bells_rung: int
    bells_failed: int
    telemetry_faults: int


def stats_of(parts: Parts) -> Stats:
    """The numbers of this moment. Raises `JournalUnavailable`."""
    found = fleet(parts.journal)
    counts, tally, delivery = total(found.queues), parts.tally, parts.delivery
    oldest = counts.oldest_due_at
    return Stats(
        at=found.at,
        due=counts.due,
        oldest_due_age=0.0 if oldest is None else (found.at - oldest).total_seconds(),
        scheduled=counts.scheduled,
        claimed=counts.claimed,
        expired=counts.expired,
        parked=counts.parked,
        dead_letters=counts.dead,
        expiries=tally[Met.EXPIRY],
        takeovers=tally[Met.TAKEOVER],
        refusals=tally[Met.REFUSAL],
        erased=tally[Met.ERASED],
        given_up=tally[Met.LETTER],
        bells_rung=_number(delivery, "rung"),
        bells_failed=_number(delivery, "failed"),
        telemetry_faults=parts.handlers.faults,
    )


def _number(delivery: Delivery, name: str) -> int:
    """What the delivery counts, if it does."""
    found = getattr(delivery, name, 0)
    return found if isinstance(found, int) else 0
