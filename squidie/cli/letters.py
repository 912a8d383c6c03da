"""Dead letters as tables at 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from squidie.cli.render import json_lines, stamp
from squidie.views.listing import short_ids
from squidie.views.words import first_line, many, span, who

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from squidie.cli.render import Screen
    from squidie.runtime import TakenUp
    from squidie.views.letters import Letter, LetterGroups, LetterPage

EMPTY = "No dead letters. Attempts that run out of tries with no error route land here."
_DONE = {"requeue": "requeued", "discard": "discarded"}
_REQUEUES = {
    "same_run": "tries the step again in this run",
    "new_run": "starts a new run that goes on at the step",
    "nothing": "is refused: the run goes on without it, or the letter is closed",
}


def print_page(screen: Screen, page: LetterPage, total: int) -> None:
    """A page of letters, and under it how many there are in all."""
    if not page.letters:
        screen.print(EMPTY)
        return
    columns: list[tuple[str, dict[str, Any]]] = [
        ("RUN", {}),
        ("WHERE", {"most": 28}),
        ("TRY", {"justify": "right"}),
        ("ERROR", {"shrink": True}),
        ("AGE", {"justify": "right"}),
        ("CLOSED", {}),
    ]
    closed = any(letter.closed_as for letter in page.letters)
    tails = short_ids([letter.run_id for letter in page.letters])
    rows = [_line(letter, tails[letter.run_id], page.at) for letter in page.letters]
    shown = len(columns) if closed else len(columns) - 1
    screen.table(columns[:shown], [row[:shown] for row in rows])
    screen.note(f"[dim]{len(page.letters):,} of {total:,}[/]")
    if page.next:
        screen.note(f"[dim]more: --after {page.next}[/]")


def _last(letter: Letter) -> str:
    return f", the last by {letter.owner}" if letter.owner else ""


def _line(letter: Letter, tail: str, now: datetime) -> tuple[str, ...]:
    where = f"{letter.workflow}.{letter.step}"
    said = first_line(letter.error) if letter.code == "step_raised" else f"{letter.code}: {first_line(letter.error)}"
    return (
        tail,
        escape(where),
        str(letter.attempt),
        escape(said),
        span(now - letter.at),
        letter.closed_as or "",
    )


def print_groups(screen: Screen, found: LetterGroups) -> None:
    """One line for what failed the same way."""
    if not found.groups:
        screen.print(EMPTY)
        return
    columns: list[tuple[str, dict[str, Any]]] = [
        ("GROUP", {}),
        ("COUNT", {"justify": "right"}),
        ("FIRST", {"justify": "right"}),
        ("LAST", {"justify": "right"}),
        ("WHERE", {"most": 24}),
        ("ERROR", {"shrink": True}),
    ]
    rows = [
        (
            group.fingerprint[:6],
            f"{group.count:,}",
            span(found.at - group.first_at),
            span(found.at - group.last_at),
            escape(f"{group.workflow}.{group.step}"),
            escape(first_line({"type": group.type, "message": group.message})),
        )
        for group in found.groups
    ]
    screen.table(columns, rows)
    screen.note('[dim]squidie dead requeue group:GROUP --canary 1 --reason "…"[/]')


def print_letter(screen: Screen, letter: Letter, now: datetime) -> None:
    """A letter in full."""
    screen.print(f"[bold]{escape(letter.workflow)}.{escape(letter.step)}[/]  {letter.short_id}", "")
    facts = [
        ("error", first_line(letter.error)),
        ("code", letter.code if letter.code == letter.reason else f"{letter.code} ({letter.reason})"),
        ("raised in", letter.error.get("origin") or ""),
        ("tries", f"{letter.attempt}, {many(letter.claims, 'claim')}{_last(letter)}"),
        ("failing", f"since {stamp(letter.first_failed_at, now)}, given up {stamp(letter.at, now)} UTC"),
        ("queue", letter.queue),
        ("partition", letter.partition or ""),
        ("group", letter.fingerprint),
        ("run", str(letter.run_id)),
        ("requeue", _REQUEUES.get(letter.requeues_in, "") if letter.closed_at is None else ""),
        ("closed", _closed(letter, now)),
    ]
    for name, value in facts:
        if value:
            screen.print(f"[dim]{name:<9}[/] {escape(value)}")
    frames: Sequence[str] = letter.error.get("frames") or ()
    for frame in frames:
        screen.print(f"[dim]          {escape(frame)}[/]")
    if letter.error.get("details") is not None:
        screen.print("", "[dim]details[/]", *(escape(line) for line in json_lines(letter.error["details"])))


def _closed(letter: Letter, now: datetime) -> str:
    if letter.closed_at is None:
        return ""
    by = who((letter.closed_by or {}).get("actor"))
    return f"{letter.closed_as} {stamp(letter.closed_at, now)} UTC by {by}: {letter.closed_why}"


def print_taken(screen: Screen, verb: str, found: TakenUp) -> None:
    """What became of each letter, and how many are left."""
    for (run_id, step), goes_on_in in found.done.items():
        new = f" → run {goes_on_in.hex[-6:]}" if goes_on_in != run_id else ""
        screen.print(f"[green]✓[/] {run_id.hex[-6:]}:{escape(step)} {_DONE[verb]}{new}")
    for (run_id, step), error in found.refused.items():
        screen.note(f"[red]✕[/] {run_id.hex[-6:]}:{escape(step)} {escape(error.message)}")
    left = found.matched - len(found.done) - len(found.refused)
    if left:
        screen.note(f"[dim]{left:,} more match and were left as they are[/]")
