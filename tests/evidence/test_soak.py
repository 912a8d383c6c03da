"""A few seconds of `make soak`: a mixed load with two beats, under one fault of each kind."""

from __future__ import annotations

import pytest

from evidence import soak
from evidence.hosting import TICKING

ASKED = soak.Asked(seconds=5.0, rate=8.0, targets=())
"""Too short for what must happen by chance in a minute."""


@pytest.fixture
def cluster(started):
    with started("celery", env={TICKING: "1"}) as cluster:
        yield cluster


def test_a_mixed_load_under_faults_comes_to_the_ends_that_were_planned(cluster, told):
    """16.4, 16.5: lost runs, double outcomes, deadlocks 0; dead letters exactly those destined."""
    soak.soak(cluster, told, ASKED)

    faults = told.numbers["faults_by_kind"]
    assert {kind for kind, times in faults.items() if times} == set(soak.PER_MINUTE)
    assert told.numbers["started"] >= 40
