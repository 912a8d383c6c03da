"""Pages of runs (SEMANTICS 18.6, 13.1): whatever happens between two of them; cursors; what a tail tells of notes."""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squidie import Squidie
from squidie.errors import InvalidConfig, InvalidCursor
from squidie.testing.clock import set_clock
from squidie.testing.invariants import violations
from squidie.views.tailing import Tail
from tests.support.fixtures import renew
from tests.support.flows import ATTRIBUTES, Chain, Single
from tests.support.lab import work_off

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SECRET = "sixteen letters at least"


class Crowd:
    """Runs of every kind, and somebody who changes them."""

    def __init__(self, squidie, dice):
        self.squidie, self.dice, self.now = squidie, dice, NOON
        self.touched: set = set()
        for _ in range(14):
            self.change()

    def change(self):
        """Time goes on, or not; runs are started, end, fail, are found by something else, are put away."""
        self.now += self.dice.choice((0, 1)) * SECOND
        set_clock(self.squidie.engine, self.now)
        match self.dice.choice(["start", "start", "work", "label", "archive"]):
            case "start":
                given = {"customer": self.dice.choice("xy"), "tags": ["a"]}
                how = self.dice.choice([{}, {"plan": {"only": ["fail"], "a": ["fail"]}}])
                for run in self.squidie.start_many(
                    self.dice.choice((Single, Chain)), [how] * self.dice.choice((1, 3)), attributes=given
                ):
                    self.touched.add(run.id)
            case "work":
                run = self.squidie.execute_next()
                self.touched |= {run.id} if run is not None else set()
            case "label":
                self._note(lambda run: self.squidie.update_attributes(run.id, {"customer": self.dice.choice("xy")}))
            case _:
                self._note(
                    lambda run: (
                        self.squidie.unarchive_run(run.id)
                        if run.archived
                        else self.squidie.archive_run(run.id, "enough")
                    ),
                    open=False,
                )

    def _note(self, note, **asked):
        rows = self.squidie.list_runs(archived=None, **asked).runs
        if rows:
            run = self.dice.choice(rows)
            note(run)
            self.touched.add(run.id)


QUERIES = [
    {},
    {"open": True},
    {"open": False},
    {"status": "failed"},
    {"workflow": "Single"},
    {"archived": None},
    {"archived": True},
    {"attributes": {"customer": "x"}},
    {"attributes": {"customer": "x", "tags": "a"}},
    {"since": NOON + 3 * SECOND},
    {"until": NOON + 5 * SECOND, "archived": None},
]


@pytest.fixture(scope="module")
def lasting(scratch):
    """A runtime for many examples, each of which finds the journal empty."""
    squidie = Squidie(
        scratch.url.render_as_string(hide_password=False), workflows=[Single, Chain], attributes=ATTRIBUTES
    )
    yield squidie
    squidie.close()


def key(row, order):
    return (row.started_at if order == "newest" else row.updated_at, row.id)


@settings(max_examples=25, deadline=None)
@given(dice=st.integers(), asked=st.sampled_from(QUERIES), order=st.sampled_from(["newest", "updated"]))
def test_pages_neither_miss_nor_repeat_what_was_there_throughout(scratch, lasting, dice, asked, order):
    """18.6: runs begin, end, move and are put away between pages; the rest is told once, and in order."""
    renew(scratch)
    lasting.engine.dispose()
    squidie = lasting
    crowd = Crowd(squidie, random.Random(dice))
    whole = squidie.list_runs(**asked, order=order, limit=1000).runs
    assert [key(row, order) for row in whole] == sorted((key(row, order) for row in whole), reverse=True)
    crowd.touched.clear()

    seen, after = [], None
    while True:
        page = squidie.list_runs(**asked, order=order, limit=crowd.dice.choice((1, 2, 5)), after=after)
        seen += page.runs
        after = page.next
        if after is None:
            break
        crowd.change()

    told = Counter(row.id for row in seen)
    stayed = [row.id for row in whole if row.id not in crowd.touched]
    assert all(told[run_id] == 1 for run_id in stayed)
    assert order == "updated" or max(told.values(), default=1) == 1
    assert [row.id for row in seen if row.id in set(stayed)] == stayed
    assert [key(row, order) for row in seen] == sorted((key(row, order) for row in seen), reverse=True)
    assert violations(squidie.engine) == []


