"""B36, the database's part: each setting that promises rest on is one finding, with what mends it."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest
from sqlalchemy import make_url, text

from squidie import Squidie
from squidie.engine import conditions
from squidie.journal.store import Journal
from squidie.testing import Process
from tests.support.lab import change


class Server(NamedTuple):
    """One that has described itself, and is sound."""

    fsync: str = "on"
    full_page_writes: str = "on"
    synchronous_commit: str = "local"
    encoding: str = "UTF8"
    is_superuser: str = "off"
    role: str = "shop"


OURS = ["fsync", "full_page_writes", "role"]
"""What is so in the cluster of the tests."""


def named(squidie):
    return [each.setting for each in conditions.of_database(squidie._parts.journal)]


@pytest.mark.parametrize(
    ("wrong", "setting", "unsafe"),
    [
        ({"fsync": "off"}, "fsync", True),
        ({"full_page_writes": "off"}, "full_page_writes", True),
        ({"synchronous_commit": "off"}, "synchronous_commit", True),
        ({"encoding": "SQL_ASCII"}, "server_encoding", True),
        ({"is_superuser": "on"}, "role", False),
    ],
)
def test_one_misconfiguration_is_one_finding(wrong, setting, unsafe):
    (found,) = conditions.judged(Server(**wrong))

    assert (found.setting, found.unsafe) == (setting, unsafe)
    assert found.reason
    assert found.fix
    assert conditions.judged(Server()) == []


@pytest.mark.parametrize(("skew", "said"), [(5.5, "6 s ahead of"), (-7200.0, "7200 s behind"), (4.9, ""), (-4.9, "")])
def test_clocks_may_differ_by_five_seconds(skew, said):
    """T01: nothing rests on a worker's clock, so it is a warning."""
    found = conditions._judged_clock(skew)

    assert [said in str(each) and not each.unsafe for each in found] == [True] * bool(said)


def test_a_setting_of_our_role_alone_counts(squidie):
    """L08: what the server has for others does not matter, what our sessions get does."""
    assert named(squidie) == OURS
    with squidie.engine.connect() as connection:
        name = connection.execute(text("select current_database()")).scalar_one()
    change(squidie, f'alter database "{name}" set synchronous_commit = off')
    squidie.engine.dispose()

    assert named(squidie) == ["fsync", "full_page_writes", "synchronous_commit", "role"]


def test_a_role_with_few_rights_is_no_finding(squidie):
    change(squidie, "drop role if exists modest")
    change(squidie, "create role modest login password 'modest'")
    url = squidie.engine.url.set(username="modest", password="modest").render_as_string(hide_password=False)
    modest = Squidie(url)

    assert named(modest) == OURS[:2]
    modest.close()
    change(squidie, "drop role modest")


def test_a_database_that_cannot_hold_every_text_is_named(squidie, services):
    url = make_url(services.database_url)
    with squidie.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text("create database narrow encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
        )
    narrow = Journal(url.set(database="narrow").render_as_string(hide_password=False))

    found = conditions.of_database(narrow)

    narrow.close()
    with squidie.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("drop database narrow"))
    assert [each.setting for each in found] == ["fsync", "full_page_writes", "server_encoding", "role"]


def test_a_worker_without_a_broker_does_not_start_on_it_either(database_url):
    env = {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_ACCEPT": "full_page_writes"}
    with Process([sys.executable, "-m", "squidie.testing.contract_worker"], env=env) as worker:
        assert worker.wait(15) == 1
        assert "fsync: it is off" in worker.log_text()
        assert "SQUIDIE_ACCEPT=fsync" in worker.log_text()
