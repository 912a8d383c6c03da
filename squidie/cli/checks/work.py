"""Checks of the work itself: what is late, lost, given up or stranded, and how the journal grows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from squidie.cli.checks.patient import Finding, Severity, error, ok, some, warning
from squidie.decide.retention import policy_of
from squidie.decide.windows import ON_TIME
from squidie.journal import health
from squidie.views.stranded import stranded
from squidie.views.words import many, size, span
from squidie.workflow.words import clock_warnings

if TYPE_CHECKING:
    from typing import Any

    from squidie.cli.checks.patient import Patient

LATE, BEHIND = 2, 4
"""Sweeps after which work that nobody picks up is late, and after which a worker that was not heard of is behind."""

OLD = timedelta(days=30)
"""From this age on somebody should have said how long runs are kept."""

GRACE = timedelta(days=7)
"""So long runs may be past their age before it is said that nobody removes them."""

MONTH = timedelta(days=30)


def schedules_missed(patient: Patient) -> Finding:
    """Windows are opened when they come."""
    late = [each for each in patient.schedules if each.state == "on" and each.next_at and each.now]
    late = [each for each in late if each.now - each.next_at > ON_TIME]  # type: ignore[operator] # both are there
    if not late:
        return ok(many(len(patient.schedules), "schedule"))
    said = [f"{each.name} since {each.next_at:%Y-%m-%d %H:%M:%S} UTC" for each in late]
    return error(f"due, and nobody opens them: {some(said, 3)}", "start a worker or beat of this code: see beat.alive")


def schedules_dst(patient: Patient) -> Finding:
    """No schedule has a local time that vanishes or comes twice when the clocks are set."""
    said = [
        f"{each.name}: {warned}"
        for each in patient.schedules
        if each.now and each.state == "on"
        for warned in clock_warnings(each.expression, each.timezone, each.now)
    ]
    if not said:
        return ok("no local time vanishes or comes twice")
    return warning("; ".join(said[:3]), "a time before 01:00 or after 03:59, or timezone UTC")


def lag_pickup(patient: Patient) -> Finding:
    """What is due is taken soon where workers are free; what waits for a limit is not due to them."""
    with patient.journal.looking() as connection:
        found = health.late(patient.journal, connection, LATE * patient.squidie.settings.sweep)
    taken = {queue.name for queue in patient.fleet.queues if queue.paused is None and not queue.unserved}
    late = [
        f"{row.queue}: {many(row.due, 'attempt')} due for up to {span(row.at - row.oldest)}"
        for row in found
        if row.queue in taken and _has_room(patient, row.queue)
    ]
    if not late:
        return ok("what is due is taken, as far as workers are free")
    return warning(
        f"{some(late, 3)}, and workers idle",
        "broker.connect says whether bells arrive; squidie explain --stuck --all why",
    )


def _has_room(patient: Patient, queue: str) -> bool:
    serving = [worker for worker in patient.fleet.alive("worker") if queue in worker.queues]
    return any(worker.slots is None or worker.busy is None or worker.busy < worker.slots for worker in serving)


def lag_sweep(patient: Patient) -> Finding:
    """Workers look again and again for what a crash or a lost bell has left."""
    alive = patient.fleet.alive("worker")
    behind = timedelta(seconds=BEHIND * patient.squidie.settings.sweep)
    late = [
        f"{each.owner} {span(patient.fleet.at - each.seen_at)} ago"
        for each in alive
        if patient.fleet.at - each.seen_at > behind
    ]
    if not late:
        return ok(f"every {patient.squidie.settings.sweep:g} s" if alive else "nobody sweeps")
    return warning(f"the last sweep of {some(late)}", "is the machine overloaded, or its connection to Postgres slow?")


def claims_expired(patient: Patient) -> Finding:
    """Dead workers' claims are taken over."""
    expired = sum(queue.expired for queue in patient.fleet.queues)
    if not expired:
        return Finding(Severity.OK, "none")
    return Finding(
        Severity.WARNING,
        f"{many(expired, 'claim')} past the lease and not taken over yet",
        "the next sweep of any worker does it; see workers.alive",
    )


def runs_stranded(patient: Patient) -> Finding | None:
    """Every open run finds the callables of the definition that it keeps."""
    if not patient.has_code:
        return None
    found = stranded(patient.journal, patient.squidie.registry)
    if not found.groups:
        return ok(f"{many(found.open, 'open run')}, and this code can go on with each")
    said = [f"{many(each.runs, 'run')} of {each.workflow} need {each.action}" for each in found.groups]
    return error(f"{some(said, 3)}, which this code lacks", "squidie check; Squidie(..., keep=[...]) or aliases={...}")


def dead_count(patient: Patient) -> Finding:
    """Nothing was given up."""
    dead = patient.fleet.dead_letters
    if not dead:
        return Finding(Severity.OK, "none")
    return Finding(Severity.WARNING, f"{many(dead, 'attempt')} given up", "squidie dead groups")


def retention_policy(patient: Patient) -> Finding:
    """Somebody has said how long ended runs are kept, and somebody removes them."""
    with patient.journal.looking() as connection:
        found = health.size(patient.journal, connection)
    grown = f"the journal takes {size(found.bytes)}{_rate(found)}"
    policy = patient.squidie.settings.retention
    if policy is None:
        if found.ended_at is None or found.at - found.ended_at < OLD:
            return ok(f"none is set; {grown}")
        said = f"none is set, and runs are kept that ended {span(found.at - found.ended_at)} ago; {grown}"
        return warning(said, 'Settings(retention={"completed": "30d"}), and squidie gc --apply from time to time')
    over = _over(policy_of(policy), found)
    if over > GRACE:
        return warning(
            f"a policy is set, and {found.workflow} has runs past their age by {span(over)}; {grown}",
            "squidie gc --preview, then squidie gc --apply TOKEN, from time to time",
        )
    return ok(f"set; {grown}")


def _rate(found: Any) -> str:
    """What is added in a month, if it goes on as it did."""
    if found.since is None or found.at - found.since < timedelta(days=1):
        return ""
    return f" and grows {size(int(found.bytes * (MONTH / (found.at - found.since))))} a month"


def _over(policy: Any, found: Any) -> timedelta:
    """By how much the oldest run is past its age."""
    if found.ended_at is None:
        return timedelta()
    age = policy.workflows.get(found.workflow, {}).get(found.status, policy.ages.get(found.status))
    return timedelta() if age is None else found.at - found.ended_at - timedelta(seconds=age)
