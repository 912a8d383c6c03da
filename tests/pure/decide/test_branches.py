"""Which way a run goes: one branch for each outcome, the first whose condition holds (1.16 to 1.21)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from squidie.history.canonical import canonical
from squidie.history.facts import AttemptFailed, Disposition, FailureCode, Moved
from squidie.history.lifecycle import RunStatus
from squidie.history.run import INLINE_EACH, INLINE_SUM, NodeStatus
from squidie.workflow.conditions import holds
from squidie.workflow.spec import Compensate, GiveUp, Outcome
from tests.pure.drawn import branching
from tests.pure.scene import DECLINED, NOON, Scene, graph, of_kind, where

BIG = where("a.total", at_least=100)
SMALL = where("a.total", less_than=10)


def went(scene):
    """The names of the steps that have begun."""
    return [name for name, node in scene.run.nodes.items() if node.status is not NodeStatus.SKIPPED]


@pytest.mark.parametrize(("total", "way"), [(500, "b"), (5, "c"), (50, "d")])
def test_the_first_branch_whose_condition_holds_is_taken_and_the_fallback_wherever_it_stands(total, way):
    """1.16."""
    scene = Scene(graph("a>d a>b?big a>c?small", big=BIG, small=SMALL))

    scene.complete("a", {"total": total})

    assert went(scene) == ["a", way]
    assert {name for name in "bcd" if scene.status(name) is NodeStatus.SKIPPED} == set("bcd") - {way}


def test_branches_are_tried_in_the_order_of_declaration():
    """1.16."""
    both = {"big": where("a", at_least=1), "bigger": where("a", at_least=2)}

    for text, way in (("a>b?big a>c?bigger", "b"), ("a>c?bigger a>b?big", "c")):
        scene = Scene(graph(text, **both))
        scene.complete("a", 5)
        assert went(scene) == ["a", way]


def test_edges_with_the_same_condition_are_one_branch_and_are_taken_together():
    """1.16."""
    scene = Scene(graph("a>b?big a>d a>c?big", big=BIG))

    [done] = scene.complete("a", {"total": 100})

    assert [opened.step for opened in done.opens] == ["b", "c"]
    assert (done.moved.skipped_edges, done.moved.skipped_steps) == (("a:ok:d",), ("d",))


def test_the_branch_taken_is_part_of_the_fact():
    """1.21."""
    scene = Scene(graph("a>b?big a>c", big=BIG))
    taken = scene.spec.edges[0].id

    [done] = scene.complete("a", {"total": 100})

    assert taken.startswith("a:ok:b:if:")
    assert done.moved == Moved(taken=(taken,), skipped_edges=("a:ok:c",), skipped_steps=("c",))
    assert scene.run.edges == {taken: True, "a:ok:c": False}


def test_a_success_that_no_condition_fits_fails_the_run_in_its_own_commit():
    """1.19: W-11."""
    scene = Scene(graph("a>b?big a>c?small x", big=BIG, small=SMALL))
    tried = [edge.id for edge in scene.spec.edges]
    held = scene.claim("x").lease

    [done, ended] = scene.complete("a", {"total": 50})

    assert (done.moved, done.opens) == (Moved(), ())
    assert (ended.step, ended.error.kind) == ("a", FailureCode.NO_MATCHING_EDGE)
    assert ended.error.details == {"step": "a", "outcome": "ok", "tried": tried}
    assert [end.claim for end in ended.ends] == [held.ended(1)]
    assert scene.status("a") is NodeStatus.DONE


def test_a_step_that_led_nowhere_has_completed_and_is_undone():
    """1.19, 18.2."""
    scene = Scene(graph("a>b?big", big=BIG, a={"compensate": Compensate(action="undo")}))

    scene.complete("a", {"total": 1})

    assert scene.run.undo.order == ("a",)


def test_a_step_without_ok_edges_simply_ends():
    """1.19."""
    scene = Scene(graph("a!b?declined", declined=where("error.type", equals="Declined")))
    scene.complete("a", 5)

    assert (scene.run.status, scene.run.output) == (RunStatus.COMPLETED, canonical(5))


def test_error_edges_are_chosen_by_the_error():
    """1.18, 1.21."""
    conditions = {"declined": where("error.type", equals="Declined"), "late": where("error.kind", equals="timed_out")}
    scene = Scene(graph("a!c?late a!b?declined a!d a>e", **conditions))

    [failed] = scene.fail("a")

    assert failed.disposition is Disposition.ROUTED
    assert went(scene) == ["a", "b"]
    assert scene.status("e") is NodeStatus.SKIPPED


@pytest.mark.parametrize(
    ("condition", "way"),
    [
        (where("error.retryable", equals=False), "b"),
        (where("error.code", equals="step_raised"), "b"),
        (where("error.origin", equals=None), "b"),
        (where("error.frames", equals=[]), "b"),
        (where("error.attempt", greater_than=1), "c"),
        (where("error.details.reason", exists=True), "c"),
    ],
)
def test_a_condition_sees_the_error_as_a_step_does_that_handles_it(condition, way):
    """1.21, 5.8, 5.9."""
    scene = Scene(graph("a!b?asked a!c", asked=condition))
    scene.fail("a")

    assert went(scene) == ["a", way]


def test_a_failure_that_no_condition_fits_is_as_one_without_error_edges():
    """5.5."""
    scene = Scene(graph("a!b?late", late=where("error.kind", equals="timed_out")))

    [failed, ended] = scene.fail("a")

    assert (failed.disposition, ended.error) == (Disposition.FATAL, DECLINED)


def test_a_tolerated_failure_goes_on_by_the_ok_edges_with_a_null():
    """1.21, 5.5."""
    tolerant = {"on_give_up": GiveUp.TOLERATE}
    scene = Scene(graph("a>b?null a>c", a=tolerant, null=where("a", equals=None)))

    scene.fail("a")
    assert went(scene) == ["a", "b"]

    scene = Scene(graph("a>b?big", a=tolerant, big=BIG))
    [failed, ended] = scene.fail("a")
    assert failed.disposition is Disposition.TOLERATED
    assert ended.error.kind is FailureCode.NO_MATCHING_EDGE


@pytest.mark.parametrize(
    ("condition", "holds_now"),
    [
        (where("payload.order", equals=5), True),
        (where("payload.order", equals=5.0), True),
        (where("payload.order", greater_than="4"), False),
        (where("payload.nowhere", not_equals=5), False),
        (where("payload.nowhere", exists=False), True),
        (where("payload.nothing", equals=None), True),
        (where("payload.nowhere", equals=None), False),
        (where("payload.order.deeper", at_most=9), False),
        (where("payload.order", is_in=[4, 5]), True),
        (where("schedule.window.start", equals="2026"), True),
        (where("first.n", equals=1), True),
        (where("total", equals=7), True),
        (where("later", exists=True), False),
    ],
)
def test_a_condition_reads_what_the_step_could_read_and_what_it_brought(condition, holds_now):
    """1.21."""
    spec = graph("first>a a>yes?asked a>later", asked=condition, a={"output": "total"})
    payload = canonical({"order": 5, "nothing": None})
    scene = Scene(spec, payload=payload, schedule={"window": {"start": "2026"}})
    scene.complete("first", {"n": 1})

    scene.complete("a", 7)

    assert ("yes" in went(scene)) is holds_now


@pytest.mark.parametrize(("path", "way"), [("first", "c"), ("second", "d")])
def test_of_all_that_came_before_what_is_named_is_read(path, way):
    """1.21."""
    scene = Scene(graph("first>second second>a a>c?asked a>d", asked=where(path, equals=1)))
    for number, step in enumerate(("first", "second", "a"), start=1):
        scene.complete(step, number)

    assert way in went(scene)


def test_there_is_no_schedule_to_read_in_a_run_that_no_schedule_started():
    """1.21."""
    scene = Scene(graph("a>b?asked a>c", asked=where("schedule", exists=True)))
    scene.complete("a")

    assert went(scene) == ["a", "c"]


def test_what_a_failed_or_skipped_step_might_have_brought_is_not_there():
    """1.21."""
    scene = Scene(graph("a!b a>x x>b b>c?asked b>d", asked=where("a", exists=True)))
    scene.fail("a")
    scene.complete("b")

    assert went(scene) == ["a", "b", "d"]


def test_of_steps_that_share_an_output_the_one_that_ran_is_read():
    """1.21."""
    one, two = {"output": "way"}, {"output": "way"}
    spec = graph("a>b a!c b>d c>d d>e?asked d>f", b=one, c=two, asked=where("way", equals="c"))
    scene = Scene(spec)
    scene.fail("a")
    scene.complete("c", "c")
    scene.complete("d")

    assert went(scene) == ["a", "c", "d", "e"]


def test_conditions_see_no_difference_in_what_is_too_large_for_the_state():
    """3.6."""
    large = {"fill": "x" * INLINE_EACH, "n": 1}
    spec = graph("a>b b>c?asked", asked=where("a.n", equals=1))
    scene = Scene(spec)
    scene.complete("a", large)
    assert not scene.run.nodes["a"].kept
    scene.complete("b")
    assert went(scene) == ["a", "b", "c"]

    payload = canonical({"fill": "x" * INLINE_SUM, "n": 1})
    scene = Scene(graph("a>b?asked", asked=where("payload.n", equals=1)), payload=payload)
    scene.complete("a")
    assert went(scene) == ["a", "b"]


def test_a_null_is_kept_however_full_the_state_is():
    """3.6."""
    spec = graph(" ".join(f"s{n}" for n in range(9)) + " a w", a={"on_give_up": GiveUp.TOLERATE}, w=of_kind("pause"))
    scene = Scene(spec)
    for n in range(8):
        scene.complete(f"s{n}", "x" * (INLINE_EACH - 2))
    assert scene.run.inline == INLINE_SUM

    scene.fail("a")
    scene.resume("w")
    scene.complete("s8", None)

    assert all(scene.run.nodes[name].kept for name in ("a", "w", "s8"))
    assert scene.run.status is RunStatus.COMPLETED


def model(spec, outcomes, outputs):
    """Who runs and which edges are taken, straight from the rule: source before target, by names."""
    ran, taken = {}, {}
    for name in sorted(spec.by_name):  # drawn graphs point from a to z
        into = [taken[edge.id] for edge in spec.edges if edge.target == name]
        ran[name] = any(into) or not into
        mine = [edge for edge in spec.edges if edge.source == name and edge.on is outcomes[name]]
        roots = {"payload": {"order": 5}, name: outputs[name], "error": {"type": "Declined", "kind": "step_raised"}}
        fits = [edge.when for edge in mine if edge.when is not None and holds(edge.when, roots)]
        chosen = fits[0] if fits else None
        for edge in spec.edges:
            if edge.source == name:
                taken[edge.id] = ran[name] and edge in mine and edge.when == chosen
    return ran, taken


@given(branching(), st.randoms(use_true_random=False))
def test_every_graph_with_conditions_goes_the_way_that_the_rule_says(spec, dice):
    """1.16 to 1.19."""
    outcomes = {name: dice.choice(list(Outcome)) for name in spec.by_name}
    outputs = {name: {"n": dice.choice([0, 1, 2])} for name in spec.by_name}
    ran, taken = model(spec, outcomes, outputs)

    scene = Scene(untried(spec))
    while scene.rows:
        step = dice.choice(sorted(row.step for row in scene.rows.values()))
        scene.complete(step, outputs[step]) if outcomes[step] is Outcome.OK else scene.fail(step)

    if scene.run.status is RunStatus.COMPLETED:
        assert {name: node.status is not NodeStatus.SKIPPED for name, node in scene.run.nodes.items()} == ran
        assert scene.run.edges == taken
        return
    step = scene.run.step
    ways = [edge for edge in spec.edges if edge.source == step and edge.on is outcomes[step]]
    assert ran[step]
    assert not any(taken[edge.id] for edge in ways)
    assert (outcomes[step] is Outcome.ERROR) or ways


def untried(spec):
    """Without retries: the first outcome is the last."""
    return msgspec.structs.replace(spec, nodes=tuple(msgspec.structs.replace(node, retry=None) for node in spec.nodes))


def test_recover_and_rejoin_runs_the_join_once():
    """1.17, 1.18."""
    for end, path in ((Scene.complete, ["a", "b", "c"]), (Scene.fail, ["a", "fix", "b", "c"])):
        scene = Scene("a>b a!fix fix>b b>c")
        end(scene, "a")
        while scene.rows:
            scene.complete(next(iter(scene.rows.values())).step)
        done = [fact.step for fact in scene.facts if hasattr(fact, "step") and fact.kind != "run_failed"]
        assert done == path
        assert scene.run.at == NOON


def test_the_error_branch_runs_once_however_often_recovery_repeats():
    """5.5."""
    scene = Scene("a!fix", max_claims=9)
    for _ in range(5):
        scene.expire("a")
    scene.fail("a")

    assert sum(isinstance(fact, AttemptFailed) for fact in scene.facts) == 1
    assert [opened.step for fact in scene.facts for opened in fact.opens] == ["a", "fix"]
