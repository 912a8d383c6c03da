"""The reference workflows, each played once, as `make smoke` does."""

import pytest

from examples.reference.smoke import SCENARIOS
from examples.reference.workflows import ALL
from squidie import Squidie


@pytest.fixture
def squidie(database_url):
    made = Squidie(database_url, workflows=ALL)
    yield made
    made.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_reference_workflow_does_what_it_is_there_for(squidie, scenario):
    assert scenario(squidie)
