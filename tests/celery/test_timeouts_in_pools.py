"""Steps that do not end, in the children of a real prefork pool: each ends, and the pool goes on (18.3)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from squidie.errors import RunUnsuccessful
from squidie.testing import Redis, Worker
from squidie_celery import CeleryDelivery, create_app
from tests.support.lab import kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie import Squidie

HERE = Path(__file__).parent


def flows():
    """The module that the worker loads."""
    if "timed_flows" not in sys.modules:
        found = importlib.util.spec_from_file_location("timed_flows", HERE / "timed_flows.py")
        sys.modules["timed_flows"] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules["timed_flows"])
    return sys.modules["timed_flows"]


@pytest.fixture
def timed(redis: Redis, database_url: str) -> Iterator[Squidie]:
    """A runtime beside a worker with one child."""
    told = {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_APP": "timed_flows:squidie", "SQUIDIE_REDIS_URL": redis.url}
    worker = Worker("celery_app", env=told, cwd=HERE, concurrency=1).wait_ready()
    app = create_app(redis.url, set_as_current=False)
    squidie = flows().timed(CeleryDelivery(app), database_url)
    yield squidie
    squidie.close()
    worker.close()


@pytest.mark.parametrize("workflow", ["Sleep", "Swallow"])
def test_a_step_that_sleeps_or_does_not_listen_is_tried_again(timed: Squidie, workflow: str) -> None:
    """18.3: C-level sleep, and one that ignores the signal."""
    run = timed.start(workflow)

    assert run.result(20) == 2
    assert kinds(timed, run) == ["run_started", "attempt_failed", "attempt_completed", "run_completed"]


def test_a_step_that_lets_nobody_else_run_is_a_dead_child(timed: Squidie) -> None:
    """18.3, 4.4: ended from C, lost twice, given up; the pool works on."""
    run = timed.start("Hold")

    with pytest.raises(RunUnsuccessful) as failed:
        run.result(40)

    assert failed.value.error["kind"] == "claims_exhausted"
    assert timed.start("Sleep").result(20) == 2
