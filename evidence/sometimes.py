"""What must have happened now and then, or a run under faults has proved nothing (RELIABILITY 9, SEMANTICS 16.6).

Counted from the journal's facts, from what workers have logged of refusals, and from what wires and failpoints did.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evidence.cluster import Cluster

REFUSED = re.compile(r"an outcome was not taken \((\w+)\):.*'claim_id': '([0-9a-f-]+)'")
ROLLED_BACK = "an outcome was not taken, and its rows are rolled back"
TAKEN_AWAY = """
select body->'claim'->>'id' as claim from squidie.facts
where kind in ('attempt_expired', 'attempt_released') and body->'claim'->>'id' = any(:claims)
"""

FACTS = """
with ended as (
    select run_id, seq, kind, at, body->>'step' as step, (body->>'attempt')::int as attempt, body->>'reason' as reason,
        coalesce((body->>'clock')::timestamptz, at) as told_at,
        (body->'claim'->>'claimed_at')::timestamptz as claimed_at,
        (body->'claim'->>'lease_until')::timestamptz as lease_until
    from squidie.facts where body->'claim' is not null
), opened as (
    select f.run_id, o->>'step' as step, (o->>'attempt')::int as attempt,
        coalesce((f.body->>'clock')::timestamptz, f.at) as told_at
    from squidie.facts f, json_array_elements(
        case when json_typeof(f.body->'opens') = 'array' then f.body->'opens' else '[]' end) o
)
select
    count(*) filter (where kind in ('attempt_completed', 'attempt_failed') and lease_until < told_at) as accepted_late,
    count(*) filter (where kind = 'attempt_expired') as expired,
    count(*) filter (where kind = 'attempt_released' and reason = 'child_died') as released,
    count(*) filter (where kind = 'attempt_released' and reason = 'given_back') as given_back,
    (select count(distinct (e.run_id, e.step, e.attempt)) from ended e join ended x on x.kind = 'attempt_expired'
        and (x.run_id, x.step, x.attempt) = (e.run_id, e.step, e.attempt) and x.seq < e.seq) as takeovers,
    (select count(*) from ended e join opened o on (o.run_id, o.step, o.attempt, o.told_at)
        = (e.run_id, e.step, e.attempt, e.claimed_at)) as handed_over,
    (select coalesce(max(n), 0) from (select count(*) n from ended
        where kind = 'attempt_expired' or reason = 'child_died' group by run_id, step, attempt) l) as most_lost
from ended
"""

LOST = """
with ended as (
    select run_id, body->>'step' as step, (body->>'attempt')::int as attempt, seq, kind, body->>'reason' as reason,
        split_part(body->'claim'->>'owner', ':', 2)::int as pid,
        (body->'claim'->>'claimed_at')::timestamptz as claimed_at
    from squidie.facts join squidie.runs r using (run_id) where body->'claim' is not null and r.queue <> 'late'
)
select kind, pid, extract(epoch from claimed_at)::float8 as claimed_at, extract(epoch from next_at)::float8 as again_at
from (
    select *, lead(claimed_at) over (partition by run_id, step, attempt order by seq) as next_at,
        row_number() over (partition by run_id, step, attempt order by seq) as n from ended
) e where n = 1 and next_at is not null and (kind = 'attempt_expired' or reason = 'child_died')
"""
"""First losses, with when the attempt was claimed again: after later ones it waits on purpose.

The queue of deaf workers is left out: when its only worker dies, it waits for another one to start.
"""


@dataclass(frozen=True)
class Target:
    """What must have happened at least so often in 120 seconds."""

    what: str
    least: float


def counted(cluster: Cluster, hits: Mapping[str, int]) -> dict[str, int]:
    """Every event that can be counted, by its name."""
    (row,) = cluster.read(FACTS)
    found = {name: int(getattr(row, name)) for name in row._fields}
    found |= refused(cluster)
    lost = "lost_reply"
    found["commits_done"] = hits.get("cut after", 0) + sum(n for name, n in hits.items() if lost in name)
    found["commits_undone"] = hits.get("cut before", 0)
    return found


def refused(cluster: Cluster) -> dict[str, int]:
    """Outcomes that a fence has refused, by workers' logs.

    `refused_stale`: the claim had been ended and the attempt given to others, whatever has become of the run since.
    `refused_by_end`: the run's end had ended it. `refused_rows`: of transactional steps, either.
    """
    logs = [node.process.log_text() for node in cluster.nodes]
    claims = [claim for log in logs for _, claim in REFUSED.findall(log)]
    stale = {row.claim for row in cluster.read(TAKEN_AWAY, claims=claims)}
    return {
        "refused_stale": sum(claim in stale for claim in claims),
        "refused_by_end": sum(claim not in stale for claim in claims),
        "refused_rows": sum(log.count(ROLLED_BACK) for log in logs),
    }


def missed(found: Mapping[str, int], targets: Iterable[Target], seconds: float) -> list[str]:
    """Targets that were not met, scaled to the time, and never below one."""
    wanted = [(target.what, max(1, round(target.least * seconds / 120))) for target in targets]
    return [f"{what}: {found[what]}, at least {least} were wanted" for what, least in wanted if found[what] < least]


def recoveries(cluster: Cluster, died: Mapping[int, float]) -> dict[str, list[float]]:
    """Seconds from the death or the freezing of a process to the next claim of what it held."""
    found: dict[str, list[float]] = {"child": [], "worker": []}
    rows: list[Any] = list(cluster.read(LOST))
    for row in rows:
        if row.pid in died and row.claimed_at <= died[row.pid] <= row.again_at:
            found["worker" if row.kind == "attempt_expired" else "child"].append(row.again_at - died[row.pid])
    return found
