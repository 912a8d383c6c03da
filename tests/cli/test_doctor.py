"""`squidie doctor`: each check has one misconfiguration that trips it, and it alone (17.10, UX 8.5).

What is wrong here is really wrong: the Redis evicts, the trigger is off, the worker's row says what a worker's would.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from evidence.pooler import Pooler
from squidie import Workflow, approval, cron, event, manual, migrate, step
from squidie.cli.checks import CHECKS
from squidie.engine import conditions
from squidie.settings import Settings
from squidie.testing.clock import at_time, set_clock
from squidie_celery import CeleryDelivery
from squidie_celery.advice import plain_tasks
from squidie_notify import NotifyDelivery
from tests.support.flows import Chain, Single, act
from tests.support.lab import NOON, change, claim, scalar, staff, work_off
from tests.support.shop import SendInvoice

WISE = {
    "broker_transport_options": {"socket_timeout": 2},
    "worker_disable_prefetch": True,
    "worker_enable_remote_control": False,
    "broker_connection_max_retries": None,
    "squidie_quarantine": True,
}
MONTH = timedelta(days=31)
PLAIN = f"plain_{os.getpid()}"
BEAT = """
insert into {s}.workers (owner, host, pid, role, queues, actions, version, delivery, started_at, seen_at)
values (:owner, 'box', :pid, 'beat', '{}', '{}', '0.1.0', 'celery', now(), now() - make_interval(secs => :ago))
"""


class Nightly(Workflow):
    """Every day at noon, which no clock change touches."""

    triggers = (cron("noon", "0 12 * * *", timezone="Europe/Oslo"), manual("start"))
    only = step(act)


class Sleepless(Workflow):
    """In the night, in the very hour in which clocks are set."""

    triggers = (cron("early", "30 2 * * *", timezone="Europe/Oslo"),)
    only = step(act)


class Asking(Workflow):
    """No queue is used; and what is not approved has failed."""

    triggers = (manual("start"),)
    ok = approval(role="ops")


class Endless(Workflow):
    """Waits for what may never come."""

    triggers = (manual("start"),)
    paid = event("paid")


class Timed(Workflow):
    """A step that may take a minute."""

    triggers = (manual("start"),)
    only = step(act, timeout="1m")


def mail():
    """A plain task of the host's."""


class Mailing(Workflow):
    """Another workflow, of other code."""

    triggers = (manual("start"),)
    only = step(mail)


class Careless(Workflow):
    """A function that nobody else can name."""

    triggers = (manual("start"),)
    only = step(act)


@pytest.fixture
def look(call):
    """What each check says of a runtime, by its id."""

    def look(squidie=None, *arguments):
        call.squidie = squidie or call.squidie
        shown = call(*arguments, "doctor", "--json")
        assert shown.exception is None or isinstance(shown.exception, SystemExit), shown.exc_info
        document = json.loads(shown.stdout)
        assert document["schema"] == "squidie.doctor/1"
        return {each["id"]: each for each in document["checks"]}

    return look


def tripped(before, after):
    """The checks that say another severity than before; what is not looked at any more has said nothing."""
    return {name for name in before.keys() & after.keys() if before[name]["severity"] != after[name]["severity"]}


@pytest.fixture
def healthy(squidie, staffed):
    """A runtime with a worker for all it has."""
    return squidie


@pytest.fixture
def host(make, redis_url):
    """A runtime in a host's Celery app, over a real Redis that keeps what it holds."""

    def host(*workflows, tasks=(), **conf):
        app = Celery("host", broker=redis_url, set_as_current=False)
        app.conf.update(WISE | conf)
        for name in tasks:
            app.task(mail, name=name, shared=False)
        for name in set(plain_tasks(app)) - set(tasks):  # what other tests of this process have shared with every app
            app.tasks.unregister(name)
        made = make(*workflows, delivery=CeleryDelivery(app))
        staff(made)
        return made

    with redis_settings(redis_url, save="3600 1"):
        yield host


