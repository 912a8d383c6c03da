"""Which of its edges a step takes: exactly one branch for its outcome, the first whose condition holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from squidie.decide.seen import seen
from squidie.history.bodies import ErrorRecord, FailureCode
from squidie.history.graph import NOTHING, Movement, follow
from squidie.workflow.conditions import holds
from squidie.workflow.spec import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from squidie.history.run import Run
    from squidie.workflow.spec import Edge, Spec


class Taken(NamedTuple):
    """The edges of the branch that was taken; None where there are edges for the outcome and no condition held."""

    edges: tuple[Edge, ...] | None
    tried: tuple[str, ...] = ()


def branch(
    spec: Spec,
    run: Run,
    large: Mapping[str, msgspec.Raw],
    step: str,
    outcome: Outcome,
    *,
    own: msgspec.Raw | None = None,
    error: ErrorRecord | None = None,
) -> Taken:
    """The branch that a step takes which has ended so, with this result or this error."""
    branches = spec.branches(step, outcome)
    conditioned = [when for when, _ in branches if when is not None]
    if not conditioned:
        return Taken(branches[0][1] if branches else ())
    roots = seen(spec, run, large, step, (when.path for when in conditioned), own=own, error=error)
    for when, edges in branches:
        if when is None or holds(when, roots):
            return Taken(edges)
    return Taken(None, tuple(edge.id for _, edges in branches for edge in edges))


def ok_movement(
    spec: Spec, run: Run, large: Mapping[str, msgspec.Raw], step: str, own: msgspec.Raw
) -> tuple[Movement, ErrorRecord | None]:
    """How the graph moves when a step ends well; or why the run fails, since none of its edges can be taken."""
    taken = branch(spec, run, large, step, Outcome.OK, own=own)
    if taken.edges is None:
        return NOTHING, no_matching_edge(step, Outcome.OK, taken.tried)
    return follow(spec, run, step, taken.edges), None


def error_movement(
    spec: Spec, run: Run, large: Mapping[str, msgspec.Raw], step: str, error: ErrorRecord
) -> Movement | None:
    """How the graph moves when a step fails for good and an error edge goes on; None where none does."""
    taken = branch(spec, run, large, step, Outcome.ERROR, error=error)
    return follow(spec, run, step, taken.edges) if taken.edges else None


def no_matching_edge(step: str, outcome: Outcome, tried: tuple[str, ...]) -> ErrorRecord:
    """A success that leads nowhere: every edge has a condition, and none of them holds."""
    return ErrorRecord(
        kind=FailureCode.NO_MATCHING_EDGE,
        code=FailureCode.NO_MATCHING_EDGE.value,
        type="NoMatchingEdge",
        message=f"{step} ended well, and none of the conditions on its edges holds: add one that has no condition",
        details={"step": step, "outcome": outcome.value, "tried": list(tried)},
    )
