"""The workers of a soak or a chaos: each has a part, and whoever is killed is replaced in it."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Self

from evidence.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evidence.cluster import Cluster, Node

PLAIN, DEAF, WIRED = "plain", "deaf", "wired"
"""What a worker is for: nothing special; its renewals are lost; it reaches Postgres over a wire that can be cut."""

LATE = "late"
"""The queue that deaf workers serve beside the others, alone: what goes there settles late, or not at all."""

UNRENEWED = "renew.before=drop@*"
"""A deaf worker's failpoint. A step that takes longer than a lease settles late there, or was taken over meanwhile."""


def pids_of(nodes: Sequence[Node]) -> list[int]:
    """The processes of those that should be alive, children and all."""
    return [pid for node in nodes if node.is_wanted for pid in (node.pid, *node.process.children())]


class Fleet:
    """Workers on the same queues. One that is taken for a fault is nobody else's victim until it is given back."""

    def __init__(
        self, cluster: Cluster, queues: Sequence[str], parts: Sequence[str], env: Mapping[str, str] | None = None
    ) -> None:
        self.cluster = cluster
        self.proxy = FaultProxy.to_postgres(cluster.database_url) if WIRED in parts else None
        self._queues, self._env = list(queues), dict(env or {})
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._free: list[Node] = []
        self._parts: dict[str, str] = {}
        self.everybody: list[Node] = []
        for part in parts:
            self._free.append(self._start(part))
        for node in self._free:
            node.ready()

    @property
    def nodes(self) -> list[Node]:
        """Those that may be harmed now."""
        with self._lock:
            return list(self._free)

    def take(self, wanted: Node | None, dice: float) -> Node | None:
        """The one that is wanted, or any; None where it is somebody else's already."""
        with self._lock:
            if not self._free:
                return None
            node = self._free[int(dice * len(self._free))] if wanted is None else wanted
            if node not in self._free:
                return None
            self._free.remove(node)
            return node

    def give_back(self, node: Node) -> None:
        """It lives, and may be harmed again."""
        with self._lock:
            self._free.append(node)

    def put_back(self, dead: Node) -> None:
        """Somebody else takes the part of one that was killed; may be harmed once it works."""
        self.give_back(self._start(self._parts[dead.name]).ready())

    def add(self, armed: str) -> Node:
        """One more, which is nobody's victim."""
        return self._start(PLAIN, armed).ready()

    def dismiss(self, node: Node) -> None:
        """It has done its part."""
        self.cluster.retire([node])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """All of them end."""
        self.cluster.retire([node for node in self.everybody if node.is_wanted])
        if self.proxy is not None:
            self.proxy.close()

    def _start(self, part: str, armed: str = "") -> Node:
        name = f"{part}{next(self._numbers)}"
        env = dict(self._env)
        if part == WIRED and self.proxy is not None:
            env["SQUIDIE_DATABASE_URL"] = self.proxy.postgres_url(self.cluster.database_url)
        queues = [*self._queues, LATE] if part == DEAF else self._queues
        armed = UNRENEWED if part == DEAF else armed
        node = self.cluster.worker(name, queues=queues, concurrency=2, armed=armed, env=env)
        self._parts[name] = part
        self.everybody.append(node)
        return node
