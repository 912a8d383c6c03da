"""What is to be done at a time that this process has made known, by one thread that exists only once it is needed."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Later(Generic[T]):
    """Hands each item to `due` when its time has come; `due` must not raise, for the thread would end.

    Times are of `time.monotonic()`. A forked child has no such thread: it makes one of its own.
    """

    def __init__(self, name: str, due: Callable[[T], None]) -> None:
        self._name, self._due = name, due
        self._items: list[tuple[float, int, T]] = []
        self._numbers = itertools.count()
        self._closing = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, at: float, item: T) -> None:
        """Hand it over then. Once closed, nothing is remembered any more."""
        with self._changed:
            if self._closing:
                return
            heapq.heappush(self._items, (at, next(self._numbers), item))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> list[T]:
        """End the thread; what it has not come to is given back."""
        with self._changed:
            self._closing = True
            rest = [item for _, _, item in self._items]
            self._items.clear()
            self._changed.notify()
        return rest

    def _run(self) -> None:
        while not self._closing:
            with self._changed:
                wait = self._items[0][0] - time.monotonic() if self._items else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, item = heapq.heappop(self._items)
            self._due(item)
