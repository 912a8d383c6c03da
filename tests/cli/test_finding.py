"""`squidie ls` by attributes, times and order, and `archive` (SEMANTICS 18.6, 18.7)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from squidie.views import listing
from tests.support.flows import Chain, Single
from tests.support.lab import all_facts, work_off

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def three(squidie, clock):
    """Each found by something else, the last one first in a list; the first two have ended."""
    runs = []
    for number, given in enumerate(({"customer": "7", "amount": 7}, {"customer": "x", "tags": ["a"]}, {"paid": True})):
        clock(NOON + timedelta(hours=number))
        runs.append(squidie.start(Single if number < 2 else Chain, attributes=given))
        squidie.execute_next()
    return runs


def ids(shown):
    assert shown.exit_code == 0, shown.stderr
    return [run["id"] for run in json.loads(shown.stdout)["runs"]]


def test_runs_are_found_by_their_attributes(call, three):
    """18.6, UX 4.2: text for an attribute that is text, numbers and booleans for those that are."""
    first, second, third = (str(run.id) for run in three)

    assert ids(call("ls", "--json", "attr.customer:7")) == [first]
    assert ids(call("ls", "--json", "attr.amount:7")) == ids(call("ls", "--json", "attr.amount:=7.0")) == [first]
    assert ids(call("ls", "--json", "attr.tags:a", "state:ended")) == [second]
    assert ids(call("ls", "--json", "attr.paid:true")) == [third]
    assert ids(call("ls", "--json", "attr.customer:x", "attr.amount:7")) == []
    assert call("ls", "attr.customer:nobody").stdout == "No run fits.\n"


def test_an_operator_without_the_code_finds_them_too(call, three, squidie):
    """18.6: text is text there, and JSON what it says."""
    dsn = ("--dsn", squidie.engine.url.render_as_string(hide_password=False))

    assert ids(call(*dsn, "ls", "--json", "attr.customer:7")) == [str(three[0].id)]
    assert ids(call(*dsn, "ls", "--json", "attr.amount:=7")) == [str(three[0].id)]
    assert ids(call(*dsn, "ls", "--json", "attr.amount:7")) == []


def test_what_is_typed_wrong_is_told(call, three):
    """18.6: bad input, exit 2"""
    for arguments, said in (
        (["attr.Customer:x"], "names are lower-case letters"),
        (["attr.other:x"], "attribute other: is not declared"),
        (["attr.amount:much"], "attribute amount: is a number"),
        (["attr.amount:=x"], "is no JSON"),
        (["is:hidden"], "is archived"),
        (["attribute:x"], "attr.NAME"),
        (["--after", "nonsense"], "it is none that a list gave"),
    ):
        shown = call("ls", *arguments)
        assert (shown.exit_code, said in shown.stderr) == (2, True), shown.stderr


def test_a_list_has_bounds_and_another_order(call, three):
    """18.6, UX 4.2"""
    first, second, third = (str(run.id) for run in three)

    assert ids(call("ls", "--json", "until:2026-03-10T13:00Z")) == [first]
    assert ids(call("ls", "--json", "--until", "30m", "since:90m")) == [second]
    assert ids(call("ls", "--json", "--updated")) == [third, second, first]
    assert ids(call("ls", "--json", "partition:north")) == []
    page = json.loads(call("ls", "--json", "--limit", "1", "since:1d").stdout)
    assert ids(call("ls", "--json", "--limit", "1", "since:1d", "--after", page["next"])) == [second]


def test_what_has_ended_is_put_away_and_shown_again(call, three, squidie):
    """18.7"""
    first, second, third = three

    shown = call("archive", first.id.hex[-6:], str(second.id), "--reason", "enough", "--as", "ann")

    assert shown.stdout == f"✓ {first.id.hex[-6:]} archived\n✓ {second.id.hex[-6:]} archived\n"
    assert ids(call("ls", "--json")) == [str(third.id)]
    archived = [str(second.id), str(first.id)]
    assert ids(call("ls", "--json", "is:archived")) == ids(call("ls", "--json", "--archived")) == archived
    assert len(ids(call("ls", "--json", "--all"))) == 3
    assert "archived" in call("show", str(first.id)).stdout
    assert "1 open · none ended in 24 h" in call("ls").stderr
    by = all_facts(squidie, first)[-1].by
    assert (by.verb, by.actor, by.source) == ("archive_run", "ann", "cli")

    again = json.loads(call("unarchive", str(first.id), "--reason", "asked again", "--json").stdout)
    assert again == {"schema": "squidie.unarchive/1", "unarchived": [str(first.id)]}
    assert all_facts(squidie, first)[-1].by.comment == "asked again"


def test_what_is_open_is_not_put_away(call, three):
    """18.7: bad input, exit 4"""
    shown = call("archive", str(three[2].id), "--reason", "enough")

    assert shown.exit_code == 4
    assert "cannot be archived" in shown.stderr
    assert call("archive", str(three[0].id)).exit_code == 2


def test_below_a_list_nobody_counts_on_for_ever(call, squidie, monkeypatch):
    """UX 8.3: so that it costs the same whatever has ended."""
    monkeypatch.setattr("squidie.journal.pages.COUNTED", 2)
    monkeypatch.setattr(listing, "COUNTED", 2)
    squidie.start_many(Single, [{}] * 5)
    work_off(squidie)
    squidie.start(Single)

    assert "1 open · 2+ completed in 24 h" in call("ls").stderr
