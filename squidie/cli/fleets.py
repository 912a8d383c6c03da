"""Queues, limits and workers as tables at 80 columns."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from squidie.history.lines import one_line
from squidie.views.words import many, paused, span, who

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from squidie.cli.render import Screen
    from squidie.engine.operating import LimitState
    from squidie.views.fleet import Counts, QueueView, WorkerView

_STATES = {"alive": "[green]✓ alive[/]", "lost": "[bold magenta]⚠ lost[/]", "left": "[dim]- left[/]"}
_MOST_NAMED = 5


def print_queues(screen: Screen, found: Sequence[QueueView], now: datetime, *, partitions: bool) -> None:
    """One line a queue, and under it what is paused and what nobody serves."""
    if not found:
        screen.print("No queue has open work, dead letters or a living consumer, and none is paused.")
        return
    columns: list[tuple[str, dict[str, Any]]] = [
        ("QUEUE", {"shrink": True}),
        *((title, {"justify": "right"}) for title in ("DUE", "OLDEST", "LATER", "HELD", "PARKED", "DEAD")),
        ("SERVED BY", {}),
    ]
    rows = []
    for queue in found:
        rows.append((escape(queue.name), *_numbers(queue, now), _served(queue, now)))
        if partitions:
            rows += [(f"[dim]  {escape(each.partition or '(none)')}[/]", *_numbers(each, now), "")
                     for each in queue.partitions]  # fmt: skip
    screen.table(columns, rows)
    for queue in found:
        if queue.paused is not None:
            screen.note(f"[bold magenta]⚠ {escape(queue.name)}[/]: {escape(paused(queue.paused, now))}")
        if queue.expired:
            screen.note(f"[yellow]⚠ {escape(queue.name)}[/]: {many(queue.expired, 'claim')} past the lease")
        if queue.unserved and queue.consumers:
            named = ", ".join(queue.unserved[:_MOST_NAMED])
            more = f" and {len(queue.unserved) - _MOST_NAMED} more" if len(queue.unserved) > _MOST_NAMED else ""
            screen.note(f"[yellow]⚠ {escape(queue.name)}[/]: no living worker has {escape(named)}{more}")


def _numbers(counts: Counts, now: datetime) -> tuple[str, ...]:
    oldest = span(now - counts.oldest_due_at) if counts.oldest_due_at is not None else ""
    held = counts.claimed + counts.expired
    return tuple(
        each if isinstance(each, str) else f"{each:,}" if each else ""
        for each in (counts.due, oldest, counts.scheduled, held, counts.parked, counts.dead)
    )


def _served(queue: QueueView, now: datetime) -> str:
    if queue.paused is not None:
        return f"[bold magenta]⚠ paused[/], {many(len(queue.consumers), 'worker') if queue.consumers else 'nobody'}"
    if queue.consumers:
        return many(len(queue.consumers), "worker")
    last = f", last {span(now - queue.last_consumer.seen_at)} ago" if queue.last_consumer is not None else ""
    sign = "[bold magenta]⚠ nobody[/]" if queue.open else "nobody"
    return f"{sign}{last}"


def print_limits(screen: Screen, found: Sequence[LimitState], now: datetime) -> None:
    """One line a limit or a rate, and under it who has set what."""
    if not found:
        screen.print("No limits and no rates. One is known once a run was started under it.")
        return
    columns: list[tuple[str, dict[str, Any]]] = [
        ("NAME", {"shrink": True}),
        ("KIND", {}),
        ("ALLOWED", {}),
        ("HELD", {"justify": "right"}),
        ("DECLARED", {}),
    ]
    rows = [
        (escape(each.name), each.kind, _allowed(each), f"{each.held:,}" if each.held else "", _said(each.declared))
        for each in found
    ]
    screen.table(columns, rows)
    for each in found:
        if each.set_at is not None:
            why = f": {one_line(each.set_why)}" if each.set_why else ""
            told = f"set by {one_line(who(each.set_by), 40)} {span(now - each.set_at)} ago{why}"
            screen.note(f"[yellow]⚠ {escape(each.name)}[/]: {escape(told)}")


def _allowed(each: LimitState) -> str:
    return _said({"n": each.n, "per": each.per, "burst": each.burst}) + (" each" if each.by_value else "")


def _said(said: Mapping[str, Any]) -> str:
    """`5`, or `60 per 1m, burst 10`; a burst that says nothing new is left out."""
    if said.get("per") is None:
        return f"{said['n']:,}"
    burst = f", burst {said['burst']:,}" if said["burst"] != said["n"] else ""
    return f"{said['n']:,} per {span(timedelta(seconds=said['per']))}{burst}"


def print_limit(screen: Screen, state: LimitState) -> None:
    """What holds after somebody has changed it."""
    code = f"  [dim]the code says {_said(state.declared)}[/]" if state.set_at is not None else ""
    screen.print(f"[green]✓[/] {state.kind} {escape(state.name)} is {_allowed(state)}{code}")
    if state.kind == "limit" and state.held > state.n and not state.by_value:
        until = {0: "", 1: " until none is"}.get(state.n, f" until fewer than {state.n:,} are")
        screen.note(f"{many(state.held, 'slot')} still in use: nothing more is claimed{until}.")


def print_workers(screen: Screen, found: Sequence[WorkerView], now: datetime) -> None:
    """One line a process tree."""
    if not found:
        screen.print("No worker is alive, and none was lost within a day.")
        return
    columns: list[tuple[str, dict[str, Any]]] = [
        ("WORKER", {"most": 28}),
        ("STATE", {}),
        ("SEEN", {"justify": "right"}),
        ("UP", {"justify": "right"}),
        ("BUSY", {"justify": "right"}),
        ("BELL", {"justify": "right"}),
        ("VERSION", {"most": 12}),
        ("QUEUES", {"shrink": True}),
    ]
    screen.table(columns, [_worker(each, now) for each in found])


def _worker(worker: WorkerView, now: datetime) -> tuple[str, ...]:
    queues = ", ".join(worker.queues) if worker.role == "worker" else worker.role
    busy = (
        ""
        if worker.slots is None or not worker.alive
        else f"{'?' if worker.busy is None else worker.busy}/{worker.slots}"
    )
    return (
        escape(f"{worker.host}:{worker.pid}"),
        _STATES[worker.state],
        span(now - worker.seen_at),
        span(worker.seen_at - worker.started_at),
        busy,
        span(now - worker.bell_ok_at) if worker.bell_ok_at is not None else "",
        escape(worker.code_version or ""),
        escape(queues),
    )
