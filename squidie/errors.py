"""Every error of Squidie, as one tree.

    SquidieError
     + Refused          nothing was written; a host's transaction in which it happened can still commit
     |  + Invalid       the request is wrong in itself                              (exit 2)
     |  |   InvalidArgument, InvalidPayload, InvalidTrigger, InvalidSpec, InvalidSchedule, InvalidReview,
     |  |   InvalidSignal, InvalidAttributes, InvalidCursor, UnstorableValue > PayloadTooLarge
     |  + NotFound      nothing by that name                                        (exit 3)
     |  |   RunNotFound, StepNotFound, WorkflowNotFound, ScheduleNotFound, DeadLetterNotFound,
     |  |   QueueNotFound
     |  + Conflict      somebody was first, or the state moved                      (exit 4)
     |  |   KeyReused, InvalidTransition, AlreadyResolved, WrongVerb, StaleRevision > StalePlan, EventMismatch
     |  + Blocked       a safety gate                                               (exit 5)
     |  |   UnsafeReplay, RetentionBlocked, RunRetired, LimitReached
     |  + NotPermitted  the host's policy said no                                   (exit 6)
     + Unavailable      try again                                                   (exit 7; 124 for WaitTimeout)
     |   JournalUnavailable > JournalReadOnly, JournalBusy, JournalRegressed, WaitTimeout
     + Fenced           a worker's claim no longer counts; its outcome was not taken
     |   StaleClaim, RunEnded, UnknownAttempt, ConflictingOutcome
     + HistoryError     this run's history cannot be trusted or read; this run only (exit 1)
     |   CorruptHistory, UnknownFact
     + ConfigError      fix the deployment, not the code                            (exit 1)
     |   MissingConfig, InvalidConfig, InvalidPolicy, SchemaMismatch
     + RunUnsuccessful  raised by `run.result()`: the run ended, but not completed  (exit 10, 11)

Every error has a stable `code` (its class name in snake case), a `message`, JSON `details`, a `hint` and `retryable`.
None of them ever repeats the refused value, a token, a connection string or a payload. What steps raise to steer, or
are told, lives in `squidie.workflow.steps`.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class SquidieError(Exception):
    """The root. `str(error)` is the message, followed by the hint where there is one."""

    code: ClassVar[str] = "squidie_error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = _WORD.sub("_", cls.__name__).lower()

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON: `code`, `message`, `hint`, `details`, `retryable`."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "details": self.details,
            "retryable": self.retryable,
        }


class Refused(SquidieError):
    """The request was refused and nothing was written."""

    exit_code = 2


class Invalid(Refused):
    """The request is wrong in itself."""


class InvalidArgument(Invalid):
    """An argument is unknown, malformed or contradicts another. `details`: `argument`, `reason`."""

    def __init__(self, argument: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{argument}: {reason}", hint=hint, details={"argument": argument, "reason": reason})


class InvalidPayload(Invalid):
    """The payload breaks its contract.

    `details`: `missing`, `unknown` (names) and `invalid` (name to reason); values are never repeated.
    """

    def __init__(
        self, *, missing: Sequence[str] = (), unknown: Sequence[str] = (), invalid: Mapping[str, str] | None = None
    ) -> None:
        invalid = dict(invalid or {})
        said = [f"missing: {', '.join(missing)}"] if missing else []
        said += [f"unknown: {', '.join(unknown)}"] if unknown else []
        said += [f"{name}: {reason}" for name, reason in invalid.items()]
        details = {"missing": list(missing), "unknown": list(unknown), "invalid": invalid}
        super().__init__("the payload does not fit its contract; " + "; ".join(said), details=details)


class InvalidTrigger(Invalid):
    """The workflow has no trigger by that name. `details`: `trigger`, `known`."""

    def __init__(self, trigger: str, known: Iterable[str] = ()) -> None:
        known = list(known)
        hint = f"declared triggers: {', '.join(known)}" if known else None
        super().__init__(
            f"there is no trigger named {trigger!r}", hint=hint, details={"trigger": trigger, "known": known}
        )


class InvalidSpec(Invalid):
    """A workflow is wrong; `issues` lists everything that is, each with its path, code and message."""

    def __init__(self, name: str, issues: Sequence[Any]) -> None:
        self.issues = tuple(issues)
        lines = "".join(f"\n  {issue.path}: {issue.message} [{issue.code}]" for issue in self.issues)
        listed = [{"path": i.path, "code": i.code, "severity": i.severity, "message": i.message} for i in self.issues]
        super().__init__(
            f"workflow {name} has {len(self.issues)} issue(s):{lines}", details={"workflow": name, "issues": listed}
        )


class InvalidSchedule(Invalid):
    """A cron window or a schedule's setting is wrong. `details`: `field`, `reason`."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", details={"field": field, "reason": reason})