@contextmanager
def redis_settings(url, **settings):
    with Redis.from_url(url, decode_responses=True) as client:
        names = {name.replace("_", "-"): value for name, value in settings.items()}
        before = {name: client.config_get(name)[name] for name in names}
        for name, value in names.items():
            client.config_set(name, value)
        yield
        for name, value in before.items():
            client.config_set(name, value)


# ---------------------------------------------------------------- the list
def test_every_check_has_an_id_of_its_own_and_a_line_in_the_guide(healthy, look):
    """17.10, UX 8.5: ids are anchors of the documentation."""
    ids = [check.id for check in CHECKS]
    page = (Path(__file__).parents[2] / "docs/reference/doctor.md").read_text("utf-8")

    assert len(set(ids)) == len(ids)
    assert [name for name in ids if f"### {name}\n" not in page] == []
    assert [name for name in look(healthy) if name not in ids] == []


def test_a_deployment_in_order_has_nothing_to_say_but_of_the_tests_database(host, look):
    """17.10: here the database is one for tests: it does not sync, and we are its superuser."""
    found = look(host(Single, Chain))

    bad = {name: each["severity"] for name, each in found.items() if each["severity"] != "ok"}
    assert bad.items() <= {"db.durability": "error", "db.role": "warning"}.items()
    assert all(each["evidence"] for each in found.values())


def test_every_finding_that_is_not_well_says_what_mends_it(squidie, look):
    """17.10: evidence and a fix."""
    found = look(squidie)

    assert [name for name, each in found.items() if each["severity"] != "ok" and not each["fix"]] == []


# ---------------------------------------------------------------- the application
def test_an_application_that_cannot_be_imported(healthy, look, database_url):
    """17.10: the journal is looked at all the same."""
    after = look(healthy, "--dsn", database_url, "-A", "nowhere:squidie")

    assert tripped(look(healthy), after) == {"app.import"}
    assert "no module 'nowhere'" in after["app.import"]["evidence"]


def test_a_workflow_that_waits_without_end(make, look, bells):
    """17.10"""
    before, after = look(prepared(make(Chain, delivery=bells))), look(prepared(make(Chain, Endless, delivery=bells)))

    assert tripped(before, after) == {"app.specs"}
    assert "Endless.steps.paid" in after["app.specs"]["evidence"]


def test_an_action_that_only_this_process_can_name(make, look, bells):
    """17.10"""

    def here():
        pass

    before = look(prepared(make(Careless, delivery=bells)))
    after = look(prepared(make(Careless, keep=[here], delivery=bells)))

    assert tripped(before, after) == {"app.actions"}


def test_nothing_is_masked(make, look, bells):
    """17.10, 14.4"""
    before = look(prepared(make(Single, delivery=bells)))
    after = look(prepared(make(Single, delivery=bells, settings=Settings(secrets=()))))

    assert tripped(before, after) == {"access.masking"}


def prepared(squidie):
    staff(squidie)
    return squidie


# ---------------------------------------------------------------- the database
def damage_trigger(squidie):
    change(squidie, "alter table {s}.facts disable trigger facts_are_insert_only")


def damage_index(squidie):
    change(squidie, "drop index {s}.attempts_due")


def worker_behind(squidie):
    change(squidie, "update {s}.workers set seen_at = now() - interval '40 seconds'")


def dead_beat(squidie):
    change(squidie, BEAT, owner="box:9:b", pid=9, ago=600)


def two_beats(squidie):
    for pid in (8, 9):
        change(squidie, BEAT, owner=f"box:{pid}:b", pid=pid, ago=0)


def another_version(squidie):
    change(
        squidie,
        "insert into {s}.workers (owner, host, pid, role, queues, actions, version, delivery, started_at, seen_at) "
        "select 'box:7:b', host, 7, role, queues, actions, '0.0.9', delivery, started_at, seen_at from {s}.workers",
    )


