"""A worker outlives the loss of its broker, whatever it held at that moment.

Celery 5.7 closes a lost connection twice. Where the connection's channel still has unacknowledged messages, the first
time tries to put them back, which fails like anything else that needs the broker; the second time finds a channel that
belongs to no connection any more, and its `AttributeError` ends the worker. The messages are in Redis all the while,
or gone with it. So a channel is forgotten once its connection was collected: then there is no second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from celery import bootsteps

if TYPE_CHECKING:
    from collections.abc import Callable


class Reconnecting(bootsteps.StartStopStep):
    """A step of the consumer, each time it has connected."""

    requires: ClassVar = {"celery.worker.consumer.connection:Connection"}
    name = "Squidie reconnecting"

    def start(self, consumer: Any) -> None:
        """Of this connection alone: the next one comes by here again."""
        connection = consumer.connection
        if connection.transport.driver_type == "redis":
            connection.collect = _collecting(connection, connection.collect)


def _collecting(connection: Any, collect: Callable[..., None]) -> Callable[..., None]:
    def collect_and_forget(*args: Any, **options: Any) -> None:
        try:
            collect(*args, **options)
        finally:
            connection._default_channel = None  # noqa: SLF001 nothing public forgets it without closing it

    return collect_and_forget
