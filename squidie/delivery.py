"""The delivery port: how work is announced.

A bell has no authority and no data; losing, doubling or forging one changes latency only.

Adapters are found by the entry-point group `squidie.delivery` (`celery`, `notify`) or given as objects: `Squidie(...,
delivery=CeleryDelivery(app))`.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from squidie.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Collection

GROUP = "squidie.delivery"
NAMES = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Finding(NamedTuple):
    """Something unwise about a deployment: the setting, what may come of it, and what to do.

    `unsafe`: runs may be lost, or somebody else may act in our place. A process that is Squidie's own does not start on
    it; a host's is told. `check` is the id under which `squidie doctor` shows it.
    """

    setting: str
    reason: str
    fix: str
    unsafe: bool = False
    check: str = "broker.settings"

    def __str__(self) -> str:
        return f"{self.setting}: {self.reason}; fix: {self.fix}"


@runtime_checkable
class Delivery(Protocol):
    """What an adapter must offer. `ring` is called after the commit, outside any transaction.

    An adapter may offer more. `call_task(task, arguments, ctx)` runs a foreign task (an object with `name` and `run`)
    as a step: it returns the result, raises `squidie.workflow.tasks.TaskFailed` where it knows what is to come of a
    failure, and appends to `ctx.signals.afterwards` what is to be called once the outcome was recorded. `timed_out` is
    what is raised in such a task when its time is over, a subclass of `TimedOut`. `in_child()` says whether this
    process exists to run steps and is replaced when it ends, so that a step that does not end may end it;
    `is_stop(error)` says whether an exception that came out of a step is how the worker's stop reached it;
    `flush(timeout)` sends the last bells and says whether they have left. `listener()` is an ear for `squidie worker`.
    `rung` and `failed` count the bells of this process, `ok_at` is the `time.monotonic()` of the last one that was
    sent. For `squidie doctor`: `check()` says in a few words that the carrier answers, or raises `Unavailable`;
    `findings()` are what is unwise about it, `checked()` says by id what was looked at, in the words for when nothing
    is; `quarantined()` is how many messages were put aside because nobody could read them.
    """

    name: str

    def ring(self, queues: Collection[str]) -> None:
        """Announce that work is due on these queues.

        Returns at once (a few microseconds), never raises, never waits for a broker.
        """

    @property
    def reachable(self) -> bool:
        """False while the last bells failed: a turn then goes on instead of ending."""

    def attach(self, squidie: Any) -> None:
        """The runtime introduces itself, once, when it is made."""

    def close(self) -> None:
        """Send what is still unsent, for at most a second, and let go of threads and connections."""


class Silent:
    """No bells at all: work is found by whoever calls `execute_next`, a turn or a sweep.

    The default when no delivery is named.
    """

    name = "silent"
    reachable = True

    def ring(self, queues: Collection[str]) -> None:
        """Nobody listens."""

    def attach(self, squidie: Any) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to let go of."""


def find(delivery: str | Delivery | None) -> Delivery:
    """The adapter by its entry-point name, the object as it is, or `Silent` for None.

    Raises `InvalidConfig` for an unknown name.
    """
    if delivery is None:
        return Silent()
    if not isinstance(delivery, str):
        return delivery
    known = {point.name: point for point in entry_points(group=GROUP)}
    if delivery not in known:
        named = f"named {delivery!r}" if NAMES.fullmatch(delivery) else "of that name"  # a URL may hold a password
        raise InvalidConfig(f"there is no delivery {named}", hint=f"installed: {', '.join(sorted(known)) or 'none'}")
    try:
        adapter = known[delivery].load()
    except ImportError as error:
        raise InvalidConfig(
            f"the delivery {delivery!r} cannot be loaded: {error}", hint=f'pip install "squidie[{delivery}]"'
        ) from error
    made: Delivery = adapter()
    return made