class InvalidReview(Invalid):
    """An answer to a pause or an approval is incomplete or malformed. `details`: `field`, `reason`."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", details={"field": field, "reason": reason})


class InvalidSignal(Invalid):
    """A command given as data is not one. `details`: `field`, `reason`."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", details={"field": field, "reason": reason})


class InvalidAttributes(Invalid):
    """A search attribute is not declared, or its value does not fit. `details`: `key`, `code`; no value is repeated.

    Codes: `malformed`, `undeclared`, `wrong_type`, `too_long`, `too_many`, `too_large`.
    """

    def __init__(self, key: str | None, code: str, reason: str, *, hint: str | None = None) -> None:
        where = "attributes" if key is None else f"attribute {key}"
        super().__init__(f"{where}: {reason}", hint=hint, details={"key": key, "code": code})


class InvalidCursor(Invalid):
    """The cursor of a page does not lead on. `details`: `reason`, one of `malformed`, `other_query`, `version`."""

    def __init__(self, reason: str) -> None:
        said = {
            "malformed": "it is none that a list gave",
            "other_query": "it belongs to another query, or to another order",
            "version": "another version of Squidie made it",
        }
        super().__init__(f"after: {said[reason]}", hint="begin again with the first page", details={"reason": reason})


class UnstorableValue(Invalid):
    """A value may not enter the journal. `details`: `path`, `reason`."""

    def __init__(
        self, path: str, reason: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{path}: {reason}", hint=hint, details={"path": path, "reason": reason, **(details or {})})


class PayloadTooLarge(UnstorableValue):
    """A value is larger than the journal takes. `details`: `path`, `size`, `limit` (bytes)."""

    def __init__(self, path: str, size: int, limit: int) -> None:
        hint = "keep large data elsewhere and pass a reference to it"
        super().__init__(
            path, f"{size} bytes are more than the limit of {limit}", hint=hint, details={"size": size, "limit": limit}
        )


class NotFound(Refused):
    """There is nothing by that name, or not for this actor."""

    exit_code = 3


class RunNotFound(NotFound):
    """There is no run with that id, or none that `what` describes. `details`: `run_id`."""

    def __init__(self, run_id: object, what: str | None = None) -> None:
        found = None if run_id is None else str(run_id)
        super().__init__(f"there is no run {what or run_id}", details={"run_id": found})


class StepNotFound(NotFound):
    """The run has no step by that name. `details`: `run_id`, `step`."""

    def __init__(self, run_id: object, step: str) -> None:
        super().__init__(f"run {run_id} has no step {step!r}", details={"run_id": str(run_id), "step": step})


class WorkflowNotFound(NotFound):
    """No workflow of that name is declared here. `details`: `workflow`, `known`."""

    def __init__(self, workflow: str, known: Iterable[str] = ()) -> None:
        known = sorted(known)
        hint = f"declared here: {', '.join(known)}" if known else "pass workflows=[...] to Squidie(...)"
        super().__init__(
            f"there is no workflow named {workflow!r}", hint=hint, details={"workflow": workflow, "known": known}
        )


class ScheduleNotFound(NotFound):
    """There is no schedule by that name. `details`: `schedule`, `known`."""

    def __init__(self, schedule: str, known: Iterable[str] = ()) -> None:
        known = sorted(known)
        hint = f"known: {', '.join(known)}" if known else "none was synchronised yet: `squidie schedules sync`"
        super().__init__(
            f"there is no schedule named {schedule!r}", hint=hint, details={"schedule": schedule, "known": known}
        )


class DeadLetterNotFound(NotFound):
    """No attempt of that step was given up. `details`: `run_id`, `step`."""

    def __init__(self, run_id: object, step: str | None) -> None:
        what = f"step {step!r} of run {run_id}" if step else f"run {run_id}"
        super().__init__(f"there is no dead letter of {what}", details={"run_id": str(run_id), "step": step})


class QueueNotFound(NotFound):
    """Nothing is open on a queue of that name, and nobody serves it. `details`: `name`, `known`."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        names = sorted(known)
        hint = f"known: {', '.join(names)}" if names else None
        super().__init__(f"there is no queue named {name!r}", details={"name": name, "known": names}, hint=hint)


class Conflict(Refused):
    """Somebody was first, or the state moved on."""

    exit_code = 4


class KeyReused(Conflict):
    """The key already stands for another request. `details`: `key`, and `run_id` or what it is `about`."""

    def __init__(self, key: str, run_id: object = None, *, about: str | None = None) -> None:
        hint = "use the same payload to get the same run, or another key for another run"
        super().__init__(
            f"the key {key!r} already stands for another request ({about or f'run {run_id}'})",
            hint=hint if about is None else "another request needs another key",
            details={"key": key, "run_id": str(run_id)} if about is None else {"key": key, "about": about},
        )


class InvalidTransition(Conflict):
    """What was asked cannot follow the state things are in. `details`: `status`, `event`."""

    def __init__(self, subject: str, status: str, event: str, *, hint: str | None = None) -> None:
        details = {"status": str(status), "event": str(event)}
        super().__init__(f"{subject} that is {status} cannot {event}", hint=hint, details=details)


class AlreadyResolved(Conflict):
    """Somebody has decided before. `details`: `step`, `decision`, `by`, `at`."""

    def __init__(self, step: str, decision: str, by: Any, at: datetime | None) -> None:
        who = f" by {by}" if isinstance(by, str) else ""
        when = f" at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else ""
        details = {"step": step, "decision": str(decision), "by": by, "at": at.isoformat() if at else None}
        super().__init__(f"{step} was {decision}{who}{when}", hint="nothing was changed", details=details)


class WrongVerb(Conflict):
    """The node takes another answer. `details`: `step`, `kind`, `use`."""

    def __init__(self, step: str, kind: str, use: Sequence[str]) -> None:
        kind = str(kind)
        hint = f"use {' or '.join(use)}" if use else None
        super().__init__(f"{step} is of kind {kind}", hint=hint, details={"step": step, "kind": kind, "use": [*use]})


class StaleRevision(Conflict):
    """The step was touched since it was looked at. `details`: `step`, `revision`, `by`, `at`."""

    def __init__(self, step: str, revision: int, by: Any, at: datetime | None) -> None:
        details = {"step": step, "revision": revision, "by": by, "at": at.isoformat() if at else None}
        super().__init__(f"{step} was touched since, at revision {revision}", hint="look again", details=details)


class StalePlan(StaleRevision):
    """What was looked at is not what would be done now. `details`: `reason`."""

    def __init__(self, reason: str) -> None:
        Conflict.__init__(self, f"the plan {reason}", hint="make a new one", details={"reason": reason})


class EventMismatch(Conflict):
    """The run takes no such event now. `details`: `event`, `expected`."""

    def __init__(self, event: str, expected: Sequence[str]) -> None:
        hint = f"it takes {', '.join(expected)}" if expected else "it takes no events any more"
        details = {"event": event, "expected": [*expected]}
        super().__init__(f"the run takes no event {event!r}", hint=hint, details=details)


class Blocked(Refused):
    """A safety gate; an explicit override or another state is needed."""

    exit_code = 5


class UnsafeReplay(Blocked):
    """Steps would be run again that must not be unnoticed. `details`: `steps`, each with what is known of it."""

    def __init__(self, run_id: object, steps: Sequence[Mapping[str, Any]]) -> None:
        self.steps = tuple(dict(step) for step in steps)
        names = ", ".join(str(step["step"]) for step in self.steps)
        super().__init__(
            f"run {run_id} would run again what cannot be taken back: {names}",
            hint="name the steps in allow_irreversible if that is meant",
            details={"run_id": str(run_id), "steps": [dict(step) for step in self.steps]},
        )


class RetentionBlocked(Blocked):
    """The host's hook gave no answer, and nothing more is removed. `details`: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"nothing more is removed: {reason}",
            hint="mend the hook, and apply the plan again",
            details={"reason": reason},
        )


