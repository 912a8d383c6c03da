"""Through a pooler in transaction mode (SEMANTICS 3.10; P14): our own, and a real PgBouncer where there is one."""

from __future__ import annotations

import io
import re
import threading
import tokenize
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session

from evidence.pooler import Pooler
from squidie import migrate
from squidie.journal import sessions
from squidie.testing import eventually
from squidie_notify.listener import NotifyListener
from tests.support import flows
from tests.support.flows import Chain, Single
from tests.support.lab import NOON, change, claim, completion, query, scalar, settle
from tests.support.pgbouncer import PROGRAM, pgbouncer
from tests.support.standing_flows import Asking, Listening, Napping

ROOT = Path(__file__).parents[2]
SESSIONS = 3
SET_BY_HAND = """
select name, setting from pg_settings
where source = 'session' and name not in ('application_name', 'client_encoding', 'DateStyle', 'TimeZone')
"""
"""What somebody has set in a session for good; PgBouncer itself sees to those that are left out."""


@pytest.fixture(params=["own", *(["pgbouncer"] if PROGRAM else [])])
def pooler(request, database_url):
    make = Pooler if request.param == "own" else pgbouncer
    with make(database_url, SESSIONS) as running:
        yield running


@pytest.fixture
def far(make, bells, database_url, pooler):
    """A runtime that knows the way through the pooler only."""
    return make(*flows.ALL, Asking, Listening, Napping, database=pooler.url_of(database_url), delivery=bells)


def left_behind(pooler, database_url):
    """What was set for good in any of the pooler's sessions."""
    engine = create_engine(pooler.url_of(database_url), connect_args={"prepare_threshold": None})
    together = threading.Barrier(SESSIONS)

    def look():
        with engine.begin() as connection:
            pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
            together.wait(10)  # so that each is another one
            return pid, [tuple(row) for row in connection.execute(text(SET_BY_HAND))]

    with ThreadPoolExecutor(SESSIONS) as pool:
        found = [each.result(20) for each in [pool.submit(look) for _ in range(SESSIONS)]]
    engine.dispose()
    assert len({pid for pid, _ in found}) == SESSIONS
    return sorted({setting for _, settings in found for setting in settings})


def test_it_is_known_and_nothing_is_prepared_there(far):
    """P14: by the process id that a client is told, without being asked."""
    with far.engine.connect() as connection:
        assert sessions.is_pooled(connection)
        assert connection.connection.driver_connection.prepare_threshold is None


def test_a_session_of_our_own_is_set_up_in_one_statement(squidie):
    """P14: where no pooler is in the way nothing has changed."""
    with squidie.engine.connect() as connection:
        assert not sessions.is_pooled(connection)
        found = {row.name: row.setting for row in connection.execute(text("select name, setting from pg_settings"))}
    told = {name: found[name] for name in ("lock_timeout", "statement_timeout", "plan_cache_mode", "TimeZone")}
    assert told == {
        "lock_timeout": "2000",
        "statement_timeout": "30000",
        "plan_cache_mode": "force_generic_plan",
        "TimeZone": "UTC",
    }


def test_many_threads_work_through_few_sessions_and_leave_nothing_in_them(far, pooler, database_url):
    """P14, 3.10: starts, claims, settles, commands and looks; nobody finds a setting or a statement of ours there."""
    runs = far.start_many(Chain, [{}] * 40)
    over = threading.Event()

    def work():
        while not over.is_set():
            far.turn(["default"])
            far.list_runs()
            over.wait(0.002)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        asked = far.start(Asking)
        eventually(lambda: asked.snapshot().status == "paused", 20)
        far.approve(asked.id, actor="ann")
        assert [run.result(30) for run in runs] == ["c1"] * 40
        eventually(lambda: asked.snapshot().status == "completed", 20)
    finally:
        over.set()
        for thread in threads:
            thread.join(20)

    assert left_behind(pooler, database_url) == []
    assert query(far, "select name from pg_prepared_statements where name like '\\_pg%'") == []
    assert far.verify().is_sound


def test_every_transaction_is_as_patient_as_it_should_be(far):
    """P14, L20: set in it, and gone with it."""
    sql = text("select name, setting, source from pg_settings where name in ('lock_timeout', 'statement_timeout')")
    with far._parts.journal.transaction() as connection:
        inside = {row.name: row.setting for row in connection.execute(sql)}
    with far._parts.journal.reading() as connection:
        outside = {row.name: row.source for row in connection.execute(sql)}

    with far.engine.connect() as connection:  # as a transactional step's begins
        far._parts.journal.be_patient(connection)
        assert {row.name: row.setting for row in connection.execute(sql)} == inside

    assert inside == {"lock_timeout": "2000", "statement_timeout": "30000"}
    assert "session" not in outside.values()


def test_a_claim_that_need_not_reach_the_disk_leaves_the_next_one_durable(far):
    """P14, L08, G27"""
    far.start_many(Single, [{}] * 8)
    assert len(claim(far, 8)) == 8

    assert {scalar(far, "show synchronous_commit") for _ in range(8)} == {"on"}


