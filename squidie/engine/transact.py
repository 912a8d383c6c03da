"""The one door: every change of a run is one Postgres transaction, made here or, where nobody is in the way, at once.

    1. lock the heads of the runs concerned, in id order, passing over those that somebody holds;
    2. in the next statement read the database's clock and the attempt rows: read together with the lock they may be
       older than the lock;
    3. decide, in Python, on the truth;
    4. write facts, heads and open attempts as one statement that repeats every fence and counts its rows;
    5. commit, and only then ring.

It takes a batch of commands for many runs: that is the group commit. A single command is a batch of one. There is no
optimistic loop: nobody decides here on what he does not hold. What is decided before (`engine.at_once`) is compared
with the truth in the statement that writes it, and comes here where it differs. A batch is split only for an error that
belongs to a member.
"""

from __future__ import annotations

import logging
import weakref
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from squidie import failpoints
from squidie.decide.commands import Complete, OnRun, needs_all_rows
from squidie.engine.batch import Batch, Handover, Verdict
from squidie.engine.keyed import Keyed
from squidie.engine.tally import Met
from squidie.errors import (
    CorruptHistory,
    HistoryError,
    JournalBusy,
    RunEnded,
    RunRetired,
    SquidieError,
    StaleClaim,
    UnknownAttempt,
)
from squidie.history.facts import AttemptExpired
from squidie.journal import attempts, dead, facts, heads, limits, notes, rebuild
from squidie.journal.heads import Head

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.history.attempts import OpenAttempt
    from squidie.workflow.spec import Spec


log = logging.getLogger("squidie.transact")


class FenceBroken(Exception):  # never leaves this module
    """Fewer rows were written than were decided: the batch is rolled back."""


def transact(
    parts: Parts,
    commands: Sequence[OnRun],
    *,
    host: Connection | None = None,
    session: Any = None,
    handover: Handover | None = None,
    settles: bool = False,
) -> list[Verdict]:
    """Lock, decide, write. Bells ring once the transaction, ours or the host's, has committed.

    Each verdict holds its command's facts or its error; a run that somebody else holds is `busy` in a batch, and waited
    for (at most `lock_timeout`) by a command alone, which then raises `JournalBusy`. Raises `JournalUnavailable` when
    Postgres is away: what was being committed is then unknown, and asking again with the same commands tells. `settles`
    says that these are outcomes, at which tests may let us fail.
    """
    try:
        verdicts, now = _together(parts, commands, host, handover, session, settles=settles)
    except (FenceBroken, DBAPIError) as error:
        if len(commands) == 1:
            return [Verdict(commands[0], error=_own_fault(commands[0], error))]
        return [verdict for command in commands for verdict in _alone(parts, command, handover, settles=settles)]
    parts.clock.heard(now)
    ring_for(parts, verdicts, now, session or host)
    return verdicts


def _alone(parts: Parts, command: OnRun, handover: Handover | None, *, settles: bool) -> list[Verdict]:
    """A member of a batch that failed, alone.

    What is wrong with it is its own now; what is wrong with the database is everybody's.
    """
    try:
        return transact(parts, [command], handover=handover, settles=settles)
    except JournalBusy:
        return [Verdict(command, busy=True)]


def _own_fault(command: OnRun, error: FenceBroken | DBAPIError) -> Exception:
    if isinstance(error, DBAPIError):
        return error
    return StaleClaim("the claim was ended while its outcome was written", details={"run_id": str(command.run_id)})


def _together(
    parts: Parts,
    commands: Sequence[OnRun],
    host: Connection | None,
    handover: Handover | None,
    session: Any,
    *,
    settles: bool,
) -> tuple[list[Verdict], datetime]:
    with parts.journal.transaction(host) as connection:
        found = _lock_heads(parts, connection, commands, host)
        if settles:
            failpoints.hit("settle.locked")
        specs = _specs(parts, connection, found)
        _set_aside(parts, connection, found, host)
        present = [command for command in commands if command.run_id in specs]
        locked = {run_id: head for run_id, head in found.items() if isinstance(head, Head)}
        whole = {each.run_id for each in present if needs_all_rows(each, locked[each.run_id].run, specs[each.run_id])}
        ended = [each for each in present if isinstance(each, Complete) and each.run_id not in whole]
        now, rows = attempts.decisive(parts.journal, connection, {each.key: each.row for each in ended}, whole)
        batch = Batch(locked, rows, now, limits=parts.limits, handover=handover)
        keyed = Keyed(parts, connection, present)
        judge = partial(_judge, parts, connection, batch, found, specs)
        verdicts = [keyed.answer(command) or judge(command) for command in commands]
        changes = batch.finish(verdicts)
        if not changes.write(parts.journal, connection):
            raise FenceBroken
        _tell_of_queues(parts, connection, batch, verdicts)
        _write_beside(parts, connection, batch)
        keyed.keep(verdicts)
        _tell_missing_from_busy(parts, connection, verdicts)
        parts.telling.facts(connection, verdicts, session)
        if settles and host is None:
            failpoints.hit("settle.before_commit")
    if host is None:
        parts.memory.note(changes.stand)
        if settles:
            parts.journal.committed("settle.committed")
    _count(parts, batch, verdicts)
    return verdicts, now


