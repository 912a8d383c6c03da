"""The boot check names each unwise setting of a host's app, and nothing else; an app of our own has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from squidie.errors import InvalidConfig, MissingConfig
from squidie_celery import create_app
from squidie_celery.checks import at_boot, findings

if TYPE_CHECKING:
    from squidie.testing import Redis

WISE: dict[str, Any] = {
    "broker_transport_options": {"socket_timeout": 2},
    "worker_disable_prefetch": True,
    "worker_enable_remote_control": False,
    "broker_connection_max_retries": None,
}


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


def test_a_broker_that_evicts_is_named_in_a_hosts_app_and_refused_in_our_own(url: str) -> None:
    app, own = host(url), create_app(url, set_as_current=False)
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert [finding.setting for finding in findings(app)] == ["maxmemory-policy"]
            at_boot(app)
            with pytest.raises(InvalidConfig, match="noeviction"):
                at_boot(own)
        finally:
            client.config_set("maxmemory-policy", "noeviction")


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
