"""Steps that kill, code that is lacking, Postgres that is away: with real prefork workers of Celery."""

from __future__ import annotations

import pytest

from tests.support import deadly_flows
from tests.support.crews import CeleryCrew
from tests.support.operated import OperatedContract

CHILDREN = 16
"""More than are killed: the pool looks for the dead every five seconds only."""


@pytest.fixture
def crew(database_url, redis):
    crew = CeleryCrew(deadly_flows, deadly_flows.deadly, database_url, redis, slots=CHILDREN)
    yield crew
    crew.close()


class TestOperated(OperatedContract):
    """Through Redis."""
