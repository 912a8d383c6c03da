"""The schema (SEMANTICS 3.2, 3.9): insert-only facts, migrations both ways, the code's tables are the database's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from squidie import Squidie, migrate
from squidie.journal.tables import CHECKS, metadata
from squidie.testing.clock import set_clock
from tests.support.flows import Diamond, Single
from tests.support.lab import NOON, change, query, raises, scalar, work_off

DIALECT = postgresql.dialect()
TABLES = sorted(metadata.tables)


@pytest.fixture
def empty(scratch, database_url):
    """A database without a journal."""
    with scratch.begin() as connection:
        connection.execute(text("drop schema squidie cascade"))
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


# ---------------------------------------------------------------- insert-only
@pytest.mark.parametrize("statement", ["update {s}.facts set seq = seq", "delete from {s}.facts", "truncate {s}.facts"])
@pytest.mark.parametrize("where", [" where run_id is null", ""])
def test_facts_cannot_be_changed_or_removed(squidie, statement, where):
    """3.2: for everyone, even where no row would be hit."""
    squidie.start(Single)

    with pytest.raises(IntegrityError, match="facts are insert-only") as refused:
        change(squidie, statement + (where if "truncate" not in statement else ""))

    assert refused.value.orig.sqlstate == "23001"


def test_facts_cannot_be_overwritten_by_an_upsert(squidie):
    """3.2"""
    squidie.start(Single)
    again = "insert into {s}.facts select * from {s}.facts on conflict (run_id, seq) do update set kind = 'forged'"

    with pytest.raises(IntegrityError, match="insert-only"):
        change(squidie, again)


@pytest.mark.parametrize(
    "damage",
    [
        "update {s}.runs set status = 'sleeping'",
        "update {s}.runs set status = 'completed'",
        "update {s}.runs set ended_at = now()",
        "update {s}.runs set rev = 0",
        "update {s}.runs set priority = 1000",
        "update {s}.attempts set priority = -1",
        "update {s}.attempts set attempt = 0",
        "update {s}.attempts set claim_id = gen_random_uuid()",
        "update {s}.attempts set kind = 'alarm'",
        "insert into {s}.facts values (gen_random_uuid(), 0, 'x', now(), '{}', '')",
        "insert into {s}.facts values (gen_random_uuid(), 1, 'x', now(), '{}', 'short')",
    ],
)
def test_the_database_refuses_states_that_do_not_exist(squidie, damage):
    """STYLE 8: CHECK constraints made from the enums."""
    squidie.start(Single)

    with pytest.raises(IntegrityError, match="violates check constraint"):
        change(squidie, damage)


# ---------------------------------------------------------------- the code's tables are the database's
@pytest.mark.parametrize("name", TABLES)
def test_the_table_in_code_is_the_table_in_the_database(squidie, name):
    """Columns in order, their types and whether they may be null."""
    table = metadata.tables[name]
    found = inspect(squidie.engine).get_columns(name, schema="squidie")

    code = [(column.name, column.type.compile(DIALECT), column.nullable) for column in table.columns]
    database = [(column["name"], column["type"].compile(DIALECT), column["nullable"]) for column in found]

    assert sorted(code) == sorted(database)
    key = inspect(squidie.engine).get_pk_constraint(name, schema="squidie")["constrained_columns"]
    assert set(key) == {column.name for column in table.primary_key}


def test_there_are_no_other_tables(squidie):
    assert sorted(inspect(squidie.engine).get_table_names("squidie")) == sorted([*TABLES, "schema_version"])


@pytest.mark.parametrize("name", CHECKS)
def test_the_check_in_code_is_the_check_in_the_database(squidie, name):
    """As Postgres itself writes both."""
    table = next(table for table in metadata.tables if name.startswith(f"{table}_"))
    definition = (
        "select pg_get_constraintdef(oid) from pg_constraint where conname = '{}' and conrelid = '{}'::regclass"
    )
    with squidie.engine.connect() as connection:
        stored = connection.execute(text(definition.format(name, f"squidie.{table}"))).scalar_one()
        connection.execute(text(f"create temporary table probe (like squidie.{table})"))
        connection.execute(text(f"alter table probe add constraint probe_check check ({CHECKS[name]})"))
        declared = connection.execute(text(definition.format("probe_check", "probe"))).scalar_one()
        connection.rollback()

    assert stored == declared


def test_leases_and_due_rows_have_their_partial_indexes(squidie):
    found = dict(query(squidie, "select indexname, indexdef from pg_indexes where schemaname = 'squidie'"))

    due = (
        "(queue, limit_key, rate_key, priority, partition, due_at, run_id, step) "
        "WHERE ((claim_id IS NULL) AND (kind <> 'timer'::text))"
    )
    assert found["attempts_due"].endswith(due)
    assert found["attempts_timers"].endswith("(due_at) WHERE (kind = 'timer'::text)")
    assert found["attempts_lease"].endswith("(lease_until) WHERE (claim_id IS NOT NULL)")


# ---------------------------------------------------------------- migrations
def shape(engine, schema="squidie"):
    """Everything that the migrations make, as text."""
    with engine.connect() as connection:
        look = """
            select 'column', table_name || '.' || column_name, concat_ws(' ', data_type, is_nullable, column_default)
            from information_schema.columns where table_schema = :s and table_name <> 'schema_version'
            union all select 'index', indexname, replace(indexdef, :s || '.', '') from pg_indexes
            where schemaname = :s and tablename <> 'schema_version'
            union all select 'check', conname, pg_get_constraintdef(oid) from pg_constraint
            where connamespace = cast(:s as regnamespace)
            union all select 'function', proname, prosrc from pg_proc where pronamespace = cast(:s as regnamespace)
            union all select 'trigger', tgname, tgtype::text from pg_trigger where not tgisinternal
                and tgrelid = cast(:s || '.facts' as regclass)
            order by 1, 2, 3"""
        found = [tuple(row) for row in connection.execute(text(look), {"s": schema})]
    return [row for row in found if "schema_version" not in row[1]]


def test_migrations_go_up_and_down_and_up(empty):
    """3.9"""
    assert migrate.current(empty) is None
    migrate.upgrade(empty)
    first = shape(empty)

    migrate.downgrade(empty)
    assert migrate.current(empty) is None
    assert inspect(empty).get_table_names("squidie") == ["schema_version"]
    migrate.upgrade(empty)

    assert migrate.current(empty) == migrate.head()
    assert shape(empty) == first
    assert len(first) > 80


def test_upgrading_twice_changes_nothing(squidie):
    squidie.start(Single)
    migrate.upgrade(squidie.engine)

    assert scalar(squidie, "select count(*) from {s}.runs") == 1


def test_the_statements_for_a_hosts_own_history_make_the_same_schema(empty):
    """3.9: the SQL as text, in a schema of any name."""
    migrate.upgrade(empty)

    with empty.begin() as connection:
        connection.execute(text("create schema of_the_host"))
        connection.execute(text("set local search_path to of_the_host"))
        for statement in migrate.statements():
            connection.connection.driver_connection.execute(statement)

    assert shape(empty, "of_the_host") == shape(empty)
    assert migrate.statements(after=migrate.head()) == ()


def test_any_number_of_processes_may_migrate_at_once(empty, database_url):
    with ThreadPoolExecutor(6) as pool:
        for job in [pool.submit(migrate.upgrade, database_url) for _ in range(6)]:
            job.result(30)

    assert migrate.current(empty) == migrate.head()


def test_two_journals_live_beside_each_other(make, database_url):
    migrate.upgrade(database_url, schema="second")
    one, two = make(Diamond), make(Diamond, schema="second")

    mine = one.start(Diamond, key="k")
    theirs = two.start(Diamond, key="k")
    work_off(two)

    assert theirs.created
    assert theirs.result(1) == "d1"
    assert mine.snapshot().status == "running"
    with raises("invalid_config"):
        migrate.upgrade(database_url, schema='x"; drop schema squidie; --')


# ---------------------------------------------------------------- SchemaMismatch
def test_a_missing_schema_is_named_with_the_command(empty, database_url):
    """3.9"""
    squidie = Squidie(database_url, workflows=[Single])
    for ask in (squidie.ensure_schema, lambda: squidie.start(Single), squidie.execute_next, squidie.sweep):
        with raises("schema_mismatch") as refused:
            ask()
        assert str(refused.value) == (
            "the journal's schema does not exist in this database, "
            f"this code needs {migrate.head()} (run `squidie migrate`)"
        )
        assert refused.value.details == {"current": None, "wanted": migrate.head()}
    squidie.close()


@pytest.mark.parametrize(
    ("found", "hint"), [("0000", "run `squidie migrate`"), ("9999", "deploy the newer code that migrated it")]
)
def test_an_older_and_a_newer_schema_are_told_apart(squidie, found, hint):
    """3.9"""
    squidie.ensure_schema()
    change(squidie, f"update {{s}}.schema_version set version_num = '{found}'")

    with raises("schema_mismatch") as refused:
        squidie.ensure_schema()

    assert str(refused.value) == f"the journal's schema is at {found}, this code needs {migrate.head()} ({hint})"


def test_the_clock_of_a_journal_is_moved_by_no_session(squidie):
    """T09: `squidie.now` is for tests, which put a clock of their own in its place, and take it out again."""
    with squidie.engine.connect() as connection:
        connection.execute(text("set squidie.now = '2001-01-01T00:00:00Z'"))
        told = connection.execute(text("select squidie.clock(), statement_timestamp()")).one()
    set_clock(squidie.engine, NOON)
    moved = squidie.now()
    set_clock(squidie.engine, None)

    assert told[0] == told[1]
    assert moved == NOON
    assert squidie.now() > NOON
