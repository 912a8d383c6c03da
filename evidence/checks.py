"""What must be so after a scenario, whatever has happened in it (RELIABILITY 5).

E1   for each idempotency key: at least one effect, at most one a claim, exactly one accepted by who knows keys
E2   rows of transactional steps are those of completed facts, each once, written under the very claim
E3   an effect's claim has ended by a fact, or is still held; if neither, a database crash has erased it
C1   the cached state is the fold of the facts; with it every predicate of invariants.sql
D0   no deadlock
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from squidie.testing import eventually, stuck, violations

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from evidence.cluster import Cluster
    from evidence.effects import Effect

CLAIMS = """
with told as (
    select run_id, seq, kind, body from squidie.facts where run_id = any(:runs)
), ended as (
    select run_id, seq, kind, body->>'step' as step, (body->'claim'->>'id')::uuid as claim from told
    where body->'claim'->>'id' is not null
    union all
    select t.run_id, t.seq, 'withdrawn', e->>'step', (e->'claim'->>'id')::uuid from told t,
        json_array_elements(case when json_typeof(t.body->'ends') = 'array' then t.body->'ends' else '[]' end) e
    where e->'claim'->>'id' is not null
)
select run_id, step, claim, kind from ended
union all
select run_id, step, claim_id, 'held' from squidie.attempts where run_id = any(:runs) and claim_id is not null
"""
NAMES = "select run_id, workflow from squidie.runs where run_id = any(:runs)"
BOOKS = "select run_id, step, claim from books where run_id = any(:runs)"
DEADLOCKS = "select coalesce(sum(deadlocks), 0) from pg_stat_database where datname = current_database()"


@dataclass(slots=True)
class Findings:
    """What the checks have found: numbers to print, and what is wrong, in words."""

    effects: int = 0
    again: int = 0
    erased: int = 0
    outcomes: int = 0
    released: int = 0
    expired: int = 0
    wrong: list[str] = field(default_factory=list)


def of_runs(cluster: Cluster, runs: Collection[UUID], *, may_erase: bool = False) -> Findings:
    """E1, E2 and E3 for these runs. `may_erase`: the database was crashed, so claims may be gone without a fact."""
    found = Findings()
    claims = cluster.read(CLAIMS, runs=list(runs))
    books = cluster.read(BOOKS, runs=list(runs))
    workflows = {row.run_id: row.workflow for row in cluster.read(NAMES, runs=list(runs))}
    done = cluster.effects.of(*runs)
    found.outcomes = sum(row.kind == "attempt_completed" for row in claims)
    found.released = sum(row.kind == "attempt_released" for row in claims)
    found.expired = sum(row.kind == "attempt_expired" for row in claims)
    _effects(done, claims, found, may_erase=may_erase)
    _books(workflows, claims, books, found, transactional(cluster))
    return found


def transactional(cluster: Cluster) -> set[tuple[str, str]]:
    """Workflow and step of everything that writes in one commit with its outcome."""
    specs = [cluster.squidie.registry.spec(name) for name in cluster.squidie.registry.workflows]
    return {(spec.name, node.name) for spec in specs for node in spec.nodes if node.transactional}


def _effects(done: list[Effect], claims: Sequence[Any], found: Findings, *, may_erase: bool) -> None:
    known = Counter((row.run_id, row.step) for row in claims)
    ended = {row.claim for row in claims}
    by_key = Counter(effect.key for effect in done)
    found.effects = len(done)
    found.again = len(done) - len({(effect.key, effect.attempt) for effect in done})
    erased = [effect for effect in done if effect.claim not in ended]
    found.erased = len({effect.claim for effect in erased})
    if erased and not may_erase:
        found.wrong += [f"E3: the claim of {effect.key} by {effect.pid} has no fact" for effect in erased]
    lost = Counter(effect.key for effect in erased)
    of_key = {effect.key: (effect.run_id, effect.step) for effect in done}
    for key, calls in by_key.items():
        if calls > known[of_key[key]] + lost[key]:
            found.wrong.append(f"E1: {calls} effects of {key}, {known[of_key[key]]} claims")
    for claim, calls in Counter((effect.claim, effect.key) for effect in done).items():
        if calls > 1:
            found.wrong.append(f"E1: {calls} effects of {claim[1]} under one claim")
    accepted = Counter(effect.key for effect in done if effect.accepted)
    found.wrong += [f"E1: {key} was accepted {accepted[key]} times" for key in by_key if accepted[key] != 1]
    completed = {(row.run_id, row.step) for row in claims if row.kind == "attempt_completed"}
    silent = completed - set(of_key.values())
    found.wrong += [f"E1: {step} of {run} completed without an effect" for run, step in silent]


def _books(
    workflows: dict[UUID, str],
    claims: Sequence[Any],
    books: Sequence[Any],
    found: Findings,
    transactional: set[tuple[str, str]],
) -> None:
    told = Counter(
        (row.run_id, row.step, row.claim)
        for row in claims
        if row.kind == "attempt_completed" and (workflows[row.run_id], row.step) in transactional
    )
    written = Counter((row.run_id, row.step, row.claim) for row in books)
    found.wrong += [f"E2: {n} row(s) of {key}, {told[key]} fact(s)" for key, n in written.items() if n != told[key]]
    found.wrong += [f"E2: no row for the fact of {key}" for key in told if key not in written]


def of_cluster(cluster: Cluster, *, rest: float = 10.0, max_claims: int = 5) -> list[str]:
    """Every predicate at this instant, nothing stuck once it has come to rest, no deadlock, everybody alive."""
    (deadlocks,) = cluster.read(DEADLOCKS)[0]  # first, since it waits for a server that comes back
    engine = cluster.squidie.engine
    wrong = violations(engine, max_claims=max_claims)
    grace = 3.0  # twice the longest of lease, backoff and sweep, and a beat more after an outage

    def at_rest() -> bool:
        return stuck(engine, grace=grace) == []

    try:
        eventually(at_rest, rest, every=0.2)
    except AssertionError:
        wrong += [f"stuck: {line}" for line in stuck(engine, grace=grace)]
    if deadlocks:
        wrong.append(f"D0: {deadlocks} deadlock(s)")
    return wrong + [f"{name} is dead" for name in cluster.dead()]
