"""Who listens, and that none of them can do harm: what a handler raises is counted, and changes nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidConfig
from squidie.telemetry.otel import OpenTelemetry
from squidie.telemetry.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.telemetry.events import Event
    from squidie.telemetry.traces import Trace

log = logging.getLogger("squidie.telemetry")

SAID_EVERY = 60.0
"""Seconds between two lines about handlers that fail."""

Handler = Callable[["Event"], object]
"""`handler(event)`: called in the thread that did the work, after its commit; so it is quick, and waits for nobody.

A handler may offer more. `traceparent()` is where the calling code stands in a trace of its own, or None: a run started
there goes on in it. `during(trace)` is a context manager around a step's code.
"""

KNOWN: dict[str, Callable[[], Handler]] = {"otel": OpenTelemetry, "prometheus": Prometheus}
"""Handlers that go by a name."""


class Handlers:
    """All who listen. `on`: there are some, and `surround`: some of them steps.

    `faults` counts what they have raised, in this process.
    """

    def __init__(self, handlers: Iterable[Handler] = ()) -> None:
        self._handlers = tuple(handlers)
        self.on = bool(self._handlers)
        self._parents = tuple(found for each in self._handlers if (found := getattr(each, "traceparent", None)))
        self._around = tuple(found for each in self._handlers if (found := getattr(each, "during", None)))
        self.surround = bool(self._around)
        self.renew()

    def renew(self) -> None:
        """Begin to count anew: at the start, and in a forked child, where a lock may be held for ever."""
        self._lock = threading.Lock()
        self._say_at = 0.0
        self.faults = 0

    def tell(self, events: Iterable[Event]) -> None:
        """Each event to each handler, in order."""
        for event in events:
            for handler in self._handlers:
                try:
                    handler(event)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is the handler's own
                    self.note(error)

    def traceparent(self) -> str | None:
        """Where the calling code stands in a trace, as the first handler knows that does."""
        for ask in self._parents:
            try:
                found = ask()
            except Exception as error:  # noqa: BLE001 - likewise
                self.note(error)
            else:
                if found is not None:
                    return str(found)
        return None

    @contextmanager
    def during(self, trace: Trace) -> Iterator[None]:
        """Around a step's code. What the step raises is not shown to handlers, and what they raise not to the step."""
        with ExitStack() as entered:
            for around in self._around:
                try:
                    manager = around(trace)
                    manager.__enter__()
                except Exception as error:  # noqa: BLE001 - likewise
                    self.note(error)
                else:
                    entered.callback(self._leave, manager)
            yield

    def _leave(self, manager: Any) -> None:
        try:
            manager.__exit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - likewise
            self.note(error)

    def note(self, error: Exception) -> None:
        """Count a failure, and say so once in a while: by its type, for its message may hold anything."""
        with self._lock:
            self.faults += 1
            if monotonic() < self._say_at:
                return
            self._say_at = monotonic() + SAID_EVERY
        log.warning("telemetry has failed (%s in all): %s", self.faults, type(error).__name__)


def find(given: Any) -> Handlers:
    """Handlers from one, from several, by name, or none. Raises `InvalidConfig`."""
    if given is None:
        return Handlers()
    several = given if isinstance(given, list | tuple) and not callable(given) else (given,)
    return Handlers([_found(each) for each in several])


def _found(given: Any) -> Handler:
    if isinstance(given, str) and given in KNOWN:
        return KNOWN[given]()
    if not callable(given) or isinstance(given, type):
        raise InvalidConfig(
            "telemetry is given what is no handler",
            hint=f"a function of one event, or one of these names: {', '.join(sorted(KNOWN))}",
        )
    handler: Handler = given
    return handler
