"""`squidie archive` and `unarchive`: whether lists show what has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from squidie.cli.reading import Reading, read_command
from squidie.cli.who import AS

if TYPE_CHECKING:
    from squidie.runtime import Run

_RUNS = click.argument("runs", metavar="ID...", nargs=-1, required=True)


@click.command()
@_RUNS
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@AS
@read_command
def archive(reading: Reading, runs: tuple[str, ...], *, reason: str, actor: str) -> None:
    """Put ended runs away: lists show them with is:archived only. Nothing of them is removed."""
    squidie = reading.setup.on_journal()
    found = [reading.setup.find(each) for each in runs]
    away = [squidie.archive_run(run_id, reason, actor=actor, source="cli") for run_id in found]
    _say(reading, "squidie.archive/1", "archived", away)


@click.command()
@_RUNS
@click.option("--reason", help="Why; it is kept in the journal.")
@AS
@read_command
def unarchive(reading: Reading, runs: tuple[str, ...], *, reason: str | None, actor: str) -> None:
    """Let lists show runs again that were archived."""
    squidie = reading.setup.on_journal()
    found = [reading.setup.find(each) for each in runs]
    shown = [squidie.unarchive_run(run_id, comment=reason, actor=actor, source="cli") for run_id in found]
    _say(reading, "squidie.unarchive/1", "unarchived", shown)


def _say(reading: Reading, name: str, became: str, runs: list[Run]) -> None:
    if reading.as_json:
        reading.document(name, {became: [str(run.id) for run in runs]})
        return
    for run in runs:
        reading.screen.print(f"[green]✓[/] {run.id.hex[-6:]} {became}")
