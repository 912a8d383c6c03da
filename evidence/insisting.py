"""A client that does not give up while a server is away: what a host would do, with a key that makes it safe."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError

from squidie.errors import Unavailable, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds until a server that is away is somebody's fault."""


def insist(ask: Callable[[], T], patience: float = PATIENCE) -> T:
    """Ask until there is an answer, or a refusal. Give a key with what must not happen twice."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return ask()
        except WaitTimeout:
            raise
        except (Unavailable, DBAPIError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
