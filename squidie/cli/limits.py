"""`squidie limits …`: what holds, what is in use, and the hands that set other numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from squidie.cli.listing import Listing
from squidie.cli.reading import Reading, read_command
from squidie.cli.who import AS

if TYPE_CHECKING:
    from squidie.engine.operating import LimitState

_NAME = click.argument("name", metavar="NAME")
_REASON = click.option("--reason", help="Why; it is kept.")
_KEY = click.option("--key", help="Makes it idempotent: the same key is the same request.")


@click.group(cls=Listing)
def limits() -> None:
    """Look at limits and rates, and set other numbers than the code says. Without a command, `ls`.

    A limit goes by its name, over all queues; to stop one queue, `squidie queues pause` it.
    """


@limits.command()
@read_command
def ls(reading: Reading) -> None:
    """List what is allowed, held and declared, and who has set it.

    Held are the slots of a limit that are in use, of all its values; "each" stands where a value has its own.
    """
    squidie = reading.setup.on_journal()
    found, now = squidie.limits(), squidie.now()
    if reading.as_json:
        reading.document("squidie.limits/1", {"limits": found, "at": now})
        return
    from squidie.cli.fleets import print_limits

    print_limits(reading.screen, found, now)


@limits.command("set")
@_NAME
@click.argument("n", type=int, required=False, metavar="[N]")
@click.option("--per", metavar="DURATION", help='Of a rate: N in each of these; seconds, or "90s", "1m".')
@click.option("--burst", type=int, metavar="N", help="Of a rate: so many at once.")
@_REASON
@AS
@_KEY
@read_command
def set_(reading: Reading, name: str, n: int | None, *, per: str | None, **given: Any) -> None:
    """Set other numbers than the code says, until they are unset.

    N is how many may be held at once, or of a rate begin in each --per; 0 lets nothing pass. What is not given stays.
    It holds from the next claim on; what is claimed goes on.
    """
    _said(reading, reading.setup.on_journal().set_limit(name, n, per=_duration(per), **given))


@limits.command()
@_NAME
@_REASON
@AS
@_KEY
@read_command
def unset(reading: Reading, name: str, **given: Any) -> None:
    """Go by what the code says again."""
    _said(reading, reading.setup.on_journal().unset_limit(name, **given))


def _duration(text: str | None) -> str | float | None:
    """A number is of seconds; whatever else it is, the runtime reads."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _said(reading: Reading, state: LimitState) -> None:
    if reading.as_json:
        reading.document("squidie.limit.changed/1", state)
        return
    from squidie.cli.fleets import print_limit

    print_limit(reading.screen, state)
