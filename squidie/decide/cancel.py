"""Ending a run by command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.decide.advance import ended_claims
from squidie.history.facts import Fact, RunCancelled
from squidie.history.lifecycle import RunEvent, after_run

if TYPE_CHECKING:
    from squidie.decide.commands import Cancel, Situation


def cancel(situation: Situation, command: Cancel) -> list[Fact]:
    """At once: what was claimed is named, and its holders learn that their outcome no longer counts.

    `InvalidTransition` for a run that has ended.
    """
    after_run(situation.run.status, RunEvent.CANCEL)
    return [RunCancelled(by=command.by, reason=command.reason, ends=ended_claims(situation))]
