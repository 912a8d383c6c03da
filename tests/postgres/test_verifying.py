"""Facts against themselves and against what is derived from them (SEMANTICS 3.3, 3.4, 3.7; faults V15, G29)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from squidie import Squidie
from squidie.views.reasons import Reason
from squidie.views.states import State
from tests.support import flows
from tests.support.flows import Chain, Single
from tests.support.lab import (
    NOON,
    all_facts,
    change,
    claim,
    completion,
    counts,
    held,
    kinds,
    query,
    raises,
    release,
    scalar,
    settle,
    steps_done,
    waits_for_a_lock,
    work_off,
)
from tests.support.standing_flows import Asking, Board, Halting, Listening, Napping
from tests.support.tampering import drop_states, restore, tamper, unguarded

ROWS = "select * from {s}.attempts order by run_id, step, attempt"
HEADS = "select * from {s}.runs order by run_id"
ALL = (Single, Chain, Asking, Board, Halting, Listening, Napping)


@pytest.fixture
def squidie(make, bells):
    return make(*flows.ALL, *ALL[2:], delivery=bells)


@pytest.fixture
def journal_of_all(squidie, clock):
    """Runs that stand at everything that can be open, some that have ended, and a retry that is due later."""
    clock(NOON)
    for workflow in ALL:
        squidie.start(workflow)
    squidie.start(Chain, {"plan": {"a": ["later:60"], "b": ["raise"]}})
    squidie.start(Single, {"plan": {"only": ["fail"]}}, partition="other")
    work_off(squidie)
    squidie.start(Chain)
    settle(squidie, release(*claim(squidie)))


# ---------------------------------------------------------------- what is sound
def test_a_sound_journal_agrees_with_everything_derived_from_it(squidie, journal_of_all):
    """3.3: all runs, or some that are drawn; each fact is read once, and nothing is written."""
    before = query(squidie, HEADS), query(squidie, ROWS)
    seen = []

    found = squidie.verify(told=lambda *at: seen.append(at))

    runs, facts, *_ = counts(squidie)
    assert (found.runs, found.facts, found.found, found.is_sound) == (runs, facts, (), True)
    assert seen[-1] == (runs, runs)
    assert squidie.verify(sample=3).runs == 3
    assert squidie.verify(sample=10**6).runs == runs
    assert (query(squidie, HEADS), query(squidie, ROWS)) == before


def test_a_journal_is_read_in_pages_of_bounded_streams(squidie, monkeypatch):
    """3.3"""
    monkeypatch.setattr("squidie.journal.rebuild.MOST_FACTS", 3)
    squidie.start_many(Single, [{}] * 8)
    seen = []

    found = squidie.verify(told=lambda *at: seen.append(at))

    assert (found.runs, found.facts) == (8, 8)
    assert seen == [(3, 8), (6, 8), (8, 8)]


def test_a_run_that_does_not_exist_cannot_be_verified(squidie):
    """17.10, bad input."""
    with raises("run_not_found"):
        squidie.verify("00000000-0000-4000-8000-000000000000")
    with raises("invalid_argument"):
        squidie.verify(sample=0)


# ---------------------------------------------------------------- damage
@pytest.mark.parametrize(
    ("how", "seq", "rule"),
    [
        ("edited", 2, "bad_hash"),
        ("edited", 1, "bad_hash"),
        ("edited", 3, "bad_hash"),
        ("dropped", 2, "gap"),
        ("dropped", 1, "gap"),
        ("dropped", 3, "gap"),
        ("swapped", 2, "bad_hash"),
        ("nonsense", 2, "bad_hash"),
    ],
)
@pytest.mark.tampered("a fact is another one")
def test_damage_is_named_by_its_first_seq_and_nothing_of_the_run_is_claimed(squidie, how, seq, rule):
    """V15, 3.7, 13.6: though its cached state is whole, and until its facts are whole again."""
    damaged, sound = squidie.start(Chain), squidie.start(Chain)
    for _ in "1234":
        squidie.execute_next()
    whole = tamper(squidie, damaged, how, seq)

    (wrong,) = squidie.verify().found

    assert (wrong.run_id, wrong.seq, wrong.rule, wrong.is_damage) == (damaged.id, seq, rule, True)
    assert [row.run_id for row in claim(squidie, 5)] == [sound.id]
    explained = None if seq == 1 else squidie.explain_run(damaged.id)
    if explained is not None:
        assert (explained.code, explained.state, explained.blockers[0].who) == ("anomaly", "stalled", "maintainers")
        assert f"seq {seq}: {rule}" in explained.headline
    row = next(row for row in squidie.list_runs().runs if row.id == damaged.id)
    assert (row.state, row.where) == (State.STALLED, f"contradicts itself at fact {seq}")
    with raises("corrupt_history") as refused:
        squidie.cancel(damaged.id, reason="it is broken")
    assert (refused.value.details["seq"], refused.value.details["rule"]) == (seq, rule)

    restore(squidie, damaged, whole)
    assert squidie.rebuild(damaged.id).rebuilt == (damaged.id,)
    work_off(squidie)
    assert damaged.result(1) == "c1"


@pytest.mark.tampered("a fact is another one")
def test_a_history_that_is_folded_anew_for_a_decision_is_verified(squidie):
    """V15, 3.7: nobody had to ask; what was claimed of it is put aside, and the claim goes on to the next run."""
    damaged, sound = squidie.start(Chain), squidie.start(Chain)
    squidie.execute_next()
    squidie.execute_next()
    tamper(squidie, damaged, "edited", 2)
    drop_states(squidie)

    squidie.turn(["default"])

    assert sound.result(1) == "c1"
    assert query(squidie, ROWS) == []
    assert scalar(squidie, "select status from {s}.runs where run_id = :id", id=damaged.id) == "running"
    assert [step for step, *_ in flows.CALLS] == ["a", "a", "b", "c"]
    (group,) = squidie.explain_many().groups
    assert (group.code, group.examples) == (Reason.ANOMALY, (damaged.id,))


@pytest.mark.tampered("a fact is another one")
def test_a_claim_of_a_run_that_is_damaged_meanwhile_ends_with_its_open_work(squidie, clock):
    """V15: at the sweep that finds its lease over, and without a fact."""
    clock(NOON)
    run = squidie.start(Single)
    claim(squidie)
    tamper(squidie, run, "edited", 1)
    drop_states(squidie)
    clock(NOON + timedelta(seconds=31))

    squidie.sweep()

    assert query(squidie, ROWS) == []


@pytest.mark.tampered("the head is another one")
@pytest.mark.parametrize(
    ("harm", "rule", "seq"),
    [
        ("update {s}.runs set head_hash = decode(repeat('00', 32), 'hex')", "head_mismatch", 2),
        ("update {s}.runs set rev = rev + 1", "gap", 3),
        ("update {s}.runs set rev = rev - 1", "head_mismatch", 2),
        ("delete from {s}.definitions", "no_definition", 1),
    ],
)
def test_a_head_that_does_not_belong_to_its_stream_is_damage(make, squidie, harm, rule, seq):
    """3.3: the last fact rewritten with its hash, too, or cut off."""
    run = squidie.start(Chain)
    squidie.execute_next()
    change(squidie, harm)
    other = Squidie(squidie.engine)

    (wrong,) = other.verify(run.id).found

    assert (wrong.rule, wrong.seq, wrong.is_damage) == (rule, seq, True)
    assert query(squidie, ROWS) == []


@pytest.mark.tampered("a fact of a kind that nobody knows")
def test_what_a_newer_version_wrote_is_told_and_left_alone(squidie):
    """3.8: it is no damage."""
    run = squidie.start(Single)
    with unguarded(squidie) as do:
        do("update {s}.facts set kind = 'novelty' where run_id = :run", run=run.id)

    found = squidie.verify()

    assert [(each.rule, each.is_damage) for each in found.found] == [("unknown_kind", False)]
    assert (found.is_sound, len(query(squidie, ROWS))) == (True, 1)


@pytest.mark.tampered("a fact is another one")
def test_damage_of_an_ended_run_is_told_where_it_is_shown(squidie):
    """3.7, 13.2: it stays what it was."""
    run = squidie.start(Chain)
    work_off(squidie)
    tamper(squidie, run, "edited", 3)

    (wrong,) = squidie.verify().found

    assert (wrong.seq, wrong.status) == (3, "completed")
    shown = squidie.inspect_run(run.id)
    assert (shown.state, len(shown.anomalies)) == (State.COMPLETED, 1)
    assert shown.anomalies[0].startswith("seq 3: bad_hash: ")


@pytest.mark.tampered("a fact is another one")
def test_no_fork_and_no_replay_is_made_from_damaged_facts(squidie):
    """3.7, 8.1"""
    run = squidie.start(Chain)
    work_off(squidie)
    tamper(squidie, run, "edited", 2)

    with raises("corrupt_history"):
        squidie.fork(run.id, "b")


# ---------------------------------------------------------------- what is derived
def test_open_work_and_states_are_made_again_as_they_were(squidie, journal_of_all):
    """3.4, G29: every row and every head, but for the claims."""
    heads, rows = query(squidie, HEADS), query(squidie, ROWS)
    change(squidie, "truncate {s}.attempts")
    drop_states(squidie)

    lost = squidie.verify()
    made = squidie.rebuild()

    assert {each.rule for each in lost.found} == {"attempt_mismatch"}
    assert (lost.is_sound, made.is_sound) == (False, True)
    assert (query(squidie, HEADS), query(squidie, ROWS)) == (heads, rows)
    assert squidie.rebuild().found == ()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("delete from {s}.attempts", "a 1 has no row"),
        ("update {s}.attempts set queue = 'elsewhere'", "the row of a 1 differs"),
        ("update {s}.attempts set due_at = due_at + interval '1 us'", "the row of a 1 differs"),
        ("update {s}.attempts set lost = 3", "the row of a 1 differs"),
        ("update {s}.attempts set attempt = 2", "a 1 has no row"),
        ("update {s}.runs set status = 'paused'", "the head's status differ from facts"),
        ("update {s}.runs set queue = 'elsewhere', priority = 3", "the head's queue, priority differ from facts"),
        ("update {s}.runs set state = cast(replace(state::text, 'Chain', 'Chian') as json)", "the head's state differ"),
    ],
)
def test_what_differs_is_named_and_made_again(squidie, harm, said):
    """3.3"""
    run = squidie.start(Chain)
    change(squidie, harm)

    found = squidie.rebuild(run.id).found

    assert found[0].said.startswith(said)
    assert all(each.rebuilt for each in found)
    assert squidie.verify(run.id).found == ()
    work_off(squidie)
    assert run.result(1) == "c1"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("update {s}.runs set archived = false", "archived"),
        ("update {s}.runs set rested_at = rested_at + interval '1 s'", "rested_at"),
        ("update {s}.runs set ended_at = ended_at + interval '1 s'", "ended_at"),
        ('update {s}.runs set attributes = \'{"customer": "bob"}\'', "attributes"),
    ],
)
def test_what_notes_left_is_compared_and_made_again(make, bells, harm, said):
    """3.3, 18.6, 18.7: a run that has ended, was noted on and put away; it is found again by what it has."""
    squidie = make(Single, delivery=bells, attributes={"customer": "string"})
    run = squidie.start(Single, attributes={"customer": "eve"})
    work_off(squidie)
    squidie.update_attributes(run.id, {"customer": "ann"})
    squidie.archive_run(run.id, "a test")
    assert squidie.verify().found == ()
    heads = query(squidie, HEADS)
    change(squidie, harm)

    (found,) = squidie.rebuild().found

    assert (found.said, found.rebuilt) == (f"the head's {said} differ from facts", True)
    assert query(squidie, HEADS) == heads
    assert [each.id for each in squidie.list_runs(attributes={"customer": "ann"}, archived=True).runs] == [run.id]


def test_a_row_of_nothing_is_dropped(squidie):
    """3.3"""
    run = squidie.start(Single)
    work_off(squidie)
    change(
        squidie,
        "insert into {s}.attempts (run_id, step, attempt, action, queue, priority, due_at) "
        "values (:id, 'only', 2, 'x', 'default', 100, now())",
        id=run.id,
    )

    assert [each.said for each in squidie.rebuild().found] == ["the row of only 2 belongs to nothing"]
    assert query(squidie, ROWS) == []


def test_a_claim_on_a_row_that_is_right_stands(squidie):
    """3.4: only what differs is touched."""
    squidie.start(Chain)
    lost = squidie.start(Single)
    (row,) = [row for row in claim(squidie, 2) if row.run_id != lost.id]
    change(squidie, "delete from {s}.attempts where run_id = :id", id=lost.id)

    assert squidie.rebuild().rebuilt == (lost.id,)

    assert settle(squidie, completion(row)) is None


def test_losses_are_counted_from_facts(squidie, clock):
    """G29, 3.4"""
    clock(NOON)
    run = squidie.start(Single)
    for hour in (1, 2, 3):
        claim(squidie)
        clock(NOON + timedelta(hours=hour))
        squidie.sweep()
        clock(NOON + timedelta(hours=hour, minutes=10))
    change(squidie, "truncate {s}.attempts")

    squidie.rebuild(run.id)

    assert scalar(squidie, "select lost from {s}.attempts") == 3


def test_what_became_due_again_is_rung_for(squidie, bells):
    """3.4"""
    squidie.start(Chain, queue="here")
    change(squidie, "truncate {s}.attempts")
    bells.rung.clear()

    squidie.rebuild()

    assert bells.rung == ["here"]


def test_a_run_that_somebody_holds_is_waited_for_or_told(make, bells):
    """3.1: one slow holder keeps no other run from being made again."""
    squidie = make(Single, delivery=bells, settings={"lock_timeout": 0.1})
    busy, free = squidie.start(Single), squidie.start(Single)
    change(squidie, "truncate {s}.attempts")

    with held(squidie, busy.id):
        found = squidie.rebuild()

    assert (found.rebuilt, found.busy, found.is_sound) == ((free.id,), (busy.id,), False)
    assert squidie.rebuild().rebuilt == (busy.id,)


def test_what_is_written_is_what_facts_say_under_the_lock(squidie):
    """3.1: the run went on between the look and the lock."""
    run = squidie.start(Chain)
    (row,) = claim(squidie)
    change(squidie, "update {s}.attempts set priority = 7")
    with held(squidie, run.id):
        rebuilding = threading.Thread(target=squidie.rebuild, args=(run.id,))
        rebuilding.start()
        waits_for_a_lock(squidie)
    rebuilding.join(10)

    assert settle(squidie, completion(row)).code == "stale_claim"
    work_off(squidie)
    assert steps_done(squidie, run) == ["a", "b", "c"]


# ---------------------------------------------------------------- under load
def test_open_work_dropped_under_load_is_made_again_and_nothing_is_done_twice(make, bells):
    """G29: three times, while four turns work; each running holder is refused once, and every run ends once."""
    squidie = make(Chain, delivery=bells, settings={"lock_timeout": 5.0})
    runs = squidie.start_many(Chain, [{}] * 60)
    over = threading.Event()

    def work():
        while not over.is_set():
            squidie.turn(["default"])
            over.wait(0.005)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    rebuilt = 0
    for done in (20, 70, 120):
        _until(squidie, done)
        change(squidie, "truncate {s}.attempts")
        rebuilt += len(squidie.rebuild().rebuilt)
    _until(squidie, 180)
    over.set()
    for thread in threads:
        thread.join(20)

    assert rebuilt > 0
    assert {run.result(1) for run in runs} == {"c1"}
    expected = ["run_started", *["attempt_completed"] * 3, "run_completed"]
    assert all(kinds(squidie, run) == expected for run in runs)
    assert len({key for _, _, key in flows.CALLS}) == 180
    assert squidie.verify().found == ()


def _until(squidie, number):
    """So many steps are completed; what is lost meanwhile is made again."""
    from squidie.testing import eventually

    sql = "select count(*) from {s}.facts where kind = 'attempt_completed'"
    eventually(lambda: scalar(squidie, sql) >= number, 30, why=f"fewer than {number} steps were done")


@pytest.mark.tampered("a fact is another one")
def test_a_settle_of_a_run_that_was_put_aside_is_refused(squidie):
    """3.7: its facts stay as they are."""
    run = squidie.start(Chain)
    squidie.execute_next()
    (row,) = claim(squidie)
    tamper(squidie, run, "dropped", 2)
    squidie.verify()

    assert settle(squidie, completion(row)).code == "corrupt_history"
    assert len(all_facts(squidie, run)) == 1
