"""Which value each parameter gets, decided once, at declaration.

The first that holds: the context, by name (`ctx`) or annotation; the explicit `input=`; the error, by its name, where
an error edge leads to the step; the output of a preceding step, by its name; a field of the payload; a field of a
preceding step's declared return type; the parameter's own default. Where no payload is declared, what no earlier step
provides becomes a field of a derived contract.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from squidie.workflow.checks.inputs import MAYBE, path_findings
from squidie.workflow.contracts import ABSENT, Member, field_of, return_members
from squidie.workflow.issues import Issue
from squidie.workflow.mapping import Path
from squidie.workflow.reading import absolute, paths_of, with_absolute_paths
from squidie.workflow.spec import Outcome, PayloadField
from squidie.workflow.topology import topology
from squidie.workflow.undo import bind_undo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from squidie.workflow.callables import Action, Parameter
    from squidie.workflow.nodes import Code
    from squidie.workflow.spec import Spec

ERROR = "error"


class Bound(NamedTuple):
    """The spec with every input resolved to an absolute path, and what could not be."""

    spec: Spec
    issues: tuple[Issue, ...]


def bind_all(spec: Spec, code: Code, *, derive: bool) -> Bound:
    """Bind every parameter of every step, and of what undoes it, and make every other path absolute.

    In a graph with a cycle nothing comes before anything: it is left as it is.
    """
    if not topology(spec).is_acyclic:
        return Bound(spec, ())
    actions = code.runs
    work = _Binding(spec, actions, code.given)
    if derive and not (spec.triggers and all(each.payload is not None for each in spec.triggers)):
        spec = msgspec.structs.replace(spec, payload=work.derive())
    inputs = {node.name: work.inputs_of(node.name) for node in spec.nodes if node.name in actions}
    nodes = tuple(msgspec.structs.replace(node, input=inputs.get(node.name, node.input)) for node in spec.nodes)
    spec = with_absolute_paths(msgspec.structs.replace(spec, nodes=nodes))
    spec, issues = bind_undo(_with_defaults(spec, actions), code)
    return Bound(spec, (*work.issues, *issues))


def _with_defaults(spec: Spec, actions: Mapping[str, Action]) -> Spec:
    """A path that may lead nowhere becomes optional where the parameter has a default to fall back on."""
    nodes = []
    for node in spec.nodes:
        parameters = actions[node.name].parameters if node.name in actions else ()
        own = {each.name for each in parameters if each.has_default}
        eased = {
            name: f"{text}?"
            if name in own and any(code == MAYBE for code, _ in path_findings(spec, node, text))
            else text
            for name, text in node.input.items()
        }
        nodes.append(msgspec.structs.replace(node, input=eased))
    return msgspec.structs.replace(spec, nodes=tuple(nodes))


@dataclass
class _Binding:
    """The parameters of all steps of one spec, on their way to their sources."""

    spec: Spec
    actions: Mapping[str, Action]
    given: Mapping[str, dict[str, Path]]
    issues: list[Issue] = field(default_factory=list)
    derived: dict[str, PayloadField] = field(default_factory=dict)
    underivable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        contracts = (self.spec.payload, *(each.payload or () for each in self.spec.triggers))
        self.fields = {each.name for contract in contracts for each in contract}
        self.topology = topology(self.spec)
        self._before: dict[str, dict[str, str]] = {}

    def outputs_before(self, step: str) -> dict[str, str]:
        """The outputs that this step may read, each with the step it comes from."""
        if step not in self._before:
            names = self.topology.preceding(step)
            self._before[step] = {self.spec.by_name[each].output_name: each for each in names}
        return self._before[step]

    def inputs_of(self, step: str) -> dict[str, str]:
        """The absolute path of every parameter that something binds."""
        action, given = self.actions[step], self.given.get(step, {})
        inputs = {}
        for parameter in action.parameters:
            path = self._source(step, parameter, given.get(parameter.name))
            if path is not None:
                inputs[parameter.name] = str(path)
        self._look_for_strangers(step, action, given)
        if action.takes_any:
            known = {each.name for each in action.parameters}
            extra = {name: path for name, path in given.items() if name not in known}
            inputs |= {name: str(self._absolute(step, path)) for name, path in extra.items()}
        return inputs

    def _look_for_strangers(self, step: str, action: Action, given: dict[str, Path]) -> None:
        known = {each.name for each in action.parameters if not each.is_ctx}
        contexts = {each.name for each in action.parameters if each.is_ctx}
        for name in given:
            if name in contexts:
                self._issue(step, name, "unknown_parameter", "is the step's context, which is given anyway")
            elif name not in known and not action.takes_any:
                self._issue(step, str(name), "unknown_parameter", f"{action.name} has no such parameter")

    def _source(self, step: str, parameter: Parameter, given: Path | None) -> Path | None:
        if parameter.is_ctx:
            return Path(("ctx",))
        if given is not None:
            return self._explicit(step, parameter, given)
        if parameter.name == ERROR and self._hears_of_errors(step):
            return Path((ERROR,))
        if parameter.name in self.outputs_before(step):
            return Path((parameter.name,))
        if parameter.name in self.fields:
            return Path(("payload", parameter.name))
        found = self._returned(step, parameter)
        if found is None:
            self._look_for_nothing(step, parameter)
        return found

    def _hears_of_errors(self, step: str) -> bool:
        return any(edge.on is Outcome.ERROR for edge in self.spec.incoming[step])

    def _explicit(self, step: str, parameter: Parameter, given: Path) -> Path:
        path = self._absolute(step, given)
        if path.optional and not parameter.has_default:
            self._issue(step, parameter.name, "unbound_parameter", "its path is optional, so that it needs a default")
        if self._is_undeclared(step, path):
            self._issue(
                step,
                parameter.name,
                "unknown_input_path",
                f"{path.root} is declared to return an object without this field",
            )
        return path

    def _absolute(self, step: str, path: Path) -> Path:
        return absolute(path, self.outputs_before(step), self.fields)

    def _is_undeclared(self, step: str, path: Path) -> bool:
        producer = self.outputs_before(step).get(path.root)
        if producer is None or producer not in self.actions or len(path.segments) < 2:
            return False
        known = return_members(self.actions[producer])
        return known is not None and path.segments[1] not in {each.name for each in known}

    def _returned(self, step: str, parameter: Parameter) -> Path | None:
        """A field of what a preceding step says it returns."""
        found = [
            (output, member)
            for output, producer in self.outputs_before(step).items()
            for member in return_members(self.actions.get(producer)) or ()
            if member.name == parameter.name
        ]
        if len(found) > 1:
            outputs = ", ".join(sorted(output for output, _ in found))
            said = f"these outputs all have such a field: {outputs}; say which with input="
            self._issue(step, parameter.name, "ambiguous_binding", said)
        if not found:
            return None
        output, member = found[0]
        if member.may_be_absent and not parameter.has_default:
            self._issue(
                step,
                parameter.name,
                "maybe_missing_input",
                f"{output} may come without this field: give the parameter a default",
            )
        return Path((output, member.name), member.may_be_absent and parameter.has_default)

    def _look_for_nothing(self, step: str, parameter: Parameter) -> None:
        """Its own default applies; without one it is an issue."""
        if parameter.has_default or parameter.name in self.underivable:
            return
        elsewhere = [node.name for node in self.spec.nodes if node.output_name == parameter.name and node.name != step]
        said = f"; {elsewhere[0]} has an output of this name, but does not come before this step" if elsewhere else ""
        said = "; there is an error only where an error edge leads" if parameter.name == ERROR else said
        self._issue(
            step,
            parameter.name,
            "unbound_parameter",
            f"nothing provides it: no output before this step, no payload field, no default{said}",
        )

    def derive(self) -> tuple[PayloadField, ...]:
        """The contract that the parameters imply.

        One field for each that no earlier step provides, with its annotation and default; and one of any type for what
        a wait, an event or a condition reads from the payload besides.
        """
        outputs = {node.output_name for node in self.spec.nodes}
        for node in self.spec.nodes:
            for parameter in self.actions[node.name].parameters if node.name in self.actions else ():
                wanted = self._wants(node.name, parameter, outputs)
                if wanted is not None:
                    self._merge(node.name, wanted)
        for _, path in paths_of(self.spec):
            if path.root == "payload" and len(path.segments) > 1:
                name = path.segments[1]
                self.derived.setdefault(name, PayloadField(name=name, type="any", nullable=True))
        self.fields |= self.derived.keys()
        return tuple(self.derived.values())

    def _wants(self, step: str, parameter: Parameter, outputs: set[str]) -> PayloadField | None:
        """The payload field that this parameter needs, if it needs one."""
        given = self.given.get(step, {}).get(parameter.name)
        if parameter.is_ctx or (given is None and self._is_provided(step, parameter, outputs)):
            return None  # an `error` that no edge brings is no field either: better unbound than asked for at the start
        if given is not None and (given.root != "payload" or len(given.segments) < 2):
            return None
        name = given.segments[1] if given else parameter.name
        whole = given is None or len(given.segments) == 2
        annotation = parameter.annotation if whole else Any
        default = parameter.default if parameter.has_default and whole else ABSENT
        found, issues = field_of(Member(name, annotation, default), f"payload.{name}")
        if not parameter.has_default:  # a default that is no JSON, or of a type of its own, is the function's affair
            self.issues += issues
            self.underivable |= {parameter.name} if issues else set()
        return found

    def _is_provided(self, step: str, parameter: Parameter, outputs: set[str]) -> bool:
        if parameter.name in {ERROR, *outputs}:  # also that of a later step: no surprise from the payload
            return True
        returned = (return_members(self.actions.get(each)) or () for each in self.topology.preceding(step))
        return any(member.name == parameter.name for known in returned for member in known)

    def _merge(self, step: str, wanted: PayloadField) -> None:
        """Two steps may want the same field; they must mean the same."""
        known = self.derived.setdefault(wanted.name, wanted)
        if known is wanted:
            return
        narrow, wide = (wanted, known) if known.type == "any" else (known, wanted)
        if wide.type not in ("any", narrow.type):
            self._issue(
                step, wanted.name, "conflicting_payload_field", "another step wants another type: declare the payload"
            )
        if ABSENT not in (known.default, wanted.default) and known.default != wanted.default:
            self._issue(
                step, wanted.name, "conflicting_payload_field", "another step has another default: declare the payload"
            )
        default = known.default if known.default == wanted.default else ABSENT
        nullable = narrow.nullable and wide.nullable
        self.derived[wanted.name] = msgspec.structs.replace(narrow, default=default, nullable=nullable)

    def _issue(self, step: str, parameter: str, code: str, said: str) -> None:
        self.issues.append(Issue(f"steps.{step}.input.{parameter}", code, said))
