"""The words of a specification: every closed list of values that a workflow is written with."""

from __future__ import annotations

from enum import StrEnum

END = "end"
"""The edge target that ends a path without another step."""


class NodeKind(StrEnum):
    """What a node of the graph is."""

    STEP = "step"
    WAIT = "wait"
    LOG = "log"
    PAUSE = "pause"
    APPROVAL = "approval"
    EVENT = "event"


RUNS_CODE = frozenset({NodeKind.STEP, NodeKind.LOG})
"""The kinds that a worker runs; the others wait for a time, a person or an event, and hold no worker."""

MANUAL = frozenset({NodeKind.PAUSE, NodeKind.APPROVAL})
"""The kinds that wait for a person."""


class Outcome(StrEnum):
    """How a step can end for good; an edge waits for one of them."""

    OK = "ok"
    ERROR = "error"


class TriggerKind(StrEnum):
    """What may start a run."""

    MANUAL = "manual"
    CRON = "cron"


class Catchup(StrEnum):
    """Which of the windows that were missed are opened when somebody looks again: the latest, none, or all."""

    LATEST = "latest"
    SKIP = "skip"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a window that is due while a run of the same schedule is open."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE_ONE = "queue_one"
    CANCEL_PREVIOUS = "cancel_previous"


class GiveUp(StrEnum):
    """What becomes of a run whose step has failed for good, where no error edge takes it further."""

    FAIL = "fail"
    PARK = "park"
    TOLERATE = "tolerate"


class OnCancel(StrEnum):
    """What becomes of a step that runs while its run is cancelled: it is told, or it is stopped."""

    FINISH = "finish"
    INTERRUPT = "interrupt"


class OnStuck(StrEnum):
    """What becomes of an undo that gives up: it waits for a person, or is left undone."""

    PARK = "park"
    CONTINUE = "continue"


class Lapse(StrEnum):
    """What happens when nobody decided in time."""

    REJECT = "reject"
    APPROVE = "approve"
    ESCALATE = "escalate"
    FAIL = "fail"
    RESUME = "resume"


class Overdue(StrEnum):
    """What happens when a deadline passes."""

    NOTE = "note"
    FAIL = "fail"
    CANCEL = "cancel"
    ESCALATE = "escalate"


class Recovery(StrEnum):
    """What an error edge is for, as pictures show it; it routes like any other."""

    COMPENSATION = "compensation"
    UNDO = "undo"


class Level(StrEnum):
    """How loud a `log` node is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Backoff(StrEnum):
    """How the delay grows from one attempt to the next."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"
