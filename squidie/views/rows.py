"""A run in a list: where it stands and what it is at, from its head, its open rows and what is kept of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from squidie.errors import CorruptHistory, HistoryError
from squidie.history.bodies import OpenKind, Undoing
from squidie.history.lifecycle import RunStatus, is_terminal
from squidie.history.run import NodeStatus
from squidie.journal import heads, listing
from squidie.views.reasons import Reason, Standing, reason_of_run, reason_of_step
from squidie.views.states import State, state_of_end
from squidie.views.steps import forgotten_in, work_of
from squidie.views.whereabouts import Spot, whereabouts
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from squidie.history.run import Run
    from squidie.journal.store import Journal


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list. `where` says in a few words what it is at, or why it ended."""

    id: UUID
    short_id: str
    workflow: str
    version: str | None
    trigger: str
    key: str | None
    status: RunStatus
    state: State
    where: str
    done: int
    steps: int
    queue: str
    priority: int
    attributes: dict[str, Any]
    archived: bool
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    revision: int


class Look(NamedTuple):
    """What was read of one run: `run` is None where it has ended, and the error where its history cannot be read."""

    head: Any
    run: Run | HistoryError | None
    work: Sequence[Any]
    ending: Any
    done: int
    steps: int


def looks_of(journal: Journal, connection: Connection, shown: Sequence[Any]) -> list[Look]:
    """Everything that the rows of these runs need, in a handful of queries."""
    work = _by_run(listing.open_work(journal, connection, [head.run_id for head in shown if head.ended_at is None]))
    endings = listing.endings(journal, connection, [head.run_id for head in shown if head.ended_at is not None])
    done = listing.progress(journal, connection, [head.run_id for head in shown])
    sizes = listing.sizes(journal, connection, {head.definition for head in shown})
    return [
        Look(
            head,
            _kept(journal, connection, head) if head.ended_at is None else None,
            work.get(head.run_id, ()),
            endings.get(head.run_id),
            done.get(head.run_id, 0),
            sizes.get(head.definition, 0),
        )
        for head in shown
    ]


def row_of(look: Look, short_id: str, now: datetime) -> RunRow:
    """The row of one run. A damaged one harms no other."""
    head = look.head
    state, where = _told(look, now)
    return RunRow(
        id=head.run_id,
        short_id=short_id,
        workflow=head.workflow,
        version=head.version,
        trigger=head.trigger,
        key=head.key,
        status=RunStatus(head.status),
        state=state,
        where=where,
        done=look.done,
        steps=look.steps,
        queue=head.queue,
        priority=head.priority,
        attributes=head.attributes or {},
        archived=head.archived,
        started_at=head.started_at,
        updated_at=head.updated_at,
        ended_at=head.ended_at,
        revision=head.rev,
    )


def _kept(journal: Journal, connection: Connection, head: Any) -> Run | HistoryError:
    try:
        return heads.state_of(journal, connection, head)
    except HistoryError as error:
        return error


def _told(look: Look, now: datetime) -> tuple[State, str]:
    """State and whereabouts."""
    if is_terminal(RunStatus(look.head.status)):
        compensation = Undoing((look.ending.compensation if look.ending else None) or Undoing.NONE)
        return state_of_end(RunStatus(look.head.status), compensation), _end(look.ending)
    if look.run is None or isinstance(look.run, HistoryError):
        if isinstance(look.run, CorruptHistory) and "seq" in look.run.details:
            return State.STALLED, f"contradicts itself at fact {look.run.details['seq']}"
        return State.STALLED, "its history cannot be read"
    spots = spots_of(look.run, look.work, now)
    reason = reason_of_run(look.run.undo, (spot.reason for spot in spots))
    return reason.state, _here(look.run, reason, spots, now)


def spots_of(run: Run, work: Sequence[Any], now: datetime) -> list[Spot]:
    """Where each open step stands."""
    rows = {row.step: row for row in work if row.kind != OpenKind.TIMER}
    forgotten = forgotten_in(work)
    found: list[Spot] = []
    for name, node in run.nodes.items():
        row = rows.get(name)
        at = work_of(row) if row is not None else None
        reason = reason_of_step(
            Standing(node, at, run.is_open, now, is_undo=name.startswith(UNDO), is_forgotten=name in forgotten)
        )
        if reason is not None:
            found.append(Spot(name, reason, node, row))
    return found


def _here(run: Run, reason: Reason, spots: Sequence[Spot], now: datetime) -> str:
    if run.undo is not None and reason in (Reason.DRAINING, Reason.COMPENSATING):
        if run.undo.order is None:
            return f"stopping · {len(spots)} can still finish"
        undone = sum(node.status is NodeStatus.DONE for name, node in run.nodes.items() if name.startswith(UNDO))
        at = next((spot.name.removeprefix(UNDO) for spot in spots), "")
        return f"undoing {at} · {undone} of {len(run.undo.order)}"
    first = next((spot for spot in spots if spot.reason is reason), None)
    if first is None:
        return "nothing is open and nothing has ended"
    others = f" +{len(spots) - 1}" if len(spots) > 1 else ""
    return f"{first.name}{others} · {whereabouts(first, now)}"


def _end(ending: Any) -> str:
    if ending is None:
        return ""
    first = (ending.message or "").partition("\n")[0]
    is_named = not ending.step or first.startswith(f"{ending.step} ")
    return first if is_named else f"{ending.step} · {first}"


def _by_run(rows: Iterable[Any]) -> Mapping[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row.run_id, []).append(row)
    return found
