"""How a graph moves, against a model that knows all outcomes beforehand (1.16 to 1.18)."""

from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from squidie.decide.ready import entries, openings
from squidie.history.codec import encode
from squidie.history.facts import AttemptCompleted, Moved
from squidie.history.fold import fold
from squidie.history.graph import NOTHING, follow, is_finished
from squidie.history.run import NodeStatus
from squidie.workflow.spec import END, Outcome
from tests.pure.drawn import graphs
from tests.pure.scene import CLAIM, NOON, Scene, graph

OK, ERROR = Outcome.OK, Outcome.ERROR
dice = st.randoms(use_true_random=False)


def model(spec, outcomes):
    """Who runs and which edges are taken, straight from the rule: visited source before target, by names."""
    ran, taken = {}, {}
    for name in sorted(spec.by_name):  # drawn graphs point from a to z
        into = [taken[edge.id] for edge in spec.edges if edge.target == name]
        ran[name] = any(into) or not into
        for edge in spec.edges:
            if edge.source == name:
                taken[edge.id] = ran[name] and edge.on is outcomes[name]
    return SimpleNamespace(ran=ran, taken=taken)


def opened(spec, steps):
    return openings(spec, steps, queue="default", priority=100, due_at=NOON)


class Walked:
    """A run that only moves: each end is a fact with the movement that it caused."""

    def __init__(self, spec):
        self.spec = spec
        self.run = fold([(NOON, msgspec.structs.replace(Scene("x").facts[0], opens=opened(spec, entries(spec))))])
        self.opened = list(entries(spec))

    def end(self, step, outcome):
        taken = [edge for edge in self.spec.outgoing[step] if edge.on is outcome]
        movement = follow(self.spec, self.run, step, taken)
        fact = AttemptCompleted(
            step=step, attempt=1, claim=CLAIM, moved=movement.moved, opens=opened(self.spec, movement.ready)
        )
        self.run = fold([(NOON, fact)], self.run)
        self.opened += movement.ready
        return movement

    def end_all(self, outcomes, dice):
        while steps := self.run.open_steps:
            step = dice.choice(steps)
            self.end(step, outcomes[step])


@given(graphs(), dice)
def test_every_graph_settles_as_the_rule_says_whatever_ends_first(spec, dice):
    """1.16, 1.17, 1.18."""
    outcomes = {name: dice.choice(list(Outcome)) for name in spec.by_name}
    expected = model(spec, outcomes)

    walked = Walked(spec)
    walked.end_all(outcomes, dice)

    ran = {name: node.status is NodeStatus.DONE for name, node in walked.run.nodes.items()}
    assert ran == expected.ran  # so none waits for ever, and those who did not run are skipped
    assert walked.run.edges == expected.taken
    assert sorted(walked.opened) == sorted(name for name, has in expected.ran.items() if has)  # each of them once
    assert walked.run.anomalies == ()


@given(graphs(), dice)
def test_a_step_becomes_ready_with_the_last_of_what_it_waits_for(spec, dice):
    """1.17: W-21."""
    walked = Walked(spec)
    while steps := walked.run.open_steps:
        movement = walked.end(dice.choice(steps), dice.choice(list(Outcome)))
        for step in (*movement.ready, *movement.moved.skipped_steps):
            assert all(edge.id in walked.run.edges for edge in spec.incoming[step])
        waiting = [name for name in spec.by_name if name not in walked.run.nodes]
        assert all(any(edge.id not in walked.run.edges for edge in spec.incoming[name]) for name in waiting)


def test_the_steps_that_nothing_leads_to_are_ready_at_the_start():
    """1.17."""
    assert entries(graph("a>b c>b d e!b")) == ("a", "c", "d", "e")


def test_all_edges_of_the_outcome_are_taken():
    """1.16."""
    movement = Walked(graph("a>b a>c a!d")).end("a", OK)

    assert movement.ready == ("b", "c")
    assert movement.moved == Moved(taken=("a:ok:b", "a:ok:c"), skipped_edges=("a:error:d",), skipped_steps=("d",))


def test_a_failure_takes_the_error_edges_and_skips_the_others():
    """1.18."""
    movement = Walked(graph("a>b b>c a!d")).end("a", ERROR)

    assert movement.ready == ("d",)
    assert movement.moved == Moved(taken=("a:error:d",), skipped_edges=("a:ok:b", "b:ok:c"), skipped_steps=("b", "c"))


def test_a_diamond_joins_once_when_both_arms_have_ended():
    """1.17."""
    walked = Walked(graph("a>b a>c b>d c>d"))
    walked.end("a", OK)

    assert walked.end("c", OK).ready == ()
    assert walked.end("b", OK).ready == ("d",)


@pytest.mark.parametrize("order", ["bc", "cb"])
def test_a_diamond_with_a_skipped_arm_joins_once(order):
    """1.17."""
    walked = Walked(graph("a>b a>c b>e e>d c>d b!end"))
    walked.end("a", OK)
    ends = {"b": ERROR, "c": OK}

    ready = [walked.end(step, ends[step]).ready for step in order]

    assert ready == [(), ("d",)]
    assert walked.run.nodes["e"].status is NodeStatus.SKIPPED


def test_a_diamond_with_both_arms_skipped_is_skipped_and_so_is_what_follows():
    """1.17."""
    movement = Walked(graph("a>b a>c b>d c>d d>e d!f a!g")).end("a", ERROR)

    assert movement.ready == ("g",)
    assert sorted(movement.moved.skipped_steps) == ["b", "c", "d", "e", "f"]


def test_two_edges_between_the_same_steps_join_like_any_others():
    """1.17."""
    assert Walked(graph("a>b a!b")).end("a", OK).ready == ("b",)
    assert Walked(graph("a>b a!b")).end("a", ERROR).ready == ("b",)


def test_end_ends_a_path_and_is_no_step():
    """1.18."""
    movement = Walked(graph("a>end a!b")).end("a", OK)

    assert movement.ready == ()
    assert movement.moved == Moved(taken=(f"a:ok:{END}",), skipped_edges=("a:error:b",), skipped_steps=("b",))


def test_a_leaf_moves_nothing():
    """1.19."""
    walked = Walked(graph("a>b"))
    walked.end("a", OK)

    movement = follow(walked.spec, walked.run, "b", ())

    assert movement == NOTHING
    assert b"moved" not in encode(AttemptCompleted(step="b", attempt=1, claim=CLAIM, moved=movement.moved))


def test_a_run_is_finished_when_nothing_is_open_but_what_ends():
    """1.20."""
    scene = Scene("a b")

    assert not is_finished(scene.run, but="a", opened=())
    scene.complete("b")
    assert is_finished(scene.run, but="a", opened=())
    assert not is_finished(scene.run, but="a", opened=("c",))


def test_a_long_skip_needs_no_stack():
    """1.17."""
    names = [f"s{number}" for number in range(5_000)]
    spec = graph("a!b a>s0 " + " ".join(f"{one}>{two}" for one, two in pairwise(names)))

    assert len(Walked(spec).end("a", ERROR).moved.skipped_steps) == 5_000
