"""The mix that the original's soak plays (SEMANTICS 16.4), on the reference workflows of `examples/`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from evidence import checks
from evidence.cluster import outcome
from squidie.errors import UnsafeReplay

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from evidence.cluster import Cluster
    from evidence.harm import Silence
    from evidence.report import Row
    from squidie import Run

RECOVERIES, REPLAYS, RETRIES, CANCELS = 12, 2, 3, 3
INVOICE = {"invoice_id": "soak-200"}
"""Its gateway answers 200, so the customer is notified: that is the step which a replay must name."""

STEP = "notify"
AGED = 0.25
"""Seconds after a cancel at which no step is entered any more."""

CANCELLED = "select at from squidie.facts where run_id = :run and kind = 'run_cancelled'"


def play(cluster: Cluster, row: Row, queue: str, patience: float = 60.0) -> None:
    """Everything is started at once, and then judged."""
    start = cluster.squidie.start
    recoveries = [start("PaymentRecovery", INVOICE, queue=queue) for _ in range(RECOVERIES)]
    retried = [start("RetryVerification", queue=queue) for _ in range(RETRIES)]
    cancelled = [start("CancellableWait", queue=queue) for _ in range(CANCELS)]
    for run in cancelled:
        cluster.squidie.cancel(run.id, reason="soak", actor="ann")
    for run in recoveries:
        row.expect(outcome(run, patience) == f"mailed about {INVOICE['invoice_id']}", f"{run.id} did not end well")
    replays = [replayed(cluster, row, run, queue) for run in recoveries[:REPLAYS]]
    for run in replays:
        row.expect(outcome(run, patience) == f"mailed about {INVOICE['invoice_id']}", "a replay did not end well")
    for run in retried:
        row.expect(outcome(run, patience) == "attempt 2", "it was not the second attempt that went well")
    runs = [*recoveries, *retried, *cancelled, *replays]
    row.runs += len(runs)
    row.take(checks.of_runs(cluster, [run.id for run in runs]))
    for run in cancelled:
        row.expect(run.snapshot().status == "cancelled", f"{run.id} is {run.snapshot().status}")
        row.violations += entered_late(cluster, run.id, ())


def replayed(cluster: Cluster, row: Row, source: Run, queue: str) -> Run:
    """Refused without the name of the step that notified, accepted with it, and told where it comes from."""
    replay = partial(cluster.squidie.replay, source.id, queue=queue, actor="ann", reason="soak")
    try:
        replay()
        row.expect(holds=False, what="a replay that notifies again was not refused")
    except UnsafeReplay as refused:
        steps = [step["step"] for step in refused.steps]
        row.expect(steps == [STEP], f"to be named were {steps}")
    run = replay(allow_irreversible=[STEP])
    row.expect(run.snapshot().replay_of == str(source.id), "a replay does not say of what")
    return run


def entered_late(cluster: Cluster, run_id: UUID, silences: tuple[Silence, ...] | list[Silence]) -> list[str]:
    """Steps whose code was entered when the cancel of their run was aged.

    A process that was stopped meanwhile may have been about to call: that nobody can see from within.
    """
    (cancelled,) = cluster.read(CANCELLED, run=run_id)
    return [
        f"cancel: {effect.step} of {run_id} was entered {(entered - cancelled.at).total_seconds():.3f} s after it"
        for effect in cluster.effects.of(run_id)
        if (entered := effect.entered_at) is not None
        and (entered - cancelled.at).total_seconds() > AGED
        and not _was_silent(effect.pid, cancelled.at, entered, silences)
    ]


def _was_silent(pid: int, since: datetime, until: datetime, silences: tuple[Silence, ...] | list[Silence]) -> bool:
    return any(
        silence.pid == pid and silence.since < until.timestamp() and silence.until > since.timestamp()
        for silence in silences
    )
