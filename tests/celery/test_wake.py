"""The wake task inside one process: what it hears, what it drops, and what a host's settings cannot do to it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from sqlalchemy import event

from squidie.errors import InvalidConfig, MissingConfig
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, install
from squidie_celery.station import station_of
from squidie_celery.tasks import ATTRIBUTES, Pause, harden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie import Squidie


@pytest.fixture
def host() -> Celery:
    return Celery("host", broker="redis://127.0.0.1:1/0", set_as_current=False)


@pytest.fixture
def squidie(database_url: str, host: Celery) -> Iterator[Squidie]:
    squidie = contract_squidie(CeleryDelivery(host), database_url)
    yield squidie
    squidie.close()


def test_a_bell_is_answered_by_a_turn(host: Celery, squidie: Squidie) -> None:
    install(host, squidie)
    run = squidie.start("Quick", {"number": 1})

    host.tasks["squidie.wake"].run(v=1, queue="default")

    assert run.result(timeout=0.1) == 3


@pytest.mark.parametrize(
    "bell", [{}, {"v": 2, "queue": "default"}, {"v": 1, "queue": 7}, {"v": 1, "queue": "elsewhere"}, {"v": None}]
)
def test_what_is_no_bell_for_us_is_dropped_and_counted(host: Celery, squidie: Squidie, bell: dict[str, Any]) -> None:
    """G24"""
    install(host, squidie)

    host.tasks["squidie.wake"].run("surprise", **bell)

    assert (station_of(host).dropped, station_of(host).heard) == (1, 0)


def test_a_hosts_annotations_and_limits_do_not_reach_the_wake_task(host: Celery, squidie: Squidie) -> None:
    """5.12: nor does Celery try a turn again by itself."""
    host.conf.task_annotations = {"*": {"rate_limit": "1/m", "time_limit": 1}, "squidie.wake": {"acks_late": True}}
    install(host, squidie)
    assert host.tasks["squidie.wake"].rate_limit == "1/m"

    harden(host)

    wake = host.tasks["squidie.wake"]
    assert {name: getattr(wake, name) for name in ATTRIBUTES} == ATTRIBUTES


def test_installing_changes_no_setting_and_doing_it_twice_adds_nothing(host: Celery, squidie: Squidie) -> None:
    before = {key: host.conf[key] for key in host.conf}

    assert install(host, squidie) is install(host, squidie) is squidie

    assert {key: host.conf[key] for key in host.conf} == before
    assert [name for name in host.tasks if "squidie" in name] == ["squidie.wake", "squidie.tick"]
    assert len(host.steps["worker"]) == 1


def test_a_finalized_app_takes_the_task_at_once(host: Celery, squidie: Squidie) -> None:
    host.finalize()

    install(host, squidie)

    assert "squidie.wake" in host.tasks


def test_one_app_serves_one_journal(host: Celery, squidie: Squidie, database_url: str) -> None:
    install(host, squidie)

    with pytest.raises(InvalidConfig, match="another Squidie"):
        install(host, contract_squidie(None, database_url))


def test_without_install_the_worker_says_what_is_missing(host: Celery) -> None:
    with pytest.raises(MissingConfig, match="install"):
        station_of(host)


def test_a_queue_that_is_a_key_of_the_transport_is_refused_where_the_runtime_is_made(
    host: Celery, database_url: str
) -> None:
    with pytest.raises(InvalidConfig, match="unacked"):
        contract_squidie(CeleryDelivery(host, queues={"default": "unacked"}), database_url)


def test_while_the_journal_is_away_bells_cost_few_connections(host: Celery) -> None:
    """P08: each pause is longer than the one before, up to a second; a server that comes back is not stormed."""
    squidie = contract_squidie(CeleryDelivery(host), "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    install(host, squidie)
    dials: list[float] = []
    event.listen(squidie.engine, "do_connect", lambda *_: dials.append(monotonic()))
    wake = host.tasks["squidie.wake"].run

    until = monotonic() + 1.0
    while monotonic() < until:
        wake(v=1, queue="default")

    assert 2 <= len(dials) <= 16
    assert dials[-1] - dials[0] > 0.2
    squidie.close()


def test_looks_that_find_nothing_again_and_again_are_followed_by_a_pause() -> None:
    pause = Pause()
    for _ in range(Pause.EMPTY_LOOKS - 1):
        pause.note(found=False)
    assert not pause.is_on()

    pause.note(found=False)
    assert pause.is_on()

    pause.note(found=True)
    assert not pause.is_on()
