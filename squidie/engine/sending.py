"""One plain task, sent as a run of one step: the journal is the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.decide.commands import Start
from squidie.engine import ids
from squidie.engine.requests import Request, partition_of, queue_name, receipt, traceparent_of
from squidie.engine.steering import digest_of
from squidie.errors import InvalidArgument, InvalidSpec
from squidie.history.canonical import canonical
from squidie.workflow.callables import examine
from squidie.workflow.checks import judge, read
from squidie.workflow.issues import NAME, Issue, errors
from squidie.workflow.spec import Node, PayloadField, Spec, Trigger
from squidie.workflow.tasks import declared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from squidie.engine.parts import Parts
    from squidie.workflow.callables import Action

SEND = "send"
"""The name of the workflow, of its trigger and of its only step."""


def is_sent(spec: Spec) -> bool:
    """Whether this is the graph of a single task that was sent, which nobody declares."""
    return spec.name == SEND and [node.name for node in spec.nodes] == [SEND] and spec.triggers[0].name == SEND


def known_here(parts: Parts, spec: Spec) -> Spec:
    """The graph of a task that was sent, if the task is still known here. Raises `InvalidSpec`."""
    lost = [node for node in spec.nodes if node.action is not None and parts.registry.action(node.action) is None]
    if lost:
        said = "is no action that is known here: pass the task to Squidie(..., keep=[task])"
        raise InvalidSpec(spec.name, [Issue(f"nodes.{node.name}.action", "unknown_action", said) for node in lost])
    return spec


def send_of(parts: Parts, task: Any, args: Any, kwargs: Any, request: Request) -> Start:
    """The command that starts the run. The arguments, bound to parameters, are its payload."""
    action = _action(parts, task)
    bound = _bound(action, args, kwargs)
    spec = _spec(action, bound, own_queue=request.queue is None)
    stored = canonical(bound, root="arguments", limit=parts.settings.max_body)
    digest = digest_of(action.name, stored)
    by, partition = receipt(SEND, digest, request, masking=parts.masking), partition_of(request.partition)
    run_id = ids.run_id() if by.key is None else ids.keyed_run_id(SEND, partition, action.name, by.key)
    return Start(
        run_id=run_id,
        spec=spec,
        definition=parts.definitions.add(spec),
        trigger=SEND,
        payload=stored,
        queue=parts.default_queue if request.queue is None else queue_name(request.queue),
        by=by,
        partition=partition,
        trace=traceparent_of(request.traceparent),
    )


def _action(parts: Parts, task: Any) -> Action:
    hint = "pass it to Squidie(..., keep=[task]), here and where the workers are"
    if isinstance(task, str):
        found = parts.registry.action(task)
        if found is None:
            raise InvalidArgument("task", "is no action that is known here", hint=hint)
        return found
    action, issues = examine(task, "task")
    if action is None:
        raise InvalidArgument("task", "; ".join(issue.message for issue in issues), hint="give a function or a task")
    if parts.registry.action(action.name) is None:
        raise InvalidArgument("task", "is not known here, so that nobody would run it", hint=hint)
    return action


def _bound(action: Action, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Each argument under the name of its parameter, and none is missing."""
    parameters = [each for each in action.parameters if not each.is_ctx]
    names = [each.name for each in parameters]
    given = dict(kwargs or {})
    if not isinstance(args, list | tuple):
        raise InvalidArgument("args", "is a list or tuple")
    if len(args) > len(names):
        raise InvalidArgument("args", f"has {len(args)} values, and the task takes {len(names)} by name")
    bound = dict(zip(names, args, strict=False))
    twice = sorted(bound.keys() & given.keys())
    strange = [] if action.takes_any else sorted(str(name)[:64] for name in given if name not in names)
    odd = [name for name in given if not (isinstance(name, str) and NAME.match(name))]
    if twice or strange or odd:
        said = f"given twice: {', '.join(twice)}" if twice else f"the task has no {', '.join(strange) or 'such name'}"
        raise InvalidArgument("kwargs", said)
    bound |= given
    lacking = [each.name for each in parameters if not each.has_default and each.name not in bound]
    if lacking:
        raise InvalidArgument("args", f"missing: {', '.join(lacking)}")
    return bound


def _spec(action: Action, bound: Mapping[str, Any], *, own_queue: bool) -> Spec:
    """The graph of one step; what the task declares for itself holds, but for its queue where another is given."""
    options = {name: value for name, value in declared(action.function).items() if own_queue or name != "queue"}
    inputs = {name: f"payload.{name}" for name in bound}
    inputs |= {each.name: "ctx" for each in action.parameters if each.is_ctx}
    draft = Spec(
        name=SEND,
        triggers=(Trigger(name=SEND),),
        payload=tuple(PayloadField(name=name, type="any", nullable=True) for name in sorted(bound)),
        nodes=(Node(name=SEND, action=action.name, input=inputs, **options),),
    )
    spec, found = read(draft)
    wrong = errors((*found, *(judge(spec) if spec is not None else ())))
    if spec is None or wrong:
        raise InvalidSpec(SEND, wrong)
    return spec
