"""Verbs that say why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidArgument
from squidie.runtime.seeing import Seeing
from squidie.views.explain import explain_run
from squidie.views.stuck import explain_many
from squidie.workflow.durations import seconds

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.views.explain import Explanation
    from squidie.views.stuck import StuckRuns
    from squidie.workflow.durations import Duration


class Explaining(Seeing):
    """Why runs are where they are."""

    def explain_run(self, run_id: UUID | str, step: str | None = None) -> Explanation:
        """Why the run, or one of its steps, is where it is: in a sentence, with its evidence.

        Every open run has a first reason (`code`); `blockers` are all of them, each with since when, who acts, what
        happens next without anybody, and which commands are of use. Raises `RunNotFound`, `StepNotFound`.
        """
        return explain_run(self._parts.journal, self._seen(run_id), step, delivery=self._parts.delivery.name)

    def explain_many(self, *, older_than: Duration = 0, everything: bool = False, **query: Any) -> StuckRuns:
        """What open runs wait for, rolled up: so many for an approval here, so many for a worker on that queue.

        Only runs that do not go on by themselves, unless `everything` is asked for; `older_than` leaves out what has
        stood for less. `query` narrows as that of `list_runs`. Raises `InvalidArgument`.
        """
        try:
            age = seconds(older_than, allow_zero=True)
        except ValueError as error:
            raise InvalidArgument("older_than", str(error)) from None
        asked = {**self._narrowed(query), "schema": self._parts.attributes}
        return explain_many(self._parts.journal, older_than=timedelta(seconds=age), everything=everything, **asked)
