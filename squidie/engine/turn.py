"""A turn: what a worker does with a bell.

Claim, run, settle, go on with the successors, until nothing is left or the turn's share of time is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from squidie import failpoints
from squidie.decide.commands import Release
from squidie.engine import ids
from squidie.engine.aftermath import tell
from squidie.engine.batch import Handover, Verdict
from squidie.engine.claim import Taken, Work, claim, handed_over
from squidie.engine.execute import execute
from squidie.engine.interrupting import end_process, may_end_process
from squidie.engine.lease import Hand, Holding
from squidie.engine.settle import settle
from squidie.engine.together import Together
from squidie.errors import HistoryError, SquidieError
from squidie.history.facts import ReleaseReason

if TYPE_CHECKING:
    from squidie.decide.commands import Settling
    from squidie.engine.execute import Abandon
    from squidie.engine.parts import Parts
    from squidie.engine.settle import Takeover
    from squidie.history.attempts import OpenAttempt

log = logging.getLogger("squidie.turn")

Draining = Callable[[], bool]

BELL = 0.05
"""Seconds that a turn waits for its last bell to leave; while it has not, the turn goes on working."""


@dataclass(slots=True)
class TurnReport:
    """What a turn did. `left` says that it ended with work still due."""

    claimed: int = 0
    settled: int = 0
    left: bool = False


class Turn:
    """One turn of one slot, over the queues its process serves."""

    def __init__(self, parts: Parts, queues: Sequence[str], draining: Draining, *, most: int | None = None) -> None:
        self._parts = parts
        self._queues = list(queues)
        self._draining = draining
        self._most = most
        self._ends_at = time.monotonic() + parts.settings.turn_share
        self._queue: str | None = None
        self._may_end = may_end_process(parts)
        self.report = TurnReport()

    def take(self) -> TurnReport:
        """Until nothing is left, the share is used, or the worker drains."""
        with self._parts.telling.span("turn") as span:
            self._go()
            if span is not None:
                span.measures |= {"claimed": self.report.claimed, "settled": self.report.settled}
        return self.report

    def _go(self) -> None:
        while self._goes_on() or not self._passed_on():
            (work, left, rings), queue = self._claim()
            if not work and rings and self._parts.timers.look():
                continue
            if not work:
                break
            if left:
                self._parts.bells.ring((queue,))
            while work:
                work = self.work_off(work, queue)
            if rings:
                self._parts.timers.look()
        else:
            self.report.left = True

    def work_off(self, work: list[Work], queue: str, *, hand_over: bool = True) -> list[Work]:
        """Run what is claimed and settle it; the successors that this turn takes over are given back, claimed.

        However it ends, these claims are renewed no more: one that a fault left unsettled ends by its lease.
        """
        begun = time.monotonic()
        self._queue = queue if hand_over else None
        try:
            outcomes, verdicts = self._run(work)
            size = len(outcomes) + len(verdicts)
            self._parts.pace.grow(size, time.monotonic() - begun)
            asked_at = begun if verdicts else time.monotonic()  # successors of what was settled with its own rows
            verdicts += settle(self._parts, outcomes, handover=self._takeover(size), give_up=self._draining)
        finally:
            self._parts.renewer.drop([each.holding for each in work])
            for each in work:
                self._parts.known.pop(each.holding.row.run_id, None)
        tell(work, verdicts)
        self.report.claimed += len(work)
        self.report.settled += sum(1 for verdict in verdicts if verdict.error is None)
        return handed_over(self._parts, verdicts, asked_at)

    def _goes_on(self) -> bool:
        """Within its share, or while it could not ring for somebody else to go on."""
        return not self._draining() and (time.monotonic() < self._ends_at or not self._parts.delivery.reachable)

    def _passed_on(self) -> bool:
        """Ring for whoever goes on with what is left; whether that bell has left.

        A broker that was frozen a moment ago is not known to be away, and the bell that finds out finds nobody.
        """
        self._parts.bells.ring(self._queues)
        flush = getattr(self._parts.delivery, "flush", None)
        return self._draining() or flush is None or bool(flush(BELL))

    def _claim(self) -> tuple[Taken, str]:
        most = self._most or self._parts.pace.size()
        taken, queue = Taken([], left=False, rings=True), ""  # with no queue to ask, timers are looked for all the same
        for _ in range(len(self._queues)):
            queue = self._queues[0]
            self._queues.append(self._queues.pop(0))
            taken = claim(self._parts, queue, most, thorough=not self.report.claimed)
            if taken.work:
                break
        return taken, queue

    def _run(self, work: list[Work]) -> tuple[list[Settling], list[Verdict]]:
        """Each claim in its turn: outcomes to be settled, and verdicts on what was settled with its own rows.

        What has not begun is given back by the lease's thread when one step runs long, or here when the worker drains.
        """
        by_holding = {id(each.holding): each for each in work}
        hand = Hand([each.holding for each in work], self._give_back)
        if len(work) > 1:
            self._parts.renewer.mind(hand)
        outcomes: list[Settling] = []
        verdicts: list[Verdict] = []
        try:
            if self._draining():  # told so since these were claimed
                hand.give_back()
            while (holding := hand.begin()) is not None:
                outcome = self._execute(by_holding[id(holding)], self._abandoning(outcomes, hand))
                if isinstance(outcome, Verdict):
                    verdicts.append(outcome)
                elif outcome is not None:
                    outcomes.append(outcome)
                failpoints.hit("turn.between")
                if self._draining():
                    hand.give_back()
        finally:
            self._parts.renewer.leave(hand)
        return outcomes, verdicts

    def _execute(self, work: Work, abandon: Abandon) -> Settling | Verdict | None:
        holding = work.holding
        try:
            spec = self._parts.definitions.find(work.definition)
        except HistoryError as error:  # of this run only: its claim is left to its lease
            log.error("run %s cannot be worked on: %s", holding.row.run_id, error)  # noqa: TRY400 - no fault of the code
            return None
        if not spec.work[holding.row.step].transactional:
            return execute(self._parts, holding, work.run, spec, abandon=abandon)
        together = Together(self._parts, holding, work.run, spec, abandon=abandon, give_up=self._draining)
        return together.take(self._takeover(1))

    def _abandoning(self, outcomes: list[Settling], hand: Hand) -> Abandon:
        """What to do, in another thread, about a step that does not end: settle for it, and end a child process.

        Its mates of the batch lose nothing: those that have run are settled as well, the others given back.
        """

        def abandon(late: Settling | None) -> None:
            hand.give_back()
            done = [*outcomes, *((late,) if late is not None else ())]
            outcomes.clear()
            try:
                settle(self._parts, done, handover=None, give_up=lambda: True)
            except SquidieError as error:
                log.warning("the outcome of a step that was stopped is left to its lease: %s", error)
            finally:
                if self._may_end:
                    end_process(self._parts)

        return abandon

    def _give_back(self, holdings: list[Holding]) -> None:
        releases: list[Settling] = []
        for holding in holdings:
            lease = holding.row.lease
            assert lease is not None  # noqa: S101 - what is held has a lease
            reason = ReleaseReason.DRAINED if self._draining() else ReleaseReason.GIVEN_BACK
            releases.append(Release(*holding.row.key, lease.claim_id, lease.token_hash, reason=reason))
        try:
            settle(self._parts, releases, handover=None, give_up=lambda: True)
        except SquidieError as error:
            log.warning("%s claim(s) could not be given back and end by their leases: %s", len(releases), error)
        self._parts.renewer.drop(holdings)

    def _takeover(self, size: int) -> Takeover | None:
        queue = self._queue
        return (lambda: self._handover(queue, size)) if queue is not None and self._goes_on() else None

    def _handover(self, queue: str, size: int) -> Handover:
        """Who takes over successors on the same queue.

        A turn that ran one step takes one of any kind, or several short and repeatable ones; a turn that ran a batch
        takes only those.
        """
        short, served = self._parts.pace.short, self._parts.served
        most = max(size, self._parts.pace.size())
        taken: list[OpenAttempt] = []

        def goes_alone(row: OpenAttempt) -> bool:
            return row.alone or row.action not in short

        def accepts(row: OpenAttempt) -> bool:
            if goes_alone(row):
                fits = size == 1 and not taken
            else:
                fits = len(taken) < most and not (taken and goes_alone(taken[0]))
            if row.queue != queue or row.action not in served or not fits or self._draining():
                return False
            taken.append(row)
            return True

        return Handover(ids.owner(), ids.token_hash(), self._parts.settings.lease, accepts, ids.claim_ids())
