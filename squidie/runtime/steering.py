"""Verbs that steer runs which exist."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

import msgspec

from squidie.engine import steering
from squidie.engine.addressing import addressed
from squidie.engine.asking import audited
from squidie.engine.hosts import host_of
from squidie.engine.requests import Who
from squidie.engine.signals import checked
from squidie.errors import InvalidArgument, LimitReached, SquidieError
from squidie.history.bodies import Decision
from squidie.runtime.noting import Noting
from squidie.views.listing import MOST, list_runs
from squidie.views.paging import pages

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.engine.signals import Signal
    from squidie.runtime.door import By
    from squidie.runtime.run import Run

_NO_FILTER = {"journal", "open", "archived", "order", "limit", "after", "schema", "secret"}


class CancelledRuns(msgspec.Struct, frozen=True):
    """What became of many runs that were to be cancelled: each stands alone."""

    matched: int
    cancelled: tuple[UUID, ...]
    refused: Mapping[UUID, SquidieError]


class Steering(Noting):
    """Answer, cancel, hurry, and tell runs of what has happened."""

    def resume(
        self,
        run_id: UUID | str,
        *,
        step: str | None = None,
        data: Any = None,
        expect: int | None = None,
        **by: Unpack[By],
    ) -> Run:
        """Let a paused run go on; `data` is the pause's output.

        `step` may be left out where exactly one question is open. `expect` is the revision of the run that was looked
        at: `StaleRevision` where the step was touched since. Raises `InvalidReview`, `AlreadyResolved`, `WrongVerb`.
        """
        said = {"decision": Decision.RESUMED, "step": step, "data": data, "expect": expect}
        return self._ask("resume", run_id, by, steering.review_of, **said)

    def approve(
        self,
        run_id: UUID | str,
        *,
        step: str | None = None,
        data: Any = None,
        expect: int | None = None,
        **by: Unpack[By],
    ) -> Run:
        """Approve; `actor` must say who. With a quorum it is one vote of several."""
        said = {"decision": Decision.APPROVED, "step": step, "data": data, "expect": expect}
        return self._ask("approve", run_id, by, steering.review_of, **said)

    def reject(
        self,
        run_id: UUID | str,
        *,
        step: str | None = None,
        data: Any = None,
        expect: int | None = None,
        **by: Unpack[By],
    ) -> Run:
        """Reject; `actor` must say who. The error edges are taken, and without one the run fails."""
        said = {"decision": Decision.REJECTED, "step": step, "data": data, "expect": expect}
        return self._ask("reject", run_id, by, steering.review_of, **said)

    def delegate(
        self, run_id: UUID | str, *, to_role: str, step: str | None = None, due: Any = None, **by: Unpack[By]
    ) -> Run:
        """Ask others for an approval; `due` (a duration) replaces how long they have."""
        return self._ask("delegate", run_id, by, steering.delegate_of, to_role=to_role, step=step, due=due)

    def cancel(
        self,
        run_id: UUID | str,
        *,
        reason: str,
        compensate: bool = False,
        abandon_undo: bool = False,
        **by: Unpack[By],
    ) -> Run:
        """End a run now, or with `compensate` once what it did is undone.

        A step that is running learns of it from its context, and its outcome is not taken. A run that is being undone
        is ended only with `abandon_undo`. Raises `InvalidTransition` for an ended run.
        """
        said = {"reason": reason, "compensate": compensate, "abandon_undo": abandon_undo}
        return self._ask("cancel", run_id, by, steering.cancel_of, **said)

    def cancel_many(
        self, query: Mapping[str, Any], *, reason: str, limit: int = 1000, **by: Unpack[By]
    ) -> CancelledRuns:
        """Cancel every open run that `list_runs` would find by this query, each for itself.

        They are counted first: more than `limit` are `LimitReached`, and none is cancelled.
        """
        steering.reason_of(reason)
        found = self._open_runs(query, limit)
        cancelled, refused = [], {}
        for run_id in found:
            try:
                self.cancel(run_id, reason=reason, **by)
                cancelled.append(run_id)
            except SquidieError as error:
                refused[run_id] = error
        return CancelledRuns(len(found), tuple(cancelled), refused)

    def retry_now(self, run_id: UUID | str, step: str, **by: Unpack[By]) -> Run:
        """Make a scheduled retry due; the attempt's number stays. Raises `StepNotFound` where none is scheduled."""
        return self._ask("retry_now", run_id, by, steering.hasten_of, step=step)

    def signal_run(
        self,
        run_id: UUID | str | None = None,
        *,
        event: str,
        workflow: Any = None,
        payload: Any = None,
        correlation: str | None = None,
        **by: Unpack[By],
    ) -> Run:
        """Tell a run that an event has happened; before it is awaited it is kept.

        Instead of the run's id its `workflow` may be given: then it is for the one open run of it that awaits this
        event and correlation. Raises `EventMismatch`, `RunNotFound`, and `InvalidArgument` where several await it.
        """
        if (run_id is None) == (workflow is None):
            raise InvalidArgument("run_id", "give the run's id, or the workflow")
        said = {"event": event, "correlation": correlation}
        if run_id is None:
            who = Who(**by)
            with audited(self._parts, "signal_run", None, who.actor, is_whole=False):
                host = self._host(who)
                run_id = addressed(self._parts, who, host, workflow=workflow, within=self._policy.within, **said)
        return self._ask("signal_run", run_id, by, steering.deliver_of, payload=payload, **said)

    def apply_signal(
        self, signal: Signal | Mapping[str, Any] | str | bytes, *, session: Any = None, connection: Any = None
    ) -> Run | None:
        """Do what a signal says, given as one or as data: the same as calling its verb. Raises `InvalidSignal`."""
        with audited(self._parts, "apply_signal", None, None, is_whole=False):
            found = checked(signal)
        run: Run | None = getattr(self, found.verb)(**found.arguments(), session=session, connection=connection)
        return run

    def _host(self, who: Who) -> Connection | None:
        return host_of(self._parts.journal, who.session, who.connection)

    def _open_runs(self, query: Mapping[str, Any], limit: int) -> list[UUID]:
        """The runs that a query finds, or `LimitReached`."""
        known = signature(list_runs).parameters.keys() - _NO_FILTER
        if not isinstance(query, Mapping) or not set(query) <= known:
            raise InvalidArgument("query", f"may hold {', '.join(sorted(known))}")
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise InvalidArgument("limit", "is a whole number above zero")
        most = min(MOST, limit + 1)
        found: list[UUID] = []
        for page in pages(lambda after: self.list_runs(**query, open=True, limit=most, after=after)):
            found += [row.id for row in page.runs]
            if len(found) > limit:
                raise LimitReached("runs at once", limit)
        return found
