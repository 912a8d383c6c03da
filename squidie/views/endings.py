"""How runs ended: status, output and error, as programs that wait for them are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.errors import CorruptHistory
from squidie.history.bodies import Undoing
from squidie.history.canonical import plain
from squidie.history.codec import decode
from squidie.history.facts import TERMINAL, Fact, RunCancelled, RunCompleted, RunFailed
from squidie.history.lifecycle import RunStatus, is_terminal
from squidie.history.notes import NOTES
from squidie.journal import definitions, heads, listing
from squidie.journal.facts import output_in
from squidie.views.steps import error_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from squidie.journal.facts import Recorded
    from squidie.journal.store import Journal
    from squidie.workflow.spec import Spec

Ending = tuple[str, Any, dict[str, Any] | None]
"""Status, output and error."""

_ENDS = tuple(fact.kind for fact in TERMINAL)


def result_of(journal: Journal, run_id: UUID) -> Ending | None:
    """How the run ended; None while it is open, be it paused or undone. Raises `RunNotFound`.

    A waiting caller asks this again and again: it is cheap.
    """
    with journal.looking() as connection:
        status = listing.status(journal, connection, run_id)
        if status is None:
            raise heads.missing(journal, connection, run_id)
        if not is_terminal(RunStatus(status)):
            return None
        row = listing.terminal(journal, connection, run_id, _ENDS)
        if row is None:
            raise CorruptHistory(f"run {run_id} is {status}, and no fact says so", details={"run_id": str(run_id)})
        fact = decode(row.kind, row.body)
        if not (isinstance(fact, RunCompleted) and fact.leaves):
            return ending_of(fact, None, ())
        spec = definitions.find(journal, connection, listing.definition(journal, connection, run_id))
        leaves = [node.name for node in spec.nodes if node.output_name in fact.leaves]
        brought = [decode(row.kind, row.body) for row in listing.brought(journal, connection, run_id, leaves)]
    return ending_of(fact, spec, brought)


def ending_of(fact: Fact, spec: Spec | None, before: Iterable[Fact]) -> Ending | None:
    """How this fact ends its run, or None where it does not; `before` holds the outputs that it only names."""
    match fact:
        case RunCompleted() if fact.leaves and spec is not None:
            return RunStatus.COMPLETED.value, _leaves(fact, spec, before), None
        case RunCompleted():
            return RunStatus.COMPLETED.value, plain(fact.output), None
        case RunFailed():
            return RunStatus.FAILED.value, None, error_of(fact.error, fact.step)
        case RunCancelled():
            return RunStatus.CANCELLED.value, None, {"kind": "cancelled", "message": fact.reason}
        case _:
            return None


def last_of(rows: Sequence[Recorded]) -> Fact:
    """The last fact that says how the run stands: notes may follow its end."""
    return next((row.fact for row in reversed(rows) if not isinstance(row.fact, NOTES)), rows[0].fact)


def compensation_of(fact: Fact) -> Undoing:
    """How the undo went of a run that this fact ends."""
    return fact.compensation if isinstance(fact, RunFailed | RunCancelled) else Undoing.NONE


def _leaves(fact: RunCompleted, spec: Spec, before: Iterable[Fact]) -> Any:
    """An output that was too large to be said twice, from the facts of its steps.

    A leaf of which no fact brings anything was tolerated, or waited for a time: its output is null.
    """
    names = {node.name: node.output_name for node in spec.nodes if node.output_name in fact.leaves}
    found: dict[str, Any] = dict.fromkeys(fact.leaves)
    for each in before:
        for step, output_name in names.items():
            output = output_in(each, step) if _is_about(each, step) else None
            if output is not None:
                found[output_name] = plain(output)
    return found[fact.leaves[0]] if len(fact.leaves) == 1 else found


def _is_about(fact: Fact, step: str) -> bool:
    return getattr(fact, "step", step) == step
