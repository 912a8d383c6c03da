"""Messages that no worker can read are put aside, so that they neither end a worker nor come again.

Whoever can write to Redis can end any Celery worker with one item in a queue's list; some kinds go back to the list
when the worker ends, and end the next one too. So before a worker consumes, and after each loss of its connection, the
heads of its lists are looked at, and what cannot be delivered goes to a list of its own, `squidie.quarantine`. That is
done in every app. In an app of Squidie's own, and in a host's that sets `squidie_quarantine = True`, the consumer's
reading is guarded as well: an item that nobody could deliver is put aside when it is met, and the worker lives on.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

import redis
from celery import bootsteps
from celery.worker import state

from squidie_celery.app import is_own
from squidie_celery.envelope import flaw, read, reason, text
from squidie_celery.station import station_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from celery import Celery

log = logging.getLogger("squidie.quarantine")

KEY = "squidie.quarantine"
SETTING = "squidie_quarantine"
KEPT = 1000  # the newest; older ones are dropped
LONGEST = 16 * 1024  # characters of a message that are kept
PAGE = 20  # heads that are looked at in one go: a host's messages may be large
PATIENCE = 5.0  # seconds after which a worker begins to consume, whatever may still lie in the lists


def is_guarded(app: Celery) -> bool:
    """Whether this app's workers put aside what they meet while they consume."""
    return is_own(app) or bool(app.conf.get(SETTING, False))


class Quarantine:
    """The list of a broker, reached through a channel of the Redis transport."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._redis = redis.Redis(connection_pool=channel.pool)
        self._prefix = channel.global_keyprefix or ""

    def __len__(self) -> int:
        return int(self._redis.llen(self._prefix + KEY))

    def keep(self, item: bytes | str, queue: str, why: str) -> None:
        """Put an item aside that is in no queue's list any more."""
        told = {"queue": queue, "reason": why, "message": text(item)[:LONGEST]}
        with self._redis.pipeline() as pipe:
            pipe.lpush(self._prefix + KEY, json.dumps(told))
            pipe.ltrim(self._prefix + KEY, 0, KEPT - 1)
            pipe.execute()

    def sift(self, queues: Iterable[str]) -> int:
        """Put aside what lies at the heads of these queues and cannot be delivered; how many there were."""
        until = monotonic() + PATIENCE
        return sum(self._sift(queue, key, until) for queue in sorted(queues) for key in self._keys(queue))

    def _keys(self, queue: str) -> Iterator[str]:
        """A queue is one list for each step of priority."""
        for step in self._channel.priority_steps:
            yield self._prefix + self._channel._q_for_pri(queue, step)  # noqa: SLF001 nothing public names them

    def _sift(self, queue: str, key: str, until: float) -> int:
        found = 0
        while monotonic() < until:
            heads: Any = self._redis.lrange(key, -PAGE, -1)
            flawed = [(item, told) for item in heads if (told := flaw(item, self._channel)) is not None]
            for item, told in flawed:
                if self._redis.lrem(key, -1, item):  # else another worker was first
                    self.keep(item, queue, told)
                    found += 1
            if not flawed:
                break
        return found


class Sifting(bootsteps.StartStopStep):
    """A step of the consumer, each time it has connected and before it reads."""

    requires: ClassVar = {"celery.worker.consumer.tasks:Tasks"}
    name = "Squidie quarantine"

    def start(self, consumer: Any) -> None:
        """Look at the lists, and guard the reading where that is ours to do."""
        if consumer.connection.transport.driver_type != "redis":
            return
        channel = consumer.task_consumer.channel
        station = station_of(consumer.app)
        try:
            quarantine = Quarantine(channel)
            found = quarantine.sift(consumer.app.amqp.queues.consume_from)
        except Exception as error:  # noqa: BLE001 the consumer itself will find out what is wrong with its broker
            log.warning("the queues could not be looked at: %s", reason(error))
            return
        if found:
            station.quarantined += found
            log.warning("put aside before consuming: %d item(s) that are no messages, see the list %s", found, KEY)
        if is_guarded(consumer.app) and not guard(channel, _keeping(station, quarantine)):
            log.warning("this version of kombu reads in another way: what is no message is put aside at a start only")


def _keeping(station: Any, quarantine: Quarantine) -> Callable[[bytes, str, str], None]:
    def keep(item: bytes, queue: str, why: str) -> None:
        station.quarantined += 1
        log.warning("an item on queue %s is no message and was put aside: %s", queue, why)
        try:
            quarantine.keep(item, queue, why)
        except Exception as error:  # noqa: BLE001 it is garbage: losing it is better than ending by it
            log.warning("it could not be kept: %s", reason(error))

    return keep


def guard(channel: Any, keep: Callable[[bytes, str, str], None]) -> bool:
    """Let this channel survive what it reads; False where it does not read in the way we know.

    What is known to be flawed is never delivered. An item that fails in another way is put aside afterwards, unless it
    has taken one of the worker's slots by then: a worker that has lost a slot had better be started again.
    """
    handlers: Any = getattr(channel, "handlers", None)
    client: Any = getattr(channel, "client", None)
    if not isinstance(handlers, dict) or "BRPOP" not in handlers or not hasattr(client, "parse_response"):
        return False
    receive, parse = handlers["BRPOP"], client.parse_response
    popped: list[Any] = []

    def parse_response(connection: Any, command: str, **options: Any) -> Any:
        answer = parse(connection, command, **options)
        if command != "BRPOP" or not answer:
            return answer
        told = flaw(answer[1], channel)
        if told is not None:
            keep(answer[1], text(answer[0]), told)
            return None  # as if nothing had come in time
        popped[:] = answer
        return answer

    def read_with_care(**options: Any) -> Any:
        popped.clear()
        slots = len(state.reserved_requests)
        try:
            return receive(**options)
        except Empty:
            raise
        except Exception as error:
            if not popped or _is_the_lines(error, channel) or len(state.reserved_requests) > slots:
                raise
            _forget(channel, popped[1])
            keep(popped[1], text(popped[0]), reason(error))
            return True

    client.parse_response, handlers["BRPOP"] = parse_response, read_with_care
    return True


def _is_the_lines(error: Exception, channel: Any) -> bool:
    """Whether it is the connection's error: kombu counts missing keys among those, which are the message's."""
    return isinstance(error, channel.connection_errors) and not isinstance(error, KeyError)


def _forget(channel: Any, item: bytes) -> None:
    """It may have been noted as delivered before it was found out: then it would come back when the channel closes."""
    with suppress(Exception):
        channel.qos.reject(read(item)["properties"]["delivery_tag"], requeue=False)
