"""A run that takes over what another has done (2.1, 18.11: what its first facts say)."""

import msgspec
from hypothesis import settings

from squidie.decide import forking
from squidie.decide.commands import Fork
from squidie.errors import InvalidTransition
from squidie.history.canonical import NULL, canonical, plain
from squidie.history.facts import Carried, Moved, OpenKind, Origin, StepDiscarded, WaitElapsed
from squidie.history.lifecycle import RunStatus
from squidie.history.run import INLINE_EACH, NodeStatus
from tests.pure.scene import DECLINED, RUN, Scene, brought, graph, of_kind, where
from tests.pure.story import holds, hurry, stories, tell

ORIGIN = Origin(run="r0", step="c", seq=9)


def forked(text, *carried, taken, begins, skipped=(), steps=(), **nodes):
    moved = Moved(taken=taken, skipped_edges=skipped, skipped_steps=steps)
    fork = Fork(origin=ORIGIN, carried=carried, moved=moved, begins=begins)
    return Scene(graph(text, **nodes), fork=fork)


def test_a_fork_begins_at_its_step_with_what_was_done_before():
    """18.11."""
    scene = forked(
        "a>b a!z b>c", Carried(step="a", output=canonical(1)), Carried(step="b", output=canonical(2)),
        taken=("a:ok:b", "b:ok:c"), skipped=("a:error:z",), steps=("z",), begins=("c",),
    )  # fmt: skip

    [started] = scene.facts
    assert started.forked_from == ORIGIN
    assert [opened.step for opened in started.opens] == ["c"]
    assert (scene.status("a"), scene.status("z"), scene.run.open_steps) == (NodeStatus.DONE, NodeStatus.SKIPPED, ["c"])

    scene.complete("c", 3)
    assert (scene.run.status, plain(scene.run.output)) == (RunStatus.COMPLETED, 3)


def test_what_was_carried_is_read_by_conditions_be_it_too_large_for_the_state():
    """3.6, 18.11."""
    large = canonical({"n": 1, "fill": "x" * INLINE_EACH})
    scene = forked(
        "a>c c>d?asked c>e", Carried(step="a", output=large), taken=("a:ok:c",), begins=("c",),
        asked=where("a.n", equals=1),
    )  # fmt: skip
    assert not scene.run.nodes["a"].kept

    scene.complete("c")

    assert scene.run.open_steps == ["d"]


def test_a_failure_that_was_handled_and_one_that_was_tolerated_are_carried_as_they_were():
    """18.11."""
    scene = forked(
        "a!b t>c b>c", Carried(step="a", error=DECLINED), Carried(step="t", tolerated=True),
        taken=("a:error:b", "t:ok:c"), begins=("b",),
    )  # fmt: skip

    assert (scene.status("a"), scene.status("t")) == (NodeStatus.FAILED, NodeStatus.TOLERATED)
    assert plain(scene.run.nodes["a"].output)["message"] == DECLINED.message
    assert scene.run.nodes["t"].output == canonical(None)
    scene.complete("b")
    assert scene.run.open_steps == ["c"]


def test_what_was_carried_may_be_the_output_of_a_fork_that_ends_at_once():
    """1.20, 3.6, 18.11."""
    large = canonical("x" * INLINE_EACH)
    scene = forked(
        "a w!end", Carried(step="a", output=large), taken=(), begins=("w",),
        w=of_kind("wait", until="payload.nowhere"),
    )  # fmt: skip

    assert scene.kinds[-1] == "run_completed"
    assert scene.run.output == large


def test_a_fork_may_begin_with_what_waits():
    """18.11."""
    scene = forked("a>p a>b", Carried(step="a"), taken=("a:ok:p", "a:ok:b"), begins=("p", "b"), p=of_kind("pause"))

    assert scene.kinds == ["run_started", "pause_opened"]
    assert scene.run.open_steps == ["b", "p"]
    assert msgspec.json.encode(scene.facts[1])


def ended(scene):
    """How each step of a run ended, from the fact that says so."""
    found = {}
    for name, node in scene.run.nodes.items():
        fact = scene.facts[node.seq - 1] if node.seq else None
        if node.status is NodeStatus.FAILED and not isinstance(fact, StepDiscarded):
            found[name] = fact.error
        elif node.status is NodeStatus.DONE:
            found[name] = NULL if isinstance(fact, WaitElapsed) else brought(fact, name)
    return found


def test_a_fork_of_a_real_run_goes_on_behind_a_failure_that_was_handled():
    """18.11, 5.9."""
    source = Scene("a!b a>z b>c")
    source.fail("a")
    source.complete("b", 5)
    source.fail("c")

    plan = forking.plan(source.spec, source.run, RUN, "c", ended(source))

    assert plan.carried == (Carried(step="a", error=DECLINED), Carried(step="b", output=canonical(5)))
    assert (plan.moved.taken, plan.moved.skipped_steps) == (("a:error:b", "b:ok:c"), ("z",))
    assert (plan.begins, plan.again) == (("c",), {"c"})


@settings(max_examples=60)
@stories
def test_any_run_that_has_ended_goes_on_from_any_step_that_it_had_reached(dice):
    """18.11, 2.7."""
    source = tell(dice)
    for step in source.spec.by_name:
        try:
            plan = forking.plan(source.spec, source.run, RUN, step, ended(source))
        except InvalidTransition:
            continue
        fork = Fork(origin=ORIGIN, carried=plan.carried, moved=plan.moved, begins=plan.begins)
        scene = Scene(source.spec, payload=source.facts[0].payload, fork=fork)
        for _ in range(99):
            holds(scene)
            if not scene.run.is_open:
                break
            hurry(scene, dice)
        assert not scene.run.is_open
        begun = {opened.step for fact in scene.facts for opened in fact.opens if opened.kind is OpenKind.STEP}
        assert begun <= plan.again