def test_times_are_utc_whatever_zone_the_database_prefers(scratch, far, database_url, pooler):
    """P14: a session's zone is not ours to set."""
    with scratch.begin() as connection:
        connection.execute(text("create role norwegian superuser login"))
        connection.execute(text("alter role norwegian set timezone = 'Europe/Oslo'"))
    try:
        run = far.start(Single)
        assert {row.started_at.utcoffset() for row in far.list_runs().runs} == {timedelta(0)}
        assert run.snapshot().at.utcoffset() == timedelta(0)
        assert far.now().utcoffset() == timedelta(0)
        with far._parts.journal.reading() as connection:
            connection.execute(text("begin; set local timezone = 'Europe/Oslo'"))
            found = connection.execute(text("select timestamptz '2026-03-10T12:00Z'")).scalar_one()
            connection.execute(text("rollback"))
        assert (found, found.utcoffset()) == (NOON, timedelta(0))
    finally:
        with scratch.begin() as connection:
            connection.execute(text("drop role norwegian"))


def test_a_run_lives_and_dies_with_a_hosts_transaction_there(far, pooler, database_url):
    """P14, 2.4: a host's own engine, which prepares nothing either."""
    engine = create_engine(pooler.url_of(database_url), connect_args={"prepare_threshold": None})
    with Session(engine) as session:
        kept = far.start(Single, session=session)
        session.commit()
        lost = far.start(Single, session=session)
        session.rollback()
    engine.dispose()

    assert [row.id for row in far.list_runs().runs] == [kept.id]
    assert lost.id != kept.id
    assert left_behind(pooler, database_url) == []


@pytest.mark.tampered("a lease ended before it was made")
def test_a_sweep_a_fleet_and_schedules_go_through_it(far):
    """P14: whatever a worker does besides."""
    far.start(Single)
    far.start(Napping)
    (row,) = claim(far, 5)
    far.presence("worker").refresh(["default"])
    change(far, "update {s}.attempts set lease_until = lease_until - interval '1 hour' where claim_id is not null")

    assert far.sweep(["default"]).expired == 1

    assert settle(far, completion(row)).code == "stale_claim"
    assert [worker.owner for worker in far.workers(everybody=True)] == [far.owner]
    assert far.stats().due == 1
    assert not far.schedules.list()


def test_a_schema_is_made_through_it(services):
    """P14"""
    url = services.new_database()
    with Pooler(url, SESSIONS) as pooler:
        migrate.upgrade(pooler.url_of(url))
        assert migrate.current(url) == migrate.head()
    services.drop_database(url)


def test_nobody_listens_through_it_but_by_the_direct_way(make, far, database_url, pooler, caplog):
    """P14, 3.10: without LISTEN all is found by looking; with `settings.listen_url` it is heard."""
    deaf = NotifyListener(far.listening, far.schema)
    assert deaf.wait(0.01) == set()
    assert "settings.listen_url" in caplog.text
    assert far.schedules.ear().wait(0.01) is False

    near = make(Single, database=pooler.url_of(database_url), settings={"listen_url": database_url})
    ear = NotifyListener(near.listening, near.schema)
    ear.wait(0.01)
    query(near, "select pg_notify(:schema, 'default')", schema=near.schema)
    with near.engine.begin() as connection:
        connection.execute(text("select pg_notify('squidie', 'default')"))
    assert ear.wait(10) == {"default"}
    ear.close()
    assert database_url not in repr(near.settings)


def test_a_look_costs_no_more_statements_than_a_direct_one(far):
    """P14: a transaction costs one more, which says how patient it is; a claim is one as before."""
    far.start_many(Single, [{}] * 2)
    statements = []
    event.listen(far.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

    rows = claim(far)
    claimed = len(statements)
    settle(far, completion(*rows))

    assert claimed == 1
    assert len(statements) - claimed == 4


# ---------------------------------------------------------------- by reading
SET = r"\s*set\s+(?:session\s+)?(?:role|timezone|search_path|plan_cache_mode|\w+_timeout|\w+_commit|default_\w+)\b"
SESSION_SET = re.compile(rf"^{SET}|;{SET}|\blisten\s+\{{", re.IGNORECASE)
MAY = {
    "squidie/engine/hearing.py": "listen, where a connection is direct",
    "backends/squidie_notify/listener.py": "likewise",
    "backends/squidie_notify/delivery.py": "the same connection's patience",
}


def test_no_statement_of_ours_sets_anything_for_a_session():
    """P14: nothing without LOCAL, no advisory lock of a session, no LISTEN but where it is looked at first."""
    found = {}
    for folder in ("squidie", "backends", "migrations"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith("squidie/testing/"):
                continue
            source = path.read_text("utf-8")
            tokens = tokenize.generate_tokens(io.StringIO(source).readline)
            texts = [token.string.strip("frb\"'") for token in tokens if token.type == tokenize.STRING]
            bad = [each for each in texts if SESSION_SET.search(each) or "pg_advisory_lock" in each]
            if bad:
                found[name] = bad
    assert set(found) == set(MAY)
