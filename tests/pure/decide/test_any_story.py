"""Whatever is declared and whatever happens, a run owes something until it ends, and it can always end.

(1.16 to 1.21, 2.7, 2.8, 5.11, 18.2)
"""

from collections import Counter

import msgspec
from hypothesis import settings

from squidie.decide.ready import row
from squidie.engine import rows
from squidie.history.codec import decode, encode
from squidie.history.facts import (
    KINDS,
    TERMINAL,
    AttemptCompleted,
    AttemptExpired,
    AttemptFailed,
    Cause,
    CompensationStarted,
    Disposition,
    FailureCode,
    OpenKind,
    ReleaseReason,
    RunCancelled,
    RunFailed,
    Undoing,
)
from squidie.history.fold import fold
from squidie.history.lifecycle import RunStatus
from squidie.history.notes import NOTES
from squidie.history.run import Run
from tests.pure.scene import RUN, SETTLED, owed, shown
from tests.pure.story import stories, tell


def ending(scene):
    """Its facts, without the notes that follow its end."""
    last = max(number for number, fact in enumerate(scene.facts) if not isinstance(fact, NOTES))
    return scene.facts[: last + 1]


@settings(max_examples=150)
@stories
def test_every_run_ends_once_and_every_attempt_is_closed_once(dice):
    """1.17, 1.20, 2.7, 2.8."""
    scene = tell(dice)

    ends = [isinstance(fact, TERMINAL) for fact in ending(scene)]
    assert ends == [False] * (len(ends) - 1) + [True]
    opened = Counter((o.step, o.attempt) for fact in scene.facts for o in fact.opens if o.kind is not OpenKind.TIMER)
    assert set(opened.values()) <= {1}
    settled = Counter((fact.step, fact.attempt) for fact in scene.facts if isinstance(fact, SETTLED))
    assert set(settled.values()) <= {1}
    closed = Counter(
        (c.step, c.attempt)
        for fact in scene.facts
        for c in fact.closes
        if c.kind in (OpenKind.STEP, OpenKind.COMPENSATION)
    )
    assert set((settled + closed).values()) <= {1}
    assert settled + closed <= opened
    left = {(step, node.attempt) for step, node in scene.run.nodes.items() if node.is_open and node.waiting is None}
    parked = {(f.step, f.attempt) for f in scene.facts if getattr(f, "disposition", None) is Disposition.PARKED}
    assert set(opened) - set(settled) - set(closed) == left - parked  # the last fact ended these
    assert scene.run.status is not RunStatus.COMPLETED or not left


@settings(max_examples=60)
@stories
def test_every_claim_is_ended_once_by_one_fact(dice):
    """4.3, 4.4."""
    scene = tell(dice)

    ended = [fact.claim for fact in scene.facts if hasattr(fact, "claim")]
    ended += [end.claim for fact in scene.facts for end in fact.ends]
    assert sorted(claim.id for claim in ended) == sorted(scene.claimed)


@settings(max_examples=60)
@stories
def test_a_history_reads_back_from_its_text_and_folds_to_the_same_from_any_middle(dice):
    """3.4, 3.8."""
    scene = tell(dice)

    read = [(at, decode(fact.kind, encode(fact))) for at, fact in scene.history]
    assert read == scene.history
    cut = dice.randrange(len(read) + 1)
    cached = msgspec.json.decode(msgspec.json.encode(fold(read[:cut])), type=Run)
    assert fold(read[cut:], cached) == fold(read) == scene.run


@settings(max_examples=60)
@stories
def test_time_never_goes_back_in_any_story(dice):
    """0: clock"""
    scene = tell(dice)

    times = [at for at, _ in scene.history]
    assert times == sorted(times)
    assert all(fact.clock is None or fact.clock < at for at, fact in scene.history)


@settings(max_examples=100)
@stories
def test_exactly_what_took_effect_is_undone_and_then_the_run_ends_as_it_was_to_end(dice):
    """7.2, 18.2."""
    scene = tell(dice)

    begun = next((fact for fact in scene.facts if isinstance(fact, CompensationStarted)), None)
    if begun is None:
        assert ending(scene)[-1].kind == "run_completed" or ending(scene)[-1].compensation is not Undoing.FINISHED
        return
    done = {fact.step: seq for seq, fact in enumerate(scene.facts) if isinstance(fact, AttemptCompleted)}
    unsure = {step for fact in scene.facts for step in nobody_knows(fact)}
    can = {node.name: node.compensate for node in scene.spec.nodes if node.compensate}
    assert set(begun.order) == {step for step in can if step in done or (can[step].when_unsure and step in unsure)}
    completed = [step for step in begun.order if step in done]
    assert completed == sorted(completed, key=done.get, reverse=True)

    ended, undone = ending(scene)[-1], {step for step in begun.order if f"compensate:{step}" in done}
    assert (ended.compensation is Undoing.FINISHED) is (undone == set(begun.order))
    if ended.compensation is Undoing.FINISHED:
        assert isinstance(ended, RunFailed if begun.cause is Cause.FAILED else RunCancelled)
        assert getattr(ended, "error", None) == begun.error


def nobody_knows(fact):
    """Steps of which a fact says that their claim ended without an outcome, or by the clock."""
    yield from (ended.step for ended in fact.ends)
    lost = isinstance(fact, AttemptExpired) or getattr(fact, "reason", None) is ReleaseReason.CHILD_DIED
    if lost or (isinstance(fact, AttemptFailed) and fact.error.kind is FailureCode.TIMED_OUT):
        yield fact.step


@settings(max_examples=100)
@stories
def test_an_engine_keeps_the_rows_that_the_facts_say(dice):
    """2.7, 4.1."""
    scene, run, kept = tell(dice), None, {}

    for at, fact in scene.history:
        run = fold([(at, fact)], run)
        rows.follow(kept, RUN, fact)
        kept |= {new.key: new for new in (row(RUN, scene.spec, opened) for opened in fact.opens)}
        assert shown(kept) == owed(run)


def test_a_story_may_hold_every_kind_of_fact():
    """The properties above would be empty words otherwise."""
    found = set()

    @settings(max_examples=300, database=None, derandomize=True)
    @stories
    def look(dice):
        for fact in tell(dice).facts:
            found.update({fact.kind, (fact.kind, getattr(fact, "disposition", None))})

    look()

    assert set(KINDS) <= found
    assert {(AttemptFailed.kind, way) for way in Disposition} <= found
