"""Outcomes in, successors out.

An outcome waits for Postgres and for busy runs as long as it takes: finished work is not thrown away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from squidie.decide.commands import Complete, Fail
from squidie.engine import ids
from squidie.engine.at_once import settle_at_once
from squidie.engine.tally import Met
from squidie.engine.transact import transact
from squidie.errors import (
    ConflictingOutcome,
    Fenced,
    JournalBusy,
    JournalUnavailable,
    RunEnded,
    SquidieError,
    StaleClaim,
)
from squidie.history.facts import AttemptCompleted, AttemptDeadLettered, AttemptFailed
from squidie.journal import claims, facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.decide.commands import Settling
    from squidie.engine.batch import Handover, Verdict
    from squidie.engine.parts import Parts
    from squidie.history.facts import Fact

log = logging.getLogger("squidie.settle")

MOST_BYTES = 8 * 1024 * 1024
Takeover = Callable[[], "Handover"]
"""Makes a handover for one try: what a try that was rolled back had accepted is not taken."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


def settle(
    parts: Parts, commands: Sequence[Settling], *, handover: Takeover | None, give_up: Callable[[], bool]
) -> list[Verdict]:
    """Record these outcomes, in as few commits as their size allows.

    `give_up` is asked while Postgres is away: a claim that is left ends by its lease.
    """
    verdicts: list[Verdict] = []
    for share in _shares(commands):
        with parts.telling.span("settle") as span:
            done = _persistently(parts, share, handover, give_up)
            if span is not None:
                span.measures["settled"] = sum(verdict.error is None for verdict in done)
        verdicts += done
    return verdicts


def _persistently(
    parts: Parts, commands: Sequence[Settling], handover: Takeover | None, give_up: Callable[[], bool]
) -> list[Verdict]:
    """Until each outcome was taken or refused.

    A run that somebody holds delays only its own outcome, which is tried alone from then on.
    """
    done: list[Verdict] = []
    unheard: list[Handover] = []
    todo = list(commands)
    pause = FIRST_PAUSE
    while todo:
        taker = handover() if handover else None
        try:
            verdicts = _try_at_once(parts, todo, taker)
            if verdicts is None:
                taker = handover() if handover else None
                verdicts = transact(parts, todo, handover=taker, settles=True)
        except (JournalUnavailable, JournalBusy) as error:
            if taker is not None and isinstance(error, JournalUnavailable):
                unheard.append(taker)
            log.warning("%s outcome(s) wait: %s", len(todo), error)
            if give_up():
                return done
            time.sleep(ids.jittered(pause))
            pause = min(pause * 2, LONGEST_PAUSE)
            continue
        done += [_explained(parts, verdict) for verdict in verdicts if not verdict.busy]
        while unheard:
            _hear(parts, unheard.pop(), done)
        todo = [command for command, verdict in zip(todo, verdicts, strict=True) if verdict.busy]
        if len(todo) > 1:
            return done + [each for command in todo for each in _persistently(parts, [command], handover, give_up)]
    return done


def _try_at_once(parts: Parts, commands: Sequence[Settling], taker: Handover | None) -> list[Verdict] | None:
    """Settled by one statement, if that could be."""
    try:
        return settle_at_once(parts, commands, taker)
    except (DBAPIError, JournalBusy) as error:
        log.info("%s outcome(s) are settled under locks: %s", len(commands), type(error).__name__)
        return None


def _hear(parts: Parts, taker: Handover, done: list[Verdict]) -> None:
    """Successors that were handed over by a commit whose answer was lost: ours, and nobody else may begin them."""
    try:
        with parts.journal.reading() as connection:
            found = claims.under_token(parts.journal, connection, taker.owner, taker.token_hash)
    except JournalUnavailable as error:
        log.warning("successors that were handed over end by their leases: %s", error)
        return
    for claimed in found:
        for verdict in done:
            if verdict.command.run_id == claimed.row.run_id:
                verdict.opened.append(claimed.row)
                verdict.run, verdict.definition = claimed.known.run, claimed.definition
                break


def _shares(commands: Sequence[Settling]) -> list[list[Settling]]:
    """Bounded in bytes as well as in members: a commit of many large outputs would outgrow its statement."""
    shares: list[list[Settling]] = []
    size = 0
    for command in commands:
        own = len(command.output) if isinstance(command, Complete) else 0
        if not shares or size + own > MOST_BYTES:
            shares.append([])
            size = 0
        shares[-1].append(command)
        size += own
    return shares


def _explained(parts: Parts, verdict: Verdict) -> Verdict:
    """A refused outcome may be our own, whose answer was lost on the way: then it was taken.

    Otherwise the refusal is logged with its claim.
    """
    command = verdict.command
    if isinstance(verdict.error, RunEnded | StaleClaim) and isinstance(command, Complete | Fail):
        with parts.journal.reading() as connection:
            ended = facts.by_claim(parts.journal, connection, command.run_id, command.claim_id)
            if not facts.names_claim(parts.journal, connection, command.run_id, command.claim_id):
                parts.tally.note(Met.ERASED)  # by a crash of the database, whose claims need not be on disk
                parts.telling.not_taken("claim.erased", command, verdict.error.code)
        if ended is not None and _is_same(command, ended):
            verdict.error = None
        elif isinstance(ended, AttemptCompleted | AttemptFailed | AttemptDeadLettered):
            verdict.error = ConflictingOutcome(
                "this claim was settled before, with another outcome", details=verdict.error.details
            )
    if isinstance(verdict.error, Fenced):
        parts.tally.note(Met.REFUSAL)
        parts.telling.not_taken("claim.refused", command, verdict.error.code)
        log.warning("an outcome was not taken (%s): %s %s", verdict.error.code, verdict.error, verdict.error.details)
    elif verdict.error is not None:
        is_known = isinstance(verdict.error, SquidieError)  # it says by itself what is wrong
        log.error("an outcome could not be recorded: %s", verdict.error, exc_info=None if is_known else verdict.error)
    return verdict


def _is_same(command: Complete | Fail, ended: Fact) -> bool:
    if isinstance(command, Complete):
        return isinstance(ended, AttemptCompleted) and bytes(ended.output) == bytes(command.output)
    return isinstance(ended, AttemptFailed) and ended.error == command.error
