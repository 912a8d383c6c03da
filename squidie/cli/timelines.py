"""`squidie show --timeline`: a row for each step, a bar for each try; long pauses are folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from squidie.cli.render import STYLES
from squidie.cli.steps import what
from squidie.views.bars import Kind, marks_of, scale_of
from squidie.views.states import State
from squidie.views.words import span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from squidie.cli.render import Screen
    from squidie.views.attempts import AttemptView
    from squidie.views.bars import Mark, Scale
    from squidie.views.snapshot import RunSnapshot
    from squidie.views.steps import StepView

_SIGNS = {
    Kind.QUEUED: ("·", "."),
    Kind.BACKOFF: ("╌", "-"),
    Kind.WAITS: ("░", "~"),
    Kind.RUNS: ("▇", "#"),
    Kind.FAILED: ("✕", "x"),
}
_FOLD = ("┆", ":")
_MOST_NAME, _NOTE, _NARROWEST = 22, 18, 20
_CLOCK = 9


def print_timeline(
    screen: Screen, run: RunSnapshot, attempts: Mapping[str, Sequence[AttemptView]], *, outside: bool
) -> None:
    """The steps against time."""
    name = min(_MOST_NAME, max([len("STEP"), *(len(step.name) for step in run.steps)]))
    width = max(_NARROWEST, min(screen.out.width, 120) - name - _NOTE - (9 if screen.ascii else 7))
    marks = {step.name: marks_of(step, attempts.get(step.name, ()), run.at) for step in run.steps}
    scale = scale_of(run, [mark for found in marks.values() for mark in found], width)
    mark = 3 if screen.ascii else 1
    header = f" {'':<{mark}} {'STEP':<{name}}  {_clock(run.started_at, scale, width)}"
    screen.print(f"[dim]{header.rstrip()}[/]")
    for step in run.steps:
        sign = step.state.ascii if screen.ascii else step.state.glyph
        note = "" if step.state is State.NOT_STARTED else _note(step, run.at, outside=outside)
        cells = _cells(screen, step, marks[step.name], scale, width)
        line = f" {sign} {_cut(step.name, name):<{name}}  {cells}  {_cut(note, _NOTE)}".rstrip()
        style = STYLES[step.state]
        screen.print(f"[{style}]{escape(line)}[/]" if style else escape(line))
    if scale.folds:
        folded = sum(((b - a) for a, b in scale.folds[1:]), scale.folds[0][1] - scale.folds[0][0])
        screen.print(f"[dim]   {_FOLD[screen.ascii]} {span(folded)} without work, folded[/]")


def _clock(start: datetime, scale: Scale, width: int) -> str:
    """The time at which the scale begins, and those at which it goes on after a fold, where there is room."""
    cells = list(f"{start:%H:%M:%S}".ljust(width)[:width])
    free = _CLOCK
    for cell, at in scale.marks():
        text = f"{at:%H:%M:%S}" if at.date() == start.date() else f"{at:%d %H:%M}"
        if cell + 1 >= free and cell + 1 + len(text) <= width:
            cells[cell + 1 : cell + 1 + len(text)] = text
            free = cell + 2 + len(text)
    return "".join(cells)


def _cells(screen: Screen, step: StepView, marks: Sequence[Mark], scale: Scale, width: int) -> str:
    cells = [" "] * width
    if step.state is State.NOT_STARTED and step.after:
        cells = list(_cut(f"after {', '.join(step.after)}", width).ljust(width))
    for mark in marks:
        first, last = scale.cell(mark.start), scale.cell(mark.end)
        sign = _SIGNS[Kind.RUNS if mark.kind is Kind.FAILED else mark.kind][screen.ascii]
        for cell in range(first, last + 1):
            if cells[cell] == " " or mark.kind in (Kind.RUNS, Kind.FAILED):
                cells[cell] = sign
        if mark.kind is Kind.FAILED:
            cells[last] = _SIGNS[Kind.FAILED][screen.ascii]
    if step.state is not State.NOT_STARTED:
        for cell, _ in scale.marks():
            cells[cell] = _FOLD[screen.ascii]
    return "".join(cells)


def _note(step: StepView, now: datetime, *, outside: bool) -> str:
    """How long the last try took; of what is open what it is at."""
    if step.state in (State.PAUSED, State.WAITING, State.STALLED):
        return what(step, now, outside=outside)
    if step.state is State.RETRYING and step.due_at is not None and step.due_at > now:
        return f"try {step.attempt}/{step.max_attempts} in {span(step.due_at - now)}"
    took = span((step.settled_at or now) - step.claimed_at) if step.claimed_at is not None else ""
    tries = f" try {step.attempt}" if step.attempt > 1 else ""
    return (f"{took}{tries}" if took else step.state.word).strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
