"""Whoever waits for a run goes on waiting when Postgres goes away, for as long as he said he would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from squidie.errors import JournalUnavailable
from squidie.testing import eventually
from tests.support.flows import Single
from tests.support.lab import work_off


@pytest.fixture
def far(make, wire, database_url):
    """A runtime at the other end of the wire."""
    return make(database=wire.postgres_url(database_url))


def test_a_result_is_waited_for_through_an_outage(far, squidie, wire):
    """2.10: the connection breaks, and new ones are refused for a while."""
    run = far.start(Single)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run.result, 20)
        wire.refuse = True
        wire.reset()
        eventually(lambda: wire.hits["refuse"] >= 2, why="nobody asks again")
        assert not waiting.done()
        wire.heal()
        work_off(squidie)

        assert waiting.result(20) == "only1"


def test_who_waits_no_longer_is_told_that_the_journal_is_away(far, wire):
    """2.10: not that the run has not ended, which nobody knows."""
    run = far.start(Single)
    wire.refuse = True
    wire.reset()

    with pytest.raises(JournalUnavailable):
        run.result(0.3)

    assert wire.hits["refuse"] >= 2
