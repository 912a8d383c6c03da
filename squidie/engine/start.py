"""Starting runs, through the same door.

Heads, first facts and first work are one statement, in the host's transaction where it gives one.

A key makes the run's id, so asking again finds the run instead of making another. An ambiguous commit is resolved by
asking again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.decide.ready import row as open_row
from squidie.decide.start import start
from squidie.engine.batch import Verdict
from squidie.engine.clocks import BEHIND
from squidie.engine.rows import follow
from squidie.engine.transact import announce
from squidie.errors import JournalRegressed, KeyReused, RunRetired
from squidie.history.chain import link
from squidie.history.codec import encode
from squidie.history.fold import fold
from squidie.journal import at_once, attempts, facts, heads, notes, receipts
from squidie.journal.heads import encode as encode_state
from squidie.journal.starts import Starts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.decide.commands import Start
    from squidie.engine.parts import Parts
    from squidie.history.attempts import AttemptKey, OpenAttempt
    from squidie.history.facts import RunStarted

log = logging.getLogger("squidie.start")

START = "start"


def begin(
    parts: Parts,
    commands: Sequence[Start],
    *,
    host: Connection | None = None,
    session: Any = None,
    strict: bool = False,
) -> list[Verdict]:
    """Start these runs together.

    A run that exists already is `created=False`, or `KeyReused` in its verdict where it was started otherwise.

    `strict`: one that is refused refuses them all, and nothing is written.
    """
    if host is None and len(commands) == 1 and (verdict := _at_once(parts, commands[0])) is not None:
        return [verdict]
    if host is not None:  # whose transaction may stay open: nobody else is to wait for a definition in it
        for definition in {command.definition for command in commands}:
            parts.definitions.keep_now(definition)
    return _together(parts, commands, host, session, strict=strict)


def _together(
    parts: Parts, commands: Sequence[Start], host: Connection | None, session: Any, *, strict: bool
) -> list[Verdict]:
    journal = parts.journal
    with journal.transaction(host) as connection:
        for definition in {command.definition for command in commands}:
            parts.definitions.keep(definition, connection)
        if host is None:
            _look_back(parts, connection)
        now = attempts.clock(journal, connection)
        parts.clock.heard(now)
        rows = Starts()
        distinct = {command.run_id: command for command in reversed(commands)}
        verdicts = {run_id: _add(parts, rows, distinct[run_id], now) for run_id in sorted(distinct)}
        created = rows.write(journal, connection)
        notes.add(journal, connection, {run_id: distinct[run_id].attributes or {} for run_id in created})
        for run_id, verdict in verdicts.items():
            if run_id not in created:
                _compare(parts, connection, verdict)
        answers = [_for_each(verdicts[command.run_id], command) for command in commands]
        refused = next((answer.error for answer in answers if answer.error is not None), None)
        if strict and refused is not None:
            raise refused
        parts.telling.facts(connection, list(verdicts.values()), session)
    if host is None:
        parts.memory.note(each for each in rows.stand if each[0] in created)
        for command in commands:
            parts.definitions.kept(command.definition)
    announce(
        parts, [row for verdict in verdicts.values() if verdict.created for row in verdict.opened], now, session or host
    )
    return answers


def _at_once(parts: Parts, command: Start) -> Verdict | None:
    """One statement, which commits by itself, where nothing has to be read before; None where nothing was written.

    That is so where the run exists, or Postgres finds that the time which was counted here is not the time.
    """
    now = parts.clock.now()
    if now is None or command.attributes or not parts.definitions.is_kept(command.definition):
        return None
    rows = Starts()
    verdict = _add(parts, rows, command, now)
    with parts.journal.reading() as connection:
        if parts.memory.is_due or not parts.journal.is_set_up(connection):  # as is known once there is a connection
            return None
        told = at_once.start(parts.journal, connection, rows, now, BEHIND)
    if told is None:
        parts.clock.forget()
        return None
    parts.clock.heard(told)
    parts.memory.note(rows.stand)
    parts.telling.written([verdict])
    announce(parts, verdict.opened, now, None)
    return verdict


def _look_back(parts: Parts, connection: Connection) -> None:
    """Who starts runs saw the last commits, too; a journal that lost them takes new ones all the same."""
    try:
        parts.memory.look_if_due(connection)
    except JournalRegressed as error:
        log.error("%s", error)  # noqa: TRY400 - the journal is at fault, not the code


def _add(parts: Parts, rows: Starts, command: Start, now: datetime) -> Verdict:
    made = start(command, now, parts.limits)
    digest = b""
    hashes = []
    opened: dict[AttemptKey, OpenAttempt] = {}
    for seq, fact in enumerate(made, 1):
        body = encode(fact)
        digest = link(digest, command.run_id, seq, fact.kind, now, body)
        rows.add_fact(command.run_id, seq, fact.kind, now, body, digest)
        hashes.append(digest)
        follow(opened, command.run_id, fact)
        new = (open_row(command.run_id, command.spec, each, command.partition) for each in fact.opens)
        opened |= {row.key: row for row in new}
    run = fold([(now, fact) for fact in made])
    rows.heads.add(
        command.run_id,
        len(made),
        digest,
        run.status.value,
        *_head(command),
        encode_state(run),
        now,
        None if run.is_open else now,
    )
    for row in opened.values():
        rows.add_opened(row)
    opens = list(opened.values())
    return Verdict(command, made, run=run, definition=command.definition, opened=opens, hashes=hashes)


def _head(command: Start) -> tuple[Any, ...]:
    return (
        command.spec.name,
        command.definition,
        command.trigger,
        command.queue,
        command.priority,
        command.partition,
        command.key,
        msgspec.json.encode(dict(command.attributes)) if command.attributes else None,
    )


def _compare(parts: Parts, connection: Connection, verdict: Verdict) -> None:
    """Whether the run that exists was made by this very call, by the same request earlier, or by another one."""
    run_id = verdict.command.run_id
    if heads.is_retired(parts.journal, connection, run_id):
        verdict.created, verdict.error = False, RunRetired(run_id)
        verdict.opened.clear()
        return
    first, asked = facts.first(parts.journal, connection, run_id), verdict.facts[0]
    assert first.by is not None  # noqa: S101 - the first fact of a command has its receipt
    assert asked.by is not None  # noqa: S101 - likewise
    if first.by.request_id == asked.by.request_id:
        return  # our own commit, whose answer was lost
    verdict.created = False
    verdict.opened.clear()
    if first.by.digest != asked.by.digest:
        verdict.error = KeyReused(first.by.key or str(run_id), run_id)
    elif first.by.key is not None:
        _count(parts, connection, run_id, first)


def _count(parts: Parts, connection: Connection, run_id: UUID, first: RunStarted) -> None:
    """The start of a key has its receipt in its first fact; a row counts its repetitions.

    Whatever verb made the run, the row says `start`: a requeue of another run may have, and the same key may be given
    to a requeue in this one.
    """
    assert first.by is not None  # noqa: S101 - `_compare` has looked
    receipts.repeated(parts.journal, connection, (run_id, START, first.by.key or ""), first.by.digest)


def _for_each(verdict: Verdict, command: Start) -> Verdict:
    """The same key twice in one batch: the first makes the run, the second finds it, or is refused."""
    if verdict.command is command:
        return verdict
    twin = Verdict(
        command, verdict.facts, run=verdict.run, definition=verdict.definition, created=False, error=verdict.error
    )
    if command.by.digest != verdict.command.by.digest:  # type: ignore[union-attr]
        twin.error = KeyReused(command.key or str(command.run_id), command.run_id)
    return twin
