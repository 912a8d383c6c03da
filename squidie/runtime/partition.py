"""A handle to the runs of one partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.runtime.showing import Showing
from squidie.runtime.starting import Starting

if TYPE_CHECKING:
    from squidie.engine.parts import Parts
    from squidie.engine.permission import Policy


class Partition(Showing, Starting):
    """Starts, sees, lists and steers the runs of one partition; those of others are `RunNotFound`.

    It claims nothing: workers serve queues, whatever partitions are on them. And it bounds what one handle of ours can
    touch; whoever can reach the database is bounded by Postgres's own row policies.
    """

    def __init__(self, parts: Parts, policy: Policy, name: str) -> None:
        self._parts = parts
        self._policy = msgspec.structs.replace(policy, within=name)
        self._home = name

    @property
    def name(self) -> str | None:
        """Which partition it is."""
        return self._home

    def __repr__(self) -> str:
        return f"<Partition {self._home}>"