def without_callables(squidie):
    change(squidie, "update {s}.workers set actions = '{squidie:log}'")


def unserved(squidie):
    change(squidie, "update {s}.workers set queues = '{other}'")


def pause(squidie):
    squidie.pause_queue("default", reason="rotating keys", actor="ann")


def late(squidie):
    with at_time(squidie.engine, scalar(squidie, "select {s}.clock()") - timedelta(minutes=1)):
        squidie.start(Single)


def expire(squidie):
    squidie.start(Single)
    claim(squidie)
    change(squidie, "update {s}.attempts set lease_until = claimed_at, claimed_at = claimed_at - interval '1 minute'")


def give_up(squidie):
    squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)


@pytest.mark.tampered("what is looked at is broken on purpose")
@pytest.mark.parametrize(
    ("check", "severity", "damage"),
    [
        ("db.append_only", "error", damage_trigger),
        ("db.indexes", "error", damage_index),
        ("workers.version", "warning", another_version),
        ("workers.callables", "error", without_callables),
        ("queues.consumed", "error", unserved),
        ("queues.paused", "warning", pause),
        ("beat.alive", "warning", dead_beat),
        ("beat.single", "warning", two_beats),
        ("lag.pickup", "warning", late),
        ("lag.sweep", "warning", worker_behind),
        ("claims.expired", "warning", expire),
        ("dead.count", "warning", give_up),
    ],
)
def test_one_misconfiguration_trips_one_check(make, look, bells, check, severity, damage):
    """17.10: and no other."""
    squidie = prepared(make(Single, delivery=bells))
    before = look(squidie)

    damage(squidie)

    after = look(squidie)
    assert tripped(before, after) == {check}
    assert after[check]["severity"] == severity
    assert after[check]["fix"]


def test_an_index_that_is_not_finished(squidie, look, staffed):
    """17.10: as one whose making was broken off is left."""
    before = look(squidie)
    change(squidie, "update pg_index set indisvalid = false where indexrelid = cast('{s}.attempts_due' as regclass)")

    after = look(squidie)

    assert tripped(before, after) == {"db.indexes"}
    assert after["db.indexes"]["fix"] == 'reindex index concurrently "squidie"."attempts_due"'
    change(squidie, "update pg_index set indisvalid = true where indexrelid = cast('{s}.attempts_due' as regclass)")


def test_a_database_without_the_journal(make, look, empty_database_url):
    """17.10: nothing is looked at that is not there."""
    after = look(make(Single, database=empty_database_url))

    assert after["db.schema"]["severity"] == "error"
    assert "squidie migrate" in after["db.schema"]["fix"]
    assert "workers.alive" not in after


def change_outside(squidie, sql):
    with squidie.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(sql))


def test_a_database_that_cannot_store_every_text(make, look, bells, healthy):
    """17.10"""
    change_outside(healthy, f"create database {PLAIN} encoding 'LATIN1' template template0 locale 'C'")
    url = make_url(healthy.engine.url).set(database=PLAIN).render_as_string(hide_password=False)
    migrate.upgrade(url)
    made = make(database=url, delivery=bells)
    staff(made)

    assert tripped(look(healthy), look(made)) == {"db.encoding"}
    made.close()
    made.engine.dispose()
    change_outside(healthy, f"drop database {PLAIN}")


@pytest.fixture
def clerk(healthy):
    """A role that may read and write the journal, and no more."""
    name, password = f"clerk_{os.getpid()}", "a-clerk"
    change(healthy, f"create role {name} login password '{password}'; grant usage on schema {{s}} to {name}")
    change(healthy, f"grant select, insert, update, delete on all tables in schema {{s}} to {name}")
    yield make_url(healthy.engine.url).set(username=name, password=password).render_as_string(hide_password=False)
    change(healthy, f"drop owned by {name}; drop role {name}")


