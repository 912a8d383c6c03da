"""What the tests of the engine are given."""

from __future__ import annotations

import pytest

from squidie import Squidie
from squidie.testing.clock import set_clock
from tests.support import flows
from tests.support.lab import Recorder


@pytest.fixture
def make(database_url):
    """Runtimes on the test's database, closed at its end."""
    made = []

    def make(*workflows, database=database_url, **options):
        squidie = Squidie(database, workflows=workflows or flows.ALL, **options)
        made.append(squidie)
        return squidie

    flows.CALLS.clear()
    flows.HOOKS.clear()
    yield make
    for squidie in made:
        squidie.close()


@pytest.fixture
def bells():
    """Every bell that was rung."""
    return Recorder()


@pytest.fixture
def squidie(make, bells):
    """A runtime that knows all the small workflows, whose bells are recorded."""
    return make(delivery=bells)


@pytest.fixture
def clock(squidie):
    """Set the journal's clock."""

    def clock(when):
        set_clock(squidie.engine, when)

    return clock
