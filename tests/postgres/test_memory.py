"""A journal that has lost commits (fault P12; SEMANTICS 3, W-46): noticed, told to all, and claims stop."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from sqlalchemy import event, make_url

from squidie import migrate
from squidie.cli.checks.journal import journal_regressed
from squidie.cli.checks.patient import Patient
from squidie.cli.setup import Setup
from squidie.engine.memory import KEPT
from squidie.errors import JournalRegressed, JournalUnavailable
from squidie.testing import Services, eventually
from squidie.testing.invariants import violations
from tests.conftest import QUICK
from tests.support.flows import Chain, Single
from tests.support.lab import change, claim, completion, query, settle, staff, work_off
from tests.support.standby import standby, url_of


def reconnect(squidie):
    """As after a failover: connections are made anew, and lead to a server that was started at another time."""
    squidie._parts.journal._server = None
    squidie.engine.dispose()


def memory(squidie):
    return squidie._parts.memory._seen


# ---------------------------------------------------------------- a real failover
@pytest.fixture
def server(tmp_path):
    """A server of the test's own, and a database with a journal."""
    with Services.start(redis=False, settings=QUICK) as services:
        url = services.new_database()
        migrate.upgrade(url)
        yield services, url


@pytest.fixture
def database_url(request):
    """The server's own where there is one, else the module's."""
    return request.getfixturevalue("server")[1]


@pytest.fixture(autouse=True)
def journal_invariants():
    """The tests look for themselves: in the end it is another server that must be asked."""


def test_a_failover_to_a_standby_that_lacks_commits_stops_claims(make, server, database_url):
    """P12: a physical standby that lags behind is promoted; whoever saw the lost commits tells everybody."""
    services, _ = server
    with standby(services.postgres) as follower:
        far_url = url_of(follower, database_url)
        near, away = (make_url(url).query["host"] for url in (database_url, far_url))
        both = make_url(database_url).update_query_dict({"host": (near, away), "target_session_attrs": "read-write"})
        squidie = make(database=both.render_as_string(hide_password=False))
        far = make(database=far_url)
        kept = squidie.start(Chain)
        eventually(lambda: [each.id for each in far.list_runs().runs] == [kept.id], why="the standby does not follow")
        reconnect(far)
        follower.kill()
        lost = squidie.start(Single)
        (row,) = claim(squidie)
        assert settle(squidie, completion(row)) is None

        services.postgres.kill()
        follower.start()
        query(far, "select pg_promote()")

        def claimed():
            try:
                return claim(squidie)
            except JournalRegressed as error:
                return error
            except JournalUnavailable:
                return None

        error = eventually(claimed, 20, why="nobody answers")

        assert error.details["runs"] == sorted([str(kept.id), str(lost.id)])
        assert claim(far) == []
        assert far.sweep(["default"]).rung == ()
        (queue,) = [queue for queue in far.queues() if queue.name == "default"]
        assert (queue.paused.by, queue.paused.queue) == ("squidie", "*")
        new = far.start(Single)
        staff(far)
        assert {far.explain_run(each.id).code for each in (kept, new)} == {"queue_paused"}

        far.resume_queue("*", actor="ada", reason="we know what was lost")

        work_off(far)
        assert (kept.id, far.run(kept.id).result(1), far.run(new.id).result(1)) == (kept.id, "c1", "only1")
        assert claim(squidie) == []
        assert violations(far.engine) == []


def test_a_backup_in_the_journals_place_is_noticed(make, server, database_url, tmp_path):
    """P12: the files of an hour ago, by whoever connects to them."""
    services, _ = server
    squidie = make(database=database_url)
    squidie.start(Single)
    postgres = services.postgres
    postgres.stop()
    backup = tmp_path / "backup"
    shutil.copytree(postgres._data, backup, symlinks=True)
    postgres.start()
    run = squidie.start(Single)

    postgres.stop()
    shutil.rmtree(postgres._data)
    shutil.copytree(backup, postgres._data, symlinks=True)
    for path in (postgres._data, *postgres._data.rglob("*")):
        postgres._give(path)
    postgres.start()

    with pytest.raises(JournalRegressed) as refused:
        eventually(lambda: _answer(lambda: squidie.sweep(["default"])), 20)
    assert refused.value.details == {"runs": [str(run.id)]}
    assert squidie.turn(["default"]).claimed == 0
    said = query(squidie, "select name, verb, receipt->>'actor' as who from {s}.operations")
    assert [tuple(row) for row in said] == [("*", "pause", "squidie")]


