"""What facts add up to: the same, however they are folded, and never an exception (2.8, 3.4, 3.6)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from squidie.history.canonical import NULL, canonical, plain
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptDeferred,
    AttemptExpired,
    AttemptFailed,
    AttemptHastened,
    AttemptReleased,
    Cause,
    Closing,
    CompensationStarted,
    CompensationStuck,
    DeadlinePassed,
    Decision,
    Disposition,
    DrainStarted,
    Ended,
    EventAwaited,
    EventBuffered,
    EventLapsed,
    EventReceived,
    Moved,
    Opening,
    OpenKind,
    PauseOpened,
    PauseResolved,
    ReleaseReason,
    ReviewDelegated,
    RunCancelled,
    RunCompleted,
    RunStarted,
    StepDiscarded,
    StepRequeued,
    VoteCast,
    WaitElapsed,
    WaitStarted,
)
from squidie.history.fold import fold
from squidie.history.lifecycle import RunStatus
from squidie.history.notes import NOTES, AttributesChanged, RunArchived, RunUnarchived
from squidie.history.run import INLINE_EACH, INLINE_SUM, NodeStatus, Past, Run
from squidie.workflow.spec import NodeKind, Overdue
from tests.pure.drawn import facts, histories
from tests.pure.scene import CLAIM, DECLINED, NOON, Scene, after

FIRST = Opening(step="a", attempt=1, queue="default", due_at=NOON)
STARTED = RunStarted(
    workflow="Shop", definition="f1", trigger="go", payload=msgspec.Raw(b"5"), queue="q", opens=(FIRST,)
)
DONE = AttemptCompleted(step="a", attempt=1, claim=CLAIM)
ENDED = RunCompleted()


def closing(*closes):
    """A fact that takes something away and does nothing else."""
    return AttemptHastened(step="a", attempt=1, due_at=NOON, closes=closes)


def folded(*facts):
    return fold((after(second), fact) for second, fact in enumerate(facts))


def story():
    """A run with a bit of everything; it ends well."""
    scene = Scene("a>b a>c b>d c>d d!e d>f")
    scene.complete("a", {"total": 1e16})
    scene.release("c")
    scene.expire("b")
    scene.complete("b", "x" * INLINE_EACH)
    scene.complete("c")
    scene.fail("d")
    scene.complete("e", [1, -0.0])
    return scene.history


@given(histories, st.integers(0, 8))
def test_folding_a_prefix_and_then_the_rest_is_folding_the_whole(history, cut):
    """3.4."""
    prefix = fold(history[:cut])
    kept = msgspec.json.encode(prefix)

    assert fold(history[cut:], prefix) == fold(history) == fold(history)
    assert msgspec.json.encode(prefix) == kept


@given(histories)
def test_the_state_reads_back_from_its_cache_as_it_was(history):
    """3.4."""
    run = fold(history)

    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run


@pytest.mark.parametrize("length", range(len(story()) + 1))
def test_every_prefix_of_a_real_history_folds_without_an_anomaly(length):
    """3.4."""
    history = story()
    run = fold(history[:length])

    assert run.anomalies == ()
    assert run.revision == length
    assert fold(history[length:], run) == fold(history)
    assert run.is_open is (length < len(history))


@given(histories)
def test_what_no_decision_could_have_written_is_named_and_never_raises(history):
    """W-30"""
    run = fold(history)

    assert run.revision == len(history)
    ends = [
        number
        for number, (_, fact) in enumerate(history)
        if fact.kind in ("run_completed", "run_failed", "run_cancelled")
    ]
    if history and not isinstance(history[0][1], RunStarted):
        assert "seq 1: " + history[0][1].kind + " before the start" in run.anomalies
    if ends and ends[0] + 1 < len(history):
        assert run.anomalies[-1].endswith("after the end") or isinstance(history[-1][1], NOTES)


@pytest.mark.parametrize(
    ("history", "anomaly"),
    [
        ([DONE], "seq 1: attempt_completed before the start"),
        ([STARTED, STARTED], "seq 2: a second start"),
        ([STARTED, DONE, DONE], "seq 3: a ended while not open"),
        ([STARTED, RunCancelled(reason="x"), DONE], "seq 3: attempt_completed after the end"),
        ([STARTED, DONE, ENDED, ENDED], "seq 4: run_completed after the end"),
        ([STARTED, ENDED], "seq 2: completed with a open"),
        ([STARTED, msgspec.structs.replace(DONE, opens=(FIRST,))], "seq 2: a was opened after it had ended"),
        ([STARTED, msgspec.structs.replace(DONE, step="b")], "seq 2: b ended while not open"),
        ([STARTED, msgspec.structs.replace(DONE, attempt=2)], "seq 2: a ended while not open"),
        (
            [msgspec.structs.replace(STARTED, opens=(FIRST, FIRST))],
            "seq 1: a was opened out of turn",
        ),
        (
            [msgspec.structs.replace(STARTED, opens=(msgspec.structs.replace(FIRST, attempt=2),))],
            "seq 1: a was opened out of turn",
        ),
        (
            [STARTED, msgspec.structs.replace(DONE, moved=Moved(taken=("a:ok:b",), skipped_edges=("a:ok:b",)))],
            "seq 2: the edge a:ok:b was settled twice",
        ),
        (
            [STARTED, msgspec.structs.replace(DONE, moved=Moved(skipped_steps=("a",)))],
            "seq 2: a was skipped after it had been reached",
        ),
        (
            [STARTED, AttemptExpired(step="b", attempt=1, claim=CLAIM, due_at=NOON, lost=1)],
            "seq 2: a claim on b ended while it was not open",
        ),
        (
            [
                STARTED,
                AttemptFailed(
                    step="a", attempt=2, max_attempts=3, error=DECLINED, claim=CLAIM, disposition=Disposition.RETRIED
                ),
            ],
            "seq 2: a failed while not open",
        ),
    ],
)
def test_nonsense_is_named_with_its_seq(history, anomaly):
    """W-30"""
    assert anomaly in folded(*history).anomalies


LETTER = AttemptDeadLettered(step="b", attempt=1, error=DECLINED, disposition=Disposition.FATAL)
PARKED = AttemptFailed(step="a", attempt=1, max_attempts=1, error=DECLINED, claim=CLAIM, disposition=Disposition.PARKED)
TIMED = OpenKind.TIMER
TIMER = Opening(step="w", attempt=1, queue="q", due_at=NOON, kind=TIMED)
WAITING = WaitStarted(step="w", until=after(5), opens=(TIMER,))
ASKED = PauseOpened(step="p", pause=NodeKind.APPROVAL, routes={}, quorum=2)
AWAITED = EventAwaited(step="e", event="paid")


@pytest.mark.parametrize(
    ("history", "anomaly"),
    [
        ([StepRequeued(step="a", reason="x")], "seq 2: a was taken up while not parked"),
        ([DONE, StepDiscarded(step="a", reason="x")], "seq 3: a was taken up while not parked"),
        ([StepDiscarded(step="b", reason="x")], "seq 2: b was taken up while not parked"),
        ([AttemptDeferred(step="b", attempt=1, claim=CLAIM, due_at=NOON, n=1)], "seq 2: b was deferred while not open"),
        ([AttemptHastened(step="a", attempt=2, due_at=NOON)], "seq 2: a was hastened while not open"),
        ([LETTER], "seq 2: b ended while not open"),
        ([msgspec.structs.replace(PARKED, step="b")], "seq 2: b ended while not open"),
        ([msgspec.structs.replace(LETTER, disposition=Disposition.TOLERATED)], "seq 2: b ended while not open"),
        ([WAITING, WAITING], "seq 3: w began to wait after it had been reached"),
        ([WaitElapsed(step="a")], "seq 2: a was answered while it did not wait"),
        ([WaitElapsed(step="w")], "seq 2: w was answered while it did not wait"),
        ([VoteCast(step="p", decision=Decision.APPROVED)], "seq 2: p was answered while it did not wait"),
        ([ReviewDelegated(step="p", role="boss")], "seq 2: p was answered while it did not wait"),
        ([PauseResolved(step="p", decision=Decision.RESUMED)], "seq 2: p was answered while it did not wait"),
        ([EventReceived(step="e", event="paid")], "seq 2: e was answered while it did not wait"),
        ([EventLapsed(step="e", event="paid", error=DECLINED)], "seq 2: e was answered while it did not wait"),
        ([CompensationStuck(step="compensate:a", error=DECLINED)], "seq 2: compensate:a was stuck and never begun"),
        ([closing(Closing(step="w", attempt=1, kind=TIMED))], "seq 2: the timer of w was closed while not open"),
        ([closing(Closing(step="b", attempt=1))], "seq 2: b was closed while not open"),
        ([DONE, closing(Closing(step="a", attempt=1))], "seq 3: a was closed while not open"),
        ([DrainStarted(cause=Cause.FAILED), ENDED], "seq 3: compensating, and then run_completed"),
    ],
)  # fmt: skip
def test_nonsense_about_waits_and_undo_is_named_with_its_seq(history, anomaly):
    """W-30"""
    run = folded(STARTED, *history)

    assert anomaly in run.anomalies
    assert run.revision == len(history) + 1


def test_a_run_that_a_damaged_history_ends_is_over_all_the_same():
    """2.8: W-30."""
    assert folded(STARTED, DrainStarted(cause=Cause.FAILED), ENDED).status is RunStatus.COMPLETED


def test_a_vote_of_nobody_is_none():
    """6.5: W-30."""
    run = folded(STARTED, ASKED, VoteCast(step="p", decision=Decision.APPROVED))

    assert run.nodes["p"].waiting.votes == ()


def test_what_is_waited_for_stands_in_the_state_with_its_timer():
    """3.4."""
    run = folded(STARTED, WAITING, ASKED, AWAITED)

    assert run.timers == {"w": 1}
    assert [run.nodes[name].waiting.kind for name in "wpe"] == [NodeKind.WAIT, NodeKind.APPROVAL, NodeKind.EVENT]
    assert [run.nodes[name].is_manual for name in "wpea"] == [False, True, False, False]


def test_an_answer_takes_its_own_timer_along():
    """6.6."""
    assert folded(STARTED, WAITING, WaitElapsed(step="w")).timers == {}


def test_what_is_closed_in_the_fact_that_settled_it_stays_settled():
    """18.3."""
    passed = DeadlinePassed(
        step="deadline:a",
        bounds="a",
        due_at=NOON,
        action=Overdue.FAIL,
        error=DECLINED,
        closes=(Closing(step="a", attempt=1),),
    )

    node = folded(STARTED, passed).nodes["a"]

    assert (node.status, node.seq, plain(node.output)["type"]) == (NodeStatus.FAILED, 2, "Declined")


def test_a_missed_deadline_of_a_step_that_is_not_there_ends_nothing():
    """18.3."""
    passed = DeadlinePassed(step="deadline:b", bounds="b", due_at=NOON, action=Overdue.FAIL, error=DECLINED)

    assert folded(STARTED, passed).nodes.keys() == {"a"}


def test_a_step_remembers_that_nobody_knows_whether_it_took_effect():
    """18.2."""
    lost = AttemptExpired(step="a", attempt=1, claim=CLAIM, due_at=NOON, lost=1)
    later = AttemptDeferred(step="a", attempt=1, claim=CLAIM, due_at=NOON, n=4)

    assert folded(STARTED).nodes["a"].history.unsure is False
    run = folded(STARTED, lost, later, PARKED)
    assert (run.nodes["a"].history.unsure, run.nodes["a"].history.deferred) == (True, 4)
    again = msgspec.structs.replace(FIRST, attempt=2)
    run = folded(STARTED, lost, later, PARKED, StepRequeued(step="a", reason="x", opens=(again,)))
    assert (run.nodes["a"].attempt, run.nodes["a"].history) == (2, Past(base=1, deferred=0, unsure=True))


def test_a_claim_that_ended_on_a_step_that_is_not_there_says_nothing():
    """W-30"""
    ended = Ended(step="b", attempt=1, claim=CLAIM)

    assert "b" not in folded(STARTED, msgspec.structs.replace(WAITING, ends=(ended,))).nodes


def test_large_events_that_came_early_are_left_in_their_facts():
    """3.6, 18.4."""
    small = EventBuffered(event="paid", payload=canonical("x"))
    large = EventBuffered(event="paid", correlation="c-1", payload=canonical("x" * INLINE_EACH))

    run = folded(STARTED, small, large)

    assert [(each.seq, each.correlation, each.kept) for each in run.buffered] == [(2, None, True), (3, "c-1", False)]
    assert run.buffered[1].payload == NULL
    assert run.inline == 3


def test_the_reason_for_an_undo_is_kept_until_it_is_over():
    """18.2."""
    drain = DrainStarted(cause=Cause.FAILED, step="a", error=DECLINED)
    begun = CompensationStarted(cause=Cause.FAILED, step="a", error=DECLINED, order=("b",))

    assert folded(STARTED, drain).undo.order is None
    assert folded(STARTED, drain, begun).undo.order == ("b",)


@given(facts)
def test_nothing_that_follows_the_end_changes_how_it_ended(fact):
    """2.8."""
    before = folded(STARTED, DONE, RunCompleted(output=msgspec.Raw(b"5")))

    run = fold([(after(9), fact)], before)

    assert (run.status, run.output, run.nodes, run.edges) == (before.status, before.output, before.nodes, before.edges)
    is_note = isinstance(fact, NOTES) and not (fact.opens or fact.closes or fact.ends)
    assert run.anomalies == (() if is_note else (f"seq 4: {fact.kind} after the end",))


def test_notes_change_what_a_run_is_found_by_and_whether_it_is_shown():
    """2.8, 18.6, 18.7: before the end and after it; what is null has no value any more."""
    started = msgspec.structs.replace(STARTED, attributes={"a": 1, "b": "x"})
    before = folded(started, AttributesChanged(changes={"b": None, "c": [True]}), DONE, ENDED)

    run = fold(
        [(after(9), AttributesChanged(changes={"a": None, "c": None})), (after(9), RunArchived(reason="x"))], before
    )

    assert (before.attributes, before.archived, run.attributes, run.archived) == (
        {"a": 1, "c": [True]},
        False,
        None,
        True,
    )
    assert fold([(after(10), RunUnarchived())], run).archived is False
    assert run.anomalies == ()


def test_an_open_run_cannot_have_been_archived():
    """18.7"""
    assert folded(STARTED, RunArchived(reason="x")).anomalies == ("seq 2: run_archived before the end",)


def test_a_started_run_knows_what_it_was_given():
    """2.1."""
    started = msgspec.structs.replace(STARTED, schedule={"window": {"start": "2026"}}, priority=7, partition="acme")

    run = folded(started)

    assert (run.workflow, run.definition, run.trigger, run.queue) == ("Shop", "f1", "go", "q")
    assert (run.priority, run.partition, run.payload, run.at) == (7, "acme", msgspec.Raw(b"5"), NOON)
    assert run.schedule == msgspec.Raw(b'{"window":{"start":"2026"}}')
    assert run.open_steps == ["a"]
    assert run.status is RunStatus.RUNNING


def test_a_node_counts_the_claims_and_losses_of_its_latest_attempt():
    """4.4."""
    lost = AttemptExpired(step="a", attempt=1, claim=CLAIM, due_at=NOON, lost=1)
    freed = {
        reason: AttemptReleased(step="a", attempt=1, claim=CLAIM, due_at=NOON, reason=reason)
        for reason in ReleaseReason
    }

    run = folded(STARTED, lost, *freed.values())
    assert (run.nodes["a"].claims, run.nodes["a"].lost) == (5, 2)  # the expiry and the dead child

    run = fold([(NOON, DONE)], run)
    assert (run.nodes["a"].claims, run.nodes["a"].lost, run.nodes["a"].seq) == (6, 2, 7)


def test_the_next_attempt_counts_anew_and_remembers_when_the_first_was_opened():
    """5.1."""
    again = Opening(step="a", attempt=2, queue="q", due_at=NOON)
    failed = AttemptFailed(
        step="a",
        attempt=1,
        max_attempts=2,
        error=DECLINED,
        claim=CLAIM,
        disposition=Disposition.RETRIED,
        opens=(again,),
    )

    node = folded(STARTED, failed).nodes["a"]

    assert (node.status, node.attempt, node.claims, node.first_due_at) == (NodeStatus.OPEN, 2, 0, NOON)


def test_the_state_keeps_small_outputs_and_refers_to_large_ones():
    """3.6."""
    scene = Scene(" ".join(f"s{n}>end" for n in range(12)))
    for n in range(11):
        scene.complete(f"s{n}", "x" * (INLINE_EACH - 2 if n else INLINE_EACH))

    kept = [name for name, node in scene.run.nodes.items() if node.kept]

    assert kept == [f"s{n}" for n in range(1, 9)]  # s0 is too large; s9 would be beyond the sum
    assert scene.run.nodes["s0"].output is None
    assert len(scene.run.nodes["s1"].output) == INLINE_EACH
    assert scene.run.inline == INLINE_SUM


def test_an_output_that_nobody_reads_is_left_in_its_fact():
    """3.6."""
    run = folded(STARTED, msgspec.structs.replace(DONE, unread=True, output=msgspec.Raw(b"5")))

    assert run.nodes["a"].output is None
    assert run.inline == 0


@pytest.mark.parametrize(("size", "kept"), [(INLINE_SUM, True), (INLINE_SUM + 1, False)])
def test_a_large_payload_is_left_in_the_first_fact(size, kept):
    """3.6."""
    payload = canonical("x" * (size - 2))

    run = folded(msgspec.structs.replace(STARTED, payload=payload))

    assert run.payload == (payload if kept else msgspec.Raw(b"null"))
