"""The example, served by the test itself: no broker, no worker."""

from datetime import UTC, datetime

import pytest

from examples.fulfilment import store
from examples.fulfilment.workflows import Fulfilment, NightlyReport
from squidie import Squidie


@pytest.fixture
def moment():
    return datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def shop(database_url, monkeypatch):
    """The shop over a database of its own."""
    monkeypatch.setenv("SQUIDIE_DATABASE_URL", database_url)
    store.engine.cache_clear()
    squidie = Squidie(database_url, workflows=[Fulfilment, NightlyReport])
    yield squidie
    store.engine().dispose()
    store.engine.cache_clear()
    squidie.close()
