"""A step that ended well: its successors, or the end of the run and its output (1.18 to 1.20, 2.7, 3.6)."""

import msgspec
import pytest

from squidie.decide.commands import Cancel, Complete, Expire, Fail, Release, needs_all_rows
from squidie.history.canonical import canonical, plain
from squidie.history.facts import AttemptCompleted, Claim, Moved, Opening, RunCompleted
from squidie.history.lifecycle import RunStatus
from squidie.history.run import INLINE_EACH, INLINE_SUM
from squidie.workflow.spec import Compensate, Deadline
from tests.pure.scene import BY, DECLINED, NOON, Scene, after, graph, of_kind, where


def ended(scene):
    """The run's output as its last fact tells it."""
    [fact] = [fact for fact in scene.facts if isinstance(fact, RunCompleted)]
    return plain(fact.output)


def test_a_step_that_ends_well_opens_its_successors_in_the_same_fact():
    """2.7."""
    scene = Scene("a>b a>c a!d", queue="fast", priority=7)
    scene.now = after(5)

    facts = scene.complete("a", 5)

    claim = Claim(id=scene.claimed[0], n=1, owner="host:1:boot", claimed_at=after(5), lease_until=after(35))
    opened = tuple(Opening(step=step, attempt=1, queue="fast", priority=7, due_at=after(5)) for step in "bc")
    moved = Moved(taken=("a:ok:b", "a:ok:c"), skipped_edges=("a:error:d",), skipped_steps=("d",))
    assert facts == [
        AttemptCompleted(
            step="a", attempt=1, claim=claim, output=msgspec.Raw(b"5"), unread=True, moved=moved, opens=opened
        )
    ]


def test_the_run_completes_with_the_last_step_and_not_before():
    """1.20."""
    scene = Scene("a>b a>c")
    scene.complete("a")

    assert len(scene.complete("b")) == 1
    assert [fact.kind for fact in scene.complete("c")] == ["attempt_completed", "run_completed"]
    assert scene.run.status is RunStatus.COMPLETED
    assert scene.rows == {}


def test_the_output_of_a_run_is_that_of_its_leaf():
    """1.20."""
    scene = Scene("a>b")
    scene.complete("a", "unused")
    scene.complete("b", {"z": 1e16, "a": [-0.0]})

    assert scene.run.output == msgspec.Raw(b'{"a":[-0.0],"z":1e16}')


def test_several_leaves_give_an_object_of_their_outputs_by_name():
    """1.20."""
    scene = Scene(graph("a>b a>c d", c={"output": "total"}))
    for step in "adbc":
        scene.complete(step, f"of {step}")

    assert ended(scene) == {"b": "of b", "total": "of c", "d": "of d"}
    assert bytes(scene.run.output) == bytes(canonical(ended(scene)))


def test_a_step_that_leads_to_the_end_is_a_leaf():
    """1.18, 1.20."""
    scene = Scene("a>end a!b")
    scene.complete("a", 5)

    assert ended(scene) == 5


def test_a_step_is_a_leaf_of_the_runs_that_end_with_it():
    """1.16, 1.20."""
    spec = graph("a>b?big a>end", big=where("a", at_least=5))
    ends = {}
    for total in (5, 1):
        scene = Scene(spec)
        scene.complete("a", total)
        if scene.rows:
            scene.complete("b", "of b")
        ends[total] = ended(scene)

    assert ends == {5: "of b", 1: 1}


def test_a_leaf_that_was_skipped_says_nothing():
    """1.20."""
    scene = Scene("a>b a!c")
    scene.complete("a")
    scene.complete("b", None)

    assert ended(scene) is None
    assert [fact.kind for fact in scene.facts][-1] == "run_completed"


def test_a_run_whose_last_failure_is_handled_by_the_end_completes_without_output():
    """1.18, 1.20."""
    scene = Scene("a!end")

    assert [fact.kind for fact in scene.fail("a")] == ["attempt_failed", "run_completed"]
    assert scene.run.status is RunStatus.COMPLETED
    assert scene.run.output == msgspec.Raw(b"null")


def test_a_large_output_of_an_earlier_leaf_is_read_from_its_fact():
    """3.6."""
    scene = Scene("a b")
    scene.complete("a", "x" * INLINE_EACH)
    scene.complete("b", 5)

    assert ended(scene) == {"a": "x" * INLINE_EACH, "b": 5}


@pytest.mark.parametrize(("size", "leaves"), [(INLINE_SUM, ()), (INLINE_SUM + 1, ("total",))])
def test_an_output_too_large_to_say_twice_is_named_by_its_leaf(size, leaves):
    """3.6."""
    scene = Scene(graph("a", a={"output": "total"}))

    [_, fact] = scene.complete("a", "x" * (size - 2))

    assert fact.leaves == leaves
    assert len(fact.output) == (len("null") if leaves else size)


def test_leaves_that_are_too_large_together_are_named():
    """3.6."""
    scene = Scene("a b")
    scene.complete("a", "x" * (INLINE_SUM - 10))

    [_, fact] = scene.complete("b", "x" * 10)

    assert fact == RunCompleted(leaves=("a", "b"))


def asks_for_all(scene, command):
    return needs_all_rows(command, scene.run, scene.spec)


def test_a_success_that_can_end_nothing_else_is_decided_on_its_own_row():
    """2.7."""
    scene = Scene("a>b c")
    key = scene.held("a")

    assert not asks_for_all(scene, Complete(*key, msgspec.Raw(b"1")))
    assert asks_for_all(scene, Fail(*key, DECLINED, retryable=True, dice=0.0))
    assert asks_for_all(scene, Release(*key, "drained"))
    assert asks_for_all(scene, Expire(*key[:4]))
    assert asks_for_all(scene, Cancel(key[0], BY, "x"))


@pytest.mark.parametrize(
    "spec",
    [
        graph("a c", c={"deadline": Deadline(within=5.0)}),
        graph("a>b?big c", big=where("a", at_least=5)),
        graph("a>b c", b=of_kind("wait", until="a.at")),
        graph("a>b c", b=of_kind("event", correlation_from="a.id")),
    ],
)
def test_a_success_that_may_take_others_with_it_is_decided_on_all_rows(spec):
    """2.7."""
    scene = Scene(spec)

    assert asks_for_all(scene, Complete(*scene.held("a"), msgspec.Raw(b"1")))


def test_a_success_in_a_run_that_is_undone_is_decided_on_all_rows():
    """2.7."""
    scene = Scene(graph("a c", a={"compensate": Compensate(action="shop:undo")}))
    key = scene.held("a")
    scene.fail("c")

    assert asks_for_all(scene, Complete(*key, msgspec.Raw(b"1")))


def test_a_late_outcome_counts_as_long_as_no_fact_has_ended_its_claim():
    """4.5: a day after the end of its lease"""
    for end in (Scene.complete, Scene.fail):
        scene = Scene("a!b a>b")
        scene.claim("a", lease=30)
        scene.now = after(24 * 3600)

        [fact] = end(scene, "a")

        assert fact.claim.lease_until == NOON + (after(30) - NOON)
        assert scene.run.open_steps == ["b"]