def _write_beside(parts: Parts, connection: Connection, batch: Batch) -> None:
    """What facts bring about in tables of its own: letters, and what notes say."""
    dead.add(parts.journal, connection, batch.letters)
    notes.write(parts.journal, connection, batch.noted)


def _count(parts: Parts, batch: Batch, verdicts: list[Verdict]) -> None:
    parts.tally.note(Met.LETTER, len(batch.letters))
    parts.tally.note(Met.EXPIRY, sum(isinstance(fact, AttemptExpired) for each in verdicts for fact in each.facts))


def _specs(parts: Parts, connection: Connection, found: dict[UUID, Head | HistoryError]) -> dict[UUID, Spec]:
    """The graphs of the runs that could be locked and read; a definition that is missing is its run's own error."""
    specs = {}
    for run_id, head in found.items():
        if isinstance(head, Head):
            try:
                specs[run_id] = parts.definitions.find(head.run.definition, connection)
            except HistoryError as error:
                found[run_id] = error
    return specs


def _set_aside(
    parts: Parts, connection: Connection, found: dict[UUID, Head | HistoryError], host: Connection | None
) -> None:
    """Of runs whose histories turn out to be damaged nothing is claimed any more: their open work goes, here and now.

    It can be made again from their facts, once these are whole. A host's transaction, which may be rolled back, is no
    place for it.
    """
    if host is not None:
        return
    damaged = {run_id: error for run_id, error in found.items() if isinstance(error, CorruptHistory)}
    if damaged:
        rebuild.set_aside(parts.journal, connection, damaged)
        for run_id, error in damaged.items():
            log.error("run %s is put aside: %s", run_id, error)


def _lock_heads(
    parts: Parts, connection: Connection, commands: Sequence[OnRun], host: Connection | None
) -> dict[UUID, Head | HistoryError]:
    ids = {command.run_id for command in commands}
    statement = heads.LOCK_PASSING if len(ids) > 1 else heads.LOCK_WAITING
    if host is not None:
        statement = _for_a_host(host)
    return heads.lock(parts.journal, connection, ids, statement, parts.known)


def _for_a_host(host: Connection) -> str:
    """The host's own lock order is not ours to know: from the second head on in one transaction we do not wait.

    The transaction is remembered, not its address: the next one on a connection often has the same.
    """
    info, transaction = host.connection.info, host.get_transaction()
    before = info.get("squidie_heads")
    if before is not None and before() is transaction:
        return heads.LOCK_AT_ONCE
    info["squidie_heads"] = weakref.ref(transaction)
    return heads.LOCK_WAITING


def _judge(  # noqa: PLR0917 - what one command meets
    parts: Parts,
    connection: Connection,
    batch: Batch,
    found: dict[UUID, Head | HistoryError],
    specs: dict[UUID, Spec],
    command: OnRun,
) -> Verdict:
    head = found.get(command.run_id)
    if head is None:
        return Verdict(command, busy=True)
    if isinstance(head, HistoryError):
        return Verdict(command, error=head)
    spec = specs[command.run_id]
    try:
        large = facts.beside_state(parts.journal, connection, head.run_id, head.run, spec)
    except HistoryError as error:
        return Verdict(command, error=error)
    return batch.judge(command, spec, large)


def _tell_of_queues(parts: Parts, connection: Connection, batch: Batch, verdicts: list[Verdict]) -> None:
    """What was not handed over, because its queue is paused; where something is due that was not to be had before."""
    batch.leave_what_is_paused(verdicts)
    waiting = limits.waiting(parts.journal, connection, batch.slots) if batch.slots else ()
    verdicts[0].freed = (*waiting, *batch.hidden)


def _tell_missing_from_busy(parts: Parts, connection: Connection, verdicts: list[Verdict]) -> None:
    """A head that could not be locked is held by somebody, or does not exist."""
    unlocked = [verdict for verdict in verdicts if verdict.busy]
    if not unlocked:
        return
    there = heads.existing(parts.journal, connection, {verdict.command.run_id for verdict in unlocked})
    for verdict in unlocked:
        if verdict.command.run_id not in there:
            verdict.busy, verdict.error = False, _missing(parts, connection, verdict)


def _missing(parts: Parts, connection: Connection, verdict: Verdict) -> SquidieError:
    run_id = verdict.command.run_id
    error = heads.missing(parts.journal, connection, run_id)
    if not hasattr(verdict.command, "claim_id"):
        return error
    late = RunEnded if isinstance(error, RunRetired) else UnknownAttempt
    return late(error.message, details={"run_id": str(run_id)})


def ring_for(parts: Parts, verdicts: list[Verdict], now: datetime, host: Any = None) -> None:
    """Ring for what is due and was not handed over; remember when the rest will be."""
    opened = [row for verdict in verdicts for row in verdict.opened if row.lease is None]
    announce(parts, opened, now, host, also={queue for verdict in verdicts for queue in verdict.freed})


def announce(
    parts: Parts, opened: Sequence[OpenAttempt], now: datetime, host: Any, *, also: Collection[str] = ()
) -> None:
    """Ring for these rows, now or when they are due, once the host has committed where there is one."""
    due = {row.queue for row in opened if row.due_at <= now} | set(also)
    if host is not None:
        parts.bells.ring_after(host, due)
    else:
        parts.bells.ring(due)
    for row in opened:
        if row.due_at > now:
            parts.bells.ring_in(row.queue, (row.due_at - now).total_seconds())
