"""Many runs explained at once: what they wait for, rolled up, the most pressing first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.errors import InvalidArgument
from squidie.history.run import Run
from squidie.views.listing import MOST, looks_at
from squidie.views.reasons import RANK, Reason
from squidie.views.rows import spots_of
from squidie.views.states import State
from squidie.views.words import many, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from squidie.journal.store import Journal
    from squidie.views.rows import Look
    from squidie.views.whereabouts import Spot

STUCK = (State.PAUSED, State.STALLED)
SHOWN = 5


class StuckGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that wait for the same: how many, since when the first of them does, and the ids of some.

    `subject` is the queue, the callable, the limit, or the step with its workflow, whatever they share.
    """

    code: Reason
    subject: str
    runs: int
    since: datetime
    headline: str
    examples: tuple[UUID, ...]


class StuckRuns(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, out of how many open runs, at one time."""

    groups: tuple[StuckGroup, ...]
    open: int
    at: datetime


def explain_many(
    journal: Journal,
    *,
    older_than: timedelta = timedelta(),
    everything: bool = False,
    most: int | None = None,
    **query: Any,
) -> StuckRuns:
    """Roll up the open runs that wait for somebody or something that does not come by itself, each by its first reason.

    With `everything`, those as well that go on by themselves. `older_than` leaves out what has stood for less; `query`
    narrows as `list_runs` does, and `most` looks at about so many, the newest. Raises `InvalidArgument`.
    """
    if not {"open", "limit", "after", "status"}.isdisjoint(query):
        raise InvalidArgument("query", "is about open runs; give workflow, partition or since")
    found: dict[tuple[Reason, str], list[tuple[datetime, UUID]]] = {}
    number = 0
    for looks, at in _pages(journal, query):
        number += len(looks)
        for look in looks:
            reason, subject, since = _first(look, at)
            if (everything or reason.state in STUCK) and at - since >= older_than:
                found.setdefault((reason, subject), []).append((since, look.head.run_id))
        if most is not None and number >= most:
            break
    groups = [_group(reason, subject, runs, at) for (reason, subject), runs in found.items()]
    groups.sort(key=lambda group: (RANK[group.code], group.since))
    return StuckRuns(groups=tuple(groups), open=number, at=at)


def _pages(journal: Journal, query: Mapping[str, Any]) -> Iterator[tuple[list[Look], datetime]]:
    """Page by page, each as it stood when it was read."""
    after = None
    while True:
        looks, after, now = looks_at(journal, **query, open=True, limit=MOST, after=after)
        yield looks, now
        if after is None:
            return


def _first(look: Look, now: datetime) -> tuple[Reason, str, datetime]:
    """The run's first reason, what it is about, and since when it stands."""
    if not isinstance(look.run, Run):
        return Reason.ANOMALY, look.head.workflow, look.head.updated_at
    spots = spots_of(look.run, look.work, now)
    spot = min(spots, key=lambda each: RANK[each.reason], default=None)
    if spot is None:
        return Reason.ANOMALY, look.head.workflow, look.head.updated_at
    return spot.reason, _SUBJECTS.get(spot.reason, _step)(spot, look), _since(spot, look, now)


def _since(spot: Spot, look: Look, now: datetime) -> datetime:
    """Since when it is due; of what waits for somebody, since somebody last had to do with it."""
    due = spot.row.due_at if spot.row is not None and spot.row.due_at <= now else None
    asked = spot.node.waiting.at if spot.node.waiting is not None else None
    since: datetime = due or asked or look.head.updated_at
    return since


def _step(spot: Spot, look: Look) -> str:
    return f"{look.head.workflow}.{spot.name}"


def _queue(spot: Spot, _look: Look) -> str:
    return str(spot.row.queue) if spot.row is not None else ""


_SUBJECTS: Mapping[Reason, Callable[[Spot, Look], str]] = {
    Reason.NO_CONSUMER: _queue,
    Reason.QUEUE_PAUSED: _queue,
    Reason.BROKER_UNREACHABLE: _queue,
    Reason.LATE_PICKUP: _queue,
    Reason.QUEUED: _queue,
    Reason.VERSION_MISMATCH: lambda spot, _look: str(spot.row.action),
    Reason.MISSING_CALLABLE: lambda spot, _look: str(spot.row.action),
    Reason.CONCURRENCY_LIMITED: lambda spot, _look: str(spot.row.limit_key),
    Reason.RATE_LIMITED: lambda spot, _look: str(spot.row.rate_key),
}
"""What runs share that wait for the same reason; the others share a step."""

_SAID: Mapping[Reason, str] = {
    Reason.ANOMALY: "{runs} of {subject}: the journal contradicts itself, since {since}",
    Reason.DEAD_LETTERED: "{runs} parked at {subject} since {since}: requeue or discard",
    Reason.COMPENSATION_STUCK: "{runs} whose undo gave up at {subject}, since {since}: requeue or discard",
    Reason.NEEDS_APPROVAL: "{runs} for an approval at {subject}, since {since}",
    Reason.NEEDS_RESUME: "{runs} paused at {subject} since {since}",
    Reason.NO_CONSUMER: "{runs} for a worker on queue {subject}: nobody serves it, since {since}",
    Reason.VERSION_MISMATCH: "{runs} for {subject}, which no worker has, since {since}",
    Reason.MISSING_CALLABLE: "{runs} for {subject}, which the workers of their queue lack, since {since}",
    Reason.QUEUE_PAUSED: "{runs} on queue {subject}, which is paused, since {since}",
    Reason.LEASE_EXPIRED: "{runs} at {subject} whose worker stopped renewing, since {since}",
    Reason.BROKER_UNREACHABLE: "{runs} due on queue {subject} while bells fail, since {since}",
    Reason.LATE_PICKUP: "{runs} due on queue {subject} though workers are idle, since {since}",
    Reason.CONCURRENCY_LIMITED: "{runs} for a slot of {subject}, since {since}",
    Reason.RATE_LIMITED: "{runs} for a token of {subject}, since {since}",
    Reason.QUEUED: "{runs} due on queue {subject} since {since}",
}
_OTHERWISE = "{runs} at {subject}: {reason}, since {since}"


def _group(reason: Reason, subject: str, runs: list[tuple[datetime, UUID]], now: datetime) -> StuckGroup:
    runs.sort()
    since = runs[0][0]
    said = _SAID.get(reason, _OTHERWISE).format(
        runs=many(len(runs), "run"), subject=subject, since=moment(since, now), reason=reason.value.replace("_", " ")
    )
    return StuckGroup(
        code=reason,
        subject=subject,
        runs=len(runs),
        since=since,
        headline=said,
        examples=tuple(run for _, run in runs[:SHOWN]),
    )
