"""`squidie queues` and `squidie workers`: what is due, who serves it, and who is alive."""

from __future__ import annotations

import click

from squidie.cli.reading import Reading, read_command


@click.command()
@click.argument("names", metavar="QUEUE...", nargs=-1)
@click.option("--partitions", is_flag=True, help="A line for each partition as well.")
@read_command
def queues(reading: Reading, names: tuple[str, ...], *, partitions: bool) -> None:
    """Show what is due on each queue and since when, what comes later, what is held, and who serves it.

    A queue with work that nobody serves is marked, and so are callables that no living worker has.
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


@click.command()
@click.option("--all", "everybody", is_flag=True, help="Also those that have stopped, within a month.")
@read_command
def workers(reading: Reading, *, everybody: bool) -> None:
    """Show who is alive and what they serve. A worker that died is lost, and shown for a day."""
    squidie = reading.setup.on_journal()
    found, now = squidie.workers(everybody=everybody), squidie.now()
    if reading.as_json:
        reading.document("squidie.workers/1", {"workers": found, "at": now})
        return
    from squidie.cli.fleets import print_workers

    print_workers(reading.screen, found, now)