class RunRetired(Blocked):
    """The key stood for a run that retention has removed. `details`: `run_id`."""

    def __init__(self, run_id: object) -> None:
        super().__init__(
            f"run {run_id} ended and was removed by retention",
            hint="use another key for another run",
            details={"run_id": str(run_id)},
        )


class LimitReached(Blocked):
    """There is no room for more. `details`: `what`, `limit`."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"at most {limit} {what}", details={"what": what, "limit": limit})


class NotPermitted(Refused):
    """The host's policy said no."""

    exit_code = 6


class Unavailable(SquidieError):
    """Not now; the same request may succeed later."""

    exit_code = 7
    retryable = True


class JournalUnavailable(Unavailable):
    """Postgres cannot be reached, or went away. Nothing was written, or the same key will tell."""


class JournalReadOnly(JournalUnavailable):
    """Postgres takes no writes: it is a standby, or was set so. The next try is made on another connection."""


class JournalRegressed(Unavailable):
    """The journal has lost commits that were answered, in a failover say; claims have stopped. `details`: `runs`."""

    def __init__(self, runs: Iterable[object]) -> None:
        known = [str(run) for run in runs]
        super().__init__(
            f"the journal has lost commits that this process saw, of {len(known)} run(s) at least; claims have stopped",
            hint="look at these runs and at the failover; then: squidie queues resume '*'",
            details={"runs": known},
        )


