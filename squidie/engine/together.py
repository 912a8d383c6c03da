"""Transactional steps: what a step writes in the journal's own database, and its outcome, are one commit.

    1. a transaction of ours begins, in the role of steps and with a time limit for each statement;
    2. the step's code runs in it, through `ctx.session`; it can neither commit nor roll back;
    3. the role is taken back, and the outcome is settled in the same transaction: only now is the head locked;
    4. one commit, and then the bells.

Whatever goes wrong before the commit rolls everything back, and a failure is then settled by itself. A session that was
ended while the step ran is no fault of the step, which is then run again. If the answer to the commit is lost, the
run's head is locked and the facts are asked: they know the claim, or the rows are gone too.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from squidie import failpoints
from squidie.decide.commands import Complete, Fail, Release
from squidie.engine import ids, outcomes
from squidie.engine.execute import execute
from squidie.engine.settle import FIRST_PAUSE, LONGEST_PAUSE
from squidie.engine.step_session import StepTransaction
from squidie.engine.transact import transact
from squidie.errors import InvalidConfig, JournalBusy, JournalUnavailable
from squidie.history.facts import AttemptCompleted
from squidie.journal import facts, heads

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from squidie.decide.commands import Settling
    from squidie.engine.batch import Verdict
    from squidie.engine.execute import Abandon
    from squidie.engine.lease import Holding
    from squidie.engine.parts import Parts
    from squidie.engine.settle import Takeover
    from squidie.history.run import Run
    from squidie.settings import Settings
    from squidie.workflow.registry import Registry
    from squidie.workflow.spec import Spec

    Outcome = Settling | Verdict | None

log = logging.getLogger("squidie.step")


def check(registry: Registry, settings: Settings) -> None:
    """A transactional step writes in a role that cannot touch the journal. Raises `InvalidConfig` where none is set."""
    specs = (registry.spec(name) for name in registry.workflows)
    found = [f"{spec.name}.{node.name}" for spec in specs for node in spec.nodes if node.transactional]
    if found and settings.step_role is None:
        raise InvalidConfig(
            f"transactional steps need a database role of their own: {', '.join(found)}",
            hint='create a role that may write the tables of your steps, and set settings={"step_role": "its_name"}',
            details={"steps": found},
        )


class Together:
    """One attempt at a transactional step. What `take` gives was settled already (a verdict), or is to be settled."""

    def __init__(
        self, parts: Parts, holding: Holding, run: Run, spec: Spec, *, abandon: Abandon, give_up: Callable[[], bool]
    ) -> None:
        self._parts = parts
        self._holding = holding
        self._row = holding.row
        self._run = run
        self._spec = spec
        self._abandon = abandon
        self._give_up = give_up

    def take(self, takeover: Takeover | None) -> Outcome:
        """Run the step and settle it in one commit; if that does not come about, nothing of it stays."""
        role = self._parts.settings.step_role
        if role is None:
            return self._unserved("settings.step_role is not set")
        try:
            with self._parts.journal.engine.connect() as connection:
                return self._on(connection, role, takeover)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            why = getattr(error, "orig", error)
            log.warning("%s of run %s has no connection any more: %s", self._row.step, self._row.run_id, why)
            return outcomes.again(self._row)

    def _on(self, connection: Connection, role: str, takeover: Takeover | None) -> Outcome:
        step = StepTransaction(connection)
        afterwards = self._parts.journal.ours(connection)
        committed = False
        try:
            try:
                self._parts.journal.be_patient(connection)
                step.begin(role, self._spec.work[self._row.step].timeout)
            except DBAPIError as error:
                if _is_lost(error):
                    raise
                return self._unserved(f"the role of steps cannot be taken: {error.orig}")
            outcome = execute(
                self._parts, self._holding, self._run, self._spec, abandon=self._abandon, transaction=step
            )
            if isinstance(outcome, Fail) and step.is_cut_off:
                return outcomes.cut_off(outcome, self._row, self._run)
            if not isinstance(outcome, Complete):
                return outcome
            with self._parts.telling.span("settle", settled=0) as span:
                verdict = self._settle(outcome, connection, takeover)
                if verdict is None or verdict.error is not None:
                    return self._refused(verdict)
                committed = True
                settled = self._commit(step, verdict, afterwards)
                if span is not None:
                    span.measures["settled"] = int(settled is verdict)
            return settled
        finally:
            if not committed:
                step.undo()

    def _unserved(self, why: str) -> Release:
        return outcomes.unserved(self._row, self._run, why)

    def _settle(self, outcome: Complete, connection: Connection, takeover: Takeover | None) -> Verdict | None:
        """In the step's own transaction, waiting for a run that somebody holds; None if that takes too long."""
        pause = FIRST_PAUSE
        while True:
            try:
                handover = takeover() if takeover is not None else None
                return transact(self._parts, [outcome], host=connection, handover=handover, settles=True)[0]
            except JournalBusy as error:
                log.warning("the outcome of %s waits: %s", self._row.step, error)
                if self._give_up() or self._holding.signals.lost:
                    return None
            except JournalUnavailable:
                return None
            time.sleep(ids.jittered(pause))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _refused(self, verdict: Verdict | None) -> Outcome:
        """Nothing is kept: neither the outcome nor the rows."""
        if verdict is None or (verdict.error is not None and outcomes.collided(verdict.error)):
            return outcomes.again(self._row)
        log.warning("an outcome was not taken, and its rows are rolled back: %s", verdict.error)
        self._parts.telling.not_taken("claim.refused", verdict.command, getattr(verdict.error, "code", ""))
        return verdict

    def _commit(self, step: StepTransaction, verdict: Verdict, afterwards: list[Callable[[], None]]) -> Outcome:
        try:
            failpoints.hit("settle.before_commit")
            step.commit()
            failpoints.hit("settle.committed")
        except DBAPIError as error:
            step.undo()
            if _is_lost(error):
                return self._resolved(verdict, afterwards)
            if outcomes.collided(error):
                return outcomes.again(self._row)
            return outcomes.raised(self._parts, self._holding, self._spec.work[self._row.step], error)
        self._ring(verdict)
        for call in afterwards:
            call()
        return verdict

    def _ring(self, verdict: Verdict) -> None:
        """For what is due now; nobody else has a word of this commit, since the step's session is a savepoint in it."""
        now = verdict.run.at if verdict.run is not None else None
        due = {row.queue for row in verdict.opened if row.lease is None and (now is None or row.due_at <= now)}
        self._parts.bells.ring(due | set(verdict.freed))

    def _resolved(self, verdict: Verdict, afterwards: list[Callable[[], None]]) -> Outcome:
        """Whether the commit came about, once whoever may still be at it has let go of the run; None if nobody says."""
        pause = FIRST_PAUSE
        while True:
            try:
                taken = self._was_taken()
            except (JournalUnavailable, JournalBusy) as error:
                log.warning("it is not known yet whether %s was committed: %s", self._row.step, error)
                if self._give_up():
                    return None
                time.sleep(ids.jittered(pause))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            if not taken:
                return outcomes.again(self._row)
            for call in afterwards:
                call()
            return verdict

    def _was_taken(self) -> bool:
        journal, run_id = self._parts.journal, self._row.run_id
        assert self._row.lease is not None  # noqa: S101 - whoever executes holds the claim
        with journal.transaction() as connection:
            heads.lock(journal, connection, {run_id}, heads.LOCK_WAITING)
            ended = facts.by_claim(journal, connection, run_id, self._row.lease.claim_id)
        return isinstance(ended, AttemptCompleted)


def _is_lost(error: DBAPIError) -> bool:
    """Whether the connection went away, so that nobody knows what became of what was sent."""
    return bool(error.connection_invalidated) or (
        isinstance(error, OperationalError | InterfaceError) and not outcomes.collided(error)
    )
