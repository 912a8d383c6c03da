"""How a run under faults has ended: whether everything has, what must have happened, and the figures of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis as redis_client

from evidence import sometimes
from evidence.report import percentile
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from uuid import UUID

    from evidence.cluster import Cluster
    from evidence.harm import Harm
    from evidence.report import Row
    from evidence.sometimes import Target

ENDS = "select run_id, status from squidie.runs where run_id = any(:runs)"
OPEN = """
select run_id, workflow, status, rev from squidie.runs
where run_id = any(:runs) and status not in ('completed', 'failed', 'cancelled')
"""
LETTERS = "select run_id, step, reason from squidie.dead_letters"
COUNTS = """
select count(*) filter (where kind = 'run_completed') as completed,
    count(*) filter (where kind = 'run_failed') as failed,
    count(*) filter (where kind = 'run_cancelled') as cancelled,
    count(*) filter (where kind = 'attempt_completed') as steps,
    count(*) filter (where body->'claim' is not null) as claims
from squidie.facts
"""
FIRST = """
select extract(epoch from min((f.body->'claim'->>'claimed_at')::timestamptz) - r.started_at)::float8 as waited
from squidie.runs r join squidie.facts f using (run_id) where f.body->'claim' is not null
group by r.run_id, r.started_at
"""


def ends_of(cluster: Cluster, runs: Collection[UUID]) -> dict[UUID, str]:
    """How each of these runs stands, as far as the journal knows it."""
    return {row.run_id: row.status for row in cluster.read(ENDS, runs=list(runs))}


def strays(cluster: Cluster, keys: str, known: Collection[UUID]) -> list[str]:
    """Runs under keys of this pattern that nobody knows to have started: a start that was asked twice made two."""
    found = cluster.read("select run_id from squidie.runs where key like :keys", keys=keys)
    return [f"{row.run_id} was started twice" for row in found if row.run_id not in known]


def letters_of(cluster: Cluster) -> set[tuple[UUID, str, str]]:
    """All dead letters: run, step, reason."""
    return {(row.run_id, row.step, row.reason) for row in cluster.read(LETTERS)}


def rests(cluster: Cluster, runs: Collection[UUID], within: float) -> list[str]:
    """Wait until all of these have ended; in words, those that have not."""
    try:
        eventually(lambda: not cluster.read(OPEN, runs=list(runs)), within, every=0.1)
    except AssertionError:
        left = cluster.read(OPEN, runs=list(runs))
        return [f"{row.workflow} {row.run_id} {_headline(cluster, row.run_id)}" for row in left]
    return []


def _headline(cluster: Cluster, run_id: UUID) -> str:
    seen = cluster.squidie.inspect_run(run_id)
    return f"{seen.status}: {seen.headline}"


def concluded(
    cluster: Cluster, row: Row, harm: Harm, targets: Iterable[Target], seconds: tuple[float, float]
) -> dict[str, Any]:
    """The figures to print, and in the row what was missed; `seconds` are those asked for, and those it took."""
    asked, took = seconds
    found = sometimes.counted(cluster, harm.hits)
    row.refused = found["refused_stale"] + found["refused_by_end"] + found["refused_rows"]
    row.why += sometimes.missed(found, targets, asked)
    again = sometimes.recoveries(cluster, harm.died)
    row.recovery = [each for seen in again.values() for each in seen]
    figures = _figures(cluster, row, again, took)
    if "kill redis" in harm.hits:
        del figures["bells_per_run"]  # its count has died with it
    return {**figures, "sometimes": found, "faults_by_kind": dict(harm.hits)}


def _figures(cluster: Cluster, row: Row, again: Mapping[str, list[float]], took: float) -> dict[str, Any]:
    """Of throughput, latency, repetition and recovery; seconds, unless the name says otherwise."""
    (counts,) = cluster.read(COUNTS)
    waited = [each.waited for each in cluster.read(FIRST)]
    shares = {f"{who}_recovery_p{p}": percentile(seen, p / 100) for who, seen in again.items() for p in (50, 99)}
    latency = {f"start_to_first_step_p{p}": percentile(waited, p / 100) for p in (50, 95, 99)}
    ended = counts.completed + counts.failed + counts.cancelled
    return {
        "completed": counts.completed,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "runs_per_second": round(ended / took, 1),
        "steps_per_second": round(counts.steps / took, 1),
        "effects_again_percent": round(100 * row.again / max(1, row.effects), 2),
        "claims_per_step": round(counts.claims / max(1, counts.steps), 3),
        "bells_per_run": round(_bells(cluster) / max(1, ended), 2),
        **{name: round(seconds, 3) for name, seconds in {**latency, **shares}.items()},
    }


def _bells(cluster: Cluster) -> int:
    """Messages that Redis has been given since it was last started."""
    with redis_client.Redis.from_url(cluster.services.redis_url, socket_timeout=5) as connection:
        found: Any = connection.info("commandstats")
    return int(found.get("cmdstat_lpush", {}).get("calls", 0))
