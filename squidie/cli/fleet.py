"""`squidie queues …` and `squidie workers …`: what is due, who serves it, who is alive, and the hands on a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from squidie.cli.completing import complete_queues
from squidie.cli.listing import Listing
from squidie.cli.reading import Reading, read_command
from squidie.cli.who import AS

if TYPE_CHECKING:
    from squidie.journal.queues import Pause

_NAME = click.argument("name", metavar="QUEUE", shell_complete=complete_queues)
_KEY = click.option("--key", help="Makes it idempotent: the same key is the same request.")


@click.group(cls=Listing)
def queues() -> None:
    """Look at queues, pause them and let them go on. Without a command, `ls`."""


@queues.command()
@click.argument("names", metavar="QUEUE...", nargs=-1, shell_complete=complete_queues)
@click.option("--partitions", is_flag=True, help="A line for each partition as well.")
@read_command
def ls(reading: Reading, names: tuple[str, ...], *, partitions: bool) -> None:
    """Show what is due on each queue, and who serves it.

    Beside it: since when the oldest is due, what comes later, is held, is parked and was given up. A queue that is
    paused is marked, so is one with work that nobody serves, and callables that no living worker has are named.
    """
    squidie = reading.setup.on_journal()
    found = {queue.name: queue for queue in squidie.queues()}
    if missing := [name for name in names if name not in found]:
        from squidie.errors import QueueNotFound

        raise QueueNotFound(missing[0], sorted(found))
    shown = [found[name] for name in names] if names else list(found.values())
    now = squidie.now()
    if reading.as_json:
        reading.document("squidie.queues/1", {"queues": shown, "at": now})
        return
    from squidie.cli.fleets import print_queues

    print_queues(reading.screen, shown, now, partitions=partitions)


@queues.command()
@_NAME
@click.option("--reason", required=True, help="Why; it is kept.")
@AS
@_KEY
@read_command
def pause(reading: Reading, name: str, **given: Any) -> None:
    """Claim nothing from a queue until it is resumed.

    What is claimed goes on; what becomes due waits.
    """
    _said(reading, name, reading.setup.on_journal().pause_queue(name, **given))


@queues.command()
@_NAME
@click.option("--reason", help="Why; it is kept.")
@AS
@_KEY
@read_command
def resume(reading: Reading, name: str, **given: Any) -> None:
    """Claim from it again: what is due begins at once."""
    reading.setup.on_journal().resume_queue(name, **given)
    _said(reading, name, None)


def _said(reading: Reading, name: str, paused: Pause | None) -> None:
    if reading.as_json:
        reading.document("squidie.queue.changed/1", {"name": name, "paused": paused})
    else:
        reading.screen.print(f"[green]✓[/] queue {name} is {'paused' if paused is not None else 'resumed'}")


@click.group(cls=Listing)
def workers() -> None:
    """Look at who works. Without a command, `ls`."""


@workers.command("ls")
@click.option("--all", "everybody", is_flag=True, help="Also those that have stopped, within a month.")
@read_command
def list_workers(reading: Reading, *, everybody: bool) -> None:
    """Show who is alive and what they serve. A worker that died is lost, and shown for a day."""
    squidie = reading.setup.on_journal()
    found, now = squidie.workers(everybody=everybody), squidie.now()
    if reading.as_json:
        reading.document("squidie.workers/1", {"workers": found, "at": now})
        return
    from squidie.cli.fleets import print_workers

    print_workers(reading.screen, found, now)
