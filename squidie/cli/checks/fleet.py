"""Checks of who works: workers, the queues they serve, and beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.cli.checks.patient import Finding, Severity, error, ok, some, warning
from squidie.views.words import many, paused, span, worker_command
from squidie.workflow.spec import TriggerKind

if TYPE_CHECKING:
    from squidie.cli.checks.patient import Patient
    from squidie.views.fleet import WorkerView


def workers_alive(patient: Patient) -> Finding:
    """Somebody works."""
    alive = patient.fleet.alive("worker")
    if alive:
        return Finding(Severity.OK, f"{many(len(alive), 'worker')}: {some([worker.owner for worker in alive])}")
    seen = [worker.seen_at for worker in patient.fleet.workers if worker.role == "worker"]
    last = f"the last was seen {span(patient.fleet.at - max(seen))} ago" if seen else "none was ever seen"
    return Finding(Severity.ERROR, f"no worker is alive; {last}", worker_command(patient.squidie.delivery.name))


def workers_version(patient: Patient) -> Finding:
    """All workers run the same code, and the same Squidie."""
    alive = patient.fleet.alive("worker")
    versions = {_version(worker) for worker in alive}
    if len(versions) < 2:
        return ok(f"all {next(iter(versions))}" if versions else "nobody works")
    said = [
        f"{_version(each)} on {some([w.owner for w in alive if _version(w) == _version(each)], 2)}"
        for each in {_version(each): each for each in alive}.values()
    ]
    return warning(f"workers differ: {some(said)}", "a deploy that goes on ends by itself; else restart the older ones")


def _version(worker: WorkerView) -> str:
    code = f", code {worker.code_version}" if worker.code_version else ""
    return f"squidie {worker.version}{code}"


def workers_callables(patient: Patient) -> Finding:
    """Whoever serves a queue has the code for what waits on it, and for what this code would put there."""
    missing = {queue.name: set(queue.unserved) for queue in patient.fleet.queues if queue.unserved and queue.consumers}
    serving = patient.fleet.alive("worker")
    for queue, wanted in _wanted(patient).items():
        has = {name for worker in serving if queue in worker.queues for name in worker.callables}
        if has and wanted - has:
            missing.setdefault(queue, set()).update(wanted - has)
    if not missing:
        return ok("whoever serves a queue has the code for it")
    evidence = [f"{queue}: no living worker has {some(sorted(names), 3)}" for queue, names in sorted(missing.items())]
    return error(some(evidence, 3), "deploy the code that has it to the workers of that queue, and restart them")


def _wanted(patient: Patient) -> dict[str, set[str]]:
    """Callables by the queue on which the workflows declared here need them."""
    found: dict[str, set[str]] = {}
    for workflow in patient.squidie.workflows.values():
        for node in workflow.spec.work.values():
            if node.action:
                found.setdefault(node.queue or patient.squidie.default_queue, set()).add(node.action)
    return found


def queues_consumed(patient: Patient) -> Finding:
    """Every queue that workflows use, or that has open work, is served."""
    served = {queue for worker in patient.fleet.alive("worker") for queue in worker.queues}
    due = {queue.name: queue for queue in patient.fleet.queues if queue.open}
    wanted = patient.squidie.used_queues() | due.keys()
    missing = sorted(wanted - served)
    if not missing:
        return Finding(Severity.OK, f"served: {some(sorted(wanted))}" if wanted else "no queue is in use")
    waiting = sum(due[name].due for name in missing if name in due)
    evidence = f"no worker serves {some(missing)}; {many(waiting, 'attempt')} due there"
    return Finding(Severity.ERROR, evidence, worker_command(patient.squidie.delivery.name, missing))


def queues_paused(patient: Patient) -> Finding:
    """Nobody has stopped a queue and forgotten it."""
    pauses = {queue.name: queue.paused for queue in patient.fleet.queues if queue.paused is not None}
    if not pauses:
        return Finding(Severity.OK, "none")
    evidence = [f"{name} was {paused(pause, patient.fleet.at)}" for name, pause in pauses.items()]
    return Finding(Severity.WARNING, some(evidence), f"squidie queues resume {next(iter(pauses))}, when that is over")


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
        return ok(f"last seen {span(patient.fleet.at - latest)} ago")
    if lost := [each for each in patient.fleet.lost if each.role == "beat"]:
        said = f"{lost[0].owner} was last seen {span(patient.fleet.at - lost[0].seen_at)} ago, and has not stopped"
        return warning(f"{said}; sweepers open windows meanwhile", "start it again: celery -A PROJECT beat")
    if not crons:
        return Finding(Severity.OK, "no cron trigger, none needed")
    if patient.fleet.alive("worker"):
        return Finding(Severity.OK, f"no beat; sweepers open the windows of {many(len(crons), 'cron trigger')}")
    return Finding(
        Severity.ERROR,
        f"nobody opens the windows of {many(len(crons), 'cron trigger')}",
        "start a worker, or beat with squidie_celery.beat:Scheduler",
    )


def beat_single(patient: Patient) -> Finding:
    """One beat: windows are safe with any number of them, the other entries of an app are not."""
    beats = patient.fleet.alive("beat")
    if len(beats) < 2:
        return ok("one" if beats else "none")
    return warning(
        f"{len(beats)} beats are alive: {some([beat.owner for beat in beats])}. Each window is opened once all the "
        "same; other entries of the app's schedule are sent by each",
        "stop all but one",
    )
