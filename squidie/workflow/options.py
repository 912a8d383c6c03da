"""What nodes, triggers and workflows are declared with: retry policies, deadlines, conditions, payload fields.

Durations are seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from squidie.workflow.vocabulary import Backoff, Catchup, Lapse, OnStuck, Overdue, Overlap, TriggerKind


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a spec: frozen, JSON-safe, unknown fields refused."""


class Retry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When to try a step again after an exception.

    `max_attempts` counts all attempts, the first one too. The delay after attempt k is `min * factor**(k-1)`
    (exponential), `min * k` (linear) or `min` (fixed), in seconds, at most `max`; then jitter: `True` draws between
    zero and the delay, a number is the fraction of it that is drawn. `on` and `never` name exceptions as
    `module:QualName` (a class is welcome where a workflow is declared); an empty `on` means every `Exception`. `within`
    (seconds since the first attempt was opened) bounds the whole.
    """

    max_attempts: int
    backoff: Backoff = Backoff.EXPONENTIAL
    min: float = 1.0
    max: float = 3600.0
    factor: float = 2.0
    jitter: bool | float = False
    on: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    within: float | None = None


class Limit(Data, frozen=True, kw_only=True):
    """At most `n` claims at once of all the steps, in all runs, that name this limit.

    With `by` (a path) each value that is found there has `n` of its own.
    """

    name: str
    n: int
    by: str | None = None


class Rate(Data, frozen=True, kw_only=True):
    """At most `n` claims in `per` seconds of all the steps, in all runs, that name this rate.

    It is a bucket of tokens: `burst` (`n`, if nothing is said) may be taken at once, and then one each `per / n`
    seconds. With `by` (a path) each value that is found there has a bucket of its own.
    """

    name: str
    n: int
    per: float
    burst: int | None = None
    by: str | None = None


class PayloadField(Data, frozen=True, kw_only=True):
    """One field of a payload contract. `default` is msgspec.UNSET when there is none."""

    name: str
    type: str  # string, integer, number, boolean, object, array; any for a parameter without an annotation
    nullable: bool = False
    default: Any = msgspec.UNSET
    items: str | None = None
    enum: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    format: str | None = None  # date, datetime, uuid, decimal


class Trigger(Data, frozen=True, kw_only=True):
    """What may start a run. `payload` narrows the workflow's contract; None takes it as it is.

    The rest is for cron: `expression` has five fields, or is `@daily` and the like, or `@every 90s`. `catchup_max`
    bounds the windows that `all` opens at once. `jitter` (seconds) delays the first steps, not the window. Windows lie
    in `starts <= window < ends`. The runs belong to `partition`.
    """

    name: str
    kind: TriggerKind = TriggerKind.MANUAL
    payload: tuple[PayloadField, ...] | None = None
    expression: str | None = None
    timezone: str = "UTC"
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    catchup: Catchup = Catchup.LATEST
    catchup_max: int | None = None
    overlap: Overlap = Overlap.ALLOW
    jitter: float = 0.0
    starts: datetime | None = None
    ends: datetime | None = None
    partition: str | None = None


POLICIES = ("catchup", "catchup_max", "overlap", "jitter", "starts", "ends", "partition")
"""What a cron trigger may say of its windows besides when they are and what goes in."""


class Deadline(Data, frozen=True, kw_only=True):
    """By when a step or a run should be done, in seconds since it was opened; `then` happens once, by a timer.

    `due_soon` (below `within`) and `escalate_after` (seconds past `within`, for `then="escalate"`) are for those who
    watch.
    """

    within: float
    due_soon: float | None = None
    then: Overdue = Overdue.NOTE
    escalate_after: float | None = None


class Compensate(Data, frozen=True, kw_only=True):
    """How a completed step is undone.

    `input` maps the parameters of `action` to absolute paths, as a node's does; besides the roots of the step itself
    there are `input` (the step's own arguments), `output` (its result) and `error` (why the run is undone).
    `when_unsure`: also undo an attempt of which nobody knows whether it took effect.
    """

    action: str
    input: dict[str, str] = msgspec.field(default_factory=dict)
    retry: Retry | None = None
    when_unsure: bool = False
    on_stuck: OnStuck = OnStuck.PARK
    queue: str | None = None


class Escalation(Data, frozen=True, kw_only=True):
    """Who is asked next when nobody decided in time, for how long (seconds), and what happens then."""

    role: str
    due: float | None = None
    then: Lapse = Lapse.REJECT


class Condition(Data, frozen=True, kw_only=True, rename={"is_in": "in"}):
    """A test on data: one path and one operator.

    Numbers compare only with numbers; a missing path or a value of another type is no match; `equals: null` matches a
    null that is there.
    """

    path: str
    equals: Any = msgspec.UNSET
    not_equals: Any = msgspec.UNSET
    greater_than: Any = msgspec.UNSET
    at_least: Any = msgspec.UNSET
    less_than: Any = msgspec.UNSET
    at_most: Any = msgspec.UNSET
    is_in: Any = msgspec.UNSET
    exists: Any = msgspec.UNSET


OPERATORS = ("equals", "not_equals", "greater_than", "at_least", "less_than", "at_most", "is_in", "exists")
"""The operators of a condition, by their attributes; `is_in` is written `in`."""
