"""Runs, steps and facts as tables at 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from squidie.cli.render import json_lines, stamp
from squidie.views.headline import first_line, span
from squidie.views.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from squidie.cli.render import Screen
    from squidie.history.lifecycle import RunStatus
    from squidie.views.facts import FactView
    from squidie.views.listing import RunPage, RunRow
    from squidie.views.snapshot import RunSnapshot, StepView


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
    open_, ended = 0, []
    for status, n in counts.items():
        if status.value == "running":
            open_ = n
        elif n:
            ended.append(f"{n:,} {status}")
    return f"[dim]{open_:,} open · {', '.join(ended) or 'none ended'} in 24 h[/]"


def print_head(screen: Screen, run: RunSnapshot) -> None:
    """Which run, where it stands, and the one sentence."""
    screen.print(f"[bold]{escape(run.workflow)} {run.short_id}[/]  {screen.badge(run.state)}", escape(run.headline), "")
    about = [
        f"id {run.id}",
        f"trigger {run.trigger}",
        f"queue {run.queue}",
        f"revision {run.revision}",
        f"started {stamp(run.started_at, run.at)} UTC",
    ]
    about += [f"version {run.version}"] if run.version else []
    about += [f"key {run.key}"] if run.key else []
    about += [f"{name}={value}" for name, value in run.attributes.items()]
    screen.print(f"[dim]{escape(' · '.join(about))}[/]")
    for anomaly in run.anomalies:
        screen.print(f"[bold magenta]anomaly[/]: {escape(anomaly)}")
    screen.print("")


def print_steps(screen: Screen, run: RunSnapshot) -> None:
    """One line a step."""
    columns: list[tuple[str, dict[str, Any]]] = [
        ("STEP", {"most": 28}),
        ("STATE", {}),
        ("TRY", {"justify": "right"}),
        ("TOOK", {"justify": "right"}),
        ("WHAT", {"shrink": True}),
    ]
    screen.table(columns, [_step(screen, step, run.at) for step in run.steps])


def _step(screen: Screen, step: StepView, now: datetime) -> tuple[str, ...]:
    tries = (
        f"{step.attempt}/{step.max_attempts}" if step.attempt and (step.attempt > 1 or step.max_attempts > 1) else ""
    )
    return escape(step.name), screen.badge(step.state), tries, _took(step, now), escape(_what(step, now))


def _took(step: StepView, now: datetime) -> str:
    if step.claimed_at is None or step.state is State.RETRYING:
        return ""
    return span((step.settled_at or now) - step.claimed_at)


def _what(step: StepView, now: datetime) -> str:  # noqa: PLR0911 - one for each state
    match step.state:
        case State.RUNNING:
            return f"on {step.owner}"
        case State.STALLED:
            return f"lost by {step.owner}" if step.owner else "open, and nothing is due"
        case State.QUEUED:
            return f"due on {step.queue} for {span(now - step.due_at)}" if step.due_at else ""
        case State.RETRYING:
            return f"in {span(step.due_at - now)}: {first_line(step.error)}" if step.due_at else ""
        case State.WAITING:
            return f"until {stamp(step.due_at, now)}"
        case State.FAILED:
            return first_line(step.error)
        case State.NOT_STARTED:
            return f"after {', '.join(step.after)}" if step.after else ""
        case _:
            return f"{step.lost} claims lost" if step.lost else ""


def print_each_step(screen: Screen, run: RunSnapshot) -> None:
    """Each step in full."""
    for step in run.steps:
        screen.print(f"{screen.badge(step.state)}  [bold]{escape(step.name)}[/]")
        for name, value in _details(step, run.at):
            screen.print(f"    [dim]{name:<9}[/] {escape(value)}")


def _details(step: StepView, now: datetime) -> list[tuple[str, str]]:
    error = step.error or {}
    details = [
        ("action", step.action),
        ("queue", step.queue),
        ("try", f"{step.attempt} of {step.max_attempts}" if step.attempt else ""),
        ("claims", f"{step.claims}, {step.lost} lost" if step.claims else ""),
        ("worker", step.owner or ""),
        ("claimed", stamp(step.claimed_at, now)),
        ("lease", f"until {stamp(step.lease_until, now)}" if step.lease_until else ""),
        ("due", stamp(step.due_at, now)),
        ("settled", stamp(step.settled_at, now)),
        ("after", ", ".join(step.after)),
        ("error", first_line(error) if error else ""),
    ]
    details += [("", str(frame)) for frame in error.get("frames", ())]
    return [(name, value) for name, value in details if value]


def print_data(screen: Screen, run: RunSnapshot) -> None:
    """What went in and what came out."""
    parts = [("payload", run.payload)]
    parts += [(f"output of {step.name}", step.output) for step in run.steps if step.state is State.COMPLETED]
    parts += [("output", run.output)] if run.status.value == "completed" else []
    parts += [("error", run.error)] if run.error else []
    for name, value in parts:
        screen.print("", f"[dim]{escape(name)}[/]", *(escape(line) for line in json_lines(value)))


def print_facts(screen: Screen, facts: Sequence[FactView], now: datetime) -> None:
    """The journal, one line a fact."""
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
