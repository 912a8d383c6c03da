"""What this adapter adds to the command line: `squidie demo`."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.option("--fast", is_flag=True, help="Without the pauses that are there for the reader.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, to look around; Ctrl-C ends it.")
@click.option("--no-kill", is_flag=True, help="Kill no worker and flush no Redis.")
@click.option("--orders", type=click.IntRange(8, 200), default=200, show_default=True, help="How many orders to place.")
@click.option("--postgres", metavar="URL", help="A server of yours; a database is made beside this one, and dropped.")
@click.option("--redis", metavar="URL", help="A database of yours that is empty; it is emptied, too.")
def demo(**options: Any) -> None:
    """Watch two hundred orders survive a killed worker and an emptied Redis.

    Everything is real, started just for this and gone afterwards: Postgres, Redis, two Celery workers, beat.
    """
    from squidie_celery.demo import play  # noqa: PLC0415 the command line starts without what only the demo needs

    raise SystemExit(play(**options))
