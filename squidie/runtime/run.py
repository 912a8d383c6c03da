"""A handle to one run."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from squidie.errors import JournalUnavailable, RunUnsuccessful, WaitTimeout

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.views.snapshot import RunSnapshot

_FIRST_LOOK, _LONGEST_LOOK = 0.002, 0.25


class Sees(Protocol):
    """What a handle asks of the runtime it came from."""

    def inspect_run(self, run_id: UUID | str) -> RunSnapshot:
        """The run as it stands."""

    def ended(self, run_id: UUID) -> tuple[str, Any, dict[str, Any] | None] | None:
        """How it ended."""


class Run:
    """A handle to one run. `created` is False where the start found the run that its key had made before."""

    def __init__(self, squidie: Sees, run_id: UUID, *, created: bool = False) -> None:
        self._squidie = squidie
        self.id = run_id
        self.created = created

    def snapshot(self) -> RunSnapshot:
        """The run as it stands now."""
        return self._squidie.inspect_run(self.id)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end (at most `timeout` seconds) and return the run's output.

        Raises `RunUnsuccessful` or `WaitTimeout`. A journal that goes away meanwhile is waited for, too: it is
        `JournalUnavailable` only where it is still away when the time is over.
        """
        deadline = inf if timeout is None else time.monotonic() + timeout
        look = _FIRST_LOOK
        while (ended := self._ended(deadline - look)) is None:
            if time.monotonic() + look > deadline:
                raise WaitTimeout(self.id, timeout or 0.0)
            time.sleep(look)
            look = min(look * 1.3, _LONGEST_LOOK)
        status, output, error = ended
        if status != "completed":
            raise RunUnsuccessful(self.id, status, error)
        return output

    def _ended(self, patience: float) -> tuple[str, Any, dict[str, Any] | None] | None:
        """How it ended; None also where the journal does not say, while there is time to ask again."""
        try:
            return self._squidie.ended(self.id)
        except JournalUnavailable:
            if time.monotonic() > patience:
                raise
            return None

    def __repr__(self) -> str:
        return f"<Run {self.id}>"
