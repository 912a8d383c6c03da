"""Beat opens windows whatever becomes of the broker, and any number of beats opens each of them once."""

from __future__ import annotations

import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

from squidie import Squidie
from squidie.testing import Beat, Redis, eventually
from squidie_celery import create_app, install
from squidie_celery.beat import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from cron_flows import Hourly  # noqa: E402

LAST_HOUR = "update squidie.schedules set next_at = date_trunc('hour', now())"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The journal, in which the window of the last hour has not been opened."""
    squidie = Squidie(database_url, workflows=[Hourly])
    squidie.tick()
    with squidie.engine.begin() as connection:
        connection.execute(text(LAST_HOUR))
    squidie.close()
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def beat(database_url: str, redis: Redis, tmp_path: Path) -> Iterator[Callable[[], Beat]]:
    beats: list[Beat] = []
    env = {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_REDIS_URL": redis.url, "SQUIDIE_APP": "cron_flows:squidie"}

    def start() -> Beat:
        name = f"beat{len(beats)}"
        options = ("-S", "squidie_celery.beat:Scheduler", "-s", str(tmp_path / name))
        beats.append(Beat("celery_app", *options, name=name, env=env, cwd=HERE))
        return beats[-1].wait_for("beat: Starting", 15)

    yield start
    for each in beats:
        each.close()


def windows(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("select count(*) from squidie.runs where workflow = 'Hourly'")).scalar_one())


def is_ahead(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(text("select bool_and(next_at > now()) from squidie.schedules")).scalar_one())


def test_two_beats_open_one_window_once(engine: Engine, beat: Callable[[], Beat]) -> None:
    beats = [beat(), beat()]

    eventually(lambda: windows(engine) and is_ahead(engine))
    for each in beats:
        assert each.stop() == 0

    assert windows(engine) == 1


def test_a_schedule_made_at_run_time_fires_at_its_next_time(
    engine: Engine, beat: Callable[[], Beat], database_url: str
) -> None:
    """It is heard, not polled for; within a second of its time, without a restart."""
    beat()
    eventually(lambda: windows(engine) and is_ahead(engine))
    squidie = Squidie(database_url, workflows=[Hourly])
    made = squidie.schedules.create(Hourly, "soon", "@every 1s")
    opened = text("select started_at from squidie.runs where trigger = 'soon' order by 1 limit 1")

    def first() -> Any:
        with engine.connect() as connection:
            return connection.execute(opened).scalar()

    started_at = eventually(first, why="it never fired")

    squidie.close()
    assert made.next_at is not None
    assert made.next_at <= started_at < made.next_at + timedelta(seconds=1)


def test_a_changed_schedule_ends_the_wait_of_beat(engine: Engine, database_url: str) -> None:
    app = create_app("redis://127.0.0.1:1/0", set_as_current=False)
    squidie = install(app, Squidie(database_url, workflows=[Hourly]))
    scheduler = Scheduler(app, lazy=True)
    scheduler._ear.wait(1)
    somebody = threading.Timer(0.1, lambda: squidie.schedules.pause("hourly", reason="x"))
    somebody.start()

    began = time.monotonic()
    assert scheduler._ear.wait(30) is True
    assert time.monotonic() - began < 10

    somebody.join()  # it may still be giving its connection back
    scheduler._ear.close()
    squidie.close()


def test_an_entry_of_any_scheduler_opens_windows(engine: Engine, database_url: str) -> None:
    """`squidie.tick` in `beat_schedule`, for hosts whose beat has a scheduler of its own."""
    app = create_app("redis://127.0.0.1:1/0", set_as_current=False)
    squidie = install(app, Squidie(database_url, workflows=[Hourly]))

    app.tasks["squidie.tick"].run("surprise", more=1)

    assert windows(engine) == 1
    squidie.close()


def test_a_tick_without_a_database_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app("redis://127.0.0.1:1/0", set_as_current=False)
    squidie = install(app, Squidie("postgresql+psycopg://nobody@127.0.0.1:1/nowhere", workflows=[Hourly]))

    app.tasks["squidie.tick"].run()

    assert "found no journal" in caplog.text
    squidie.close()


def test_a_beat_without_a_broker_opens_its_windows(engine: Engine, beat: Callable[[], Beat], redis: Redis) -> None:
    redis.kill()

    running = beat()

    eventually(lambda: windows(engine))
    assert running.is_alive()


def test_a_beat_that_has_lost_its_database_goes_on_when_it_is_back(engine: Engine, beat: Callable[[], Beat]) -> None:
    running = beat()
    eventually(lambda: windows(engine) and is_ahead(engine))

    name = engine.url.database
    admin = create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'alter database "{name}" allow_connections false'))
        ended = text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name")
        connection.execute(ended, {"name": name})
        running.wait_for("windows cannot be opened", 15)
        connection.execute(text(f'alter database "{name}" allow_connections true'))
    admin.dispose()
    engine.dispose()
    with engine.begin() as connection:
        connection.execute(text("update squidie.schedules set next_at = date_trunc('hour', now()) - interval '1 hour'"))

    eventually(lambda: is_ahead(engine))
    assert running.is_alive()
