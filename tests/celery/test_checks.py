"""B36: the boot check names each unwise setting of a host's app, and nothing else; an app of our own has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from celery.concurrency import get_implementation

from squidie.errors import InvalidConfig, MissingConfig
from squidie.testing import Redis, Worker
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, create_app
from squidie_celery.checks import findings, of_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WISE: dict[str, Any] = {
    "broker_transport_options": {"socket_timeout": 2},
    "worker_disable_prefetch": True,
    "worker_enable_remote_control": False,
    "broker_connection_max_retries": None,
    "squidie_quarantine": True,
}
UNSAFE: list[tuple[str, Any]] = [
    ("accept_content", ["json", "pickle"]),
    ("result_backend", "cache+memory://"),
    ("worker_enable_remote_control", True),
]
HERE = Path(__file__).parent


@pytest.fixture
def url(redis: Redis) -> str:
    return redis.url


def host(url: str, **conf: Any) -> Celery:
    app = Celery("host", broker=url, set_as_current=False)
    app.conf.update(WISE | conf)
    return app


def test_nothing_is_said_of_an_app_with_wise_settings(url: str) -> None:
    assert list(findings(host(url))) == []
    assert list(findings(create_app(url, set_as_current=False))) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("broker_transport_options", {}),
        ("accept_content", ["pickle"]),
        ("accept_content", ["json", "pickle"]),
        ("squidie_quarantine", False),
        ("worker_disable_prefetch", False),
        ("worker_enable_remote_control", True),
        ("task_annotations", {"*": {"rate_limit": "1/s"}}),
        ("broker_connection_max_retries", 100),
    ],
)
def test_each_unwise_setting_is_named_with_its_fix(url: str, setting: str, value: Any) -> None:
    found = list(findings(host(url, **{setting: value})))

    assert [finding.setting for finding in found] == [setting]
    assert found[0].fix


@pytest.mark.parametrize(("setting", "value"), UNSAFE)
def test_what_is_unsafe_in_an_app_of_our_own_is_one_finding(url: str, setting: str, value: Any) -> None:
    """B36: also where it was changed after the app was made."""
    app = create_app(url, set_as_current=False)
    app.conf.update({setting: value})

    (found,) = findings(app)

    assert (found.setting, found.unsafe) == (setting, True)


def test_a_host_may_keep_results_and_a_password_allows_remote_control(url: str) -> None:
    app = host(url, result_backend="cache+memory://", accept_content=["json", "msgpack"])
    locked = host("redis://:secret@127.0.0.1:1/0", worker_enable_remote_control=True)

    assert list(findings(app)) == list(findings(locked)) == []


def test_a_kombu_that_hangs_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """B36, M5: before 5.4 it never came back from a Redis that was killed."""
    monkeypatch.setattr("kombu.VERSION", (5, 3, 7))

    assert [(each.setting, each.unsafe) for each in findings(host(url))] == [("kombu", True)]


@pytest.fixture
def evicting(url: str) -> Iterator[None]:
    with host(url).connection_for_write() as connection:
        client = connection.default_channel.client
        client.config_set("maxmemory-policy", "allkeys-lru")
        yield
        client.config_set("maxmemory-policy", "noeviction")


@pytest.mark.usefixtures("evicting")
def test_a_broker_that_evicts_is_named(url: str) -> None:
    """R06"""
    for app in (host(url), create_app(url, set_as_current=False)):
        assert [(each.setting, each.unsafe) for each in findings(app)] == [("maxmemory-policy", True)]


def test_pools_that_cannot_end_a_step_are_named() -> None:
    """B28"""
    found = {
        name: [each.setting for each in of_pool(get_implementation(name))] for name in ("prefork", "solo", "threads")
    }

    assert found == {"prefork": [], "solo": ["worker_pool"], "threads": ["worker_pool"]}


@pytest.fixture
def start(database_url: str, url: str) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(target: str, *, pool: str = "prefork", **env: str) -> Worker:
        told = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
            "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
            "SQUIDIE_REDIS_URL": url,
            "HOST_BROKER": url,
        }
        workers.append(Worker(target, pool=pool, env={**told, **env}, cwd=HERE))
        return workers[-1]

    yield start
    for each in workers:
        each.close()


@pytest.mark.usefixtures("evicting")
def test_a_worker_of_our_own_does_not_start_on_what_is_unsafe_and_names_all_of_it(start: Callable[..., Worker]) -> None:
    """B36: the broker's part and the database's, with the way to accept it."""
    worker = start("celery_app", SQUIDIE_ACCEPT="fsync")

    assert worker.wait(15) != 0
    said = worker.log_text()
    assert "maxmemory-policy: this Redis silently drops" in said
    assert "full_page_writes: it is off" in said
    assert "CONFIG SET maxmemory-policy noeviction" in said
    assert "SQUIDIE_ACCEPT=maxmemory-policy,full_page_writes" in said


@pytest.mark.usefixtures("evicting")
def test_a_hosts_worker_starts_all_the_same_with_a_warning_each(
    start: Callable[..., Worker], database_url: str, url: str
) -> None:
    """B36: nothing of the host's is overridden; the pool is named as well."""
    app = Celery("host", broker=url, set_as_current=False)
    squidie = contract_squidie(CeleryDelivery(app), database_url)
    worker = start("host_app", pool="solo", SQUIDIE_ACCEPT="").wait_ready()

    assert squidie.start("Quick", {"number": 1}).result(timeout=20) == 3
    warned = {line.partition("MainProcess] ")[2].partition(":")[0] for line in worker.log_text().splitlines()}
    assert warned >= {"maxmemory-policy", "fsync", "full_page_writes", "worker_pool", "squidie_quarantine"}
    squidie.close()


def test_what_is_accepted_is_said_without_a_warning(start: Callable[..., Worker]) -> None:
    worker = start("celery_app", SQUIDIE_ACCEPT="fsync, full_page_writes").wait_ready()

    said = [line for line in worker.log_text().splitlines() if "fsync: " in line]
    assert len(said) == 1
    assert "WARNING" not in said[0]


def test_a_broker_that_is_away_is_no_finding() -> None:
    assert list(findings(host("redis://127.0.0.1:1/0"))) == []


@pytest.mark.parametrize(
    "conf", [{"accept_content": ["json", "pickle"]}, {"task_serializer": "pickle"}, {"result_backend": "redis://"}]
)
def test_what_would_be_unsafe_in_an_app_of_our_own_is_refused(conf: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        create_app("redis://localhost", set_as_current=False, **conf)


def test_an_app_of_our_own_needs_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQUIDIE_REDIS_URL", raising=False)

    with pytest.raises(MissingConfig, match="SQUIDIE_REDIS_URL"):
        create_app()
