"""`squidie check`: what a deploy of this code would strand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.markup import escape

from squidie.cli.reading import SCOPE, Reading, read_command

if TYPE_CHECKING:
    from datetime import datetime

    from squidie.cli.render import Screen
    from squidie.views.stranded import StrandedGroup, StrandedRuns

_ERRORS, _WARNINGS = 1, 8


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 8 where runs could not be looked at.")
@SCOPE
@read_command
def check(reading: Reading, *, strict: bool) -> None:
    """Say, before a deploy, which open runs this code could not go on with. Exit 1 if there are any.

    A run keeps the graph that it was started on; what it needs is that the callables of its steps are still here, and
    are called as they were.
    """
    found = reading.setup.with_code().check()
    if reading.as_json:
        reading.document("squidie.check/1", {"ok": not found.groups, **reading.told(found)})
    else:
        _print(reading.screen, reading.see(found))
    code = _ERRORS if found.groups else _WARNINGS if strict and found.unreadable else 0
    click.get_current_context().exit(code)


def _print(screen: Screen, found: StrandedRuns) -> None:
    from squidie.views.words import many

    width = max([0, *(len(group.workflow) for group in found.groups)])
    for group in found.groups:
        more = f"[dim]{escape(_more(group, found.at))}[/]"
        screen.item("[red]✕[/]", group.workflow, escape(_said(group)), more, width=width)
    if found.unreadable:
        noun = many(found.unreadable, "run")
        screen.print(f"[yellow]⚠[/] {noun} could not be looked at: squidie explain --stuck says which")
    if not found.groups:
        screen.print(f"[green]✓[/] This code can go on with all {many(found.open, 'open run')}.")
        return
    screen.note(
        "[dim]Keep the functions for now (keep=[...]), give them another name (aliases={...}), or cancel the runs.[/]"
    )


def _said(group: StrandedGroup) -> str:
    from squidie.views.words import many

    need = "needs" if group.runs == 1 else "need"
    keep = "keeps" if group.runs == 1 else "keep"
    what = group.action or f"the code of {group.step}"
    why = "which this code lacks" if not group.why or group.why == "is not here" else f"which now {group.why}"
    return f"{many(group.runs, 'open run')} {keep} definition {group.definition[:6]} and {need} {what}, {why}"


def _more(group: StrandedGroup, now: datetime) -> str:
    from squidie.views.listing import short_ids
    from squidie.views.words import span

    tails = list(short_ids(group.examples).values())
    rest = ", …" if group.runs > len(tails) else ""
    others = f", then {', '.join(tails[1:])}{rest}" if len(tails) > 1 else ""
    return f"at {group.step}; oldest {tails[0]} ({span(now - group.since)}){others}"
