"""The fixtures of pytest-celery around Squidie's own worker, over processes; over containers with `-m docker`.

The plugin itself is switched off (`-p no:celery` in pyproject.toml): it would hide `celery.contrib.pytest` from all
other tests. What is used of it is imported here. Only `docker_client` differs between processes and containers.
"""

from __future__ import annotations

import sys
import time

import pytest
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestContainer,
    CeleryTestWorker,
    CeleryWorkerCluster,
    CeleryWorkerContainer,
    celery_backend_cluster_config,
    celery_broker_cluster_config,
    celery_redis_broker,
    celery_setup,
    celery_setup_app,
    celery_setup_cls,
    celery_setup_config,
    celery_setup_name,
    celery_worker_cluster_config,
    default_pytest_celery_network,
    default_redis_broker,
    default_redis_broker_cls,
    default_redis_broker_command,
    default_redis_broker_env,
    default_redis_broker_image,
    default_redis_broker_ports,
)
from pytest_docker_tools import build, container, fxtr
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from squidie import migrate
from squidie.testing.contract_app import contract_squidie
from squidie.testing.invariants import violations
from squidie_celery import CeleryDelivery
from tests.pytest_celery.process_nodes import ROOT, ProcessNodes

__all__ = [
    "celery_backend_cluster_config",
    "celery_broker_cluster_config",
    "celery_redis_broker",
    "celery_setup",
    "celery_setup_app",
    "celery_setup_cls",
    "celery_setup_config",
    "celery_setup_name",
    "celery_worker_cluster_config",
    "default_pytest_celery_network",
    "default_redis_broker",
    "default_redis_broker_cls",
    "default_redis_broker_command",
    "default_redis_broker_env",
    "default_redis_broker_image",
    "default_redis_broker_ports",
]

POLLED_IN = (
    "pytest_docker_tools.wrappers.container",
    "pytest_docker_tools.factories.container",
    "pytest_celery.api.container",
    "pytest_celery.api.base",
)
"""Where the plugins have imported the function that waits, by name: it looks once a second, and a process is faster."""


@pytest.fixture(scope="session", params=["processes", pytest.param("containers", marks=pytest.mark.docker)])
def docker_client(request):
    if request.param == "containers":
        import docker

        yield docker.from_env()
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_docker_tools.wrappers.container.tests_inside_container", lambda: False)
        for module in POLLED_IN:
            patch.setattr(sys.modules[module], "wait_for_callable", _wait)
        nodes = ProcessNodes()
        yield nodes
        nodes.close()


def _wait(message, func, timeout=30):
    from pytest_docker_tools.exceptions import TimeoutError as NotInTime

    until = time.monotonic() + timeout
    while not func():
        if time.monotonic() >= until:
            raise NotInTime(message)
        time.sleep(0.05)


# ---------------------------------------------------------------- the journal
class PostgresContainer(CeleryTestContainer):
    @property
    def celeryconfig(self):
        return {"url": self.url("localhost", self._wait_port("5432/tcp"))}

    def url(self, host, port):
        return f"postgresql+psycopg://postgres:secret@{host}:{port}/postgres"

    def _wait_ready(self, timeout=30):
        """A real question: a prompt in the log is there before a restart as well."""
        engine = create_engine(self.url("localhost", self.get_addr("5432/tcp")[1]))
        try:
            with engine.connect() as connection:
                return connection.execute(text("select true")).scalar_one()
        except OperationalError:
            return False
        finally:
            engine.dispose()


postgres_container = container(
    image="postgres:18",
    ports={"5432/tcp": None},
    environment={"POSTGRES_PASSWORD": "secret"},
    network="{default_pytest_celery_network.name}",
    wrapper_class=PostgresContainer,
    timeout=60,
)


@pytest.fixture
def journal(request, docker_client):
    """The journal's URL here, and as the nodes see it: the session's Postgres, or a container."""
    if isinstance(docker_client, ProcessNodes):
        url = inside = request.getfixturevalue("database_url")
    else:
        node = request.getfixturevalue("postgres_container")
        url, inside = node.celeryconfig["url"], node.url(node.attrs["Config"]["Hostname"], 5432)
        migrate.upgrade(url)
    yield url, inside
    engine = create_engine(url)
    assert violations(engine) == []
    engine.dispose()


# ---------------------------------------------------------------- the cluster
@pytest.fixture
def celery_broker_cluster(celery_redis_broker):
    """Redis only: left alone the plugin wants RabbitMQ as well, since kombu could talk to it."""
    cluster = CeleryBrokerCluster(celery_redis_broker)
    yield cluster
    cluster.teardown()


@pytest.fixture
def celery_backend_cluster():
    """Outcomes are facts."""
    return


squidie_image = build(path=str(ROOT), tag="squidie:tests")


@pytest.fixture
def squidie_env(celery_worker_cluster_config, journal):
    return {
        "SQUIDIE_DATABASE_URL": journal[1],
        "SQUIDIE_REDIS_URL": celery_worker_cluster_config["celery_broker_cluster_config"]["urls"][0],
        "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
        "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
        "SQUIDIE_SWEEP": "0.5",
        "SQUIDIE_LEASE": "2",
        "PYTHONUNBUFFERED": "1",
    }


class SquidieWorker(CeleryWorkerContainer):
    """The reference deployment's worker."""

    @classmethod
    def command(cls, *args):
        plain = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-c", "1"]
        return ["celery", "-A", "celery_app", "worker", "-l", "INFO", "-n", f"{cls.worker_name()}@%h", *plain, *args]


def node():
    return container(
        image="{squidie_image.id}",
        environment=fxtr("squidie_env"),
        network="{default_pytest_celery_network.name}",
        wrapper_class=SquidieWorker,
        timeout=60,
        command=SquidieWorker.command(),
    )


first_container, second_container = node(), node()


@pytest.fixture
def celery_worker_cluster(first_container, second_container, celery_setup_app):
    cluster = CeleryWorkerCluster(
        *(CeleryTestWorker(each, celery_setup_app) for each in (first_container, second_container))
    )
    yield cluster
    cluster.teardown()


@pytest.fixture
def squidie(celery_setup, journal):
    """The sender's side, by the very app that the plugin has set up."""
    celery_setup.app.conf.task_default_queue = "default"
    squidie = contract_squidie(CeleryDelivery(celery_setup.app), journal[0])
    yield squidie
    squidie.close()


@pytest.fixture
def facts(squidie):
    """The kinds of a run's facts."""

    def facts(run):
        wanted = text("select kind from squidie.facts where run_id = :run order by seq")
        with squidie.engine.connect() as connection:
            return list(connection.execute(wanted, {"run": run.id}).scalars())

    return facts


@pytest.fixture
def held(squidie):
    """How many claims stand."""

    def held():
        with squidie.engine.connect() as connection:
            wanted = text("select count(*) from squidie.attempts where claim_id is not null")
            return connection.execute(wanted).scalar_one()

    return held
