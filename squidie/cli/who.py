"""Who says what is said at the command line; every command that changes something keeps it."""

from __future__ import annotations

import getpass
import socket

import click


def yourself() -> str:
    """Who sits at this terminal: `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


AS = click.option(
    "--as",
    "actor",
    metavar="WHO",
    envvar="SQUIDIE_ACTOR",
    default=yourself,
    help="Who says so; it is kept. Without it, you at this host.",
)
