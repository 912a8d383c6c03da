"""Verbs of whoever runs the system: queues and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.engine import operating
from squidie.errors import InvalidArgument
from squidie.runtime.door import Door

if TYPE_CHECKING:
    from squidie.engine.operating import LimitState
    from squidie.journal.queues import Pause
    from squidie.workflow.durations import Duration


class Operating(Door):
    """Pause and resume queues, set limits: for every worker, from the next claim on."""

    def pause_queue(self, queue: str, *, reason: str, actor: Any = None, key: str | None = None) -> Pause:
        """Claim nothing from this queue, `"*"` is all, until it is resumed; what is claimed goes on and is settled.

        Starts and everything else go on too, and what they make due waits. Raises `QueueNotFound` for a queue that is
        neither declared here, nor served by a worker, nor has open work, and `InvalidTransition` for one that is
        paused. The same request again under one `key` changes nothing.
        """
        return operating.pause(self._parts, queue, reason, actor, key)

    def resume_queue(self, queue: str, *, reason: str | None = None, actor: Any = None, key: str | None = None) -> None:
        """Claim from this queue again: a bell rings, and what is due begins. Raises as `pause_queue` does.

        After the journal has lost commits (`JournalRegressed`) this is how somebody agrees to go on: `"*"`.
        """
        operating.resume(self._parts, queue, reason, actor, key)

    def set_limit(
        self,
        name: str,
        n: int | None = None,
        *,
        per: Duration | None = None,
        burst: int | None = None,
        reason: str | None = None,
        actor: Any = None,
        key: str | None = None,
    ) -> LimitState:
        """Other numbers for a limit or a rate, whatever the code says, until they are unset; what is None stays.

        It holds from the next claim on. `n=0` lets nothing pass. A lower limit ends no claim: nothing more is claimed
        until fewer than `n` are held. Raises `InvalidArgument`, also for a name that nothing declares.
        """
        said = {"n": n, "per": per, "burst": burst}
        if all(value is None for value in said.values()):
            raise InvalidArgument("n", "give a number to set, or unset the limit")
        return self._set_limit(name, said, reason, actor, key)

    def unset_limit(
        self, name: str, *, reason: str | None = None, actor: Any = None, key: str | None = None
    ) -> LimitState:
        """What the code says holds again."""
        return self._set_limit(name, {"n": None, "per": None, "burst": None}, reason, actor, key)

    def limits(self) -> tuple[LimitState, ...]:
        """Every limit and rate that the journal knows, by name."""
        return operating.limit_states(self._parts)

    def _set_limit(
        self, name: str, said: dict[str, Any], reason: str | None, actor: Any, key: str | None
    ) -> LimitState:
        found: LimitState = operating.set_limit(self._parts, name, said, reason, (actor, key))
        return found
