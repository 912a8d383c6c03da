"""What a batch of commands has decided so far.

Each meets its run as the one before it left it, and a member that goes wrong harms only itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from squidie.decide.commands import Command, Limits, OnRun, Situation
from squidie.decide.course import brought
from squidie.decide.judgement import decide
from squidie.decide.ready import row as open_row
from squidie.engine.rows import follow
from squidie.history.attempts import Lease
from squidie.history.chain import link
from squidie.history.codec import encode
from squidie.history.facts import TERMINAL, AttemptDeadLettered, AttemptFailed, Disposition, Fact
from squidie.history.fold import fold
from squidie.history.likeness import alike
from squidie.history.notes import NOTES
from squidie.journal.heads import encode as encode_state
from squidie.journal.writing import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from squidie.history.attempts import AttemptKey, OpenAttempt
    from squidie.history.run import Run
    from squidie.journal.heads import Head
    from squidie.workflow.spec import Spec


LEFT_A_LETTER = (Disposition.FATAL, Disposition.PARKED)
"""A failure that nothing handled, and one that waits for a person."""


@dataclass(slots=True)
class Verdict:
    """What became of one command: its facts, or why not.

    `busy` means that its run is held by somebody else and nothing was tried. `freed`: the queues on which something is
    due that may have waited for a slot which is free now, or that nobody could claim while this command held its rows.
    """

    command: Command
    facts: tuple[Fact, ...] = ()
    error: Exception | None = None
    busy: bool = False
    run: Run | None = None
    definition: str = ""
    opened: list[OpenAttempt] = field(default_factory=list)
    created: bool = True
    freed: tuple[str, ...] = ()
    hashes: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Handover:
    """Who takes successors over at once.

    `accepts` is asked for each that is due now; what it accepts appears claimed already.
    """

    owner: str
    token_hash: bytes
    lease: float
    accepts: Callable[[OpenAttempt], bool]
    claim_ids: Iterator[UUID]

    def take(self, row: OpenAttempt, now: datetime) -> OpenAttempt:
        """The row under our lease, or as it was. What is under a limit is claimed as everything else under it is."""
        if row.due_at > now or row.is_limited or not self.accepts(row):
            return row
        return row.held(
            Lease(next(self.claim_ids), self.token_hash, self.owner, now, now + timedelta(seconds=self.lease))
        )


class Batch:
    """Heads and rows as they were locked, and everything that was decided on them."""

    def __init__(
        self,
        heads: Mapping[UUID, Head],
        rows: Mapping[AttemptKey, OpenAttempt],
        now: datetime,
        *,
        limits: Limits,
        handover: Handover | None,
    ) -> None:
        self.now = now
        self.changes = Changes()
        self.letters: list[dict[str, Any]] = []
        self._heads = dict(heads)
        self._before = dict(rows)
        self._rows: dict[UUID, dict[AttemptKey, OpenAttempt]] = {}
        for key, row in rows.items():
            self._rows.setdefault(key[0], {})[key] = row
        self._limits = limits
        self._handover = handover
        self._touched: dict[UUID, int] = {}
        self._brought: dict[UUID, dict[str, msgspec.Raw]] = {}
        self.slots: set[str] = set()
        self.hidden: set[str] = set()
        self._noted: dict[UUID, Run] = {}

    def judge(self, command: OnRun, spec: Spec, large: Mapping[str, msgspec.Raw]) -> Verdict:
        """Decide one command. A refusal, or a fault of its own, changes nothing and is its verdict.

        `large` is what the state only refers to, as far as it was written before this batch.
        """
        head = self._heads[command.run_id]
        rows = self._rows.get(command.run_id, {})
        large = {**large, **self._brought.get(command.run_id, {})}
        situation = Situation(head.run, spec, self.now, rows, large, self._limits)
        try:
            at, facts = decide(situation, command)
            bodies = [encode(fact) for fact in facts]
            run = fold([(at, fact) for fact in facts], head.run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this member
            return Verdict(command, error=error, run=head.run, definition=head.run.definition)
        verdict = Verdict(command, facts, run=run, definition=run.definition)
        if facts:
            verdict.hashes = self._record(head, at, facts, bodies)
            self._letters(command.run_id, run, at, facts)
            if isinstance(facts[0], NOTES):
                self._noted.setdefault(command.run_id, head.run)
            self._follow(command.run_id, spec, facts, verdict)
            head.run = run
        return verdict

    def finish(self, verdicts: list[Verdict]) -> Changes:
        """Everything to be written: heads as they stand now, and rows where they differ from what was locked."""
        for run_id, before in self._touched.items():
            head = self._heads[run_id]
            ended = None if head.run.is_open else head.run.at
            state = encode_state(head.run)
            self.changes.heads.add(
                run_id, before, head.rev, head.hash, head.run.status.value, state, head.run.at, ended
            )
        rows_now = {key: row for rows in self._rows.values() for key, row in rows.items()}
        for key, row in self._before.items():
            after = rows_now.get(key)
            if row.limit and row.lease is not None and after is not row:
                self.slots.add(row.limit)
            if after is None:
                self.changes.add_gone(row)
            elif after is not row:
                self.changes.add_freed(row, after)
            elif row.run_id in self._touched and row.lease is None and row.due_at <= self.now:
                self.hidden.add(row.queue)  # a bell that was answered while we held it has found nothing
        for key, row in rows_now.items():
            if key not in self._before:
                self.changes.add_opened(row)
        for verdict in verdicts:  # what one command opened, a later one of the same run may have taken away again
            verdict.opened = [row for row in verdict.opened if row.key in rows_now]
        return self.changes

    def leave_what_is_paused(self, verdicts: list[Verdict]) -> None:
        """What was not handed over, since its queue turned out to be paused, is only due."""
        paused = self.changes.paused
        if paused:
            for verdict in verdicts:
                verdict.opened = [replace(row, lease=None) if row.queue in paused else row for row in verdict.opened]

    @property
    def noted(self) -> list[tuple[UUID, Run, Run]]:
        """The runs that notes were made on: as they were, and as they are."""
        return [(run_id, before, self._heads[run_id].run) for run_id, before in self._noted.items()]

    def _record(self, head: Head, at: datetime, facts: tuple[Fact, ...], bodies: list[bytes]) -> list[bytes]:
        hashes = []
        self._touched.setdefault(head.run_id, head.rev)
        for fact, body in zip(facts, bodies, strict=True):
            self._brought.setdefault(head.run_id, {}).update(brought(fact))
            head.rev += 1
            head.hash = link(head.hash, head.run_id, head.rev, fact.kind, at, body)
            self.changes.add_fact(head.run_id, head.rev, fact.kind, at, body, head.hash)
            hashes.append(head.hash)
        return hashes

    def _follow(self, run_id: UUID, spec: Spec, facts: tuple[Fact, ...], verdict: Verdict) -> None:
        """The rows as the facts leave them."""
        rows = self._rows.setdefault(run_id, {})
        for fact in facts:
            changed = follow(rows, run_id, fact)
            if changed is not None:
                verdict.opened.append(changed)
            elif isinstance(fact, TERMINAL):
                verdict.opened.clear()
            for opening in fact.opens:
                row = open_row(run_id, spec, opening, verdict.run.partition if verdict.run else None)
                row = self._handover.take(row, self.now) if self._handover else row
                rows[row.key] = row
                verdict.opened.append(row)

    def _letters(self, run_id: UUID, run: Run, at: datetime, facts: tuple[Fact, ...]) -> None:
        """A failure that nothing handled leaves a letter; an attempt lost too often always does."""
        for offset, fact in enumerate(facts):
            if not isinstance(fact, AttemptFailed | AttemptDeadLettered):
                continue
            if isinstance(fact, AttemptFailed) and fact.disposition not in LEFT_A_LETTER:
                continue
            letter = {
                "run_id": run_id,
                "step": fact.step,
                "attempt": fact.attempt,
                "seq": run.revision - len(facts) + offset + 1,
                "workflow": run.workflow,
                "queue": self._before[(run_id, fact.step, fact.attempt)].queue,
                "partition": run.partition,
                "reason": fact.error.kind.value,
                "code": fact.error.code or fact.error.kind.value,
                "fingerprint": alike(run.workflow, fact.step, fact.error),
                "disposition": fact.disposition.value,
                "error": msgspec.json.encode(fact.error).decode(),
                "at": at,
            }
            self.letters.append(letter)
