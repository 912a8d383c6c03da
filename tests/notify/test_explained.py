"""Causes made real, and what explanations say of them: with real workers without a broker."""

from __future__ import annotations

import pytest

from tests.support import stuck_flows
from tests.support.crews import NotifyCrew
from tests.support.stuck import StuckContract


@pytest.fixture
def crew(database_url):
    crew = NotifyCrew(stuck_flows, stuck_flows.stuck, database_url)
    yield crew
    crew.close()


class TestExplained(StuckContract):
    """By NOTIFY."""
