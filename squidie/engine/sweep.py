"""What a crash or a lost bell left behind: found by every worker, at its own jittered pace, with no leader.

A sweep rings for what is due and unclaimed, ends claims whose leases are over (as facts, under the heads), and opens
due cron windows. It bounds every loss: after `kill -9` of a host, work begins elsewhere within lease + sweep.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from squidie import failpoints
from squidie.decide.backoff import after_loss
from squidie.decide.commands import Expire, Release
from squidie.engine import ids
from squidie.engine.presence import Presence
from squidie.engine.tick import tick
from squidie.engine.timers import settle_due
from squidie.engine.transact import transact
from squidie.errors import JournalBusy, SquidieError
from squidie.history.facts import AttemptDeadLettered, AttemptExpired, ReleaseReason
from squidie.journal import attempts
from squidie.journal.glance import glance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from squidie.decide.commands import OnRun
    from squidie.engine.batch import Verdict
    from squidie.engine.parts import Parts

log = logging.getLogger("squidie.sweep")

SHARE = 64

PRESENCE_EVERY = 3
"""Looks between two signs of life: an idle worker asks Postgres less than once a second in all."""


@dataclass(slots=True)
class SweepReport:
    """What one look has found.

    Queues rung for, claims ended, attempts given up, seconds to the next cron window, timers settled.
    """

    rung: tuple[str, ...] = ()
    expired: int = 0
    dead: int = 0
    next_window: float = 5.0
    timers: int = 0


def sweep(parts: Parts, queues: Sequence[str], *, spare: bool = False) -> SweepReport:
    """One look. With `spare` no claim is ended: whoever sweeps was away himself, and living holders renew first.

    Where there is nothing to do it costs two statements: a glance, and the look for cron windows.
    """
    report = SweepReport()
    with parts.telling.span("sweep") as span:
        _look(parts, queues, report, spare=spare)
        if span is not None:
            span.measures |= {"expired": report.expired, "timers": report.timers}
    return report


def _look(parts: Parts, queues: Sequence[str], report: SweepReport, *, spare: bool) -> None:
    with parts.journal.reading() as connection:
        parts.memory.look_if_due(connection)
        seen = glance(parts.journal, connection, queues)
    if seen.expired and not spare:
        _end_expired(parts, report)
    report.next_window = tick(parts)
    if seen.timers:
        report.timers = settle_due(parts)
    report.rung = seen.due
    if report.expired or report.timers:
        with parts.journal.reading() as connection:
            report.rung = tuple(attempts.due_queues(parts.journal, connection, queues))
    parts.bells.ring(report.rung)


def _end_expired(parts: Parts, report: SweepReport) -> None:
    with parts.journal.reading() as connection:
        over = attempts.expired(parts.journal, connection)
    commands = [
        Expire(*row.key, claim_id=row.lease.claim_id, delay=after_loss(row.lost + 1)) for row in over if row.lease
    ]
    if commands and not failpoints.hit("sweep.before_expire"):
        _end(parts, commands, report)


def child_died(parts: Parts, pid: int) -> int:
    """End the claims of a process of this worker that is no more, at once; how many there were."""
    with parts.journal.reading() as connection:
        held = attempts.of_owner(parts.journal, connection, ids.owner(pid))
    delay = {row.key: after_loss(row.lost + 1) for row in held}
    commands = [
        Release(
            *row.key, row.lease.claim_id, row.lease.token_hash, reason=ReleaseReason.CHILD_DIED, delay=delay[row.key]
        )
        for row in held
        if row.lease is not None
    ]
    report = SweepReport()
    _end(parts, commands, report)
    return report.expired


def _end(parts: Parts, commands: Sequence[OnRun], report: SweepReport) -> None:
    for start in range(0, len(commands), SHARE):
        for verdict in _passing(parts, commands[start : start + SHARE]):
            for fact in verdict.facts:
                report.expired += isinstance(fact, AttemptExpired) or fact.kind == "attempt_released"
                report.dead += isinstance(fact, AttemptDeadLettered)
            if verdict.error is not None and not isinstance(verdict.error, SquidieError):
                log.error("a claim could not be ended: %s", verdict.error, exc_info=verdict.error)


def _passing(parts: Parts, commands: Sequence[OnRun]) -> list[Verdict]:
    """A run that somebody holds waits for the next sweep; it must not keep us from ringing for the others."""
    try:
        return transact(parts, commands)
    except JournalBusy as error:
        log.info("a claim could not be ended yet: %s", error)
        return []


class Sweeper:
    """The thread that sweeps, and says that this worker is alive.

    It backs off while Postgres is away and never ends by itself.
    """

    def __init__(self, parts: Parts, queues: Callable[[], Sequence[str]], role: str, slots: int | None = None) -> None:
        self._parts = parts
        self._queues = queues
        self._presence = Presence(parts, role, slots)
        self._looks = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._expected = time.monotonic()
        self._spare_until = 0.0

    def start(self) -> None:
        """Sweep at once, and then again and again."""
        self._thread = threading.Thread(target=self._run, name="squidie-sweep", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Sweep no more; the worker has left, if Postgres can be told."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._presence.leave()

    def _run(self) -> None:
        settings = self._parts.settings
        while not self._stopping.is_set():
            pause = ids.jittered(settings.sweep)
            try:
                report = self._look()
                pause = min(pause, max(0.01, report.next_window))
                self._expected = time.monotonic() + pause
            except SquidieError as error:
                log.warning("the sweep found no journal: %s", error)
            except Exception:
                log.exception("a sweep failed; the next one tries again")
            self._stopping.wait(pause)

    def _look(self) -> SweepReport:
        """A look that comes more than a beat later than it should was away: for a beat from now on it ends no claim."""
        beat, now = self._parts.settings.renewal, time.monotonic()
        if now > self._expected + beat:
            self._spare_until = now + beat
        queues = tuple(self._queues())
        if self._looks % PRESENCE_EVERY == 0:
            self._presence.refresh(queues)
        self._looks += 1
        report = sweep(self._parts, queues, spare=now < self._spare_until)
        self._expected = time.monotonic()
        return report