class JournalBusy(Unavailable):
    """Somebody else holds the run's head for longer than we wait."""


class WaitTimeout(Unavailable):
    """The run did not end within the time given. `details`: `run_id`, `seconds`."""

    exit_code = 124

    def __init__(self, run_id: object, seconds: float) -> None:
        super().__init__(
            f"run {run_id} has not ended within {seconds:g} s", details={"run_id": str(run_id), "seconds": seconds}
        )


class Fenced(SquidieError):
    """A worker's claim no longer counts, because a fact has ended it. Its outcome was not taken."""


class StaleClaim(Fenced):
    """The attempt is known, and this claim no longer holds it."""


class RunEnded(Fenced):
    """The run ended before the outcome came."""


class UnknownAttempt(Fenced):
    """The run never opened this attempt."""


class ConflictingOutcome(Fenced):
    """The claim has settled before, with another outcome."""


class HistoryError(SquidieError):
    """One run's history cannot be trusted or read. Other runs are not affected."""


class CorruptHistory(HistoryError):
    """A gap, a wrong hash or an unreadable body. `details`: `run_id`, `seq`."""


class UnknownFact(HistoryError):
    """A fact of a kind this version does not know: leave the run to a newer worker. `details`: `kind`."""


class ConfigError(SquidieError):
    """The deployment is wrong, not the request."""


class MissingConfig(ConfigError):
    """A setting is missing; the message says which, and how to give it."""


class InvalidConfig(ConfigError):
    """A setting is unknown, malformed or contradicts another. Values are never shown."""


class InvalidPolicy(ConfigError):
    """The host's policy of who sees what gave no scope; nothing is shown. `details`: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the policy of who sees what is wrong: {reason}",
            hint="visibility(actor, view) gives a Scope",
            details={"reason": reason},
        )


class SchemaMismatch(ConfigError):
    """The journal's schema is missing, older or newer than this code. `details`: `current`, `wanted`."""

    def __init__(self, current: str | None, wanted: str) -> None:
        state = f"is at {current}" if current else "does not exist in this database"
        hint = (
            "run `squidie migrate`" if current is None or current < wanted else "deploy the newer code that migrated it"
        )
        super().__init__(
            f"the journal's schema {state}, this code needs {wanted}",
            hint=hint,
            details={"current": current, "wanted": wanted},
        )


class RunUnsuccessful(SquidieError):
    """The run ended, but not completed. `status` is `failed` or `cancelled`; `error` is what the journal recorded."""

    exit_code = 10

    def __init__(self, run_id: object, status: str, error: Mapping[str, Any] | None) -> None:
        self.status = status
        self.error = dict(error) if error else None
        why = f": {self.error.get('message', '')}" if self.error else ""
        super().__init__(
            f"run {run_id} {status}{why}", details={"run_id": str(run_id), "status": status, "error": self.error}
        )
