"""What a decision may look at of a run's data: what the step itself could read, its own result, or its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.history.canonical import NULL, plain
from squidie.history.run import GOOD
from squidie.workflow.mapping import parse_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import msgspec

    from squidie.history.bodies import ErrorRecord
    from squidie.history.run import Run
    from squidie.workflow.spec import Spec


def seen(
    spec: Spec,
    run: Run,
    large: Mapping[str, msgspec.Raw],
    step: str,
    paths: Iterable[str],
    *,
    own: msgspec.Raw | None = None,
    error: ErrorRecord | None = None,
) -> dict[str, Any]:
    """The roots that these paths begin with, as plain values; one that there is not is left out.

    `own` is the result of the step, where it has just ended; `error` its failure.
    """
    found: dict[str, Any] = {}
    for root in {parse_path(path).root for path in paths}:
        if root == "error" and error is not None:
            found[root] = error.as_seen
        elif own is not None and root == spec.by_name[step].output_name:
            found[root] = plain(own)
        else:
            value = _kept(spec, run, large, step, root)
            if value is not None:
                found[root] = plain(value)
    return found


def _kept(spec: Spec, run: Run, large: Mapping[str, msgspec.Raw], step: str, root: str) -> msgspec.Raw | None:
    if root == "payload":
        return run.payload if run.payload != NULL else large.get(root)
    if root == "schedule":
        return run.schedule if run.schedule != NULL else None
    for name in spec.before(step):
        node = run.nodes.get(name)
        if spec.by_name[name].output_name == root and node is not None and node.status in GOOD:
            return node.output if node.output is not None else large.get(name)
    return None
