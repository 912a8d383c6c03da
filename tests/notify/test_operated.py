"""Steps that kill, code that is lacking, Postgres that is away: with real workers without a broker."""

from __future__ import annotations

import pytest

from tests.support import deadly_flows
from tests.support.crews import NotifyCrew
from tests.support.operated import OperatedContract


@pytest.fixture
def crew(database_url):
    crew = NotifyCrew(deadly_flows, deadly_flows.deadly, database_url, slots=2)
    yield crew
    crew.close()


class TestOperated(OperatedContract):
    """By NOTIFY."""
