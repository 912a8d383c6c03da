"""`squidie export`: one run in one document, for somebody who cannot look."""

from __future__ import annotations

from pathlib import Path

import click

from squidie.cli.completing import complete_runs
from squidie.cli.reading import SCOPES, Reading, read_command
from squidie.errors import InvalidArgument


@click.command()
@click.argument("run", metavar="ID", shell_complete=complete_runs)
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write it there.")
@click.option(
    "--scope",
    metavar="SCOPE",
    type=click.Choice(SCOPES),
    envvar="SQUIDIE_SCOPE",
    default="operator",
    show_default=True,
    help="As external, operator or auditor see it: an auditor's has values.",
)
@read_command
def export(reading: Reading, run: str, *, output: str | None) -> None:
    """Write one run as a JSON document: its views, its graph and its facts, masked.

    ID is a run's id, or its last four or more hex digits. As an operator sees it payloads are names, types and sizes.
    """
    import msgspec

    from squidie.cli.admin import versions
    from squidie.views.bundle import bundle

    squidie = reading.setup.on_journal()
    found = bundle(reading.setup.journal(), reading.setup.find(run), versions(), delivery=squidie.delivery.name)
    body = {"schema": "squidie.bundle/1", "scope": reading.scope, **reading.told(found)}
    if found.unreadable:
        parts = ", ".join(each.name for each in found.unreadable)
        reading.screen.note(f"[yellow]⚠[/] its history is damaged: {parts} cannot be told; the facts are there as kept")
    text = msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
    if output is None:
        click.echo(text)
        return
    try:
        Path(output).write_text(f"{text}\n", "utf-8")
    except OSError as error:
        raise InvalidArgument("-o", f"{output} cannot be written: {error.strerror}") from None
    reading.screen.note(f"[green]✓[/] {output}, as seen by {reading.scope}")
