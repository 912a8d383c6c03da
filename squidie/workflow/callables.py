"""What a callable says of itself, worked out once: its name, its parameters, and how values pass in and out of it.

An object with `run` and a `name` of its own (a Celery task, say) goes by that name. Nothing here calls the callable.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidArgument, InvalidSpec
from squidie.workflow import hints
from squidie.workflow.issues import Issue
from squidie.workflow.steps import StepContext
from squidie.workflow.tasks import is_task
from squidie.workflow.values import decoder, is_record, is_typed, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_PLAIN = frozenset({dict, str, int, float, bool, type(None), list})
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that can be bound by name."""

    name: str
    annotation: Any = Any
    has_default: bool = False
    is_ctx: bool = False
    default: Any = field(default=inspect.Parameter.empty, repr=False)


def _identity(kwargs: dict[str, Any]) -> dict[str, Any]:
    return kwargs


@dataclass(frozen=True)
class Action:
    """A callable that a step may run, under the name by which specs and journals know it.

    `decode` turns JSON arguments into what the parameters are annotated with; `encode` turns a result into JSON. Both
    are chosen once, here.
    """

    name: str
    function: Callable[..., Any] = field(repr=False)
    parameters: tuple[Parameter, ...] = ()
    returns: Any = Any
    is_async: bool = False
    takes_any: bool = False
    decode: Callable[[dict[str, Any]], dict[str, Any]] = field(default=_identity, repr=False, compare=False)
    encode: Callable[[Any], Any] = field(default=lambda result: result, repr=False, compare=False)

    def misfit(self, given: Collection[str]) -> str | None:
        """Why it cannot be called with arguments of these names, as a graph older or newer than the code may have."""
        known = {each.name for each in self.parameters}
        if not self.takes_any and (unknown := sorted(set(given) - known)):
            return f"takes no {', '.join(unknown)}"
        missing = sorted(each.name for each in self.parameters if not each.has_default and each.name not in given)
        return f"needs {', '.join(missing)}" if missing else None


def describe(call: Any) -> Action:
    """The action that this callable is. Raises `InvalidSpec` for what cannot be one."""
    action, issues = examine(call, "callable")
    if action is None:
        raise InvalidSpec(str(getattr(call, "__qualname__", type(call).__name__)), issues)
    return action


def examine(call: Any, path: str) -> tuple[Action | None, tuple[Issue, ...]]:
    """The action, or the issues that say why there is none."""
    name, function = action_name(call), _code(call)
    if name is None or function is None:
        return None, (Issue(path, "not_callable", _why_not(call)),)
    try:
        signature = hints.signature(function)
    except Exception:  # noqa: BLE001 - built-ins without a signature, and objects that fake one
        return None, (Issue(path, "not_callable", "its parameters cannot be read: wrap it in a function"),)
    found = signature.parameters.values()
    if any(each.kind is inspect.Parameter.POSITIONAL_ONLY for each in found):
        return None, (Issue(path, "not_callable", "has positional-only parameters; arguments are bound by name"),)
    names = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__globals__", {})
    parameters = tuple(_parameter(each, names) for each in found if each.kind not in _VARIADIC)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in found)
    returns = hints.resolve(signature.return_annotation, names)
    is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
    action = Action(name, call, parameters, returns, is_async, takes_any, _decoding(parameters), _encoding(returns))
    return action, ()


def action_name(call: Any) -> str | None:
    """How a spec names this callable: a task's own name, else `module:qualname`; None for what has no lasting name."""
    if is_task(call):
        return str(call.name)
    if isinstance(call, type | functools.partial) or not callable(call):
        return None
    module, qualname = getattr(call, "__module__", None), getattr(call, "__qualname__", None)
    return f"{module}:{qualname}" if isinstance(module, str) and isinstance(qualname, str) else None


def _code(call: Any) -> Any:
    return call.run if is_task(call) else call


def _why_not(call: Any) -> str:
    if isinstance(call, functools.partial):
        return "a partial has no name that lasts: write a function around it"
    if isinstance(call, type):
        return "is a class: write a function around it"
    if callable(call):
        return f"an object of type {type(call).__name__} has no name that lasts: write a function around it"
    return f"an object of type {type(call).__name__} cannot be called; give a function or a task"


def _parameter(found: inspect.Parameter, names: Mapping[str, Any]) -> Parameter:
    annotation = hints.resolve(found.annotation, names)
    has_default = found.default is not inspect.Parameter.empty
    return Parameter(found.name, annotation, has_default, _is_ctx(found, annotation), found.default)


def _is_ctx(found: inspect.Parameter, annotation: Any) -> bool:
    """By name, by class, or by the text of an annotation whose import is for type checkers only."""
    written = found.annotation if isinstance(found.annotation, str) else ""
    return found.name == "ctx" or annotation is StepContext or written.strip("\"' ").rpartition(".")[2] == "StepContext"


def _decoding(parameters: tuple[Parameter, ...]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    possible = ((each.name, decoder(each.annotation)) for each in parameters if not each.is_ctx)
    decoders = {name: decode for name, decode in possible if decode is not None}
    if not decoders:
        return _identity

    def decode(kwargs: dict[str, Any]) -> dict[str, Any]:
        decoded = dict(kwargs)
        for name, convert in decoders.items():
            if name in decoded:
                try:
                    decoded[name] = convert(decoded[name])
                except ValueError as error:
                    raise InvalidArgument(name, str(error)) from None
        return decoded

    return decode


def _encoding(returns: Any) -> Callable[[Any], Any]:
    """Plain values pass untouched, the gate of the journal looks at them.

    Only a declared type makes us look inside a list or an object.
    """
    if is_typed(returns):
        return _encode_all
    return _encode_record


def _encode_all(result: Any) -> Any:
    return to_plain(result, root="output")


def _encode_record(result: Any) -> Any:
    kind = type(result)
    if kind in _PLAIN or not is_record(kind):
        return result
    return to_plain(result, root="output")
