"""Retention: count what is past its age, then remove exactly that, a share a commit, through the audited door.

A walk goes over the heads from the oldest on, and writes nothing. Runs from which others come that are not over, those
that the host's hook keeps, and those that rows of the host refer to stay. Whoever applies a plan again goes on with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy.exc import IntegrityError

from squidie.decide.retention import Plan, RetentionPolicy, plan_of, policy_of, token_of
from squidie.engine import ids
from squidie.engine.asking import audited, persist
from squidie.engine.changing import request
from squidie.engine.permission import Retain, RunFacts
from squidie.errors import InvalidArgument, JournalBusy, RetentionBlocked, StalePlan
from squidie.history.lifecycle import RunStatus
from squidie.journal import attempts, operations, retention
from squidie.journal.operations import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from squidie.engine.parts import Parts
    from squidie.history.bodies import Receipt
    from squidie.journal.retention import Head

SCAN = 2000
"""Heads that one statement of a walk looks at."""

SHARE = 100
"""Runs that one commit removes: what a kill may undo, and how long another command may have to wait."""

FORGOTTEN = 10_000
LINEAGE, HOST, REFERRED, BUSY = "lineage", "host", "referred", "busy"
"""Why a run stays: one that comes from it is not over, the hook keeps it, a row refers to it, somebody holds it."""


class RetentionCount(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of a workflow with one status that are past their age; `bytes` are their facts' bodies on disk."""

    workflow: str
    status: str
    runs: int
    facts: int
    bytes: int


class RetentionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply_retention(token)` would remove until `expires_at`, and how many runs stay though they are old."""

    token: str
    at: datetime
    expires_at: datetime
    runs: int
    facts: int
    bytes: int
    counts: tuple[RetentionCount, ...]
    blocked: Mapping[str, int]


class RetentionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed now. Where it is not complete the same token goes on with it.

    `forgotten` counts the keys of runs removed long ago that may be used again.
    """

    plan: str
    removed: int
    blocked: Mapping[str, int]
    forgotten: int
    is_complete: bool


def preview(parts: Parts, policy: object, retain: Retain | None) -> RetentionPlan:
    """Count what is past its age now. Writes nothing."""
    wanted = _policy(parts, policy)
    with parts.journal.looking() as connection:
        now = attempts.clock(parts.journal, connection)
    plan = Plan(id=ids.request_id(), at=now, policy=wanted, runs=0)
    walk = _Walk(parts, plan, retain)
    counts: dict[tuple[str, str], list[int]] = {}
    for heads in walk.shares(SCAN):
        with parts.journal.looking() as connection:
            sizes = retention.sizes(parts.journal, connection, [head.run_id for head in heads])
        for head in heads:
            facts, size = sizes.get(head.run_id, (0, 0))
            so_far = counts.setdefault((head.workflow, head.status), [0, 0, 0])
            so_far[:] = so_far[0] + 1, so_far[1] + facts, so_far[2] + size
    rows = [
        RetentionCount(workflow=name, status=status, runs=n, facts=facts, bytes=size)
        for (name, status), (n, facts, size) in sorted(counts.items())
    ]
    plan = msgspec.structs.replace(plan, runs=sum(row.runs for row in rows))
    return RetentionPlan(
        token=token_of(plan),
        at=plan.at,
        expires_at=plan.expires_at,
        runs=plan.runs,
        facts=sum(row.facts for row in rows),
        bytes=sum(row.bytes for row in rows),
        counts=tuple(rows),
        blocked=dict(walk.blocked),
    )


def apply(
    parts: Parts,
    token: object,
    retain: Retain | None,
    *,
    most: int | None,
    who: tuple[Any, str | None],
    told: Callable[[int], None] | None,
) -> RetentionReport:
    """Remove what a plan says, or as much of it as is wanted now."""
    if most is not None and not (isinstance(most, int) and not isinstance(most, bool) and most > 0):
        raise InvalidArgument("most", "is a whole number above zero")
    actor, reason = who
    with audited(parts, "apply_retention", None, actor):
        plan = plan_of(token)
        by = request("apply", {"plan": plan.id}, actor, reason, None, masking=parts.masking)
        with parts.journal.looking() as connection:
            if attempts.clock(parts.journal, connection) > plan.expires_at:
                raise StalePlan(f"was good until {plan.expires_at:%Y-%m-%d %H:%M:%S} UTC")
        walk, removed = _Walk(parts, plan, retain), 0
        for heads in walk.shares(SHARE):
            wanted = heads if most is None else heads[: most - removed]
            removed += len(walk.remove([head.run_id for head in wanted], by))
            if told is not None:
                told(removed)
            if removed == most:
                break
    return RetentionReport(
        plan=plan.id,
        removed=removed,
        blocked=dict(walk.blocked),
        forgotten=_forget(parts),
        is_complete=walk.is_over,
    )


class _Walk:
    """Over the heads, from the oldest on: those that may go, and how many must stay for which reason."""

    def __init__(self, parts: Parts, plan: Plan, retain: Retain | None) -> None:
        self.blocked: Counter[str] = Counter()
        self.is_over = False
        self._parts, self._plan, self._retain = parts, plan, retain
        with parts.journal.looking() as connection:
            self._in_use = retention.in_use(parts.journal, connection, plan.at)

    def shares(self, size: int) -> Iterator[list[Head]]:
        """What may go, at most so many at once."""
        for page in self._pages():
            free = self._free([head for head in page if head.is_over])
            yield from (free[start : start + size] for start in range(0, len(free), size))
        self.is_over = True

    def remove(self, runs: Sequence[UUID], by: Receipt) -> list[UUID]:
        """Remove these in one commit; where that cannot be, each for itself. Which of them were there."""
        with self._parts.journal.looking() as connection:
            late = retention.in_use(self._parts.journal, connection, self._plan.at, self._plan.at)
        ready = sorted(run for run in runs if run not in late)
        self._note(LINEAGE, len(runs) - len(ready))
        try:
            return self._retire(ready, by) if ready else []
        except (IntegrityError, JournalBusy):
            return [gone for run in ready for gone in self._retire_one(run, by)]

    def _pages(self) -> Iterator[list[Head]]:
        cutoffs = self._plan.cutoffs()
        after: tuple[datetime | None, UUID] = retention.FIRST
        while True:
            with self._parts.journal.looking() as connection:
                page = retention.page(self._parts.journal, connection, cutoffs, after, SCAN)
            yield page
            if len(page) < SCAN:
                return
            after = (page[-1].started_at, page[-1].run_id)

    def _free(self, heads: list[Head]) -> list[Head]:
        unused = [head for head in heads if head.run_id not in self._in_use]
        kept = self._kept(unused) if unused and self._retain is not None else set()
        self._note(LINEAGE, len(heads) - len(unused))
        free = [head for head in unused if head.run_id not in kept]
        self._note(HOST, len(unused) - len(free))
        return free

    def _kept(self, heads: list[Head]) -> Collection[UUID]:
        """What the hook says. One that raises has not said that they may go."""
        about = [
            RunFacts(run_id=h.run_id, workflow=h.workflow, partition=h.partition, status=RunStatus(h.status))
            for h in heads
        ]
        assert self._retain is not None  # noqa: S101 - asked by the caller
        try:
            return set(self._retain(about))
        except Exception as error:
            raise RetentionBlocked(f"the host's hook raised {type(error).__name__}") from error

    def _retire(self, runs: Sequence[UUID], by: Receipt) -> list[UUID]:
        return persist(lambda: self._once(runs, by), None)

    def _retire_one(self, run: UUID, by: Receipt) -> list[UUID]:
        try:
            return self._retire([run], by)
        except IntegrityError:
            self._note(REFERRED, 1)
        except JournalBusy:
            self._note(BUSY, 1)
        return []

    def _once(self, runs: Sequence[UUID], by: Receipt) -> list[UUID]:
        """In one commit with the record of who did it; appliers of one plan take turns."""
        journal, plan = self._parts.journal, self._plan
        with journal.transaction() as connection:
            operations.hold(journal, connection, Subject.RETENTION, plan.id)
            gone = retention.retire(journal, connection, runs, self._parts.settings.receipts_for)
            if gone:
                change = {"runs": len(gone), "first": str(gone[0]), "last": str(gone[-1]), "of": plan.runs}
                operations.add(journal, connection, Subject.RETENTION, plan.id, by=by, change=change)
        return gone

    def _note(self, why: str, number: int) -> None:
        if number:
            self.blocked[why] += number


def _policy(parts: Parts, given: object) -> RetentionPolicy:
    if given is not None:
        return policy_of(given)
    if parts.settings.retention is None:
        raise InvalidArgument("policy", "is given neither here nor in settings.retention")
    return policy_of(parts.settings.retention, "settings.retention")


def _forget(parts: Parts) -> int:
    """Keys that have been remembered long enough."""
    forgotten = 0
    while True:
        with parts.journal.transaction() as connection:
            found = retention.forget(parts.journal, connection, FORGOTTEN)
        forgotten += found
        if found < FORGOTTEN:
            return forgotten
