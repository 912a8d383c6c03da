"""What a graph with branches implies: what surely ran before, and what one run can both complete (1.14, 1.16, 1.17)."""

import random
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from squidie.workflow import Condition, Edge, Node, Outcome, Spec, Trigger
from squidie.workflow.spec import END
from squidie.workflow.topology import topology

BIG, SMALL = Condition(path="a", at_least=10), Condition(path="a", less_than=10)


def spec(*edges):
    """A graph from edges such as `("a", "b")`, `("a", "b", BIG)` and `("a", "b", Outcome.ERROR)`."""
    found = []
    for source, target, *more in edges:
        when = next((each for each in more if isinstance(each, Condition)), None)
        on = next((each for each in more if isinstance(each, Outcome)), Outcome.OK)
        found.append(Edge(source=source, target=target, on=on, when=when))
    names = dict.fromkeys(name for edge in found for name in (edge.source, edge.target) if name != END)
    nodes = tuple(Node(name=name, action="m:f") for name in names)
    return Spec(name="T", triggers=(Trigger(name="go"),), nodes=nodes, edges=tuple(found))


def test_the_branches_of_a_step_exclude_one_another():
    """1.16: exactly one branch is taken, the others are skipped."""
    graph = topology(spec(("a", "b", BIG), ("a", "c", SMALL), ("a", "d")))

    assert not graph.can_both_complete("b", "c")
    assert not graph.can_both_complete("b", "d")
    assert graph.can_both_complete("a", "d")


def test_the_edges_of_one_branch_are_taken_together():
    """1.16: with all its edges."""
    graph = topology(spec(("a", "b", BIG), ("a", "c", BIG), ("a", "d"), ("b", "e"), ("c", "e")))

    assert graph.can_both_complete("b", "c")
    assert graph.is_sure("e", ["b"])
    assert graph.is_sure("e", ["c"])


def test_all_branches_together_are_certain():
    """1.14: whichever was taken, one of them has completed."""
    graph = topology(spec(("a", "b", BIG), ("a", "c"), ("b", "d"), ("c", "d")))

    assert graph.is_sure("d", ["a"])
    assert graph.is_sure("d", ["b", "c"])
    assert not graph.is_sure("d", ["b"])


def test_without_a_fallback_the_conditions_are_all_there_is():
    """1.19: a success that meets none fails the run."""
    alone = topology(spec(("a", "b", BIG)))
    both = topology(spec(("a", "b", BIG), ("a", "c", SMALL), ("b", "d"), ("c", "d")))

    assert alone.ways["b"] == {frozenset()}
    assert both.is_sure("d", ["b", "c"])


def test_a_branch_that_only_ends_is_a_branch():
    graph = topology(spec(("x", "a"), ("x", "z"), ("a", "b", BIG), ("a", END), ("z", "d"), ("b", "d")))

    assert not graph.is_sure("d", ["b"])
    assert graph.is_sure("d", ["z"])


def test_a_failure_has_branches_too():
    """1.18: when a step fails for good its error branches are tried."""
    graph = topology(
        spec(("a", "b"), ("a", "c", Outcome.ERROR, BIG), ("a", "d", Outcome.ERROR), ("b", "e"), ("c", "e"), ("d", "e"))
    )

    assert not graph.can_both_complete("c", "d")
    assert not graph.can_both_complete("b", "c")
    assert graph.is_sure("e", ["b", "c", "d"])
    assert not graph.is_sure("e", ["b", "c"])


@st.composite
def graphs(draw):
    names = "abcde"[: draw(st.integers(2, 5))]
    kinds = st.sampled_from(
        [None, None, (Outcome.OK, None), (Outcome.OK, BIG), (Outcome.OK, SMALL), (Outcome.ERROR, None)]
    )
    edges = [
        Edge(source=one, target=other, on=kind[0], when=kind[1])
        for n, one in enumerate(names)
        for other in names[n + 1 :]
        if (kind := draw(kinds)) is not None
    ]
    nodes = tuple(Node(name=name, action="m:f") for name in names)
    return Spec(name="Drawn", triggers=(Trigger(name="go"),), nodes=nodes, edges=tuple(edges))


def runs(graph):
    """The steps that each possible run of a graph completes, if it goes on to its end."""
    options = {}
    for node in graph.nodes:
        turns = [(Outcome.OK, edges) for _, edges in graph.branches(node.name, Outcome.OK)] or [(Outcome.OK, ())]
        options[node.name] = turns + [(Outcome.ERROR, edges) for _, edges in graph.branches(node.name, Outcome.ERROR)]
    for choice in product(*options.values()):
        yield _run(graph, dict(zip(options, choice, strict=True)))


def _run(graph, choice):
    """1.17, naively: a step runs if no edge leads to it, or one that leads to it is taken."""
    taken, ran = set(), set()
    for node in graph.nodes:  # drawn in order
        edges = graph.incoming[node.name]
        if not edges or any(edge.id in taken for edge in edges):
            ran.add(node.name)
            taken |= {edge.id for edge in choice[node.name][1]}
    return ran, {name for name in ran if choice[name][0] is Outcome.OK}


@settings(max_examples=150, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_what_is_said_of_a_graph_is_true_of_every_run_of_it(graph, dice: random.Random):
    """1.14, 1.16, 1.17: against a model that tries every outcome of every step."""
    found, all_runs = topology(graph), list(runs(graph))
    names = [node.name for node in graph.nodes]
    for one, other in product(names, names):
        together = any({one, other} <= done for _, done in all_runs)
        assert found.can_both_complete(one, other) == together or one == other
        producers = dice.sample(names, dice.randint(1, len(names)))
        sure = all(done & set(producers) for ran, done in all_runs if one in ran)
        assert found.is_sure(one, producers) == sure or one in producers