def _answer(ask):
    try:
        return ask()
    except JournalUnavailable:
        return None


# ---------------------------------------------------------------- what is remembered
class TestInOneDatabase:
    """What a lost commit leaves, without a failover."""

    @pytest.fixture
    def database_url(self, services, template_url):
        url = services.new_database(template=template_url)
        yield url
        services.drop_database(url)

    def test_a_whole_journal_is_told_from_one_that_lost_something(self, squidie):
        """P12: also where somebody else went on with the run."""
        runs = squidie.start_many(Chain, [{}, {}])
        work_off(squidie)
        reconnect(squidie)
        assert squidie.sweep(["default"]).expired == 0

        change(squidie, "update {s}.runs set rev = rev - 1 where run_id = :id", id=_last(squidie))
        reconnect(squidie)

        with pytest.raises(JournalRegressed):
            squidie.sweep(["default"])
        assert len(runs) == 2

    def test_it_is_told_once_and_starts_go_on(self, squidie, caplog):
        """P12: whoever starts notices, too, and does start."""
        lost = squidie.start(Single)
        for table in ("runs", "attempts"):
            change(squidie, f"delete from {{s}}.{table} where run_id = :id", id=lost.id)
        reconnect(squidie)

        run = squidie.start(Single)

        assert "claims stop on every queue" in caplog.text
        patient = Patient(Setup(celery=SimpleNamespace(squidie=squidie)))
        assert str(lost.id) in journal_regressed(patient).evidence
        assert claim(squidie) == []
        reconnect(squidie)
        squidie.resume_queue("*")
        assert journal_regressed(patient).severity == "ok"
        assert [row.run_id for row in claim(squidie)] == [run.id]

    def test_what_retention_removed_is_not_lost(self, squidie):
        """P12, 18.7"""
        run = squidie.start(Single)
        work_off(squidie)
        plan = squidie.preview_retention({"completed": 0.001})
        eventually(lambda: squidie.preview_retention({"completed": 0.001}).runs == 1)
        plan = squidie.preview_retention({"completed": 0.001})
        squidie.apply_retention(plan.token)
        reconnect(squidie)

        squidie.sweep(["default"])

        assert run.id in memory(squidie)
        assert query(squidie, "select queue from {s}.queues") == []

    def test_a_commit_costs_no_statement_and_a_look_comes_with_another_server(self, squidie):
        """P12: once, on that very connection, before anything is claimed; not with every new connection."""
        squidie.start(Chain)
        statements = []
        event.listen(squidie.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

        def looks():
            return sum("s.rev" in each for each in statements)

        work_off(squidie)
        squidie.engine.dispose()
        work_off(squidie)
        assert looks() == 0
        reconnect(squidie)
        claim(squidie)
        claim(squidie)
        assert looks() == 1

    def test_the_last_commits_are_remembered_one_run_of_each(self, squidie):
        """P12: it is those that a failover loses."""
        runs = squidie.start_many(Single, [{}] * 3)
        assert len(memory(squidie)) == 1
        for number in range(KEPT + 5):
            squidie._parts.memory.note([(runs[number % 3].id if number < 3 else _uuid(number), 1, b"x" * 32)])
        assert len(memory(squidie)) == KEPT

    def test_every_queue_can_be_paused_at_once_by_an_operator_too(self, make, bells):
        """P12, 18.14: those that nobody knows yet included; what is handed over waits as well."""
        squidie = make(Chain, Single, delivery=bells)
        run = squidie.start(Chain)
        (row,) = claim(squidie)
        squidie.pause_queue("*", reason="maintenance", actor="ada")
        staff(squidie, "default", "new")
        other = squidie.start(Single, queue="new")

        assert settle(squidie, completion(row)) is None
        assert claim(squidie) == claim(squidie, queue="new") == []
        assert {squidie.explain_run(each.id).code for each in (run, other)} == {"queue_paused"}
        bells.rung.clear()
        squidie.resume_queue("*")
        assert set(bells.rung) >= {"default", "new"}


def _last(squidie):
    return next(reversed(memory(squidie)))


def _uuid(number):
    from uuid import UUID

    return UUID(int=number)
