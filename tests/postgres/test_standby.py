"""A primary and its standby (RELIABILITY 6.3): who follows decides nothing, until he is promoted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import make_url, text

from squidie import migrate
from squidie.engine import settle as settling
from squidie.errors import JournalReadOnly, JournalUnavailable
from squidie.testing import Services, eventually
from tests.conftest import QUICK
from tests.support.flows import Chain, Single
from tests.support.lab import claim, completion, counts, kinds, query, scalar, work_off
from tests.support.standby import standby, url_of


@pytest.fixture(scope="module")
def pair():
    """Servers of the module's own: one is killed in the end, and the other promoted."""
    with Services.start(redis=False, settings=QUICK) as services:
        url = services.new_database()
        migrate.upgrade(url)
        with standby(services.postgres) as follower:
            yield services, follower, url


@pytest.fixture
def database_url(pair):
    """On the primary, while it lives."""
    return pair[2]


@pytest.fixture
def far_url(pair):
    """The same database, on the standby."""
    return url_of(pair[1], pair[2])


@pytest.fixture(autouse=True)
def journal_invariants():
    """The tests look for themselves: in the end it is another server that must be asked."""


def test_a_standby_decides_nothing_and_one_that_lags_changes_no_fact(make, squidie, far_url):
    """P15, P10: whoever was given its URL can read there, and is told why he can do no more."""
    done, due = squidie.start_many(Single, [{}, {}])
    far = make(database=far_url)
    eventually(lambda: far.list_runs().runs, why="the standby does not follow")
    query(far, "select pg_wal_replay_pause()")
    eventually(lambda: scalar(far, "select pg_get_wal_replay_pause_state()") == "paused")
    work_off(squidie)
    before = counts(squidie)

    for ask in (
        lambda: far.start(Single),
        lambda: far.cancel(done.id, reason="it looks open from here"),
        far.execute_next,
        lambda: far.turn(["default"]),
        lambda: far.presence("worker").refresh(["default"]),
    ):
        with pytest.raises(JournalReadOnly):
            ask()

    assert far.run(due.id).snapshot().status == "running"
    assert counts(squidie) == before
    assert due.result(1) == "only1"
    query(far, "select pg_wal_replay_resume()")


def test_nothing_that_was_answered_is_lost_when_the_standby_takes_over(make, pair, database_url, far_url):
    """P11: a synchronous standby; whoever works goes on there with the same object, and what he held is taken once."""
    services = pair[0]
    near, away = (make_url(url).query["host"] for url in (database_url, far_url))
    both = make_url(database_url).update_query_dict({"host": (near, away), "target_session_attrs": "read-write"})
    squidie = make(database=both.render_as_string(hide_password=False))
    with squidie.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("alter system set synchronous_standby_names to '*'"))
        connection.execute(text("select pg_reload_conf()"))
        replicas = text("select count(*) from pg_stat_replication where sync_state = 'sync'")
        eventually(lambda: connection.execute(replicas).scalar_one() == 1, why="the standby is not waited for")
    working = squidie.start(Chain)
    (row,) = claim(squidie)
    answered = [squidie.start(Single).id for _ in range(50)]

    with ThreadPoolExecutor(1) as pool:
        services.postgres.kill()
        settled = pool.submit(settling.settle, squidie._parts, [completion(row)], handover=None, give_up=lambda: False)
        with pytest.raises(JournalUnavailable):
            squidie.start(Single)
        query(make(database=far_url), "select pg_promote()")
        assert [verdict.error for verdict in settled.result(20)] == [None]

    eventually(lambda: squidie.start(Single, key="afterwards").created, why="there is no primary")
    kept = {row.run_id for row in query(squidie, "select run_id from {s}.runs")}
    assert kept >= {*answered, working.id}
    assert kinds(squidie, working) == ["run_started", "attempt_completed"]
