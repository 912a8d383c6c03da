"""What follows when a step has ended: its successors, or the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.decide.ready import openings
from squidie.history.facts import NOTHING_MOVED, AttemptCompleted, Ended, Fact, RunCompleted, RunFailed
from squidie.history.graph import handles, is_finished, move
from squidie.history.run import INLINE_SUM, NodeStatus
from squidie.workflow.spec import Outcome

if TYPE_CHECKING:
    from squidie.decide.commands import Complete, Situation
    from squidie.history.attempts import AttemptKey
    from squidie.history.facts import Claim, ErrorRecord, Moved, Opening

_encoder = msgspec.json.Encoder(order="sorted")


def complete(situation: Situation, command: Complete, claim: Claim) -> list[Fact]:
    """The step ended well: its ok edges are taken, and the run completes when nothing is open any more."""
    moved, opens = after(situation, command.step, Outcome.OK)
    done = AttemptCompleted(
        step=command.step,
        attempt=command.attempt,
        claim=claim,
        output=command.output,
        unread=command.step not in situation.spec.read_later,
        moved=moved,
        opens=opens,
    )
    if not is_finished(situation.run, but=command.step, opened=tuple(o.step for o in opens)):
        return [done]
    return [done, completed(situation, command.step, command.output)]


def after(situation: Situation, step: str, outcome: Outcome) -> tuple[Moved, tuple[Opening, ...]]:
    """How the graph moves, and the attempts that this opens."""
    run = situation.run
    moved, ready = move(situation.spec, run, step, outcome)
    return moved, openings(situation.spec, ready, queue=run.queue, priority=run.priority, due_at=situation.now)


def give_up(situation: Situation, step: str) -> tuple[bool, Moved, tuple[Opening, ...]]:
    """A step that failed for good: whether an error edge handles it, and then how the graph moves."""
    if not handles(situation.spec, step, Outcome.ERROR):
        return False, NOTHING_MOVED, ()
    moved, opens = after(situation, step, Outcome.ERROR)
    return True, moved, opens


def after_routing(situation: Situation, step: str, opens: tuple[Opening, ...]) -> list[Fact]:
    """An error edge that leads to `end` may finish the run, which has then completed."""
    return (
        [completed(situation, step, None)]
        if is_finished(situation.run, but=step, opened=tuple(o.step for o in opens))
        else []
    )


def failed(situation: Situation, step: str, error: ErrorRecord, key: AttemptKey) -> RunFailed:
    """The run ends with its step; what its siblings held is ended by the same fact."""
    return RunFailed(step=step, error=error, ends=ended_claims(situation, but=key))


def ended_claims(situation: Situation, *, but: AttemptKey | None = None) -> tuple[Ended, ...]:
    """Every claim of the run that is still held, as the fact that ends the run must name it."""
    held = [row for row in situation.rows.values() if row.lease is not None and row.key != but]
    nodes = situation.run.nodes
    return tuple(
        Ended(step=row.step, attempt=row.attempt, claim=row.lease.ended(nodes[row.step].claims + 1))
        for row in held
        if row.lease is not None
    )


def completed(situation: Situation, last: str, output: msgspec.Raw | None) -> RunCompleted:
    """The end of a run that went well: the leaf's output, or an object of the leaves' outputs by name."""
    values = {
        situation.spec.by_name[leaf].output_name: _output(situation, leaf, last, output)
        for leaf in _leaves(situation, last, output)
    }
    if not values:
        return RunCompleted()
    if sum(len(value) for value in values.values()) > INLINE_SUM:
        return RunCompleted(leaves=tuple(values))
    if len(values) == 1:
        return RunCompleted(output=next(iter(values.values())))
    return RunCompleted(output=msgspec.Raw(_encoder.encode(values)))


def _leaves(situation: Situation, last: str, output: msgspec.Raw | None) -> list[str]:
    done = {name for name, node in situation.run.nodes.items() if node.status is NodeStatus.DONE}
    if output is not None:
        done.add(last)
    return [node.name for node in situation.spec.nodes if node.name in done and situation.spec.is_leaf(node.name)]


def _output(situation: Situation, leaf: str, last: str, output: msgspec.Raw | None) -> msgspec.Raw:
    if leaf == last and output is not None:
        return output
    inline = situation.run.nodes[leaf].output
    return inline if inline is not None else situation.large[leaf]
