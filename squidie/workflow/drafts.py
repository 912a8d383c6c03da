"""The words for what stands in a workflow: steps, waits, people and events.

Each word keeps what its author wrote, durations as text and all; compiling it finds what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from squidie.workflow import spec
from squidie.workflow.durations import Duration, lenient
from squidie.workflow.flow import Step
from squidie.workflow.spec import Lapse, NodeKind, OnStuck, Overdue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from squidie.workflow.options import Limit as PlainLimit
    from squidie.workflow.options import Rate as PlainRate

    Source = str | Sequence[str | int]


def step(
    call: Callable[..., Any],
    *,
    input: Mapping[str, Source] | None = None,  # noqa: A002 - the word of the spec
    output: str | None = None,
    retry: spec.Retry | None = None,
    timeout: Duration | None = None,
    grace: Duration | None = None,
    deadline: spec.Deadline | Duration | None = None,
    queue: str | None = None,
    priority: int | None = None,
    limit: PlainLimit | None = None,
    rate: PlainRate | None = None,
    compensate: Callable[..., Any] | Compensate | None = None,
    irreversible: bool = False,
    replayable: bool = True,
    transactional: bool = False,
    on_give_up: Literal["fail", "park", "tolerate"] = "fail",
    on_cancel: Literal["finish", "interrupt"] = "finish",
    **unknown: Any,
) -> Step:
    """A step that runs this callable: any function, coroutine function or task.

    Parameters bind by name; `input` maps them to paths explicitly. `timeout` bounds one attempt: the step is told, and
    after `grace` its process is ended. `deadline` bounds the whole step. `limit` bounds how many of them are claimed
    at once and `rate` how many in a time, over all runs. `compensate` undoes it if the run fails later
    on. A `transactional` step writes through `ctx.session` in one commit with its outcome. `on_give_up` says what
    becomes of the run when the step fails for good and no error edge takes it further.
    """
    options = {
        "input": {} if input is None else input,
        "output": output,
        "retry": retry,
        "timeout": lenient(timeout),
        "grace": lenient(grace),
        "deadline": as_deadline(deadline),
        "queue": queue,
        "priority": priority,
        "limit": limit,
        "rate": rate,
        "compensate": compensate,
        "irreversible": irreversible,
        "replayable": replayable,
        "transactional": transactional,
        "on_give_up": on_give_up,
        "on_cancel": on_cancel,
    }
    return Step(call, options | unknown)


def wait(duration: Duration | None = None, *, until: Source | None = None, **unknown: Any) -> Step:
    """A wait, for a duration or until the time that is found at a path; no worker is held meanwhile."""
    return Step(None, {"duration": lenient(duration), "until": until, **unknown}, NodeKind.WAIT)


def log(message: str, level: Literal["debug", "info", "warning", "error"] = "info", **unknown: Any) -> Step:
    """A line in the log, with the run's ids."""
    return Step(None, {"message": message, "level": level, **unknown}, NodeKind.LOG)


def pause(
    *,
    output: str | None = None,
    due: Duration | None = None,
    then: Literal["fail", "resume"] | None = None,
    **unknown: Any,
) -> Step:
    """A halt until somebody resumes the run; what they give is its output.

    If nobody has when it is `due`, `then` happens: it fails, unless `"resume"` is said.
    """
    return Step(None, {"output": output, "due": lenient(due), "then": then, **unknown}, NodeKind.PAUSE)


def approval(
    *,
    role: str | None = None,
    quorum: int = 1,
    due: Duration | None = None,
    then: Literal["reject", "approve"] | spec.Escalation | None = None,
    form: Any = None,
    exclude: Sequence[str] = (),
    output: str | None = None,
    **unknown: Any,
) -> Step:
    """A decision that people of a role take: approved, or rejected, which `on_reject` leads on.

    `quorum` people must approve, one rejects. If too few have when it is `due`, `then` happens: it is rejected, unless
    `"approve"` or `escalate(...)` is said. `form` says what data comes with a decision, as a payload contract does.
    `exclude=("starter",)` keeps whoever started the run from deciding. Its output is an object: `decision`, `actor`,
    `decided_at`, `votes`, and where they were given `comment` and `data`.
    """
    options = {
        "role": role,
        "quorum": quorum,
        "due": lenient(due),
        "then": then,
        "form": form,
        "exclude": (exclude,) if isinstance(exclude, str) else exclude,
        "output": output,
    }
    return Step(None, options | unknown, NodeKind.APPROVAL)


def escalate(role: str, due: Duration | None = None, then: Literal["reject", "approve"] = "reject") -> spec.Escalation:
    """Who is asked next, for how long, and what happens if they do not decide either."""
    return spec.Escalation(role=role, due=lenient(due), then=known(Lapse, then))


def event(
    name: str,
    *,
    correlation: Source | None = None,
    timeout: Duration | None = None,
    output: str | None = None,
    **unknown: Any,
) -> Step:
    """A wait for an event from outside; its payload is the output.

    `correlation` says which one is meant, where several of this name may come: a path (`"order.id"`), or, if that is
    none that can be read here, the text itself. If none has come after `timeout`, the wait fails.
    """
    options = {"event": name, "correlation": correlation, "timeout": lenient(timeout), "output": output}
    return Step(None, options | unknown, NodeKind.EVENT)


def Deadline(  # noqa: N802 - reads as the class that it makes
    within: Duration,
    *,
    due_soon: Duration | None = None,
    then: Literal["note", "fail", "cancel", "escalate"] = "note",
    escalate_after: Duration | None = None,
) -> spec.Deadline:
    """By when a step, or as the class attribute `deadline` the whole run, should be done; `then` happens once.

    From `due_soon` on, which is less than `within`, it is shown as due soon.
    """
    return spec.Deadline(
        within=lenient(within),
        due_soon=lenient(due_soon),
        then=known(Overdue, then),
        escalate_after=lenient(escalate_after),
    )


def as_deadline(written: Any) -> Any:
    """A bare duration is a deadline that nothing follows."""
    return Deadline(written) if isinstance(written, str | int | float | timedelta) else written


@dataclass(frozen=True, eq=False)
class Compensate:
    """How a completed step is undone, where the callable alone does not say enough: `compensate=Compensate(release)`.

    Parameters bind by name: `input`, `output` and `error` are the step's arguments, its result and why the run is
    undone; then come the outputs of this and earlier steps, payload fields, fields of the step's declared return type,
    and the step's own parameters. `when_unsure` undoes an attempt as well of which nobody knows whether it took effect.
    `on_stuck` says what happens when the undo itself gives up: `"park"` waits for a person, `"continue"` goes on.
    """

    call: Callable[..., Any]
    when_unsure: bool = field(default=False, kw_only=True)
    retry: spec.Retry | None = field(default=None, kw_only=True)
    on_stuck: OnStuck | Literal["park", "continue"] = field(default=OnStuck.PARK, kw_only=True)
    input: Mapping[str, Source] | None = field(default=None, kw_only=True)
    queue: str | None = field(default=None, kw_only=True)


def known(words: Any, written: Any) -> Any:
    """The word that was written; what is none is kept, for the checks to name."""
    return words(written) if isinstance(written, str) and written in tuple(words) else written
