"""A few seconds of `make chaos`: random programs whose totals are predicted, and what the prediction says of some."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from evidence import accounts, chaos, generated, harm, programs, sometimes
from evidence.prediction import Totals, predicted
from evidence.programs import Choice, Deed, Fan, Fate, Halt, Held, Shape, Task
from squidie import to_spec

KINDS = ("kill child", "cut after", "terminate", "kill worker", "kill postgres")
ASKED = chaos.Asked(seed=77, seconds=5.0, programs=12, targets=(), kinds=KINDS)
"""Too short for what must happen by chance in two minutes. Its seed draws every end but a poison, which takes long."""


@pytest.fixture
def cluster(started):
    with started("celery", env=ASKED.told()) as cluster:
        yield cluster


def test_random_programs_under_faults_leave_exactly_what_was_predicted(cluster, told):
    """9: runs by outcome, outcomes by step, accepted amounts, rows of the host's."""
    chaos.chaos(cluster, told, ASKED)

    assert told.numbers["started"] == 20
    assert told.numbers["faults_by_kind"]


def of(*blocks, yes=(), **deeds):
    """What is predicted of these blocks; steps of which nothing is said add 1."""
    names = [task.name for block in blocks for task in programs.tasks_of(block)]
    names += [task.rescue for block in blocks for task in programs.tasks_of(block) if task.rescue]
    names += [f"compensate:{name}" for name in names] + [block.name for block in blocks if isinstance(block, Held)]
    return predicted(Shape("P", blocks), Fate({**dict.fromkeys(names, Deed(1)), **deeds}, dict.fromkeys(yes, True)))


def test_a_chain_with_a_fan_completes_each_step_once():
    found = of(Task("a"), Fan((Task("b"), Task("c", booked=True)), Task("d")), c=Deed(7, fails=2))

    assert found == Totals(
        completed={"a", "b", "c", "d"}, failed={"c": 2}, ledger={"a": 1, "b": 1, "c": 7, "d": 1}, rows={"c": 7}
    )


@pytest.mark.parametrize(("value", "way"), [(51, "over"), (50, "under")])
def test_a_choice_is_made_by_the_output_of_its_step(value, way):
    found = of(Choice(Task("asks"), Task("over"), Task("under")), asks=Deed(1, value))

    assert found.completed == {"asks", way}


def test_a_rejection_is_followed_by_its_own_step():
    halt = Halt("ok", "approval", Task("rejected"))

    assert of(halt, yes=["ok"]).completed == set()
    assert predicted(Shape("P", (halt,)), Fate({"rejected": Deed(1)}, {"ok": False})).completed == {"rejected"}


def test_a_failure_for_good_undoes_what_was_done_and_leaves_a_letter():
    found = of(Task("a", undo=True), Task("b"), Task("c"), b=Deed(5, fails=1, ends="badly"))

    assert found == Totals(
        status="failed",
        completed={"a", "compensate:a"},
        failed={"b": 2},
        letters={("b", "step_failed")},
        ledger={"a": 1, "b": 5, "compensate:a": 1},
    )


def test_a_failure_that_is_routed_leaves_no_letter_and_a_poison_always_does():
    routed = of(Task("a", rescue="b"), a=Deed(1, ends="badly"))
    poison = of(Task("a", rescue="b"), a=Deed(1, ends="dies"))

    assert (routed.status, routed.completed, routed.letters) == ("completed", {"b"}, set())
    assert (poison.completed, poison.letters, poison.failed) == ({"b"}, {("a", "claims_exhausted")}, {})


def test_a_held_step_is_begun_and_its_run_cancelled():
    found = of(Task("a"), Held("held"), Task("last"))

    assert (found.status, found.completed, found.ledger) == ("cancelled", {"a"}, {"a": 1, "held": 1})