def test_a_superuser_is_the_only_thing_that_is_wrong_with_a_role(healthy, clerk, make, look, bells):
    """17.10, S-17: the same journal under a role that owns no more than it needs."""
    plain = make(database=clerk, delivery=bells)

    assert tripped(look(plain), look(healthy)) == {"db.role"}
    plain.close()
    plain.engine.dispose()


def test_commits_that_are_not_on_disk(healthy, look):
    """17.10: here the database does not sync as it is; what comes on top is named as well."""
    name = make_url(healthy.engine.url).database
    change(healthy, f'alter database "{name}" set synchronous_commit = off')
    healthy.engine.dispose()

    assert "synchronous_commit" in look(healthy)["db.durability"]["evidence"]


def test_clocks_that_differ(healthy, look, monkeypatch):
    """17.10: from any difference on, here, since a test sets no machine's clock."""
    before = look(healthy)
    monkeypatch.setattr(conditions, "SKEW", 0.0)

    assert tripped(before, look(healthy)) == {"db.clock"}


def test_a_pool_of_one(healthy, make, look, bells, database_url):
    """17.10"""
    engine = create_engine(database_url, pool_size=1, max_overflow=0)

    assert tripped(look(healthy), look(make(database=engine, delivery=bells))) == {"db.pool"}
    engine.dispose()


def test_a_server_that_is_nearly_full(healthy, look, database_url, services):
    """17.10: real connections, as many as it takes."""
    if not services.owns_postgres:
        pytest.skip("it is not ours to fill")
    before = look(healthy)
    engine = create_engine(database_url, pool_size=1000)
    with healthy.engine.connect() as connection:
        room = connection.execute(text("select current_setting('max_connections')::int")).scalar_one()
    held = [engine.connect() for _ in range(int(0.85 * room))]

    after = look(healthy)

    for each in held:
        each.close()
    engine.dispose()
    assert tripped(before, after) == {"db.pool"}


def test_a_pooler_in_between(healthy, make, look, bells, database_url):
    """17.10, P14: known by this, that it names another backend than the one that answers."""
    before = look(healthy)
    with Pooler(database_url) as pooler:
        url = pooler.url_of(database_url)
        made = make(database=url, delivery=bells)
        past = make(database=url, delivery=bells, settings={"listen_url": database_url})
        assert tripped(before, look(made)) == {"db.pooler"}
        assert tripped(before, look(past)) == set()
        for each in (made, past):
            each.close()
            each.engine.dispose()


def test_notifications_that_reach_nobody(make, look, database_url):
    """17.10, P14: only where bells are rung that way, and no way past the pooler is named."""
    with Pooler(database_url) as pooler:
        url = pooler.url_of(database_url)
        past = make(Single, database=url, delivery=NotifyDelivery(), settings={"listen_url": database_url})
        made = make(Single, database=url, delivery=NotifyDelivery())
        staff(made)
        assert tripped(look(past), look(made)) == {"db.pooler", "db.listen"}
        for each in (made, past):
            each.close()
            each.engine.dispose()


def test_what_an_adapter_does_not_look_at_is_not_shown(healthy, look, call):
    """17.10: and asked for by name it is said so."""
    assert not {"db.listen", "celery.pool", "broker.eviction"} & look(healthy).keys()

    shown = call("doctor", "--only", "celery.pool")
    assert (shown.exit_code, "does not apply" in shown.stderr) == (0, True)


