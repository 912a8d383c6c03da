"""What `squidie doctor` says of an app beyond what a worker says at its start: it does no run any harm.

The app's plain tasks are another matter: they have no journal, so what a message loses is lost. An app without any has
nothing to lose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import kombu

from squidie.delivery import Finding
from squidie_celery import checks
from squidie_celery.app import is_own
from squidie_celery.checks import is_redis, redis_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

HOUR = 3600
"""Seconds after which Celery's Redis transport delivers a message again that nobody has acknowledged."""


def plain_tasks(app: Celery) -> list[str]:
    """The app's tasks that are neither Celery's own nor Squidie's."""
    return sorted(name for name in app.tasks if not name.startswith(("celery.", "squidie.")))


def advice(app: Celery, *, has_timeouts: bool) -> Iterator[Finding]:
    """What somebody should know about this app; `has_timeouts`: some step of a workflow has one."""
    if not is_own(app) and plain_tasks(app):
        yield from _of_plain_tasks(app)
    pool = str(app.conf.worker_pool or "prefork")
    if has_timeouts and pool not in {"prefork", "processes"}:
        said = f"steps have timeouts, and the {pool} pool cannot end one that goes on: it is settled, its code runs on"
        yield Finding("worker_pool", said, "use prefork", check="celery.pool")
    if not app.conf.enable_utc:
        said = "beat entries and ETAs of plain tasks follow each machine's local time; cron triggers do not care"
        yield Finding("enable_utc", said, "set it to True, and timezone to where people are", check="celery.timezone")


def _of_plain_tasks(app: Celery) -> Iterator[Finding]:
    found = redis_settings(app, "save", "appendonly")
    if found and not found.get("save") and found.get("appendonly") != "yes":
        said = "this Redis keeps nothing on disk: no run cares, but plain tasks that wait in it are lost with it"
        yield Finding("appendonly", said, "CONFIG SET appendonly yes", check="broker.persistence")
    visible = app.conf.broker_transport_options.get("visibility_timeout", HOUR)
    if is_redis(app) and visible < HOUR:
        said = f"plain tasks that run or wait for longer than {visible:g} s are delivered again; bells do not care"
        fix = "broker_transport_options: visibility_timeout longer than the longest of them"
        yield Finding("visibility_timeout", said, fix, check="broker.visibility_timeout")


def checked(app: Celery) -> dict[str, str]:
    """What was looked at, by the id of the check, in the words for when all is well."""
    conf = app.conf
    tasks = len(plain_tasks(app))
    of_tasks = f"{tasks} plain task{'s' * (tasks != 1)}" if tasks and not is_own(app) else "no plain tasks"
    limit = conf.task_time_limit or conf.task_soft_time_limit
    redis = {
        "broker.timeouts": "half-open connections are noticed",
        "broker.eviction": "maxmemory-policy is noeviction" if _tells(app) else "this Redis does not say how it evicts",
        "broker.persistence": f"{of_tasks} to lose; bells may be lost",
        "broker.visibility_timeout": f"{of_tasks} to deliver twice; bells may be",
    }
    return {
        **(redis if is_redis(app) else {}),
        "celery.kombu": f"kombu {kombu.__version__}",
        "celery.serializer": "bells are JSON, and nothing that runs code is accepted",
        "celery.results": "no second truth about outcomes" if is_own(app) else "the app's own; steps keep none",
        "celery.prefetch": "a bell waits behind no busy worker",
        "celery.remote_control": "off, or behind a password",
        "celery.annotations": "none for bells",
        "celery.reconnects": "a worker waits for its broker for ever",
        "celery.time_limits": f"{limit:g} s for tasks of the app; turns have limits of their own"
        if limit
        else "none for turns",
        "celery.pool": str(conf.worker_pool or "prefork"),
        "celery.timezone": f"{conf.timezone or 'UTC'}; cron triggers have zones of their own",
    }


def _tells(app: Celery) -> bool:
    return bool(redis_settings(app, "maxmemory-policy"))


def everything(app: Celery, *, has_timeouts: bool) -> list[Finding]:
    """What a worker would say at its start, and the rest."""
    return [*checks.findings(app), *advice(app, has_timeouts=has_timeouts)]
