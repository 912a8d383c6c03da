"""Every run ends: random graphs, outcomes, lost claims and a clock that jumps (1.16 to 1.20, 2.7, 2.8)."""

from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from squidie.history.facts import (
    TERMINAL,
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    Disposition,
    ReleaseReason,
)
from squidie.history.fold import fold
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import Outcome
from tests.pure.drawn import graphs
from tests.pure.scene import Scene

PATIENCE = 6
"""How often claims are given back in one run: that alone may go on for ever."""
JUMPS = (0, 0, 0, 1, 60, -3_600)
SETTLED = (AttemptCompleted, AttemptFailed, AttemptDeadLettered)


def play(scene, dice):
    """One thing after another happens to a random open attempt until none is left; how many did."""
    released = 0
    for number in range(len(scene.spec.nodes) * 4 * scene.limits.max_claims + PATIENCE + 1):
        if not scene.rows:
            return number
        step = dice.choice(sorted(row.step for row in scene.rows.values()))
        way = dice.choice(["complete", "complete", "fail", "stop", "later", "expire", "die", "release"])
        released += way == "release"
        happen(scene, step, "complete" if released > PATIENCE and way == "release" else way)
        follows_its_facts(scene)
        scene.now += timedelta(seconds=dice.choice(JUMPS))
    raise AssertionError("the run does not end")


def happen(scene, step, way):
    match way:
        case "complete":
            scene.complete(step, {"of": step})
        case "fail" | "stop":
            scene.fail(step, retryable=way == "fail")
        case "later":
            scene.fail(step, after=1.5)
        case "expire":
            scene.expire(step)
        case "die" | "release":
            scene.release(step, ReleaseReason.CHILD_DIED if way == "die" else ReleaseReason.DRAINED)


def follows_its_facts(scene):
    """At every moment: folding anew gives the same, and every open node has its one row."""
    assert scene.run == fold(scene.history)
    assert scene.run.anomalies == ()
    rows = [(row.step, row.attempt, row.lost) for row in scene.rows.values()]
    owed = [(step, node.attempt, node.lost) for step, node in scene.run.nodes.items() if node.status is NodeStatus.OPEN]
    assert sorted(rows) == (sorted(owed) if scene.run.is_open else [])
    assert bool(rows) is scene.run.is_open  # an open run that owes nothing would wait for ever


def ends_as(fact):
    return Outcome.OK if isinstance(fact, AttemptCompleted) else Outcome.ERROR


@given(graphs(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_every_run_ends_once_with_one_outcome_for_each_attempt(spec, dice, max_claims):
    """1.20, 2.8."""
    scene = Scene(spec, max_claims=max_claims)
    play(scene, dice)

    kinds = [isinstance(fact, TERMINAL) for fact in scene.facts]
    assert kinds == [False] * (len(kinds) - 1) + [True]
    assert scene.run.status in (RunStatus.COMPLETED, RunStatus.FAILED)
    settled = Counter((fact.step, fact.attempt) for fact in scene.facts if isinstance(fact, SETTLED))
    opened = Counter((opening.step, opening.attempt) for fact in scene.facts for opening in fact.opens)
    assert set(opened.values()) == {1}
    assert set(settled.values()) == {1}
    assert settled <= opened
    if scene.run.status is RunStatus.COMPLETED:
        assert settled == opened


@given(graphs(), st.randoms(use_true_random=False))
def test_every_claim_is_ended_by_one_fact_and_counted_in_turn(spec, dice):
    """4.3, 4.4."""
    scene = Scene(spec)
    play(scene, dice)

    ended = [(fact.step, fact.attempt, fact.claim) for fact in scene.facts if hasattr(fact, "claim")]
    ended += [(end.step, end.attempt, end.claim) for fact in scene.facts for end in fact.ends]
    assert sorted(claim.id for _, _, claim in ended) == sorted(scene.claimed)
    of = Counter()
    for step, attempt, claim in ended:
        of[step, attempt] += 1
        assert claim.n == of[step, attempt]
    for fact in scene.facts:
        assert not isinstance(fact, AttemptDeadLettered) or of[fact.step, fact.attempt] >= scene.limits.max_claims


@given(graphs(), st.randoms(use_true_random=False))
def test_time_never_goes_back_and_the_true_clock_stands_beside(spec, dice):
    """0: clock"""
    scene = Scene(spec)
    play(scene, dice)

    times = [at for at, _ in scene.history]
    assert times == sorted(times)
    for at, fact in scene.history:
        assert fact.clock is None or fact.clock < at
        assert not hasattr(fact, "claim") or fact.claim.claimed_at <= at


@given(graphs(), st.randoms(use_true_random=False))
def test_a_run_goes_the_way_that_its_last_outcomes_say(spec, dice):
    """1.16 to 1.20, 5.5."""
    scene = Scene(spec)
    play(scene, dice)

    last = {fact.step: fact for fact in scene.facts if isinstance(fact, SETTLED)}
    outcomes = {step: ends_as(fact) for step, fact in last.items()}
    for edge in spec.edges:
        if edge.id in scene.run.edges:
            assert scene.run.edges[edge.id] is (outcomes.get(edge.source) is edge.on)
    fatal = [fact.step for fact in last.values() if getattr(fact, "disposition", None) is Disposition.FATAL]
    if scene.run.status is RunStatus.FAILED:
        assert fatal == [scene.run.step]
        assert scene.run.error == last[scene.run.step].error
        return
    assert fatal == []
    assert set(scene.run.edges) == {edge.id for edge in spec.edges}
    skipped = {step for step, node in scene.run.nodes.items() if node.status is NodeStatus.SKIPPED}
    assert set(last) | skipped == set(spec.by_name)
    assert not set(last) & skipped


def test_a_drawn_run_may_end_in_every_way():
    """The properties above would be empty words otherwise."""
    found = set()

    @settings(max_examples=150, database=None, derandomize=True)
    @given(graphs(), st.randoms(use_true_random=False))
    def look(spec, dice):
        scene = Scene(spec, max_claims=2)
        play(scene, dice)
        found.update((fact.kind, getattr(fact, "disposition", None)) for fact in scene.facts)

    look()

    assert {kind for kind, _ in found} >= {"run_completed", "run_failed", AttemptReleased.kind, AttemptExpired.kind}
    ways = (Disposition.RETRIED, Disposition.ROUTED, Disposition.FATAL)
    assert {(AttemptFailed.kind, way) for way in ways} <= found
    assert {(AttemptDeadLettered.kind, way) for way in (Disposition.ROUTED, Disposition.FATAL)} <= found