# ---------------------------------------------------------------- the broker and Celery
@pytest.mark.parametrize(
    ("check", "conf"),
    [
        ("broker.timeouts", {"broker_transport_options": {}}),
        ("celery.serializer", {"accept_content": ["json", "pickle"]}),
        ("celery.prefetch", {"worker_disable_prefetch": False}),
        ("celery.remote_control", {"worker_enable_remote_control": True}),
        ("celery.annotations", {"task_annotations": {"*": {"rate_limit": "1/s"}}}),
        ("celery.time_limits", {"task_annotations": {"squidie.wake": {"time_limit": 30}}}),
        ("celery.reconnects", {"broker_connection_max_retries": 100}),
        ("celery.timezone", {"enable_utc": False}),
        ("celery.pool", {"worker_pool": "solo"}),
        ("broker.quarantine", {"squidie_quarantine": False}),
    ],
)
def test_one_unwise_setting_of_an_app_trips_one_check(host, look, check, conf):
    """17.10, B36: and no other."""
    assert tripped(look(host(Timed)), look(host(Timed, **conf))) == {check}


def test_an_app_of_our_own_that_keeps_results(make, look, redis_url):
    """17.10, B36: it is ours to say; a host may keep its own."""
    from squidie_celery import create_app

    app = create_app(redis_url, set_as_current=False)
    squidie = prepared(make(Single, delivery=CeleryDelivery(app)))
    before = look(squidie)
    app.conf.result_backend = "cache+memory://"

    assert tripped(before, look(squidie)) == {"celery.results"}


def test_a_kombu_that_is_too_old(host, look, monkeypatch):
    """17.10, M5"""
    squidie = host(Single)
    before = look(squidie)
    monkeypatch.setattr("kombu.VERSION", (5, 3, 7))

    assert tripped(before, look(squidie)) == {"celery.kombu"}


def test_a_redis_that_evicts(host, look, redis_url):
    """17.10, R06"""
    squidie = host(Single)
    before = look(squidie)
    with redis_settings(redis_url, maxmemory_policy="allkeys-lru"):
        after = look(squidie)

    assert tripped(before, after) == {"broker.eviction"}
    assert after["broker.eviction"]["fix"] == "CONFIG SET maxmemory-policy noeviction"


def test_a_redis_that_keeps_nothing_matters_to_plain_tasks_only(host, look, redis_url):
    """17.10: bells do not care."""
    with_tasks, without = host(Single, tasks=["shop.mail"]), host(Single)
    before = look(with_tasks)
    with redis_settings(redis_url, save=""):
        assert tripped(before, look(with_tasks)) == {"broker.persistence"}
        assert tripped(before, look(without)) == set()


def test_a_redis_that_delivers_again_too_soon_matters_to_plain_tasks_only(host, look):
    """17.10"""
    soon = {"broker_transport_options": {"socket_timeout": 2, "visibility_timeout": 60}}

    before = look(host(Single, tasks=["shop.mail"]))
    assert tripped(before, look(host(Single, tasks=["shop.mail"], **soon))) == {"broker.visibility_timeout"}
    assert tripped(before, look(host(Single, **soon))) == set()


def test_items_that_nobody_can_read(host, look, redis_url):
    """17.10, R09"""
    squidie = host(Single)
    before = look(squidie)
    with Redis.from_url(redis_url) as client:
        client.rpush("squidie.quarantine", "garbage")

    assert tripped(before, look(squidie)) == {"broker.quarantine"}


