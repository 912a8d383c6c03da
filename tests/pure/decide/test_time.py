"""Within a run time never goes back, whatever the clock does (0: clock)."""

import pytest

from squidie.decide.commands import Complete, Elapse, Expire
from squidie.decide.judgement import NOTHING, decide
from squidie.history.canonical import canonical
from tests.pure.scene import NOON, RUN, Scene, after, graph, of_kind


def test_facts_carry_the_clock_and_do_not_say_it_twice():
    scene = Scene("a")
    scene.now = after(5)

    facts = scene.complete("a")

    assert scene.run.at == after(5)
    assert [fact.clock for fact in facts] == [None, None]


def test_a_clock_that_went_back_is_lifted_and_stands_beside():
    scene = Scene("a>b")
    scene.claim("a")
    scene.now = after(-60)

    [done] = scene.complete("a")

    assert (scene.run.at, done.clock) == (after(0), after(-60))
    assert done.opens[0].due_at == after(-60)  # due by the clock that will be asked


def test_no_claim_ends_before_it_was_made():
    scene = Scene("a")
    scene.now = after(10)
    held = scene.held("a")
    scene.now = after(5)

    at, facts = decide(scene.situation, Complete(*held, canonical(1)))

    assert at == after(10)
    assert [fact.clock for fact in facts] == [after(5), after(5)]


@pytest.mark.parametrize("end", [Scene.cancel, lambda scene: scene.fail("a")])
def test_an_end_is_not_before_the_claims_that_it_ends(end):
    scene = Scene("a b c")
    scene.claim("a")
    for second, step in ((20, "b"), (10, "c")):
        scene.now = after(second)
        scene.claim(step)
    scene.now = after(5)

    facts = end(scene)

    assert scene.run.at == after(20)
    assert {fact.clock for fact in facts} == {after(5)}


def test_what_writes_nothing_tells_the_time_it_was_asked():
    scene = Scene("a")
    held = scene.claim("a")
    scene.now = after(-5)

    assert decide(scene.situation, Expire(*held.key, held.lease.claim_id)).facts == ()
    gone = decide(scene.situation, Expire(held.run_id, "b", 1, held.lease.claim_id))
    assert gone == (after(-5), NOTHING)


def test_a_timer_that_elapses_under_a_clock_that_went_back_carries_the_time_of_its_run():
    scene = Scene(graph("w>v", w=of_kind("wait", duration=5.0), v=of_kind("wait", duration=5.0)))
    scene.now = after(60)
    scene.ask(Elapse(RUN, "w", 1))
    scene.now = after(50)

    facts = scene.cancel()

    assert (scene.run.at, [fact.clock for fact in facts]) == (after(60), [after(50)])


def test_what_follows_in_the_same_commit_carries_the_same_time():
    scene = Scene(graph("a>p p>b", p=of_kind("pause", due=5.0)))
    scene.now = after(-60)

    scene.complete("a")

    assert [(at, fact.clock) for at, fact in scene.history[1:]] == [(NOON, after(-60))] * 2
    assert scene.run.nodes["p"].waiting.due_at == after(-55)  # due by the clock that will be asked
