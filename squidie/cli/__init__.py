"""The command line: `squidie`, and `celery -A proj squidie`."""

from squidie.cli.app import squidie as main

__all__ = ["main"]
