"""What is unwise in the settings of a Celery app, by name and with the fix.

Nothing is changed: a host's app is the host's. An app from `create_app()` has the right settings by construction; if
one was changed to what is unsafe, its workers do not start. Each misconfiguration is one finding.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

import kombu

from squidie.delivery import Finding
from squidie.errors import Unavailable
from squidie_celery.app import is_own
from squidie_celery.line import BOUNDS
from squidie_celery.quarantine import SETTING, Quarantine, is_guarded
from squidie_celery.tasks import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

log = logging.getLogger("squidie.checks")

JSON = frozenset({"json", "application/json"})
RUNS_CODE = frozenset({"pickle", "application/x-python-serialize", "yaml", "application/x-yaml"})
OLDEST_KOMBU = (5, 4)
LIMITS = frozenset({"time_limit", "soft_time_limit"})
REDIS = frozenset({"redis", "rediss", "sentinel"})


def _no_socket_timeout(app: Celery) -> bool:
    return is_redis(app) and not app.conf.broker_transport_options.get("socket_timeout")


def _no_json(app: Celery) -> bool:
    return not JSON & set(app.conf.accept_content)


def _more_than_json(app: Celery) -> bool:
    others = {*app.conf.accept_content} - JSON
    return not _no_json(app) and bool(others if is_own(app) else others & RUNS_CODE)


def _keeps_results(app: Celery) -> bool:
    return is_own(app) and bool(app.conf.result_backend)


def _prefetches(app: Celery) -> bool:
    threads = "thread" in str(app.conf.worker_pool)
    return is_redis(app) and not threads and not app.conf.get("worker_disable_prefetch")


def _open_to_control(app: Celery) -> bool:
    return bool(is_redis(app) and app.conf.worker_enable_remote_control and not app.connection_for_read().password)


def _annotated(app: Celery) -> bool:
    return bool(_annotations(app) - LIMITS)


def _limited(app: Celery) -> bool:
    return bool(_annotations(app) & LIMITS)


def _annotations(app: Celery) -> set[str]:
    """The attributes that the app sets for our task, or for all; of annotations that are code nothing is known."""
    given = app.conf.task_annotations or ()
    found = [each for each in ([given] if isinstance(given, dict) else given) if isinstance(each, dict)]
    return {attribute for each in found for name in (NAME, "*") for attribute in each.get(name) or ()}


def _gives_up(app: Celery) -> bool:
    return app.conf.broker_connection_max_retries is not None


def _is_unguarded(app: Celery) -> bool:
    return is_redis(app) and not is_guarded(app)


def _is_old(app: Celery) -> bool:
    return is_redis(app) and tuple(kombu.VERSION[:2]) < OLDEST_KOMBU


RULES: tuple[tuple[Callable[[Celery], bool], Finding], ...] = (
    (
        _no_socket_timeout,
        Finding(
            "broker_transport_options",
            "without socket_timeout a half-open connection is noticed after up to 51 s",
            "add socket_timeout=2",
            check="broker.timeouts",
        ),
    ),
    (
        _no_json,
        Finding(
            "accept_content",
            "bells are JSON and would be refused",
            "add 'json'",
            unsafe=True,
            check="celery.serializer",
        ),
    ),
    (
        _more_than_json,
        Finding(
            "accept_content",
            "whoever reaches the broker can run code in the workers, by a message that is not JSON",
            "leave 'json' only",
            unsafe=True,
            check="celery.serializer",
        ),
    ),
    (
        _keeps_results,
        Finding(
            "result_backend",
            "outcomes are kept in the journal, and a second truth may say otherwise",
            "leave it unset",
            unsafe=True,
            check="celery.results",
        ),
    ),
    (
        _prefetches,
        Finding(
            "worker_disable_prefetch",
            "a bell may wait behind a busy worker while another idles",
            "set it to True for prefork and solo",
            check="celery.prefetch",
        ),
    ),
    (
        _open_to_control,
        Finding(
            "worker_enable_remote_control",
            "whoever reaches this Redis, which has no password, can stop the worker",
            "give Redis a password or set it to False",
            unsafe=True,
            check="celery.remote_control",
        ),
    ),
    (
        _annotated,
        Finding(
            "task_annotations",
            f"they reach {NAME} too; Squidie sets its own task's attributes again",
            "name tasks instead of '*'",
            check="celery.annotations",
        ),
    ),
    (
        _limited,
        Finding(
            "task_annotations",
            f"they limit the time of {NAME}, which runs many steps; Squidie sets its own limits again",
            "name tasks instead of '*', and give steps a timeout each",
            check="celery.time_limits",
        ),
    ),
    (
        _gives_up,
        Finding(
            "broker_connection_max_retries",
            "the worker ends itself in a longer outage, and its sweeper with it",
            "set it to None",
            check="celery.reconnects",
        ),
    ),
    (
        _is_unguarded,
        Finding(
            SETTING,
            "an item in a queue that is no message ends this worker; it is put aside when the worker starts again",
            "set it to True, and what is met is put aside at once; or run the worker under a supervisor",
            check="broker.quarantine",
        ),
    ),
    (
        _is_old,
        Finding(
            "kombu",
            f"{kombu.__version__} may wait for ever for a Redis that was restarted",
            "use 5.4 or newer",
            unsafe=True,
            check="celery.kombu",
        ),
    ),
)

EVICTS = Finding(
    "maxmemory-policy",
    "this Redis silently drops queued messages when it is full",
    "CONFIG SET maxmemory-policy noeviction",
    unsafe=True,
    check="broker.eviction",
)


def findings(app: Celery) -> Iterator[Finding]:
    """Everything unwise about this app: its settings first, then its broker, if that answers."""
    yield from (finding for applies, finding in RULES if applies(app))
    if evicts(app):
        yield EVICTS


def of_pool(pool: object) -> Iterator[Finding]:
    """What a worker's pool cannot do; `pool` is its class or name. Only children can be ended with their step."""
    name = getattr(pool, "__module__", str(pool)).rpartition(".")[2]
    if name != "prefork":
        yield Finding(
            "worker_pool",
            f"the {name} pool cannot end a step that goes on after its timeout: it is settled, and its code runs on",
            "use prefork where steps have timeouts",
        )


