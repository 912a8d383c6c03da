"""Within a run time never goes back, whatever the clock does (0: clock)."""

import pytest

from squidie.decide.commands import Complete, Expire
from squidie.decide.judgement import NOTHING, decide
from squidie.history.canonical import canonical
from tests.pure.scene import Scene, after


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
