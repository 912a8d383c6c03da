"""The wire of the bells: a connection of our own to the app's broker, bounded to a second, for nothing but bells."""

from __future__ import annotations

from contextlib import nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any

from celery import uuid

from squidie_celery.queues import RESERVED
from squidie_celery.tasks import NAME, VERSION

if TYPE_CHECKING:
    from collections.abc import Collection

    from celery import Celery

    from squidie_celery.queues import QueueNames

BOUNDS = {"max_retries": 0, "socket_timeout": 1, "socket_connect_timeout": 1}
"""Merged over the host's options, for this connection only; without them a frozen Redis holds a publisher for ever."""
EXPIRES = 3600  # a broom only: Redis has no message TTL, and the workers' clocks judge it
CROWD = 1000  # with that many bells waiting, one more tells nobody anything
LOOK_EVERY = 1.0


class BellLine:
    """Publishes bells below `apply_async`: no router, no eager mode, no hooks, no result, no time of arrival."""

    def __init__(self, app: Celery, names: QueueNames) -> None:
        self._app, self._names = app, names
        self._connection = app.connection_for_write(transport_options=BOUNDS)
        self._producer = app.amqp.Producer(self._connection, auto_declare=False)
        self._lengths: dict[str, tuple[float, int]] = {}

    def send(self, queues: Collection[str]) -> int:
        """One bell for each of these queues, in one round trip where kombu can."""
        bells = [(queue, self._names.celery(queue)) for queue in sorted(queues)]
        bells = [(queue, name) for queue, name in bells if name not in RESERVED and not self._is_crowded(name)]
        batched = len(bells) > 1 and hasattr(self._producer, "batch")
        with self._producer.batch() if batched else nullcontext():
            for queue, name in bells:
                self._publish(queue, name)
        return len(bells)

    def hang_up(self) -> None:
        """Close without the farewells that a broken connection would wait for."""
        self._connection.collapse() if hasattr(self._connection, "collapse") else self._connection.release()

    def _publish(self, queue: str, name: str) -> None:
        said = f"{{'queue': '{queue}'}}"
        message = self._app.amqp.as_task_v2(
            uuid(),
            NAME,
            (),
            {"v": VERSION, "queue": queue},
            ignore_result=True,
            expires=EXPIRES,
            argsrepr="()",
            kwargsrepr=said,
        )
        self._producer.publish(
            message.body,
            exchange="",
            routing_key=name,
            serializer="json",
            headers=message.headers,
            retry=False,
            **message.properties,
        )

    def _is_crowded(self, name: str) -> bool:
        """Whether more bells wait already than anybody needs; asked once a second and queue."""
        looked_at, length = self._lengths.get(name, (float("-inf"), 0))
        if monotonic() - looked_at >= LOOK_EVERY:
            length = self._length(name)
            self._lengths[name] = (monotonic(), length)
        return length > CROWD

    def _length(self, name: str) -> int:
        channel: Any = self._connection.default_channel
        if hasattr(channel, "_size"):  # the virtual transports, Redis among them
            return int(channel._size(name))  # noqa: SLF001 nothing public asks without declaring the queue
        try:
            with self._connection.channel() as asking:  # a refusal closes the channel, hence one for the purpose
                return int(asking.queue_declare(name, passive=True).message_count)
        except self._connection.channel_errors:
            return 0  # nobody has consumed from it yet
