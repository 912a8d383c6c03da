"""Which Celery queue a queue of Squidie rings, and which queues of Squidie a worker therefore serves (pure).

Squidie's `etl` rings Celery's `etl`, so `-Q etl` means what people think. The default queue rings the app's
`task_default_queue`, so that a worker started without `-Q` hears it. A mapping says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESERVED = frozenset({"unacked", "unacked_index", "unacked_mutex", "squidie.quarantine"})
"""On Redis a queue is a key, and these keys are the transport's own, and ours."""


class QueueNames:
    """Both directions of one rule: `default` rings `default_rings`, `mapping` says otherwise, others ring their own."""

    def __init__(self, default: str, default_rings: str, mapping: Mapping[str, str]) -> None:
        self._rings = {default: default_rings, **mapping}

    def celery(self, queue: str) -> str:
        """The Celery queue to ring."""
        return self._rings.get(queue, queue)

    def served(self, consumed: Iterable[str]) -> frozenset[str]:
        """The queues of Squidie that a worker consuming these Celery queues serves."""
        consumed = frozenset(consumed)
        return frozenset(queue for queue in consumed | self._rings.keys() if self.celery(queue) in consumed)

    def refuse_reserved(self, queues: Iterable[str]) -> None:
        """Raise `InvalidConfig` for a queue whose bells would overwrite the transport's own keys."""
        for queue in sorted(queues):
            if self.celery(queue) in RESERVED:
                raise InvalidConfig(
                    f"queue {queue!r} would ring {self.celery(queue)!r}, a key of the Redis transport",
                    hint="use another name",
                )
