"""What `squidie doctor` looks at: small functions with stable ids, which say what they find and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie import failpoints
from squidie.cli.database_checks import (
    db_append_only,
    db_clock,
    db_connect,
    db_durability,
    db_encoding,
    db_long_transactions,
    db_role,
    db_schema,
)
from squidie.cli.journal_checks import journal_regressed, journal_verify
from squidie.cli.patient import Check, Finding, Needs, Patient, Severity, summed
from squidie.errors import ConfigError, InvalidSpec, MissingConfig, SquidieError
from squidie.journal import health
from squidie.views.words import many, paused, span, worker_command
from squidie.workflow.spec import TriggerKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.cli.setup import Setup


def examine(setup: Setup, only: str | None = None) -> Iterator[tuple[str, Finding]]:
    """Every check that makes sense, in order."""
    patient = Patient(setup)
    for check in CHECKS:
        if check.needs in patient.has:
            finding = _look(check, patient)
            if only is None or check.id == only:
                yield check.id, finding


def _look(check: Check, patient: Patient) -> Finding:
    try:
        return check.look(patient)
    except SquidieError as error:
        return Finding(Severity.ERROR, error.message, error.hint)


def app_import(patient: Patient) -> Finding:
    """The application can be found, imported, and its workflows are sound."""
    try:
        squidie = patient.setup.with_code()
    except MissingConfig as error:
        return Finding(Severity.WARNING, "no application was named: only the journal is looked at", error.hint)
    except (ConfigError, InvalidSpec) as error:
        return Finding(Severity.ERROR, error.message, error.hint)
    patient.has.add(Needs.CODE)
    workflows = squidie.workflows.values()
    steps = sum(len(workflow.spec.nodes) for workflow in workflows)
    if not workflows:
        return Finding(
            Severity.WARNING, f"{patient.setup.found_at} declares no workflow", "pass workflows=[...] to Squidie(...)"
        )
    return Finding(Severity.OK, f"{patient.setup.found_at}: {many(len(workflows), 'workflow')}, {many(steps, 'step')}")


def broker_connect(patient: Patient) -> Finding:
    """Bells can be sent."""
    delivery = patient.squidie.delivery
    if delivery.name == "silent":
        return Finding(
            Severity.WARNING,
            "no delivery is set: work is found by sweeps and turns only",
            'Squidie(..., delivery="celery")',
        )
    check = getattr(delivery, "check", None)
    if check is None:
        return Finding(Severity.OK, f"{delivery.name}; it offers no check")
    return Finding(Severity.OK, f"{delivery.name}: {check() or 'answers'}")


def broker_settings(patient: Patient) -> Finding:
    """Nothing about the broker and its client is unwise."""
    findings = getattr(patient.squidie.delivery, "findings", list)
    return summed(findings(), "nothing unwise")


def broker_quarantine(patient: Patient) -> Finding:
    """Everything in the queues can be read."""
    quarantined = getattr(patient.squidie.delivery, "quarantined", int)()
    if not quarantined:
        return Finding(Severity.OK, "empty")
    return Finding(
        Severity.WARNING,
        f"{many(quarantined, 'item')} put aside that no worker could read",
        "somebody else writes to this Redis: LRANGE squidie.quarantine 0 -1 shows what, DEL squidie.quarantine forgets",
    )


def access_authorize(patient: Patient) -> Finding:
    """Whether the host decides who may do what."""
    if patient.squidie.has_authorize:
        return Finding(Severity.OK, "the application's authorize hook is asked before every command on a run")
    evidence = "no authorize hook: whoever calls from Python is trusted, and roles bind nobody"
    return Finding(Severity.OK, evidence, "Squidie(..., authorize=hook), if others than trusted code may steer runs")


def workers_alive(patient: Patient) -> Finding:
    """Somebody works."""
    alive = patient.fleet.alive("worker")
    if alive:
        return Finding(Severity.OK, f"{many(len(alive), 'worker')}: {_some([worker.owner for worker in alive])}")
    seen = [worker.seen_at for worker in patient.fleet.workers if worker.role == "worker"]
    last = f"the last was seen {span(patient.fleet.at - max(seen))} ago" if seen else "none was ever seen"
    return Finding(Severity.ERROR, f"no worker is alive; {last}", worker_command(patient.squidie.delivery.name))


def queues_consumed(patient: Patient) -> Finding:
    """Every queue that workflows use, or that has open work, is served."""
    served = {queue for worker in patient.fleet.alive("worker") for queue in worker.queues}
    due = {queue.name: queue for queue in patient.fleet.queues if queue.open}
    wanted = patient.squidie.used_queues() | due.keys()
    missing = sorted(wanted - served)
    if not missing:
        return Finding(Severity.OK, f"served: {_some(sorted(wanted))}" if wanted else "no queue is in use")
    waiting = sum(due[name].due for name in missing if name in due)
    evidence = f"no worker serves {_some(missing)}; {many(waiting, 'attempt')} due there"
    return Finding(Severity.ERROR, evidence, worker_command(patient.squidie.delivery.name, missing))


def queues_paused(patient: Patient) -> Finding:
    """Nobody has stopped a queue and forgotten it."""
    pauses = {queue.name: queue.paused for queue in patient.fleet.queues if queue.paused is not None}
    if not pauses:
        return Finding(Severity.OK, "none")
    evidence = [f"{name} was {paused(pause, patient.fleet.at)}" for name, pause in pauses.items()]
    return Finding(Severity.WARNING, _some(evidence), f"squidie queues resume {next(iter(pauses))}, when that is over")


def beat_alive(patient: Patient) -> Finding:
    """Cron windows are opened on time."""
    crons = [
        trigger
        for workflow in patient.squidie.workflows.values()
        for trigger in workflow.spec.triggers
        if trigger.kind is TriggerKind.CRON
    ]
    beats = patient.fleet.alive("beat")
    if beats:
        latest = max(beat.seen_at for beat in beats)
        return Finding(Severity.OK, f"last seen {span(patient.fleet.at - latest)} ago")
    if not crons:
        return Finding(Severity.OK, "no cron trigger, none needed")
    if patient.fleet.alive("worker"):
        return Finding(Severity.OK, f"no beat; sweepers open the windows of {many(len(crons), 'cron trigger')}")
    return Finding(
        Severity.ERROR,
        f"nobody opens the windows of {many(len(crons), 'cron trigger')}",
        "start a worker, or beat with squidie_celery.beat:Scheduler",
    )


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


def switches(patient: Patient) -> Finding:
    """Nothing that is meant for tests is switched on: planned failures here, a clock that was set by hand there."""
    planned = [f"{plan.point}={plan.action}" for plan in failpoints.armed()]
    with patient.journal.reading() as connection:
        is_set = health.is_clock_set(patient.journal, connection)
        can_be_set = health.can_clock_be_set(patient.journal, connection)
    found = [f"failpoints are armed: {_some(planned)}"] if planned else []
    found += ["the clock of this journal is that of tests, which any session can set"] if can_be_set else []
    found += [f"squidie.now is set, and {'obeyed' if can_be_set else 'ignored'}"] if is_set else []
    if not found:
        return Finding(Severity.OK, "no failpoints, and the clock runs")
    if planned:
        fix = f"unset {failpoints.SWITCH} and {failpoints.VARIABLE}"
    else:
        fix = "squidie.testing.set_clock(engine, None)" if can_be_set else 'alter database … reset "squidie.now"'
    return Finding(Severity.WARNING, "; ".join(found), fix)


def dead_count(patient: Patient) -> Finding:
    """Nothing was given up."""
    dead = patient.fleet.dead_letters
    if not dead:
        return Finding(Severity.OK, "none")
    return Finding(Severity.WARNING, f"{many(dead, 'attempt')} given up", "squidie dead groups")


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


CHECKS: tuple[Check, ...] = (
    Check("app.import", app_import, Needs.NOTHING),
    Check("db.connect", db_connect, Needs.NOTHING),
    Check("db.schema", db_schema, Needs.DATABASE),
    Check("db.append_only", db_append_only),
    Check("db.durability", db_durability, Needs.DATABASE),
    Check("db.encoding", db_encoding, Needs.DATABASE),
    Check("db.role", db_role, Needs.DATABASE),
    Check("db.clock", db_clock, Needs.DATABASE),
    Check("db.long_transactions", db_long_transactions, Needs.DATABASE),
    Check("broker.connect", broker_connect, Needs.CODE),
    Check("broker.settings", broker_settings, Needs.CODE),
    Check("broker.quarantine", broker_quarantine, Needs.CODE),
    Check("access.authorize", access_authorize, Needs.CODE),
    Check("workers.alive", workers_alive),
    Check("queues.consumed", queues_consumed),
    Check("queues.paused", queues_paused),
    Check("beat.alive", beat_alive),
    Check("claims.expired", claims_expired),
    Check("dead.count", dead_count),
    Check("journal.regressed", journal_regressed),
    Check("journal.verify", journal_verify),
    Check("test.switches", switches),
)