def evicts(app: Celery) -> bool:
    """Whether the broker is a Redis that evicts keys. A broker that does not answer, or does not say, is no finding."""
    return redis_settings(app, "maxmemory-policy").get("maxmemory-policy", "noeviction") != "noeviction"


def redis_settings(app: Celery, *names: str) -> dict[str, str]:
    """How the broker is set up, as far as it is a Redis, answers and says so."""
    if not is_redis(app):
        return {}
    try:
        with app.connection_for_write(transport_options=BOUNDS) as connection:
            channel: Any = connection.default_channel
            found = {name: channel.client.config_get(name).get(name) for name in names}
    except Exception as error:  # noqa: BLE001 kombu's and redis' errors have no common root
        log.debug("the broker does not say how it is set up: %s", type(error).__name__)
        return {}
    return {name: str(value) for name, value in found.items() if value is not None}


def quarantined(app: Celery) -> int:
    """How many items were put aside on this broker. Raises `Unavailable`."""
    if not is_redis(app):
        return 0
    try:
        with app.connection_for_write(transport_options=BOUNDS) as connection:
            return len(Quarantine(connection.default_channel))
    except Exception as error:
        raise Unavailable(f"the broker did not answer ({type(error).__name__})") from error


def answers(app: Celery) -> str:
    """The broker and how soon it answers, for people. Raises `Unavailable` if it does not within a second or so."""
    begun = monotonic()
    try:
        with app.connection_for_write(transport_options=BOUNDS) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
            what = connection.transport_cls if isinstance(connection.transport_cls, str) else "broker"
            if is_redis(app):
                channel: Any = connection.default_channel
                channel.client.ping()
    except Exception as error:
        raise Unavailable(
            f"the broker did not answer ({type(error).__name__})",
            hint="is it up, and is its URL right? Runs are kept meanwhile and begin when it is back",
        ) from error
    return f"{what}, {(monotonic() - begun) * 1000:.0f} ms"


def is_redis(app: Celery) -> bool:
    """Whether the broker is a Redis, or answers like one."""
    return str(app.connection_for_write().transport_cls) in REDIS
