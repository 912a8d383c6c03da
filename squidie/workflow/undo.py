"""What the parameters of a step's undo are bound to.

The first that holds: the context; the explicit `input=`; `input`, `output` and `error` by name; an output of the step
or of one before it; a payload field; a field of the step's declared return type; an argument that the step itself was
given; the parameter's own default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from squidie.workflow.checks.inputs import MAYBE
from squidie.workflow.checks.undo import WORDS, undo_findings
from squidie.workflow.contracts import return_members
from squidie.workflow.issues import Issue
from squidie.workflow.mapping import Path
from squidie.workflow.reading import absolute
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Mapping

    from squidie.workflow.callables import Action, Parameter
    from squidie.workflow.nodes import Code
    from squidie.workflow.spec import Node, Spec


def bind_undo(spec: Spec, code: Code) -> tuple[Spec, tuple[Issue, ...]]:
    """The spec with every undo bound; and what could not be."""
    issues: list[Issue] = []
    nodes = tuple(
        _bound(_Undo(spec, node, code), node, code.undoes[node.name], issues)
        if node.compensate is not None and node.name in code.undoes
        else node
        for node in spec.nodes
    )
    return replace(spec, nodes=nodes), tuple(issues)


def _bound(sources: _Undo, node: Node, action: Action, issues: list[Issue]) -> Node:
    found = {each.name: sources.of(each) for each in action.parameters}
    nothing = [each.name for each in action.parameters if found[each.name] is None and not each.has_default]
    issues += [sources.issue(name, "unbound_parameter", _NOTHING) for name in nothing]
    issues += sources.strangers(action)
    extra = sources.given if action.takes_any else {}
    paths = {**{name: sources.absolute(path) for name, path in extra.items()}, **found}
    own = {each.name for each in action.parameters if each.has_default}
    eased = {name: sources.eased(path, name in own) for name, path in paths.items() if path is not None}
    return replace(node, compensate=node.compensate and replace(node.compensate, input=eased))


_NOTHING = "nothing provides it: no argument, result or return field of the step, no output, no payload field"


class _Undo:
    """What the undo of one step may read."""

    def __init__(self, spec: Spec, node: Node, code: Code) -> None:
        self.spec = spec
        self.node = node
        self.given: Mapping[str, Path] = code.undo_given.get(node.name, {})
        before = topology(spec).preceding(node.name)
        self.outputs = {node.output_name, *(spec.by_name[name].output_name for name in before)}
        contracts = (spec.payload, *(each.payload or () for each in spec.triggers))
        self.fields = {field.name for contract in contracts for field in contract}
        self.returned = {member.name for member in return_members(code.runs.get(node.name)) or ()}
        self.may_lack = {each.name for each in return_members(code.runs.get(node.name)) or () if each.may_be_absent}
        self.arguments = {name for name, path in node.input.items() if path != "ctx"}

    def of(self, parameter: Parameter) -> Path | None:
        """Where the value of this parameter is found."""
        name = parameter.name
        if parameter.is_ctx:
            return Path(("ctx",))
        if name in self.given:
            return self.absolute(self.given[name])
        if name in WORDS or name in self.outputs:
            return Path((name,))
        if name in self.fields:
            return Path(("payload", name))
        if name in self.returned:
            return Path(("output", name), name in self.may_lack and parameter.has_default)
        return Path(("input", name)) if name in self.arguments else None

    def absolute(self, path: Path) -> Path:
        """The path from its root."""
        return absolute(path, {*WORDS, *self.outputs}, self.fields)

    def eased(self, path: Path, has_default: bool) -> str:  # noqa: FBT001
        """A path that may lead nowhere is optional where there is a default to fall back on."""
        text = str(path)
        is_unsure = any(code == MAYBE for code, _ in undo_findings(self.spec, self.node, text))
        return f"{text}?" if has_default and is_unsure else text

    def strangers(self, action: Action) -> list[Issue]:
        """Explicit inputs of parameters that do not exist, or that are optional without a default."""
        by_name = {each.name: each for each in action.parameters}
        found = []
        for name, path in self.given.items():
            parameter = by_name.get(name)
            if parameter is None and not action.takes_any:
                found.append(self.issue(str(name), "unknown_parameter", f"{action.name} has no such parameter"))
            elif parameter is not None and parameter.is_ctx:
                found.append(self.issue(name, "unknown_parameter", "is the step's context, which is given anyway"))
            elif parameter is not None and path.optional and not parameter.has_default:
                said = "its path is optional, so that it needs a default"
                found.append(self.issue(name, "unbound_parameter", said))
        return found + [
            self.issue(name, MAYBE, "the step may come without this field") for name in self.lacking(by_name)
        ]

    def lacking(self, parameters: Mapping[str, Parameter]) -> list[str]:
        """Parameters without a default that read a field which may not be there."""
        own = [parameters[name] for name in self.may_lack if name in parameters]
        return [each.name for each in own if not each.has_default and self.of(each) == Path(("output", each.name))]

    def issue(self, parameter: str, code: str, said: str) -> Issue:
        """An issue at one parameter of the undo."""
        return Issue(f"steps.{self.node.name}.compensate.input.{parameter}", code, said)
