"""A bell is one Celery message: the delivery port over Celery, `Squidie(..., delivery=CeleryDelivery(app))`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.ringing import Ringer
from squidie_celery import adopt, advice, checks, stopping
from squidie_celery.app import deployed_app, host_app
from squidie_celery.line import BellLine
from squidie_celery.queues import QueueNames

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from celery import Celery

    from squidie import StepContext
    from squidie.delivery import Finding


class CeleryDelivery:
    """Rings Celery's workers through the app's broker, from a thread of its own.

    Without `app` it is the one that `install(app, squidie)` names, else one made from `SQUIDIE_REDIS_URL`, else the
    process' current app. `queues` maps a queue of Squidie to the Celery queue it rings, where that is not the one of
    the same name.
    """

    name = "celery"
    timed_out = adopt.TimeLimit

    def __init__(self, app: Celery | None = None, queues: Mapping[str, str] | None = None) -> None:
        self._app, self._mapping = app, dict(queues or {})
        self._host_app: Celery | None = None
        self._default, self._has_timeouts = "default", False
        self._ringer = Ringer(self._dial)

    @property
    def app(self) -> Celery:
        """The app whose broker carries the bells. Raises `MissingConfig` where there is none."""
        if self._app is None:
            self._app = deployed_app(else_take=self._host_app or host_app())
        return self._app

    @property
    def names(self) -> QueueNames:
        """How queues of Squidie and of Celery correspond, under this app's settings."""
        return QueueNames(self._default, self.app.conf.task_default_queue, self._mapping)

    @property
    def reachable(self) -> bool:
        """False while the last bells failed."""
        return self._ringer.reachable

    @property
    def rung(self) -> int:
        """Bells sent by this process."""
        return self._ringer.rung

    @property
    def failed(self) -> int:
        """Bells that this process could not send when it tried."""
        return self._ringer.failed

    @property
    def ok_at(self) -> float | None:
        """The `time.monotonic()` of the last bell that was sent; None before the first."""
        return self._ringer.ok_at

    def ring(self, queues: Collection[str]) -> None:
        """Leave the names for the bell thread; microseconds, whatever state the broker is in."""
        self._ringer.ring(queues)

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until every bell is sent, at most this long."""
        return self._ringer.flush(timeout)

    def check(self) -> str:
        """The broker and how soon it answers, as `squidie doctor` says it. Raises `Unavailable`."""
        return checks.answers(self.app)

    def findings(self) -> list[Finding]:
        """What is unwise about the app's settings and its broker, for `squidie doctor`."""
        return advice.everything(self.app, has_timeouts=self._has_timeouts)

    def checked(self) -> dict[str, str]:
        """What was looked at, by the id of the check, in the words for when all is well."""
        return advice.checked(self.app)

    def quarantined(self) -> int:
        """How many items of queues were put aside because they are no messages. Raises `Unavailable`."""
        return checks.quarantined(self.app)

    def call_task(self, task: Any, arguments: Mapping[str, Any], ctx: StepContext) -> Any:
        """Run a Celery task as a step; see `squidie_celery.adopt`."""
        return adopt.call_task(task, arguments, ctx)

    def in_child(self) -> bool:
        """Whether this process is a child of a worker's pool: it may be ended with a step that does not end."""
        return adopt.in_child()

    def is_stop(self, error: BaseException) -> bool:
        """Whether this came out of a step because its worker ends: then the step has not failed."""
        return stopping.is_stop(error)

    def attach(self, squidie: Any) -> None:
        """Learn the default queue's name and this thread's app; refuse queues that are keys of Redis' transport."""
        self._default = squidie.default_queue
        self._ringer.told = squidie.tell_of_bells
        specs = [workflow.spec for workflow in squidie.workflows.values()]
        self._has_timeouts = any(node.timeout and node.action for spec in specs for node in spec.nodes)
        self._host_app = host_app()
        names = QueueNames(self._default, self._default, self._mapping)
        names.refuse_reserved({*squidie.used_queues(), *self._mapping})

    def bind(self, app: Celery) -> None:
        """Ring through this app, unless another was given explicitly; `install` calls it."""
        self._app = self._app or app

    def close(self) -> None:
        """Send what is unsent, at most a second, and end the thread."""
        self._ringer.close()

    def _dial(self) -> BellLine:
        return BellLine(self.app, self.names)
