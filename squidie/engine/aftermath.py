"""Once an outcome was taken, whoever asked for it is told: `completed`, `retried` or `failed`, at most once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from squidie.decide.commands import Complete, Fail
from squidie.history.facts import AttemptFailed, Disposition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.engine.batch import Verdict
    from squidie.engine.claim import Work

log = logging.getLogger("squidie.step")

COMPLETED, RETRIED, FAILED = "completed", "retried", "failed"


def tell(work: Sequence[Work], verdicts: Sequence[Verdict]) -> None:
    """What was asked to be called afterwards, for each outcome that was taken. Its faults are logged, and no more."""
    waiting = {each.holding.row.key: each.holding.signals for each in work if each.holding.signals.afterwards}
    if not waiting:
        return
    for verdict in verdicts:
        command = verdict.command
        if verdict.error is None and isinstance(command, Complete | Fail) and command.key in waiting:
            for call in waiting[command.key].afterwards:
                try:
                    call(_what_came_of_it(verdict))
                except Exception:
                    log.exception("what was to be done after %s failed", command.step)


def _what_came_of_it(verdict: Verdict) -> str:
    if isinstance(verdict.command, Complete):
        return COMPLETED
    fact = verdict.facts[0] if verdict.facts else None
    is_retried = isinstance(fact, AttemptFailed) and fact.disposition is Disposition.RETRIED
    return RETRIED if is_retried else FAILED
