"""The contract of every delivery adapter, as tests that run real workers over a real carrier.

An adapter's test module derives from `DeliveryContract` (and from `BrokerContract`, where the bells need a server
beside Postgres) and supplies one fixture, `carrier`. What the tests say in a sentence each: bells change latency and
nothing else.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import text

from squidie.testing.contract_app import ELSEWHERE, Quick, Slow, contract_squidie
from squidie.testing.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from squidie.runtime import Run, Squidie
    from squidie.testing.processes import Process

WINDOW = 0.005  # in which a queue's bells become one
PATIENCE = 20.0


class Carrier(Protocol):
    """What an adapter's tests say about whatever carries its bells.

    `squidie` is the sender's side, in the test's own process.
    """

    squidie: Squidie

    def worker(self, *queues: str, concurrency: int = 2, sweep: float = 0.5) -> Process:
        """A worker process that is ready, for these queues (`default` if none are named); the fixture ends it."""

    def forge(self, named: str, heard_by: str) -> None:
        """Put a well-formed bell that names one queue where the workers of another hear it."""

    def litter(self) -> None:
        """Put what is no bell of ours, or one of another version, where workers hear it."""


class BrokerCarrier(Carrier, Protocol):
    """One whose bells go through a server of their own."""

    def freeze(self) -> None:
        """The server stops answering; connections stay open."""

    def thaw(self) -> None:
        """It goes on."""

    def stop(self) -> None:
        """It is gone, and all its bells with it."""

    def start(self) -> None:
        """It is back, at the same address, empty."""


class DeliveryContract:
    """What holds whatever carries the bells."""

    def test_a_started_run_is_worked_on_at_once(self, carrier: Carrier) -> None:
        """Not at the next sweep, which is a minute away here."""
        carrier.worker(sweep=60)

        runs = [carrier.squidie.start(Quick, {"number": 20}) for _ in range(3)]

        assert [run.result(timeout=PATIENCE) for run in runs] == [41] * 3

    def test_a_busy_worker_holds_no_bell_back(self, carrier: Carrier, tmp_path: Path) -> None:
        """Two workers with one slot each: while one naps, the other hears everything."""
        carrier.worker(concurrency=1, sweep=60)
        carrier.worker(concurrency=1, sweep=60)
        nap = carrier.squidie.start(Slow, {"seconds": 4.0, "sign": str(tmp_path / "sign")})
        eventually(lambda: _pids(tmp_path / "sign"), PATIENCE)

        for number in range(5):
            carrier.squidie.start(Quick, {"number": number}).result(timeout=2.0)

        assert nap.snapshot().status == "running"

    def test_a_thousand_starts_ring_few_bells(self, carrier: Carrier) -> None:
        """G21: at most one bell in a window and queue, and one more at its end."""
        carrier.worker()
        before, began = _rung(carrier), perf_counter()

        runs = _start_many(carrier.squidie, 1000)

        bells, took = _rung(carrier) - before, perf_counter() - began
        assert 1 <= bells <= took / WINDOW + 2
        assert bells < 600
        assert all(run.result(timeout=60) % 2 for run in runs)

    def test_rings_cost_microseconds_and_become_few_bells(self, carrier: Carrier) -> None:
        """G21: so that whoever rings inside a request need not think about it."""
        before, began = _rung(carrier), perf_counter()

        for _ in range(10_000):
            carrier.squidie.delivery.ring(["default"])

        took = perf_counter() - began
        assert took / 10_000 < 0.0001
        assert _rung(carrier) - before <= took / WINDOW + 3

    def test_a_lost_bell_is_found_by_the_sweep(self, carrier: Carrier) -> None:
        """No bell is rung for this run at all."""
        carrier.worker()
        mute = contract_squidie(None, carrier.squidie.engine)

        run = mute.start(Quick, {"number": 2})

        assert run.result(timeout=PATIENCE) == 5
        mute.close()

    def test_doubled_and_forged_bells_change_no_fact(self, carrier: Carrier) -> None:
        """The facts stay the same, byte for byte."""
        carrier.worker()
        done = carrier.squidie.start(Quick, {"number": 3})
        done.result(timeout=PATIENCE)
        facts = _facts(carrier.squidie, done)

        for _ in range(30):
            carrier.forge("default", heard_by="default")
        carrier.squidie.start(Quick, {"number": 4}).result(timeout=PATIENCE)

        assert _facts(carrier.squidie, done) == facts

    def test_a_bell_cannot_make_a_worker_serve_another_queue(self, carrier: Carrier) -> None:
        """B37, G24: A worker serves the queues it was started for, whatever a bell names."""
        other = carrier.worker(ELSEWHERE)
        run = carrier.squidie.start(Quick, {"number": 5})

        for _ in range(5):
            carrier.forge("default", heard_by=ELSEWHERE)
        carrier.squidie.start(Quick, {"number": 6}, queue=ELSEWHERE).result(timeout=PATIENCE)

        assert _facts(carrier.squidie, run, kind="attempt_completed") == []
        assert other.is_alive()
        carrier.worker("default")
        assert run.result(timeout=PATIENCE) == 11

    def test_what_is_no_bell_does_not_end_the_worker(self, carrier: Carrier) -> None:
        """It is dropped, and the worker goes on."""
        worker = carrier.worker()

        carrier.litter()

        assert carrier.squidie.start(Quick, {"number": 7}).result(timeout=PATIENCE) == 15
        assert worker.is_alive()

    def test_a_stopped_worker_finishes_its_step_and_leaves_the_rest(self, carrier: Carrier, tmp_path: Path) -> None:
        """SIGTERM costs no attempt: what ran is settled, what had not begun is begun by the next worker."""
        worker = carrier.worker(concurrency=1)
        running = carrier.squidie.start(Slow, {"seconds": 1.0, "sign": str(tmp_path / "running")})
        eventually(lambda: _pids(tmp_path / "running"), PATIENCE)
        waiting = [carrier.squidie.start(Slow, {"seconds": 0.1, "sign": str(tmp_path / "waiting")}) for _ in range(3)]

        os.kill(worker.pid, signal.SIGTERM)

        assert worker.wait(30) == 0
        assert (len(_pids(tmp_path / "running")), _pids(tmp_path / "waiting")) == (1, [])
        assert len(_facts(carrier.squidie, running, kind="run_completed")) == 1
        carrier.worker()
        for run in waiting:
            run.result(timeout=PATIENCE)
        assert not any(_facts(carrier.squidie, run, kind="attempt_expired") for run in waiting)

    def test_a_worker_is_one_in_the_fleet_however_many_children_it_has(self, carrier: Carrier) -> None:
        """G42: one process of the tree sweeps, and says that it is there."""
        carrier.worker(concurrency=4, sweep=0.1)
        before = eventually(lambda: _fleet(carrier.squidie), PATIENCE)

        eventually(lambda: _fleet(carrier.squidie)[0][1] > before[0][1], PATIENCE)

        assert len(_fleet(carrier.squidie)) == 1

    def test_a_killed_childs_work_is_begun_again_at_once(self, carrier: Carrier, tmp_path: Path) -> None:
        """Its parent gives it back; nobody waits for the lease, which is thirty seconds here."""
        carrier.worker(concurrency=2)
        sign = tmp_path / "sign"
        run = carrier.squidie.start(Slow, {"seconds": 1.0, "sign": str(sign)})
        first = eventually(lambda: _pids(sign), PATIENCE)[0]

        os.kill(first, signal.SIGKILL)

        again = eventually(lambda: _pids(sign)[1:], 10.0, why="the killed child's step was not begun again")
        assert again != [first]
        assert run.result(timeout=PATIENCE) == again[-1]
        assert len(_facts(carrier.squidie, run, kind="attempt_released")) == 1


class BrokerContract:
    """What holds while a server between sender and worker is frozen or gone."""

    def test_a_frozen_broker_delays_no_start(self, carrier: BrokerCarrier) -> None:
        """The first start returns under 3 s, the others under 50 ms each; all complete after the thaw."""
        carrier.worker()
        carrier.squidie.start(Quick, {"number": 0}).result(timeout=PATIENCE)

        carrier.freeze()
        took, runs = _timed_starts(carrier.squidie, 20)
        unreachable = eventually(lambda: not carrier.squidie.delivery.reachable, 5.0)
        carrier.thaw()

        assert unreachable
        assert took[0] < 3.0
        assert sorted(took[1:])[-3] < 0.05  # a busy machine may hold up two
        assert [run.result(timeout=PATIENCE) for run in runs] == [1] * 20

    def test_a_broker_that_is_gone_delays_no_start_and_loses_no_run(self, carrier: BrokerCarrier) -> None:
        """Workers come back to it by themselves."""
        worker = carrier.worker()
        carrier.squidie.start(Quick, {"number": 0}).result(timeout=PATIENCE)

        carrier.stop()
        took, runs = _timed_starts(carrier.squidie, 20)
        carrier.start()

        assert took[0] < 3.0
        assert sorted(took[1:])[-3] < 0.05  # a busy machine may hold up two
        assert [run.result(timeout=PATIENCE) for run in runs] == [1] * 20
        assert worker.is_alive()

    def test_bells_that_the_broker_has_lost_are_rung_again(self, carrier: BrokerCarrier) -> None:
        """A broker that forgets everything, again and again, costs time only."""
        carrier.worker()

        runs = []
        for number in range(5):
            runs += [carrier.squidie.start(Quick, {"number": number}) for _ in range(10)]
            carrier.stop()
            carrier.start()

        assert all(run.result(timeout=60) for run in runs)


def _timed_starts(squidie: Squidie, count: int) -> tuple[list[float], list[Run]]:
    took, runs = [], []
    for _ in range(count):
        began = perf_counter()
        runs.append(squidie.start(Quick, {"number": 0}))
        took.append(perf_counter() - began)
    return took, runs


def _start_many(squidie: Squidie, count: int) -> list[Run]:
    """One by one, from four threads, as a busy web process does."""
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda number: squidie.start(Quick, {"number": number}), range(count)))


def _rung(carrier: Carrier) -> int:
    delivery: Any = carrier.squidie.delivery
    delivery.flush()
    return int(delivery.rung)


def _facts(squidie: Squidie, run: Run, kind: str | None = None) -> Sequence[tuple[Any, ...]]:
    """The run's facts, to the byte."""
    wanted = text(
        f"select seq, kind, body::text, encode(hash, 'hex') from {squidie.schema}.facts "
        "where run_id = :run and (kind = :kind or cast(:kind as text) is null) order by seq"
    )
    with squidie.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(wanted, {"run": run.id, "kind": kind})]


def _fleet(squidie: Squidie) -> Sequence[tuple[Any, ...]]:
    """Every worker's name and when it was last seen."""
    with squidie.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(f"select owner, seen_at from {squidie.schema}.workers"))]


def _pids(sign: Path) -> list[int]:
    """Which processes have begun the nap, in order."""
    return [int(line) for line in sign.read_text(encoding="ascii").split()] if sign.exists() else []
