"""One cluster for each delivery, and what the scenarios of the evidence say of it."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from evidence import checks, report
from evidence.cluster import Cluster

GIVEN = ("SQUIDIE_DATABASE_URL", "SQUIDIE_REDIS_URL")


@contextmanager
def running(kind, env=None):
    """The environment is left as it was: the cluster has servers of its own, whatever others use."""
    before = {name: os.environ.get(name) for name in GIVEN}
    with Cluster(kind, env=env) as cluster:
        yield cluster
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="session")
def started():
    """To start one that is told something: `with started("celery", env={...}) as cluster`."""
    return running


@pytest.fixture(scope="module")
def celery_cluster():
    with running("celery") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def notify_cluster():
    with running("notify") as cluster:
        yield cluster


@pytest.fixture(params=["celery", "notify"])
def cluster(request):
    """Either of them, sound after the test as a whole."""
    cluster = request.getfixturevalue(f"{request.param}_cluster")
    yield cluster
    assert checks.of_cluster(cluster) == []


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A report, of which every row must have held."""
    monkeypatch.setattr(report, "LATEST", tmp_path / "latest.json")
    told = report.Report("test", 1, 600.0)
    yield told
    assert [(row.scenario, row.why, row.violations, row.stuck) for row in told.rows if not row.held] == []
    assert told.rows
