"""What the journal, the ledger and the host's table say of runs, held against what was predicted of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidence.conclusion import ends_of, letters_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from uuid import UUID

    from evidence.cluster import Cluster
    from evidence.driver import Played
    from evidence.prediction import Totals

OUTCOMES = """
select run_id, kind, body->>'step' as step, count(*) as n,
    string_agg(concat_ws(': ', body->'error'->>'type', left(body->'error'->>'message', 80)), '; ') as errors
from squidie.facts
where run_id = any(:runs) and kind in ('attempt_completed', 'attempt_failed', 'attempt_deferred') group by 1, 2, 3
"""
BOOKS = "select run_id, step, amount from books where run_id = any(:runs)"


BORROWED = """
select run_id, body->>'step' as step, body->'output'->>'claim' as by, body->'claim'->>'id' as under from squidie.facts
where run_id = any(:runs) and kind = 'attempt_completed' and body->'output'->>'claim' <> body->'claim'->>'id'
"""


@dataclass
class Account:
    """One run as it was found."""

    status: str = "lost"
    completed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    deferred: Counter[str] = field(default_factory=Counter)
    letters: set[tuple[str, str]] = field(default_factory=set)
    ledger: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    rows: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


KINDS = {"attempt_completed": "completed", "attempt_failed": "failed", "attempt_deferred": "deferred"}


def found(cluster: Cluster, runs: Collection[UUID]) -> dict[UUID, Account]:
    """The account of each of these runs."""
    accounts = {run_id: Account() for run_id in runs}
    for run_id, status in ends_of(cluster, runs).items():
        accounts[run_id].status = status
    for row in cluster.read(OUTCOMES, runs=list(runs)):
        account = accounts[row.run_id]
        getattr(account, KINDS[row.kind])[row.step] += row.n
        if row.kind == "attempt_failed":
            account.errors[row.step] = row.errors
    for run_id, step, reason in letters_of(cluster):
        if run_id in accounts:
            accounts[run_id].letters.add((step, reason))
    for effect in cluster.effects.of(*runs):
        account = accounts[effect.run_id]
        account.calls[effect.step] += 1
        if effect.accepted:
            account.ledger[effect.step] += effect.amount
    for row in cluster.read(BOOKS, runs=list(runs)):
        accounts[row.run_id].rows[row.step].append(row.amount)
    return accounts


def borrowed(cluster: Cluster, runs: Collection[UUID]) -> list[str]:
    """Outcomes that were brought by another claim than the one that they ended."""
    rows = cluster.read(BORROWED, runs=list(runs))
    return [f"the outcome of {row.step} of {row.run_id} was {row.by}'s, and ended {row.under}" for row in rows]


def differences(played: Played, account: Account) -> Iterator[str]:
    """Everything that is not as predicted, in words."""
    totals, where = played.totals, f"{played.shape.name} {played.run_id}"
    pairs: tuple[tuple[str, object, object], ...] = (
        ("it is", account.status, totals.status),
        ("completed", dict(account.completed), dict.fromkeys(totals.completed, 1)),
        ("failures", dict(account.failed), totals.failed),
        ("dead letters", account.letters, totals.letters),
        ("accepted amounts", dict(account.ledger), totals.ledger),
        ("the host's rows", dict(account.rows), {step: [amount] for step, amount in totals.rows.items()}),
    )
    for what, seen, predicted in pairs:
        if seen != predicted:
            errors = f" ({account.errors})" if what == "failures" else ""
            yield f"{where}: {what} {_unlike(seen, predicted)}{errors}"
    yield from _deferrals(where, account, totals)


def _deferrals(where: str, account: Account, totals: Totals) -> Iterator[str]:
    """Each call is a deferral, a failure, an outcome, or one whose claim was lost."""
    for step in account.deferred.keys() | totals.defers.keys():
        planned, seen = totals.defers.get(step, 0), account.deferred[step]
        lost = account.calls[step] - seen - account.failed[step] - account.completed[step]
        if not planned - lost <= seen <= planned:
            yield f"{where}: {step} was deferred {seen} times, {planned} were planned, {lost} calls were lost"


def _unlike(seen: object, predicted: object) -> str:
    if isinstance(seen, dict) and isinstance(predicted, dict):
        steps = sorted(step for step in seen.keys() | predicted.keys() if seen.get(step) != predicted.get(step))
        return ", ".join(f"{step} {seen.get(step)} not {predicted.get(step)}" for step in steps)
    return f"{seen}, not {predicted}"
