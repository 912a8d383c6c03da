"""What running a run again would do a second time: effects that cannot be taken back must be named by whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.errors import InvalidArgument, UnsafeReplay
from squidie.history.bodies import FailureCode
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    RunStarted,
    counts_as_lost,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from squidie.history.facts import Fact
    from squidie.workflow.spec import Spec

ARGUMENT = "allow_irreversible"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A step that took effect, or may have: where it did not complete, nobody knows its outcome."""

    step: str
    run: str | None = None
    completed_at: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether its outcome was recorded."""
        return self.completed_at is not None


def effects(facts: Iterable[tuple[datetime, Fact]]) -> dict[str, Effect]:
    """Every step that completed, timed out, or whose claim was ever lost or withdrawn.

    A step that was carried over took effect in the run it came from.
    """
    found: dict[str, Effect] = {}
    for at, fact in facts:
        for step in _unsure(fact):
            found.setdefault(step, Effect(step=step))
        if isinstance(fact, AttemptCompleted):
            found[fact.step] = Effect(step=fact.step, completed_at=at)
        elif isinstance(fact, RunStarted) and fact.forked_from is not None:
            origin, done = fact.forked_from.run, [each.step for each in fact.carried if each.error is None]
            found |= {step: Effect(step=step, run=origin, completed_at=at) for step in done}
    return found


def unsafe(
    spec: Spec,
    facts: Iterable[tuple[datetime, Fact]],
    *,
    key: Callable[[str, str | None], str],
    again: Collection[str] | None = None,
    allowed: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The effects that must not be repeated unnoticed, of all steps or of those that would run again.

    `key` tells the idempotency key of a step, in this run or in the one it was carried over from.
    """
    found = effects(facts)
    steps = [node.name for node in spec.nodes if node.irreversible or not node.replayable]
    steps = [step for step in steps if step in found and step not in allowed and (again is None or step in again)]
    return [_told(spec, found[step], key) for step in steps]


def check(run_id: object, steps: list[dict[str, Any]]) -> None:
    """Nothing, or `UnsafeReplay` with these steps."""
    if steps:
        raise UnsafeReplay(run_id, steps)


def named(spec: Spec, allowed: Any) -> tuple[str, ...]:
    """The steps that somebody lets run again: each by its name, and every name must be one of the graph's."""
    if allowed is True:
        raise InvalidArgument(ARGUMENT, "name the steps: one answer for all of them is not taken")
    if not isinstance(allowed, list | tuple | set | frozenset) or not all(isinstance(each, str) for each in allowed):
        raise InvalidArgument(ARGUMENT, "is a list of the names of steps")
    unknown = [step for step in allowed if step not in spec.by_name]
    if unknown:
        known = ", ".join(node.name for node in spec.nodes if node.irreversible or not node.replayable)
        raise InvalidArgument(
            ARGUMENT, "names what is no step of the run", hint=f"to be named: {known}" if known else None
        )
    return tuple(sorted(set(allowed)))


def _unsure(fact: Fact) -> list[str]:
    """Steps of which nobody knows whether they took effect, because of this fact."""
    found = [ended.step for ended in fact.ends]
    match fact:
        case AttemptExpired() | AttemptReleased() if counts_as_lost(fact):
            found.append(fact.step)
        case AttemptFailed() if fact.error.kind is FailureCode.TIMED_OUT:
            found.append(fact.step)
        case AttemptDeadLettered() if fact.reason is FailureCode.CLAIMS_EXHAUSTED:
            found.append(fact.step)
        case _:
            pass
    return found


def _told(spec: Spec, effect: Effect, key: Callable[[str, str | None], str]) -> dict[str, Any]:
    node = spec.by_name[effect.step]
    return {
        "step": effect.step,
        "why": "irreversible" if node.irreversible else "not_replayable",
        "completed_at": effect.completed_at.isoformat() if effect.completed_at is not None else None,
        "idempotency_key": key(effect.step, effect.run),
        "outcome_known": effect.is_known,
    }
