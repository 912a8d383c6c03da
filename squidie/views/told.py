"""What the facts of a run say of each of its steps: errors, holders, since when it waits, its deadline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from squidie.history.bodies import Disposition, OpenKind
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptDeferred,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    DeadlinePassed,
    EventAwaited,
    EventLapsed,
    PauseOpened,
    PauseResolved,
    ReleaseReason,
    RunStarted,
    WaitElapsed,
    WaitStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from squidie.history.bodies import Claim, ErrorRecord
    from squidie.journal.facts import Recorded


@dataclass(slots=True)
class Told:
    """What was said last of one step.

    `turned_away`: the worker that claimed it last did not have its callable.
    """

    error: ErrorRecord | None = None
    owner: str | None = None
    claimed_at: datetime | None = None
    since: datetime | None = None
    max_attempts: int = 0
    put_off: str | None = None
    turned_away: bool = False

    def by(self, claim: Claim) -> None:
        """Who has settled it."""
        self.owner, self.claimed_at = claim.owner, claim.claimed_at


@dataclass(slots=True)
class Account:
    """All of it, and by its name when each timer was to act, whether it has or not."""

    steps: dict[str, Told] = field(default_factory=dict)
    timers: dict[str, datetime] = field(default_factory=dict)

    def of(self, step: str) -> Told:
        """What was said of a step."""
        return self.steps.setdefault(step, Told())


def account_of(rows: Iterable[Recorded]) -> Account:
    """One pass through a run's facts."""
    account = Account()
    for row in rows:
        said = _SAYS.get(type(row.fact))
        if said is not None:
            said(account, row.fact, row.at)
        for opening in row.fact.opens:
            if opening.kind is OpenKind.TIMER:
                account.timers[opening.step] = opening.due_at
    return account


def _started(account: Account, fact: RunStarted, _at: datetime) -> None:
    for carried in fact.carried:
        account.of(carried.step).error = carried.error


def _completed(account: Account, fact: AttemptCompleted, _at: datetime) -> None:
    told = account.of(fact.step)
    told.error = None
    told.by(fact.claim)


def _failed(account: Account, fact: AttemptFailed, at: datetime) -> None:
    told = account.of(fact.step)
    told.error, told.max_attempts, told.put_off, told.turned_away = fact.error, fact.max_attempts, None, False
    if fact.disposition is not Disposition.RETRIED:
        told.since = at
        told.by(fact.claim)


def _dead(account: Account, fact: AttemptDeadLettered, at: datetime) -> None:
    told = account.of(fact.step)
    told.error, told.since = fact.error, at


def _deferred(account: Account, fact: AttemptDeferred, _at: datetime) -> None:
    told = account.of(fact.step)
    told.put_off, told.turned_away = fact.reason, False


def _released(account: Account, fact: AttemptReleased, _at: datetime) -> None:
    account.of(fact.step).turned_away = fact.reason is ReleaseReason.UNSERVED


def _expired(account: Account, fact: AttemptExpired, _at: datetime) -> None:
    account.of(fact.step).turned_away = False


def _waits(account: Account, fact: WaitStarted | PauseOpened | EventAwaited, at: datetime) -> None:
    account.of(fact.step).since = at


def _ended(account: Account, fact: WaitElapsed | PauseResolved | EventLapsed, _at: datetime) -> None:
    account.of(fact.step).error = fact.error


def _overdue(account: Account, fact: DeadlinePassed, _at: datetime) -> None:
    if fact.bounds is not None and fact.error is not None:
        account.of(fact.bounds).error = fact.error


_SAYS: Mapping[type, Callable[[Account, Any, datetime], None]] = {
    RunStarted: _started,
    AttemptCompleted: _completed,
    AttemptFailed: _failed,
    AttemptDeadLettered: _dead,
    AttemptDeferred: _deferred,
    AttemptReleased: _released,
    AttemptExpired: _expired,
    WaitStarted: _waits,
    PauseOpened: _waits,
    EventAwaited: _waits,
    WaitElapsed: _ended,
    PauseResolved: _ended,
    EventLapsed: _ended,
    DeadlinePassed: _overdue,
}
