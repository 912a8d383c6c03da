"""Declare a workflow in Python.

A subclass of `Workflow` is compiled to a `Spec` where it is written, or refused with every issue at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from squidie.errors import InvalidArgument, InvalidSpec
from squidie.workflow.compile import compile_class, has_parts
from squidie.workflow.cron import interval_expression
from squidie.workflow.drafts import Compensate, Deadline, approval, escalate, event, log, pause, step, wait
from squidie.workflow.flow import Step, end
from squidie.workflow.issues import errors
from squidie.workflow.limits import Limit, Rate
from squidie.workflow.retry import Retry
from squidie.workflow.spec import Spec, TriggerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from squidie.workflow.callables import Action
    from squidie.workflow.durations import Duration

__all__ = [
    "Compensate",
    "Deadline",
    "Limit",
    "Rate",
    "Retry",
    "Step",
    "TriggerDraft",
    "Workflow",
    "approval",
    "cron",
    "end",
    "escalate",
    "event",
    "every",
    "log",
    "manual",
    "pause",
    "step",
    "to_spec",
    "wait",
]


@dataclass(frozen=True)
class TriggerDraft:
    """A trigger as its author wrote it."""

    name: str
    kind: TriggerKind
    payload: Any = None
    expression: str | None = None
    timezone: str | ZoneInfo = "UTC"
    input: Any = field(default_factory=dict)
    catchup: Any = None
    catchup_max: Any = None
    overlap: Any = None
    jitter: Any = None
    starts: Any = None
    ends: Any = None
    partition: Any = None


def manual(name: str, payload: Any = None) -> TriggerDraft:
    """A trigger that someone pulls: `squidie.start(...)`. `payload` narrows the workflow's contract."""
    return TriggerDraft(name, TriggerKind.MANUAL, payload)


def cron(
    name: str,
    expression: str,
    *,
    timezone: str | ZoneInfo = "UTC",
    input: Mapping[str, Any] | None = None,  # noqa: A002 - the word of the spec
    payload: Any = None,
    catchup: Literal["latest", "skip", "all"] = "latest",
    catchup_max: int | None = None,
    overlap: Literal["allow", "skip", "queue_one", "cancel_previous"] = "allow",
    jitter: Duration | None = None,
    starts: datetime | None = None,
    ends: datetime | None = None,
    partition: str | None = None,
) -> TriggerDraft:
    """A trigger that time pulls. `input` is the payload of such a run: literals, or `{"from": "window.start"}`.

    `catchup` says what becomes of windows that nobody was there to open: the `"latest"` opens, none (`"skip"`), or
    `"all"`, at most the last `catchup_max`. `overlap` says what becomes of a window while a run of this trigger is
    still open. `jitter` spreads the first steps over a duration. Windows lie in `starts <= window < ends`. The runs
    belong to `partition`, which is part of a window's identity.
    """
    return TriggerDraft(
        name,
        TriggerKind.CRON,
        payload,
        expression,
        timezone,
        {} if input is None else input,
        catchup,
        catchup_max,
        overlap,
        jitter,
        starts,
        ends,
        partition,
    )


def every(name: str, duration: Duration, **options: Any) -> TriggerDraft:
    """A trigger that time pulls once each `duration` (`"90s"`, a `timedelta`), with the options of `cron`.

    Window k is at anchor + k durations, never "after the last one", which would drift. The anchor is `starts`; without
    it, the beginning of 1970, so that `every("tick", "15m")` is at :00, :15, :30 and :45.
    """
    return cron(name, interval_expression(duration), **options)


class Workflow:
    """The base of every declared workflow.

        class Fulfilment(Workflow):
            payload = OrderPlaced
            triggers = [manual("placed")]
            reserve = step(reserve_stock)
            charge = step(charge_card, retry=Retry(5))
            flow = reserve >> charge

    The attributes that are steps become nodes, `flow` says what follows what (one step alone needs none), the
    docstring is the description. A subclass without steps and flow is a base for others and is not compiled.

    What a step's outcome decides is said in the flow as well:

        flow = [
            load >> check,
            check.when("check.status", greater_than=199) >> tell,
            check.otherwise >> credit,
            check.on_error >> credit,
        ]
    """

    name: ClassVar[str]
    version: ClassVar[str | None] = None
    payload: ClassVar[Any] = None
    triggers: ClassVar[Sequence[Any]] = ()
    flow: ClassVar[Any] = None
    deadline: ClassVar[Any] = None
    spec: ClassVar[Spec]
    actions: ClassVar[Mapping[str, Action]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not has_parts(cls):
            return
        compiled = compile_class(cls)
        if compiled.spec is None or errors(compiled.issues):
            raise InvalidSpec(cls.__name__, compiled.issues)
        cls.name, cls.spec, cls.actions = compiled.spec.name, compiled.spec, compiled.actions


def to_spec(workflow: type[Workflow] | Spec) -> Spec:
    """The spec of a declared workflow."""
    if isinstance(workflow, Spec):
        return workflow
    found = workflow.__dict__.get("spec") if isinstance(workflow, type) else None
    if not isinstance(found, Spec):
        raise InvalidArgument("workflow", "is no declared workflow: give a subclass of Workflow with steps")
    return found
