"""The Celery app that carries bells: `create_app()` makes one of Squidie's own, else the host's is found."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, _state

from squidie.errors import InvalidConfig, MissingConfig

URL = "SQUIDIE_REDIS_URL"
SETTINGS: dict[str, Any] = {
    "result_backend": None,  # outcomes are facts; a second truth costs 44 % of the throughput
    "task_ignore_result": True,
    "accept_content": ["json"],
    "task_serializer": "json",
    "task_default_queue": "default",  # so that Celery's and Squidie's names are the same
    "task_acks_late": False,  # late ones buy duplicates and poison loops
    "task_track_started": False,
    "task_store_errors_even_if_ignored": False,
    "task_send_sent_event": False,
    "task_create_missing_queues": True,
    "worker_send_task_events": False,  # they would show bells, not steps
    "worker_disable_prefetch": True,  # otherwise a bell waits behind a busy worker while another idles
    "worker_prefetch_multiplier": 1,
    "worker_enable_remote_control": False,  # whoever reaches Redis could stop the worker
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_soft_shutdown_timeout": 10.0,  # a third of the default lease: time to settle, then claims are given back
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # the sweeper has work to do while the broker is away
    "broker_transport_options": {
        "ack_emulation": False,  # no copy of each bell, no visibility timeout; ours to set on our own app only
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
    "beat_scheduler": "squidie_celery.beat:Scheduler",
    "enable_utc": True,
    "timezone": "UTC",
}
"""What is right for an app that carries bells and nothing else. None of it is ever set on a host's app."""


def create_app(
    broker_url: str | None = None, *, name: str = "squidie", set_as_current: bool = True, **conf: Any
) -> Celery:
    """A Celery app of Squidie's own; `conf` overrides single settings, and what would be unsafe is `InvalidConfig`."""
    url = broker_url or os.environ.get(URL)
    if not url:
        raise MissingConfig("no broker is configured", hint=f"set {URL}, for example redis://localhost:6379/1")
    _refuse_unsafe(conf)
    app = Celery(name, broker=url, set_as_current=set_as_current)
    app.conf.update(SETTINGS | conf)
    app.squidie_own = True
    return app


def is_own(app: Celery) -> bool:
    """Whether `create_app` made it, so that its settings are ours to choose."""
    return bool(getattr(app, "squidie_own", False))


def deployed_app(*, else_take: Celery | None) -> Celery:
    """The deployment's app: `SQUIDIE_REDIS_URL`'s where it is set, else the one given; else `MissingConfig`."""
    if os.environ.get(URL):
        return create_app(set_as_current=False)
    if else_take is None:
        raise MissingConfig(
            "no Celery app is known here",
            hint=f"pass CeleryDelivery(app), call squidie_celery.install(app, squidie) or set {URL}",
        )
    return else_take


def host_app() -> Celery | None:
    """The Celery app this process has made current, if any. Never makes one, as `celery.current_app` would."""
    found = getattr(_state._tls, "current_app", None) or _state.default_app  # noqa: SLF001 nothing public only looks
    if found is None:
        active = list(_state._get_active_apps())  # noqa: SLF001 likewise
        found = active[0] if len(active) == 1 else None
    return found


def _refuse_unsafe(conf: dict[str, Any]) -> None:
    content = {*conf.get("accept_content", ()), conf.get("task_serializer", "json")}
    if content - {"json", "application/json"}:
        raise InvalidConfig(
            "accept_content and task_serializer: bells are JSON and nothing else", hint="leave both unset"
        )
    if conf.get("result_backend"):
        raise InvalidConfig(
            "result_backend: outcomes are kept in the journal only",
            hint="leave it unset, or install() into an app of your own",
        )
