"""The checker is right: a journal made by real commands breaks no rule, and whatever breaks one is named.

Each corruption happens in a transaction that is rolled back, so that they all begin with the same sound journal.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from squidie import Squidie
from squidie.history.facts import KINDS
from squidie.testing import invariants
from squidie.testing.clock import set_clock
from squidie.testing.invariants import stuck, violations
from tests.support import flows
from tests.support.corruptions import CORRUPTIONS
from tests.support.forging import FAR, Forger
from tests.support.lab import Recorder
from tests.support.sound_journal import WORKFLOWS, play

pytestmark = pytest.mark.tampered("one rule is broken at a time")
SQL = Path(invariants.__file__).with_name("invariants.sql").read_text("utf-8")
FIRED = "select distinct violation from squidie_violation union all select distinct stuck from squidie_stuck"


@pytest.fixture(scope="module")
def journal(scratch):
    """The engine of a journal in which everything has happened, and some of its runs by name."""
    squidie = Squidie(
        scratch.url.render_as_string(hide_password=False),
        workflows=WORKFLOWS,
        attributes=flows.ATTRIBUTES,
        delivery=Recorder(),
    )
    flows.HOOKS.clear()
    runs = play(squidie, lambda when: set_clock(squidie.engine, when))
    flows.HOOKS.clear()
    set_clock(squidie.engine, None)
    squidie.close()
    return scratch, runs


@pytest.fixture(scope="module")
def connection(journal):
    """One for all: what is planned once need not be planned again."""
    engine, _ = journal
    with engine.connect() as connection:
        connection.execute(text("alter table squidie.facts disable trigger user"))
        connection.execute(text("set search_path to squidie, pg_temp"))
        invariants._define(connection, "squidie")
        connection.commit()
        yield connection
        connection.invalidate()


@pytest.fixture
def forge(connection):
    """Writes by hand, until the end of the test."""
    yield Forger(connection)
    connection.rollback()


@pytest.fixture
def runs(journal):
    return journal[1]


def fired(forge):
    """The rules that are broken now."""
    return set(forge.connection.execute(text(FIRED)).scalars())


# ---------------------------------------------------------------- what is sound
def test_everything_that_can_happen_breaks_no_rule(journal):
    """B50: and leaves nothing that nobody would pick up."""
    engine, _ = journal

    assert (violations(engine), stuck(engine)) == ([], [])


def test_every_kind_of_fact_has_happened(journal):
    """Otherwise a rule that cries wolf would not be heard."""
    engine, _ = journal
    with engine.connect() as connection:
        told = set(connection.execute(text("select distinct kind from squidie.facts")).scalars())

    assert told == set(KINDS)


def test_what_cannot_be_done_yet_breaks_no_rule_either(forge):
    """Children and their ends, items of a map, a run that goes on as another, a migration, notes after the end."""
    parent = forge.start(("a", 1, 0, "step"))
    child = forge.child(parent)
    forge.settle(child, "attempt_completed", forge.claim(child, "a"))
    forge.end(child)
    forge.notice(parent, child)
    assert fired(forge) == {"due_not_claimed", "child_ended_parent_waits"}  # nobody is at it yet
    forge.close(parent, str(child), "notice")
    forge.fact(parent, "child_finished", child_run_id=str(child))
    orphan = forge.child(parent, ("a", 1, FAR.total_seconds(), "step"), step="other")
    held = forge.claim(parent, "a")
    forge.end(parent, "run_cancelled", ends=[held])
    forge.notice(orphan, parent)
    forge.fact(parent, "run_archived", by={"verb": "archive_run", "key": "tidy"})
    forge.fact(parent, "attributes_changed")
    mapped = forge.start()
    forge.fact(mapped, "items_opened", step="resize", opens=[(f"resize[{n}]", 1, 0, "step") for n in range(2)])
    for n in range(2):
        forge.settle(mapped, "attempt_completed", forge.claim(mapped, f"resize[{n}]"))
    forge.sql("alter table {s}.runs drop constraint runs_status, drop constraint runs_ended")
    forge.end(mapped, "run_continued")
    forge.sql("update {s}.runs set status = 'continued' where run_id = :run", run=mapped)
    moved = forge.start(("old", 1, FAR.total_seconds(), "step"))
    forge.fact(moved, "pause_opened", step="ask")
    forge.sql("update {s}.runs set definition = 'd2' where run_id = :run", run=moved)
    closes = [forge.close(moved, "old"), {"step": "ask", "kind": "wait"}]
    opens = [("new", 1, FAR.total_seconds(), "step"), ("nod", 1, 0, "wait")]
    renamed = {"old": "new", "ask": "nod"}
    forge.fact(moved, "definition_migrated", definition="d2", renamed=renamed, closes=closes, opens=opens)
    forge.fact(moved, "pause_resolved", step="nod")

    assert fired(forge) == set()


# ---------------------------------------------------------------- what is not
def ids(corruption):
    return f"{corruption.rule}-{corruption.harm.__name__}"


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=ids)
def test_a_corruption_is_named_by_its_rule(forge, runs, corruption):
    """Promises 2 to 14: by that rule alone, or with those that cannot hold without it."""
    corruption.harm(forge, runs)

    assert fired(forge) == {corruption.rule} | corruption.others


def test_every_rule_has_something_that_breaks_it():
    """A rule that nothing breaks might as well not be there."""
    assert rules("squidie_violation", "violation") | rules("squidie_stuck", "stuck") == {
        each.rule for each in CORRUPTIONS
    }


def rules(view, column):
    """The names that a view may give, read from its text: each part of its union begins with one, or with several."""
    body = SQL.partition(f"view {view} as")[2].partition(";\n")[0] + "\n"
    parts = re.split(rf"union all select |\nselect (?='\w+' {column})", body)[1:]
    assert parts
    named = set()
    for part in parts:
        found = re.match(r"'(\w+)'", part)
        named |= {found[1]} if found else set(re.findall(r"\('(\w+)', a\.", part))
        assert found or part.startswith("v.name"), part
    return named
