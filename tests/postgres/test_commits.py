"""Ambiguous commits (SEMANTICS 2.9, L10, M13): the wire is cut before or after COMMIT, the caller sees one answer."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy.exc import OperationalError

from squidie import failpoints
from squidie.errors import JournalUnavailable
from tests.support.flows import CALLS, HOOKS, Chain, Single, Sums
from tests.support.lab import claim, completion, counts, failure, kinds, query, release, rows, scalar

WHEN = pytest.mark.parametrize("when", ["before", "after"])


@pytest.fixture
def far(make, wire, database_url):
    """A runtime at the other end of the wire."""
    squidie = make(database=wire.postgres_url(database_url))
    squidie.start(Single, key="warm")
    squidie.cancel(squidie.start(Single, key="warm").id, reason="warm")
    return squidie


@WHEN
@pytest.mark.parametrize("identity", [{}, {"key": "k"}])
def test_a_start_is_made_once(far, wire, when, identity):
    """2.9, P06: and it says so."""
    wire.cut(when)

    run = far.start(Sums, {"number": 1}, **identity)

    assert wire.hits.total() == 1
    assert run.created
    assert counts(far)[0] == 2
    assert kinds(far, run) == ["run_started"]


@WHEN
def test_many_starts_are_made_once(far, wire, when):
    """P06: inserted again under their ids."""
    wire.cut(when)

    runs = far.start_many(Sums, [{"number": n} for n in range(10)])

    assert all(run.created for run in runs)
    assert (wire.hits.total(), counts(far)[0]) == (1, 11)


@WHEN
def test_a_cancel_happens_once_and_succeeds(far, wire, when):
    """P06"""
    run = far.start(Single)
    wire.cut(when)

    far.cancel(run.id, reason="enough")

    assert (wire.hits.total(), kinds(far, run)) == (1, ["run_started", "run_cancelled"])


@WHEN
@pytest.mark.parametrize("outcome", [completion, failure])
def test_an_outcome_is_taken_once(far, wire, when, outcome):
    """P06: found by its claim, behind whoever still commits."""
    run = far.start(Chain)
    (row,) = claim(far)
    wire.cut(when)

    assert settle(far, outcome(row)) == [None]

    assert wire.hits.total() == 1
    assert len([kind for kind in kinds(far, run) if kind.startswith("attempt")]) == 1


@WHEN
def test_a_batch_of_outcomes_is_taken_once(far, wire, when):
    """P06"""
    far.start_many(Chain, [{} for _ in range(12)])
    held = claim(far, 12)
    wire.cut(when)

    assert settle(far, *map(completion, held)) == [None] * 12

    assert wire.hits.total() == 1
    assert [row.step for row in rows(far)] == ["b"] * 12


@WHEN
def test_a_release_happens_once(far, wire, when):
    """4.8, P06"""
    run = far.start(Single)
    (row,) = claim(far)
    wire.cut(when)

    settle(far, release(row))

    assert kinds(far, run) == ["run_started", "attempt_released"]


@WHEN
def test_a_whole_turn_survives_the_cut(far, wire, when):
    """2.9, 2.7, P06: successors that were taken over in the lost answer end by their leases at the latest."""
    run = far.start(Chain)
    HOOKS["a"] = lambda ctx: wire.cut(when)

    far.turn(["default"])
    for _ in range(3):
        for row in rows(far):
            if row.held:
                release_all(far)
        far.turn(["default"])

    assert wire.hits.total() == 1
    assert run.result(1) == "c1"
    assert kinds(far, run).count("attempt_completed") == 3


def release_all(squidie):
    from tests.support.lab import change

    change(squidie, "update {s}.attempts set lease_until = claimed_at + interval '1 us' where claim_id is not null")
    squidie.sweep()


@WHEN
def test_the_hosts_own_ambiguous_commit_is_the_hosts_to_resolve(far, wire, when):
    """1 (not promised): start with a key, and ask again."""
    with far.engine.connect() as host:
        far.start(Single, key="mine", connection=host)
        wire.cut(when)
        with pytest.raises(OperationalError):
            host.commit()

    run = far.start(Single, key="mine")

    assert run.created is (when == "before")
    assert scalar(far, "select count(*) from {s}.runs where key = 'mine'") == 1


def test_a_journal_that_stays_away_is_unavailable_and_nothing_was_written(make, wire, squidie, database_url):
    """P05 (0, errors; 2, bad input)"""
    far = make(database=wire.postgres_url(database_url))
    wire.close()

    with pytest.raises(JournalUnavailable) as refused:
        far.start(Single, {"plan": {"only": ["canary-7"]}})

    assert refused.value.retryable
    assert "canary-7" not in str(refused.value)
    assert query(squidie, "select * from {s}.runs") == []


def settle(squidie, *commands):
    from squidie.engine import settle as settling

    verdicts = settling.settle(squidie._parts, commands, handover=None, give_up=lambda: False)
    return [verdict.error for verdict in verdicts]


@pytest.fixture
def planned(monkeypatch):
    """Failpoints in this very process."""

    def planned(words):
        monkeypatch.setattr(failpoints, "_armed", failpoints.Armed(failpoints.parse(words), None))

    return planned


def test_claims_whose_answer_was_lost_are_found_and_worked_off(make, planned):
    """K05: by the token of that very claim; nobody has to wait for the end of its lease."""
    squidie = make()
    runs = squidie.start_many(Single, [{} for _ in range(3)])
    planned("claim.committed=lost_reply")

    squidie.turn(["default"])

    assert [kinds(squidie, run) for run in runs] == [["run_started", "attempt_completed", "run_completed"]] * 3


def test_successors_handed_over_by_a_commit_whose_answer_was_lost_are_worked_off(make, planned):
    """K10: they were claimed in that commit, and nobody else may begin them before their lease is over."""
    squidie = make()
    run = squidie.start(Chain)
    planned("settle.committed=lost_reply")

    squidie.turn(["default"])

    assert run.result(1) == "c1"
    assert kinds(squidie, run) == ["run_started", *["attempt_completed"] * 3, "run_completed"]
    assert [step for step, *_ in CALLS] == ["a", "b", "c"]


def test_what_waits_for_a_commit_goes_with_its_savepoint_or_with_the_whole(squidie):
    """17.7: called once the commit has come back, in order; never for what was rolled back, or is a host's."""
    journal, called = squidie._parts.journal, []

    def wait(connection, name):
        return journal.after_commit(connection, lambda: called.append(name))

    with journal.transaction() as connection:
        wait(connection, "before")
        with suppress(ZeroDivisionError), journal.transaction(connection):
            wait(connection, "rolled back")
            raise ZeroDivisionError
        with journal.transaction(connection):
            assert wait(connection, "after")
        assert called == []
    with suppress(ZeroDivisionError), journal.transaction() as connection:
        wait(connection, "never")
        raise ZeroDivisionError
    with squidie.engine.connect() as host:
        assert not wait(host, "a host's")

    assert called == ["before", "after"]
