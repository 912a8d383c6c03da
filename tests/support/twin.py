"""One run as the pure half alone has it: decided, folded and followed in memory, by the same commands at their times.

What the engine has written is compared with it, so that nothing of a run may depend on Postgres, on what was cached, or
on which rows were read.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from squidie.decide.commands import Complete, Elapse, Fail, Situation
from squidie.decide.judgement import decide
from squidie.decide.ready import row
from squidie.decide.start import start
from squidie.engine.rows import follow
from squidie.errors import ConflictingOutcome, RunEnded, StaleClaim
from squidie.history.canonical import NULL
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptFailed,
    Disposition,
    OpenKind,
    Receipt,
    RunStarted,
)
from squidie.history.fold import fold
from squidie.history.run import GOOD, NodeStatus
from squidie.journal.facts import output_in
from tests.pure.scene import brought

OUTCOMES = (AttemptCompleted, AttemptFailed, AttemptDeadLettered)
LEAVES_A_LETTER = (Disposition.FATAL, Disposition.PARKED)


def comparable(fact):
    """A fact without what is drawn anew for every request."""
    if fact.by is None:
        return fact
    return msgspec.structs.replace(fact, by=msgspec.structs.replace(fact.by, digest="", request_id=""))


def receipt(verb, key=None, actor=None, comment=None):
    return Receipt(verb=verb, digest="", request_id="", key=key, actor=actor, comment=comment)


class Letter(msgspec.Struct):
    """A dead letter, and by which request it was closed."""

    step: str
    attempt: int
    closed_as: str | None = None
    key: str | None = None
    request: object = None


class Twin:
    """A run, its rows, its letters and its receipts."""

    def __init__(self, command, now, limits):
        self.id, self.spec, self.limits, self.command = command.run_id, command.spec, limits, command
        self.run, self.rows, self.history = None, {}, []
        self.letters, self.receipts, self.requests, self.claims = [], {}, {}, {}
        self.written, self.is_cached = 0, True
        self.record(now, start(command, now, limits))

    @property
    def started(self):
        return self.history[0][1]

    def large(self):
        """Everything that the state only refers to, wanted or not."""
        facts = [fact for _, fact in self.history]
        found = {f"event:{each.seq}": facts[each.seq - 1].payload for each in self.run.buffered if not each.kept}
        for name, node in self.run.nodes.items():
            if name in self.spec.by_name and node.status in GOOD and not node.kept:
                found[name] = brought(facts[node.seq - 1], name)
        return found | ({"payload": self.started.payload} if self.run.payload == NULL else {})

    def decide(self, command, now):
        """The time and the facts; nothing is changed."""
        rows = MappingProxyType(dict(self.rows))
        return decide(Situation(self.run, self.spec, now, rows, self.large(), self.limits), command)

    def record(self, at, facts):
        self.run = fold([(at, fact) for fact in facts], self.run)
        self.is_cached = self.is_cached or bool(facts)
        for fact in facts:
            self.history.append((at, fact))
            follow(self.rows, self.id, fact)
            new = [row(self.id, self.spec, opened) for opened in fact.opens]
            self.rows |= {each.key: each for each in new}
            is_final = getattr(fact, "disposition", None) in LEAVES_A_LETTER
            if isinstance(fact, AttemptDeadLettered) or (isinstance(fact, AttemptFailed) and is_final):
                self.letters.append(Letter(fact.step, fact.attempt))

    def ask(self, command, now):
        """Decide and record; the facts."""
        at, facts = self.decide(command, now)
        by = getattr(command, "by", None)
        if by is not None and by.key is not None:
            self.receipts[by.verb, by.key] = len(self.history) + 1
        self.record(at, facts)
        return facts

    def settle(self, command, now):
        """The error with which an outcome is refused, or None: it was taken, or was taken before."""
        try:
            self.ask(command, now)
        except (RunEnded, StaleClaim) as error:
            before = self._ended(command)
            if before is None:
                return type(error)
            return None if _is_same(command, before) else ConflictingOutcome
        except Exception as error:  # noqa: BLE001 - the engine is to say the same
            return type(error)
        return None

    def _ended(self, command):
        """What settled this claim, if an outcome may be compared with it."""
        if not isinstance(command, Complete | Fail):
            return None
        found = [fact for _, fact in self.history if isinstance(fact, OUTCOMES) and hasattr(fact, "claim")]
        return next((fact for fact in found if fact.claim.id == str(command.claim_id)), None)

    def due(self, now, queue):
        """What a worker may claim."""
        return [
            row
            for row in self.rows.values()
            if row.kind is not OpenKind.TIMER and row.queue == queue and row.lease is None and row.due_at <= now
        ]

    def timers(self, now):
        """What time does to it."""
        return [Elapse(*row.key) for row in self.rows.values() if row.kind is OpenKind.TIMER and row.due_at <= now]

    def letter(self, step):
        """The latest letter of a step."""
        return next((letter for letter in reversed(self.letters) if letter.step == step), None)

    def close(self, step, how, key=None, request=None):
        """Close the open letters of a step; whether there were any."""
        found = [letter for letter in self.letters if letter.step == step and letter.closed_as is None]
        for letter in found:
            letter.closed_as, letter.key, letter.request = how, key, request
        return bool(found)

    def results(self):
        """How each ended step ended, for a fork."""
        found = {}
        for name, node in self.run.nodes.items():
            if not node.is_open and node.seq >= 1:
                result = self._result(self.history[node.seq - 1][1], name, node.status)
                found |= {} if result is None else {name: result}
        return found

    @staticmethod
    def _result(fact, step, status):
        if status is not NodeStatus.FAILED:
            return output_in(fact, step)
        if isinstance(fact, RunStarted):
            return next((carried.error for carried in fact.carried if carried.step == step), None)
        return getattr(fact, "error", None)


def _is_same(command, fact):
    if isinstance(command, Complete):
        return isinstance(fact, AttemptCompleted) and bytes(fact.output) == bytes(command.output)
    return isinstance(fact, AttemptFailed) and fact.error == command.error
