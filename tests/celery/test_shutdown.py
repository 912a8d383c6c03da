"""How a Celery worker ends, and what becomes of its work (B30, B38, K17 to K19): every way, in every pool.

The lease is thirty seconds unless said otherwise: whatever is begun again sooner was given back, not waited for.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from squidie.testing import Redis, Worker, eventually
from squidie.testing.contract_app import contract_squidie
from squidie.testing.watchdog import is_running
from squidie_celery import CeleryDelivery, create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from squidie import Run, Squidie

HERE = Path(__file__).parent
LONG = 60.0


@pytest.fixture
def squidie(database_url: str, redis: Redis) -> Iterator[Squidie]:
    app = create_app(redis.url, set_as_current=False, task_default_queue="celery")
    squidie = contract_squidie(CeleryDelivery(app), database_url)
    yield squidie
    squidie.close()


@pytest.fixture
def start(database_url: str, redis: Redis) -> Iterator[Callable[..., Worker]]:
    """A host's worker, so that a test may say its settings; they are those of our own app but for the queue's name."""
    workers: list[Worker] = []

    def start(*, pool: str = "prefork", concurrency: int = 1, env: dict[str, str] | None = None, **conf: Any) -> Worker:
        told = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
            "HOST_BROKER": redis.url,
            "HOST_CONF": json.dumps({"worker_disable_prefetch": pool != "threads", **conf}),
        }
        workers.append(Worker("host_app", pool=pool, concurrency=concurrency, env=told | (env or {}), cwd=HERE))
        return workers[-1].wait_ready()

    yield start
    for each in workers:
        each.close()


def begun(squidie: Squidie, sign: Path, seconds: float) -> Run:
    """A run whose step has begun."""
    run = squidie.start("Slow", {"seconds": seconds, "sign": str(sign)})
    eventually(lambda: pids(sign), 20)
    return run


def pids(sign: Path) -> list[int]:
    """Which processes have begun the step, in order."""
    return [int(line) for line in sign.read_text(encoding="ascii").split()] if sign.exists() else []


def facts(squidie: Squidie, run: Run) -> list[str]:
    return [row.kind for row in _rows(squidie, "select kind from squidie.facts where run_id = :run order by seq", run)]


def reasons(squidie: Squidie, run: Run) -> list[str]:
    """Why its claims were given back."""
    wanted = "select body ->> 'reason' as reason from squidie.facts where run_id = :run and kind = 'attempt_released'"
    return [row.reason for row in _rows(squidie, wanted, run)]


def held(squidie: Squidie) -> int:
    """How many claims stand, whoever holds them."""
    (row,) = _rows(squidie, "select count(*) as held from squidie.attempts where claim_id is not null")
    return int(row.held)


def lost(squidie: Squidie) -> int:
    """How many claims were lost, in all runs."""
    wanted = """
        select count(*) as lost from squidie.facts
        where kind = 'attempt_expired' or (kind = 'attempt_released' and body ->> 'reason' = 'child_died')
    """
    (row,) = _rows(squidie, wanted)
    return int(row.lost)


def _rows(squidie: Squidie, wanted: str, run: Run | None = None) -> list[Any]:
    with squidie.engine.connect() as connection:
        return list(connection.execute(text(wanted), {"run": run.id if run else None}))


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_a_warm_stop_lets_the_step_end_and_loses_nothing(
    squidie: Squidie, start: Callable[..., Worker], tmp_path: Path, pool: str
) -> None:
    """K18, B30: in mid-flood; what had not begun is handed back, and the next worker takes it at once."""
    worker = start(pool=pool, env={"SQUIDIE_SWEEP": "600"})
    flood = squidie.start_many("Quick", [{"number": number} for number in range(300)])
    run = begun(squidie, tmp_path / "sign", 0.5)

    os.kill(worker.pid, signal.SIGTERM)

    assert worker.wait(40) == 0
    assert facts(squidie, run)[-1] == "run_completed"
    assert (held(squidie), lost(squidie)) == (0, 0)
    start(env={"SQUIDIE_SWEEP": "0.5"})
    assert [each.result(timeout=30) for each in flood] == [2 * number + 1 for number in range(300)]
    assert lost(squidie) == 0


def test_a_soft_stop_waits_for_a_step_that_ends_in_time(
    squidie: Squidie, start: Callable[..., Worker], tmp_path: Path
) -> None:
    """B38: SIGTERM under Kubernetes, with `REMAP_SIGTERM=SIGQUIT`."""
    worker = start(worker_soft_shutdown_timeout=2.5, env={"REMAP_SIGTERM": "SIGQUIT"})
    run = begun(squidie, tmp_path / "sign", 0.5)

    os.kill(worker.pid, signal.SIGTERM)

    worker.wait(30)
    assert facts(squidie, run) == ["run_started", "attempt_completed", "run_completed"]


@pytest.mark.parametrize("how", ["soft, then cold", "cold"])
def test_a_cold_stop_gives_back_what_runs(
    squidie: Squidie, start: Callable[..., Worker], tmp_path: Path, how: str
) -> None:
    """K19, B38: another worker begins it at once, and an interrupted step is no loss."""
    soft = {"worker_soft_shutdown_timeout": 0.5} if how != "cold" else {}
    worker = start(env={"REMAP_SIGTERM": "SIGQUIT"}, **soft)
    sign = tmp_path / "sign"
    run = begun(squidie, sign, LONG)

    os.kill(worker.pid, signal.SIGTERM if soft else signal.SIGQUIT)

    worker.wait(30)
    eventually(lambda: held(squidie) == 0, 10)
    start()
    eventually(lambda: len(pids(sign)) == 2, 10)
    assert facts(squidie, run) == ["run_started", "attempt_released"]


def test_a_cold_stop_of_a_solo_worker_is_no_failure_of_its_step(
    squidie: Squidie, start: Callable[..., Worker], tmp_path: Path
) -> None:
    """B38: what Celery raises in the step's code is not the step's doing."""
    worker = start(pool="solo", env={"SQUIDIE_LEASE": "2"})
    sign = tmp_path / "sign"
    run = begun(squidie, sign, LONG)

    os.kill(worker.pid, signal.SIGQUIT)

    worker.wait(30)
    start()
    eventually(lambda: len(pids(sign)) == 2, 20)
    assert not {"attempt_failed", "run_failed"} & {*facts(squidie, run)}


def test_when_the_main_process_is_killed_its_children_end_and_the_lease_frees_their_work(
    squidie: Squidie, start: Callable[..., Worker], tmp_path: Path
) -> None:
    """K17: nobody is left to give anything back, so it takes the lease and a sweep; once, by another worker."""
    worker = start(concurrency=2, env={"SQUIDIE_LEASE": "2"})
    sign = tmp_path / "sign"
    run = begun(squidie, sign, LONG)
    children = worker.children()
    start(env={"SQUIDIE_LEASE": "2"})

    os.kill(worker.pid, signal.SIGKILL)

    eventually(lambda: not any(is_running(pid) for pid in children), 10)
    eventually(lambda: len(pids(sign)) == 2, 20)
    assert facts(squidie, run) == ["run_started", "attempt_expired"]
    assert lost(squidie) == 1


def test_a_killed_child_is_replaced_and_its_mate_never_notices(
    squidie: Squidie, start: Callable[..., Worker], tmp_path: Path
) -> None:
    """B38, K07: the main process lives; one release for the dead child's claim, none for anybody else's."""
    worker = start(concurrency=2)
    first, second = tmp_path / "first", tmp_path / "second"
    doomed, mate = begun(squidie, first, 1.0), begun(squidie, second, 3.0)

    os.kill(pids(first)[0], signal.SIGKILL)

    assert doomed.result(timeout=20) == pids(first)[1]
    assert mate.result(timeout=20) == pids(second)[0]
    assert (reasons(squidie, doomed), reasons(squidie, mate)) == (["child_died"], [])
    eventually(lambda: len(worker.children()) == 2)
