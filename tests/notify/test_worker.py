"""`squidie worker`, the worker without a broker: one turn, until nothing is due, or until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from squidie.errors import InvalidArgument
from squidie.testing import Process, eventually
from squidie.testing.contract_app import contract_squidie
from squidie.worker import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from squidie import Run, Squidie


@pytest.fixture
def squidie(database_url: str) -> Iterator[Squidie]:
    squidie = contract_squidie(None, database_url)
    yield squidie
    squidie.close()


@pytest.fixture
def worker(database_url: str) -> Iterator[Callable[..., Process]]:
    workers: list[Process] = []

    def start(**env: str) -> Process:
        env = {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_SWEEP": "0.2", **env}
        workers.append(Process([sys.executable, "-m", "squidie.testing.contract_worker"], name="worker", env=env))
        return workers[-1]

    yield start
    for each in workers:
        each.close()


def begun(squidie: Squidie, sign: Path, seconds: float) -> Run:
    run = squidie.start("Slow", {"seconds": seconds, "sign": str(sign)})
    eventually(sign.exists, 15)
    return run


def kinds(squidie: Squidie, run: Run) -> list[str]:
    with squidie.engine.connect() as connection:
        found = connection.execute(
            text("select kind from squidie.facts where run_id = :run order by seq"), {"run": run.id}
        )
        return [row.kind for row in found]


def test_drain_works_until_nothing_is_due(squidie: Squidie) -> None:
    runs = [squidie.start("Quick", {"number": number}) for number in range(20)]

    assert serve(squidie, drain=True) == 0

    assert [run.result(timeout=0.1) for run in runs] == [2 * number + 1 for number in range(20)]


def test_once_takes_one_turn_also_when_there_is_nothing_to_do(squidie: Squidie) -> None:
    assert serve(squidie, ["default"], once=True) == 0


def test_without_bells_each_queue_is_looked_at_within_a_sweep(squidie: Squidie, worker: Callable[..., Process]) -> None:
    worker()

    runs = [squidie.start("Quick", {"number": 1}) for _ in range(50)]

    assert [run.result(timeout=15) for run in runs] == [3] * 50


def test_a_second_signal_ends_what_runs_and_gives_it_back(
    squidie: Squidie, worker: Callable[..., Process], tmp_path: Path
) -> None:
    process = worker()
    run = begun(squidie, tmp_path / "sign", 60)

    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGINT)

    assert process.wait(10) == 1
    assert kinds(squidie, run)[-1] == "attempt_released"


def test_children_do_not_outlive_a_killed_parent_for_longer_than_their_step(
    squidie: Squidie, worker: Callable[..., Process], tmp_path: Path
) -> None:
    process = worker()
    run = begun(squidie, tmp_path / "sign", 1)
    children = process.children()

    os.kill(process.pid, signal.SIGKILL)

    assert run.result(timeout=10)
    eventually(lambda: not any(is_running(pid) for pid in children), 10)


def test_an_orphan_ends_what_it_runs_and_begins_nothing_more(
    squidie: Squidie, worker: Callable[..., Process], tmp_path: Path
) -> None:
    """K17: its outcome counts, for no sweep has ended its claim; what is due is left to workers that are whole."""
    process = worker(SQUIDIE_CONCURRENCY="1")
    run = begun(squidie, tmp_path / "sign", 1)
    waiting = [squidie.start("Slow", {"seconds": 0.0, "sign": str(tmp_path / "waiting")}) for _ in range(5)]
    (orphan,) = process.children()

    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not is_running(orphan), 15)

    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]
    assert not (tmp_path / "waiting").exists()
    worker()
    assert all(each.result(timeout=20) for each in waiting)


def test_an_orphan_that_slept_past_its_lease_is_refused(
    squidie: Squidie, worker: Callable[..., Process], tmp_path: Path
) -> None:
    """K17, K14: nobody renews for it; a sweep has ended its claim, another has done the work, and it ends itself."""
    process = worker(SQUIDIE_CONCURRENCY="1", SQUIDIE_LEASE="1")
    sign = tmp_path / "sign"
    run = begun(squidie, sign, 1)
    (orphan,) = process.children()
    os.kill(orphan, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGKILL)

    worker(SQUIDIE_LEASE="1")
    second = run.result(timeout=20)
    os.kill(orphan, signal.SIGCONT)
    eventually(lambda: not is_running(orphan), 15)

    assert [int(pid) for pid in sign.read_text().split()] == [orphan, second]
    assert kinds(squidie, run) == ["run_started", "attempt_expired", "attempt_completed", "run_completed"]
    assert str(run.id) in process.log_text()


def test_sigquit_ends_what_runs_at_once_and_gives_it_back(
    squidie: Squidie, worker: Callable[..., Process], tmp_path: Path
) -> None:
    """K19, B38: a cold stop; also when the whole group is told, as a terminal does it."""
    process = worker()
    run = begun(squidie, tmp_path / "sign", 60)

    process.send(signal.SIGQUIT)

    assert process.wait(10) == 1
    assert kinds(squidie, run)[-1] == "attempt_released"
    worker()
    eventually(lambda: len((tmp_path / "sign").read_text().split()) == 2, 10)


def test_a_warm_stop_in_mid_flood_loses_nothing(squidie: Squidie, worker: Callable[..., Process]) -> None:
    """K18, B30: whatever it held, it settled or gave back."""
    process = worker()
    runs = squidie.start_many("Quick", [{"number": number} for number in range(400)])
    eventually(lambda: squidie.list_runs(status="completed").runs, 15)

    os.kill(process.pid, signal.SIGTERM)

    assert process.wait(15) == 0
    with squidie.engine.connect() as connection:
        held = connection.execute(text("select count(*) from squidie.attempts where claim_id is not null")).scalar_one()
        lost = connection.execute(text("select count(*) from squidie.attempts where lost > 0")).scalar_one()
    assert (held, lost) == (0, 0)
    worker()
    assert [run.result(timeout=20) for run in runs] == [2 * number + 1 for number in range(400)]


def test_a_worker_needs_a_child(squidie: Squidie) -> None:
    with pytest.raises(InvalidArgument, match="concurrency"):
        serve(squidie, concurrency=0)


def is_running(pid: int) -> bool:
    """Whether it is there and not merely unburied, as an orphan in a container may be for ever."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
