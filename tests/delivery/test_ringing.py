"""Ringing costs its caller nothing, whatever becomes of the bells: here they go to a list, fail, or hang."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from itertools import pairwise
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

import pytest

from squidie.ringing import Ringer
from squidie.testing.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Wire:
    """Remembers what it sent, and fails or hangs when told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, frozenset[str]]] = []
        self.tried_at: list[float] = []
        self.broken = False
        self.dialled = self.hung_up = 0
        self.open = threading.Event()
        self.open.set()

    def dial(self) -> Wire:
        self.dialled += 1
        return self

    def send(self, queues: Collection[str]) -> int:
        self.tried_at.append(monotonic())
        self.open.wait(10)
        if self.broken:
            raise ConnectionError("the line is down")
        self.sent.append((monotonic(), frozenset(queues)))
        return len(queues)

    def hang_up(self) -> None:
        self.hung_up += 1

    def bells(self, queue: str) -> list[float]:
        return [at for at, queues in self.sent if queue in queues]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def ringer(wire: Wire) -> Iterator[Ringer]:
    ringer = Ringer(wire.dial, window=0.05, retry_after=0.1)
    yield ringer
    wire.open.set()
    wire.broken = False
    ringer.close()


def test_the_first_bell_goes_at_once_and_all_within_the_window_become_one(wire: Wire, ringer: Ringer) -> None:
    began = monotonic()
    ringer.ring(["a"])
    eventually(lambda: wire.sent)
    for _ in range(500):
        ringer.ring(["a"])
    assert ringer.flush()

    first, second = wire.bells("a")

    assert first - began < 0.04
    assert 0.05 <= second - first < 0.2
    assert ringer.rung == 2


def test_a_queue_that_is_rung_for_all_the_time_is_rung_for_less_and_less_often(wire: Wire) -> None:
    """G21: the window doubles up to the widest, and is short again when a bell kept nobody waiting."""
    ringer = Ringer(wire.dial, window=0.01, widest=0.08)
    began = monotonic()
    eventually(lambda: ringer.ring(["a"]) or monotonic() - began > 0.5, every=0.001)
    assert ringer.flush()
    many = wire.bells("a")
    quiet_at = many[-1] + 0.08
    widest = ringer._windows["a"]
    eventually(lambda: monotonic() > quiet_at)

    ringer.ring(["a"])
    assert ringer.flush()
    eventually(lambda: not ringer._sending)
    ringer.close()

    gaps = [after - before for before, after in pairwise(many)]
    assert gaps[0] >= 0.01
    assert min(gaps[4:], default=0.08) >= 0.079
    assert len(many) <= 12
    assert (widest, ringer._windows["a"]) == (0.08, 0.01)


def test_each_queue_has_a_window_of_its_own(wire: Wire, ringer: Ringer) -> None:
    ringer.ring(["a"])
    ringer.flush()
    ringer.ring(["a", "b"])
    ringer.flush()

    assert wire.bells("b")[0] < wire.bells("a")[1]


def test_a_line_that_fails_is_replaced_and_its_bells_are_rung_later(wire: Wire, ringer: Ringer) -> None:
    wire.broken = True
    ringer.ring(["a"])
    ringer.ring(["b"])
    eventually(lambda: not ringer.reachable)
    assert ringer.failed
    assert ringer.ok_at is None

    wire.broken = False

    assert ringer.flush(5)
    assert {queue for _, queues in wire.sent for queue in queues} == {"a", "b"}
    assert ringer.reachable
    assert wire.dialled == wire.hung_up + 1


def test_while_ringing_fails_it_is_tried_at_intervals_however_often_somebody_rings(wire: Wire, ringer: Ringer) -> None:
    wire.broken = True
    until = monotonic() + 0.35
    while monotonic() < until:
        ringer.ring([str(monotonic())])

    assert 2 <= len(wire.tried_at) <= 5


def test_one_try_finds_out_whether_the_line_is_back_and_takes_everything_along(wire: Wire, ringer: Ringer) -> None:
    """B34: a probe that fails keeps the breaker open, and nobody's ring tries in between."""
    wire.broken = True
    for queue in ("a", "b", "c"):
        ringer.ring([queue])
    eventually(lambda: len(wire.tried_at) >= 3)
    tried = len(wire.tried_at)
    assert not ringer.reachable
    assert ringer.failed >= 3

    wire.broken = False
    assert ringer.flush(5)

    assert [queues for _, queues in wire.sent] == [{"a", "b", "c"}]
    assert len(wire.tried_at) <= tried + 2
    assert ringer.reachable


def test_what_fails_is_said_once_and_its_end_too(wire: Wire, ringer: Ringer, caplog: pytest.LogCaptureFixture) -> None:
    """B34: an outage of an hour is two lines in the log, not seven thousand."""
    caplog.set_level("INFO", "squidie.bells")
    wire.broken = True
    ringer.ring(["a"])
    eventually(lambda: len(wire.tried_at) >= 3)
    wire.broken = False
    ringer.flush(5)
    eventually(lambda: ringer.reachable)

    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "bells cannot be rung, sweepers find the work meanwhile: ConnectionError: the line is down",
        "bells ring again",
    ]


def test_whoever_wants_to_is_told_of_each_bell_and_does_no_harm(wire: Wire, ringer: Ringer) -> None:
    """17.7: bell.rung and bell.failed."""
    told = []

    def tell(queues: Collection[str], *, rung: bool) -> None:
        told.append((sorted(queues), rung))
        raise ValueError("not now")

    ringer.told = tell
    ringer.ring(["a"])
    ringer.flush(5)
    wire.broken = True
    ringer.ring(["b"])
    eventually(lambda: len(told) >= 2)
    wire.broken = False
    ringer.flush(5)

    assert told[:2] == [(["a"], True), (["b"], False)]
    assert told[-1] == (["b"], True)
    assert ringer.rung == 2


def test_a_line_that_hangs_delays_neither_rings_nor_the_end(wire: Wire, ringer: Ringer) -> None:
    wire.open.clear()
    ringer.ring(["a"])
    eventually(lambda: wire.tried_at)

    began = perf_counter()
    for _ in range(1000):
        ringer.ring(["a", "b"])
    took = perf_counter() - began
    ringer.close(0.1)

    assert took < 0.1
    assert perf_counter() - began < 1.0


def test_a_forked_child_rings_over_a_line_of_its_own(wire: Wire, ringer: Ringer) -> None:
    ringer.ring(["a"])
    ringer.flush()

    child = os.fork()
    if child == 0:
        ringer.ring(["b"])
        fine = ringer.flush() and wire.bells("b") and wire.dialled == 2 and wire.hung_up == 0 and ringer.rung == 1
        os._exit(0 if fine else 1)

    assert os.waitpid(child, 0)[1] == 0
    ringer.ring(["c"])
    assert ringer.flush()
    assert wire.dialled == 1


AT_EXIT = """
from squidie.ringing import Ringer

class Line:
    def send(self, queues):
        print(*sorted(queues), flush=True)
        return len(queues)
    def hang_up(self):
        pass

ringer = Ringer(Line, window=30.0)
ringer.ring(["first"])
ringer.flush()
ringer.ring(["first", "last"])
ringer.ring(["last"])
"""


def test_what_is_unsent_is_sent_when_the_process_ends() -> None:
    began = perf_counter()
    said = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=True).stdout

    assert said.split("\n")[0] == "first"
    assert set(said.split()) == {"first", "last"}
    assert perf_counter() - began < 10
