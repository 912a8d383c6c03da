"""Which Celery queue is rung for which of Squidie's, and what a worker serves in consequence."""

from __future__ import annotations

import pytest

from squidie.errors import InvalidConfig
from squidie_celery.queues import RESERVED, QueueNames


def test_a_queue_rings_its_own_name_and_the_default_rings_the_apps_default() -> None:
    names = QueueNames("default", "celery", {})

    assert [names.celery("etl"), names.celery("default")] == ["etl", "celery"]


def test_a_worker_serves_what_rings_the_queues_it_consumes() -> None:
    names = QueueNames("default", "celery", {})

    assert names.served(["celery", "etl"]) == {"default", "celery", "etl"}
    assert names.served(["default"]) == frozenset()


def test_a_mapping_stands_before_every_other_rule() -> None:
    names = QueueNames("default", "celery", {"default": "durable", "fast": "durable"})

    assert names.served(["durable"]) == {"default", "fast", "durable"}
    assert names.served(["fast", "celery"]) == {"celery"}


@pytest.mark.parametrize("reserved", sorted(RESERVED))
def test_queues_that_are_keys_of_the_transport_are_refused(reserved: str) -> None:
    with pytest.raises(InvalidConfig, match="key of the Redis transport"):
        QueueNames("default", "celery", {}).refuse_reserved([reserved])
    with pytest.raises(InvalidConfig, match="key of the Redis transport"):
        QueueNames("default", "celery", {"etl": reserved}).refuse_reserved(["etl"])
