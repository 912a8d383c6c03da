"""Runs, steps and facts as tables at 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from squidie.cli.render import json_lines, stamp
from squidie.cli.steps import details, what
from squidie.history.lifecycle import is_terminal
from squidie.views.states import State
from squidie.views.words import span, who

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from squidie.cli.render import Screen
    from squidie.history.lifecycle import RunStatus
    from squidie.views.facts import FactView
    from squidie.views.listing import RunPage, RunRow
    from squidie.views.snapshot import RunSnapshot, StepView
    from squidie.views.timeline import TimelineEvent


def print_runs(screen: Screen, page: RunPage, counts: Mapping[RunStatus, int], *, narrowed: bool) -> None:
    """A page of runs, and under it how things are as a whole."""
    if page.runs:
        columns: list[tuple[str, dict[str, Any]]] = [
            ("RUN", {}),
            ("WORKFLOW", {"most": 20}),
            ("STATE", {}),
            ("WHERE", {"shrink": True}),
            ("STEPS", {"justify": "right"}),
            ("AGE", {"justify": "right"}),
        ]
        screen.table(columns, [_run(screen, row, page.at) for row in page.runs])
    else:
        screen.print("No run fits." if narrowed else "No runs yet.")
    screen.note(_footer(counts))
    if page.next:
        screen.note(f"[dim]more: --after {page.next}[/]")


def _run(screen: Screen, row: RunRow, now: datetime | None) -> tuple[str, ...]:
    age = span((now or row.updated_at) - row.started_at)
    steps = f"{row.done}/{row.steps}"
    return row.short_id, escape(row.workflow), screen.badge(row.state), escape(row.where), steps, age


def _footer(counts: Mapping[RunStatus, int]) -> str:
    open_ = sum(n for status, n in counts.items() if not is_terminal(status))
    ended = [f"{_counted(n)} {status}" for status, n in counts.items() if n and is_terminal(status)]
    return f"[dim]{_counted(open_)} open · {', '.join(ended) or 'none ended'} in 24 h[/]"


def _counted(n: int) -> str:
    """Nobody counts on for ever."""
    from squidie.views.listing import COUNTED

    return f"{n:,}" if n <= COUNTED else f"{COUNTED:,}+"


def print_head(screen: Screen, run: RunSnapshot) -> None:
    """Which run, where it stands, and the one sentence."""
    screen.print(f"[bold]{escape(run.workflow)} {run.short_id}[/]  {screen.badge(run.state)}", escape(run.headline), "")
    by = f" by {who(run.starter)}" if run.starter else ""
    first = [f"id {run.id}", f"started {stamp(run.started_at, run.at)} UTC{by}"]
    about = [f"revision {run.revision}", f"trigger {run.trigger}", *([f"queue {run.queue}"] if run.queue else [])]
    about += [f"version {run.version}"] if run.version else []
    about += [f"key {run.key}"] if run.key else []
    about += [f"partition {run.partition}"] if run.partition else []
    about += [f"replay of {run.replay_of}"] if run.replay_of else []
    about += [f"forked from {run.forked_from.run} at {run.forked_from.step}"] if run.forked_from else []
    about += [f"{name}={value}" for name, value in run.attributes.items()]
    about += ["archived"] if run.archived else []
    screen.print(*(f"[dim]{escape(' · '.join(line))}[/]" for line in (first, about)))
    if run.deadline is not None:
        status = run.deadline.status.replace("_", " ")
        screen.print(f"[dim]deadline {stamp(run.deadline.due_at, run.at)} UTC, {status}[/]")
    for anomaly in run.anomalies:
        screen.print(f"[bold magenta]anomaly[/]: {escape(anomaly)}")
    screen.print("")


def print_steps(screen: Screen, run: RunSnapshot, *, outside: bool = False) -> None:
    """One line a step."""
    columns: list[tuple[str, dict[str, Any]]] = [
        ("STEP", {"most": 28}),
        ("STATE", {}),
        ("TRY", {"justify": "right"}),
        ("TOOK", {"justify": "right"}),
        ("WHAT", {"shrink": True}),
    ]
    screen.table(columns, [_step(screen, step, run.at, outside=outside) for step in run.steps])


def _step(screen: Screen, step: StepView, now: datetime, *, outside: bool) -> tuple[str, ...]:
    tries = (
        f"{step.attempt}/{step.max_attempts}" if step.attempt and (step.attempt > 1 or step.max_attempts > 1) else ""
    )
    return (
        escape(step.name),
        screen.badge(step.state),
        tries,
        _took(step, now),
        escape(what(step, now, outside=outside)),
    )


def _took(step: StepView, now: datetime) -> str:
    began = step.waits.since if step.waits is not None else step.claimed_at
    is_at_rest = step.reason is not None and step.waits is None and step.lease_until is None
    if began is None or is_at_rest:
        return ""
    return span((step.settled_at or now) - began)


def print_each_step(screen: Screen, run: RunSnapshot, *, outside: bool = False) -> None:
    """Each step in full."""
    for step in run.steps:
        screen.print(f"{screen.badge(step.state)}  [bold]{escape(step.name)}[/]")
        why = [("at", what(step, run.at, outside=True))] if outside and step.reason is not None else []
        for name, value in (*why, *details(step, run.at)):
            screen.print(f"    [dim]{name:<9}[/] {escape(value)}")


def print_data(screen: Screen, run: RunSnapshot) -> None:
    """What went in and what came out."""
    parts = [("payload", run.payload)]
    parts += [
        (f"output of {step.name}", step.output)
        for step in run.steps
        if step.state in (State.COMPLETED, State.COMPENSATED) and step.kind != "compensation"
    ]
    parts += [("output", run.output)] if run.status.value == "completed" else []
    parts += [("error", run.error)] if run.error else []
    for name, value in parts:
        screen.print("", f"[dim]{escape(name)}[/]", *(escape(line) for line in json_lines(value)))


def print_facts(screen: Screen, facts: Sequence[FactView | TimelineEvent], now: datetime) -> None:
    """The journal, one line a fact; or what happened, one line an event."""
    columns: list[tuple[str, dict[str, Any]]] = [
        ("SEQ", {"justify": "right"}),
        ("AT", {}),
        ("FACT", {}),
        ("STEP", {"most": 20}),
        ("WHAT", {"shrink": True}),
    ]
    rows = [
        (str(fact.seq), stamp(fact.at, now), fact.kind, escape(fact.step or ""), escape(fact.summary)) for fact in facts
    ]
    screen.print("")
    screen.table(columns, rows)
