"""Verbs that look whether the journal can be trusted, and make again what is derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.engine import verifying
from squidie.engine.requests import as_uuid
from squidie.runtime.door import Door

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from squidie.engine.verifying import Verification

    Runs = UUID | str | Iterable[UUID | str] | None


class Verifying(Door):
    """Facts, and everything that is derived from them."""

    def verify(
        self,
        run_id: Runs = None,
        *,
        sample: int | None = None,
        put_aside: bool = True,
        told: Callable[[int, int], Any] | None = None,
    ) -> Verification:
        """Whether facts are whole, and head, cached state and open work are what they add up to.

        Looks at one run, at several, at `sample` runs that are drawn, or at all of them, page by page; `told` is called
        after each page with how many runs were seen so far, and of how many. Nothing is written, with one exception: of
        an open run whose facts are damaged nothing is claimed from then on (`set_aside`), unless `put_aside` is false.
        Raises `RunNotFound`.
        """
        return verifying.verify(self._parts, _named(run_id), sample=sample, put_aside=put_aside, told=told)

    def rebuild(self, run_id: Runs = None, *, told: Callable[[int, int], Any] | None = None) -> Verification:
        """The same, and what differs from facts is made again from them: heads, cached states, open work.

        What is right stays as it is, claims included. A row that was lost or wrong is due again, held by nobody:
        whoever held it is refused once, and its step runs again under the same idempotency key. A run that was put
        aside goes on when its facts are whole again. Nothing is done about damaged facts. Raises `RunNotFound`.
        """
        return verifying.verify(self._parts, _named(run_id), remake=True, told=told)


def _named(runs: Runs) -> list[UUID] | None:
    if runs is None:
        return None
    return [as_uuid(runs)] if isinstance(runs, str) or not hasattr(runs, "__iter__") else [as_uuid(run) for run in runs]
