"""`squidie status`: the whole deployment on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.markup import escape

from squidie.cli.reading import SCOPE, Reading, read_command

if TYPE_CHECKING:
    from squidie.cli.render import Screen
    from squidie.views.fleet import QueueView
    from squidie.views.status import Status

MOST = 6
"""So many lines of what waits, and of queues, stand on the screen."""

_WARNINGS, _STATE = 8, 7


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 8 if something does not go on by itself.")
@SCOPE
@read_command
def status(reading: Reading, *, strict: bool) -> None:
    """Show how things are: open runs by state, what needs somebody, who works, what is due and what was given up."""
    from squidie.views.status import status as look

    found = look(reading.setup.journal())
    if reading.as_json:
        reading.document("squidie.status/1", reading.told(found))
    else:
        _print(reading.screen, found, reading.see(found))
    if strict and (found.needs_somebody or found.dead_letters or any(each.late for each in found.schedules)):
        click.get_current_context().exit(_WARNINGS)


def _print(screen: Screen, found: Status, seen: Status) -> None:
    states = ", ".join(f"{each.runs:,} {each.state.word}" for each in found.states)
    states += f", of the newest {found.looked_at:,}" if found.looked_at < found.open else ""
    ended = ", ".join(f"{each.runs:,} {each.status}" for each in found.ended)
    rows = [
        ("runs", f"{found.open:,} open" + (f": {states}" if states else "")),
        ("24 h", ended or "none ended"),
        ("workers", _workers(found)),
        *_queues(seen, found),
        ("schedules", _schedules(found)),
        ("dead", f"[yellow]{found.dead_letters:,} given up[/]  squidie dead groups" if found.dead_letters else "none"),
    ]
    for name, text in rows:
        screen.print(f"[dim]{name:<10}[/] {text}")
    if not seen.waiting:
        screen.print("", "[green]✓[/] Everything goes on by itself." if found.open else "No run is open.")
        return
    screen.print("", f"[bold]{found.needs_somebody:,} of {found.open:,} do not go on by themselves[/]")
    for group in seen.waiting[:MOST]:
        state = group.code.state
        screen.item(state.ascii if screen.ascii else state.glyph, state.word, escape(group.headline), width=_STATE)
    rest = len(seen.waiting) - MOST
    screen.note(f"[dim]{f'and {rest} more: ' if rest > 0 else ''}squidie explain --stuck[/]")


def _workers(found: Status) -> str:
    from squidie.views.words import many

    alive = f"{many(found.workers, 'worker')} alive" if found.workers else "[bold magenta]⚠ nobody works[/]"
    beats = f", {many(found.beats, 'beat')}" if found.beats else ""
    return alive + beats + (f", [bold magenta]{found.lost} lost[/]  squidie workers" if found.lost else "")


def _queues(seen: Status, found: Status) -> list[tuple[str, str]]:
    lines = [_queue(seen_of, queue, found) for seen_of, queue in zip(seen.queues, found.queues, strict=True)]
    if len(lines) > MOST:
        lines = [*lines[: MOST - 1], f"and {len(lines) - MOST + 1} more: squidie queues"]
    return [("queues" if n == 0 else "", line) for n, line in enumerate(lines or ["nothing is open"])]


def _queue(seen: QueueView, queue: QueueView, found: Status) -> str:
    from squidie.views.words import span

    parts = [
        f"{number:,} {word}"
        for number, word in (
            (queue.due, "due"),
            (queue.claimed, "held"),
            (queue.scheduled, "later"),
            (queue.parked, "parked"),
        )
        if number
    ]
    if queue.due and queue.oldest_due_at is not None:
        parts.append(f"oldest {span(found.at - queue.oldest_due_at)}")
    said = f"{escape(seen.name) or 'one'}: {', '.join(parts) or 'nothing is open'}"
    if queue.paused is not None:
        return f"{said}  [bold magenta]⚠ paused[/]"
    return said if queue.consumers or not queue.due else f"{said}  [bold magenta]⚠ nobody serves it[/]"


def _schedules(found: Status) -> str:
    from squidie.views.words import many, span

    if not found.schedules:
        return "none"
    late = [each for each in found.schedules if each.late]
    if late:
        names = ", ".join(each.name for each in late[:3])
        return f"[bold magenta]⚠ {many(len(late), 'schedule')} due and not opened:[/] {escape(names)}"
    first = found.schedules[0]
    return f"{len(found.schedules)} on; next {escape(first.name)} in {span(first.next_at - found.at)}"