def test_a_list_by_what_was_written_last_has_ended_and_open_runs(squidie, clock):
    """18.6: the end of a run counts, and a note on it."""
    for number in range(3):
        clock(NOON + number * SECOND)
        squidie.start(Single)
    first, second, third = [row.id for row in reversed(squidie.list_runs().runs)]
    clock(NOON + 10 * SECOND)
    squidie.execute_next()
    assert [row.id for row in squidie.list_runs(order="updated").runs] == [first, third, second]
    clock(NOON + 20 * SECOND)
    squidie.update_attributes(second, {"a": 1})
    clock(NOON + 30 * SECOND)
    squidie.update_attributes(first, {"a": 1})

    assert [row.id for row in squidie.list_runs(order="updated").runs] == [first, second, third]
    assert [row.id for row in squidie.list_runs(order="updated", limit=1).runs] == [first]


@pytest.fixture
def three(squidie):
    squidie.start_many(Single, [{}] * 3, attributes={"customer": "x"})
    return squidie


def refused(squidie, after, **asked):
    with pytest.raises(InvalidCursor) as found:
        squidie.list_runs(limit=1, after=after, **asked)
    return found.value.details["reason"]


def test_a_cursor_belongs_to_its_query_and_its_order(three):
    """18.6, 13: bad input"""
    after = three.list_runs(limit=1).next

    others = ({"order": "updated"}, {"workflow": "Single"}, {"open": True}, {"archived": None}, {"partition": "north"})
    for asked in (*others, {"attributes": {"customer": "x"}}, {"status": "running"}):
        assert refused(three, after, **asked) == "other_query"
    assert three.list_runs(limit=2, after=after).next is None
    assert three.list_runs(limit=1, after=after, since=NOON).runs


def test_a_cursor_of_another_version_is_told_from_nonsense(three):
    """18.6: bound to its format."""
    after = three.list_runs(limit=1).next
    data = urlsafe_b64decode(f"{after}==")
    older = urlsafe_b64encode(b"\x01" + data[1:]).rstrip(b"=").decode()

    assert refused(three, older) == "version"
    for nonsense in ("", "x", after[:-1], f"{after}AA", after[:-4] + "!!!!", 7, "A" * 66, "Ag" + "_" * 42):
        assert refused(three, nonsense) in {"malformed", "other_query", "version"}


def test_a_cursor_is_signed_where_there_is_a_secret(three, make):
    """18.6: another place cannot be made up, and another secret's cursor leads nowhere; it grants nothing besides."""
    signing, other = make(settings={"secret": SECRET}), make(settings={"secret": f"another, {SECRET}"})
    after = signing.list_runs(limit=1).next
    data = bytearray(urlsafe_b64decode(f"{after}=="))
    data[20] ^= 1

    assert len(signing.list_runs(limit=2, after=after).runs) == 2
    assert refused(signing, urlsafe_b64encode(data).rstrip(b"=").decode()) == "malformed"
    assert refused(other, after) == "malformed"
    assert refused(signing, three.list_runs(limit=1).next) == "malformed"
    assert SECRET not in f"{signing.settings!r}"
    assert three.partition("north").list_runs(limit=1).runs == ()


@pytest.mark.parametrize("secret", ["short", " " * 20, 5, b"x" * 20])
def test_a_secret_that_is_none_is_refused(make, secret):
    """17.4"""
    with pytest.raises(InvalidConfig, match=r"settings\.secret is no text of 16"):
        make(settings={"secret": secret})


def test_a_tail_tells_notes_on_what_ended_long_ago_and_nothing_twice(squidie, clock):
    """UX 8.2: the journal, live; an ended run is forgotten, and met again."""
    clock(NOON)
    old, open_ = squidie.start(Single), squidie.start(Chain)
    squidie.execute_next()
    clock(NOON + timedelta(hours=1))
    looking = Tail(squidie._parts.journal)
    told = []

    def look():
        told.extend((fact.run_id, fact.seq) for fact in looking.look())

    look()
    squidie.archive_run(old.id, "enough")
    look()
    work_off(squidie)
    look()
    for minutes in range(3):
        clock(NOON + timedelta(hours=2, minutes=minutes))
        squidie.update_attributes(old.id, {"a": minutes})
        squidie.update_attributes(open_.id, {"a": minutes})
        look()
        look()

    assert Counter(told) == Counter(
        [(old.id, seq) for seq in range(4, 8)] + [(open_.id, seq) for seq in range(2, open_.snapshot().facts + 1)]
    )