def test_a_broker_that_is_away(make, look, host):
    """17.10: what it cannot say is not guessed."""
    app = Celery("host", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.update(WISE)

    after = look(prepared(make(Single, delivery=CeleryDelivery(app))))

    assert tripped(look(host(Single)), after) == {"broker.connect"}


NO_APP = """
import os
from squidie import Squidie, Workflow, manual, step

def hello() -> str:
    return "hello"

class Greeting(Workflow):
    triggers = [manual("start")]
    hello = step(hello)

squidie = Squidie(os.environ["SQUIDIE_DATABASE_URL"], workflows=[Greeting], delivery="celery")
"""


def test_a_delivery_without_a_broker_is_said_once(shell, tmp_path, database_url):
    """17.10: and not by each of its checks."""
    (tmp_path / "shop.py").write_text(NO_APP, encoding="utf-8")

    shown = shell("-A", "shop", "doctor", "--json", env={"SQUIDIE_DATABASE_URL": database_url})

    found = {each["id"]: each for each in json.loads(shown.stdout)["checks"]}
    said = [name for name, each in found.items() if "Celery app" in each["evidence"]]
    assert said == ["broker.connect"], shown.stdout
    assert "SQUIDIE_REDIS_URL" in found["broker.connect"]["fix"]


# ---------------------------------------------------------------- who works, and what is late
def test_what_waits_for_a_limit_is_not_late(make, look, bells):
    """17.10, 18.14: workers are idle, and it is not theirs to take."""
    squidie = prepared(make(SendInvoice, delivery=bells))
    before = look(squidie)
    with at_time(squidie.engine, scalar(squidie, "select {s}.clock()") - timedelta(minutes=1)):
        for number in range(3):
            squidie.start(SendInvoice, {"order_id": number})
    claim(squidie)
    claim(squidie)
    assert claim(squidie) == []

    assert tripped(before, look(squidie)) == set()


def test_nobody_works(make, look, bells):
    """17.10: where no queue is in use that is all."""
    squidie = make(Asking, delivery=bells)
    before = look(prepared(squidie))
    change(squidie, "delete from {s}.workers")

    assert tripped(before, look(squidie)) == {"workers.alive"}


def test_a_schedule_that_nobody_opens(make, look, bells):
    """17.10"""
    squidie = prepared(make(Nightly, delivery=bells))
    squidie.schedules.sync()
    before = look(squidie)
    change(squidie, "update {s}.schedules set next_at = now() - interval '1 minute'")

    after = look(squidie)
    assert tripped(before, after) == {"schedules.missed"}
    assert "Nightly.noon since" in after["schedules.missed"]["evidence"]


def at(squidie, when):
    set_clock(squidie.engine, when)


def test_a_schedule_in_an_hour_that_vanishes(make, look, bells):
    """17.10, 9: three weeks before the clocks are set."""
    squidie = prepared(make(Nightly, Sleepless, delivery=bells))
    at(squidie, NOON)
    squidie.schedules.sync()
    after = look(squidie)
    change(squidie, "delete from {s}.schedules where workflow = 'Sleepless'")

    assert tripped(look(squidie), after) == {"schedules.dst"}
    assert "Sleepless.early: 02:30" in after["schedules.dst"]["evidence"]


def test_runs_that_this_code_cannot_go_on_with(make, look, bells):
    """17.10, 4.4: the same workers, another deploy."""
    before = prepared(make(Chain, delivery=bells, keep=[mail]))
    before.start(Chain)
    after = make(Mailing, delivery=bells)
    staff(after, "default", actions=sorted(before.registry.served | after.registry.served))

    found = look(after)
    assert tripped(look(before), found) == {"runs.stranded"}
    assert "tests.support.flows:act" in found["runs.stranded"]["evidence"]


def test_runs_that_are_kept_for_ever(make, look, bells):
    """17.10: from the thirtieth day on somebody should have said for how long."""
    squidie = prepared(make(Single, delivery=bells))
    at(squidie, NOON)
    squidie.start(Single)
    work_off(squidie)
    before = look(squidie)
    at(squidie, NOON + MONTH)

    after = look(squidie)
    assert tripped(before, after) == {"retention.policy"}
    assert "a month" in after["retention.policy"]["evidence"]


def test_a_policy_of_retention_that_nobody_applies(make, look, bells):
    """17.10"""
    squidie = prepared(make(Single, delivery=bells, settings=Settings(retention={"completed": "1d"})))
    at(squidie, NOON)
    squidie.start(Single)
    work_off(squidie)
    assert look(squidie)["retention.policy"]["severity"] == "ok"
    at(squidie, NOON + MONTH)

    assert "nobody" not in look(squidie)["retention.policy"]["evidence"]
    assert look(squidie)["retention.policy"]["severity"] == "warning"