def played(totals):
    class Played:
        def __init__(self):
            self.totals, self.shape, self.run_id = totals, Shape("P", ()), "r"

    return Played()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda found: setattr(found, "status", "failed"), "P r: it is failed, not completed"),
        (lambda found: found.completed.update(a=1), "P r: completed a 2 not 1"),
        (lambda found: found.ledger.subtract(a=1), "P r: accepted amounts a 2 not 3"),
        (lambda found: found.rows["a"].append(3), "P r: the host's rows a [3] not None"),
        (lambda found: found.letters.add(("a", "step_failed")), "P r: dead letters {('a', 'step_failed')}, not set()"),
        (lambda found: found.deferred.update(a=2), "P r: a was deferred 2 times, 1 were planned, 6 calls were lost"),
    ],
)
def test_whatever_is_not_as_predicted_is_named(harm, said):
    found = accounts.Account("completed")
    found.completed.update(a=1)
    found.ledger.update(a=3)
    found.calls.update(a=9)
    totals = Totals(completed={"a"}, ledger={"a": 3}, defers={"a": 1})
    assert not list(accounts.differences(played(totals), found))

    harm(found)

    assert list(accounts.differences(played(totals), found)) == [said]


def test_driver_and_workers_draw_the_same_programs_from_one_seed():
    assert [to_spec(each) for each in generated.workflows("7:12")] == [
        to_spec(each) for each in generated.workflows("7:12")
    ]
    assert programs.shapes(7, 12) != programs.shapes(8, 12)
    assert generated.workflows("") == ()


def test_every_kind_of_block_and_of_end_is_drawn():
    shapes = programs.shapes(1, 24)
    blocks = {type(block) for shape in shapes for block in shape.blocks}
    halts = {block.kind for shape in shapes for block in shape.blocks if isinstance(block, Halt)}
    totals = [predicted(shapes[n % 24], programs.fate(shapes[n % 24], 1, n)) for n in range(480)]

    assert blocks == {Task, Fan, Choice, Halt, Held}
    assert halts == {"wait", "pause", "approval", "event"}
    assert {each.status for each in totals} == {"completed", "failed", "cancelled"}
    assert {reason for each in totals for _, reason in each.letters} == {"step_failed", "claims_exhausted"}


def test_the_same_seed_makes_the_same_schedule_of_faults():
    """16.6"""
    kinds = tuple(harm.DEEDS)

    assert harm.mix(3, 60, kinds) == harm.mix(3, 60, kinds) != harm.mix(4, 60, kinds)
    assert harm.budget(3, 60, {"flush": 2}) == harm.budget(3, 60, {"flush": 2})


def test_a_mix_has_one_fault_each_1_to_5_seconds_and_every_kind_before_any_again():
    planned = harm.mix(random.randrange(1000), 120, tuple(harm.DEEDS))
    gaps = [after.at - before.at for before, after in pairwise(planned)]

    assert all(0.99 <= gap <= 5.01 for gap in gaps)
    assert {each.kind for each in planned[: len(harm.DEEDS)]} == set(harm.DEEDS)


def test_a_budget_is_kept_and_spread_over_the_time():
    planned = harm.budget(1, 60, {"kill child": 7, "flush": 2})

    assert sorted(each.kind for each in planned) == ["flush"] * 2 + ["kill child"] * 7
    assert [each.at for each in planned] == sorted(each.at for each in planned)
    assert 0 < planned[0].at < planned[-1].at < 60


def test_what_did_not_happen_often_enough_fails_the_run():
    """16.6: scaled to the time, and never below one."""
    targets = (sometimes.Target("takeovers", 10), sometimes.Target("released", 5))

    assert sometimes.missed({"takeovers": 5, "released": 3}, targets, 60) == []
    assert sometimes.missed({"takeovers": 4, "released": 3}, targets, 60) == ["takeovers: 4, at least 5 were wanted"]
    assert sometimes.missed({"takeovers": 1, "released": 0}, targets, 1) == ["released: 0, at least 1 were wanted"]


def test_every_failpoint_of_the_schedule_is_one():
    from squidie.failpoints import parse

    assert len(parse(",".join(harm.FAILPOINTS))) == len(harm.FAILPOINTS)
