"""Events from outside: early, exact and late (18.4)."""

import pytest

from squidie.decide.commands import Elapse, Limits
from squidie.errors import EventMismatch, InvalidTransition, LimitReached
from squidie.history.canonical import plain
from squidie.history.facts import (
    EventAwaited,
    EventBuffered,
    EventLapsed,
    EventReceived,
    FailureCode,
    OpenKind,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import INLINE_EACH, NodeStatus
from squidie.workflow.spec import Compensate
from tests.pure.scene import RUN, Scene, after, by, graph, of_kind, where

PAID = of_kind("event", event="paid")


def refused(scene, error, *args):
    before = (scene.run, len(scene.history))
    with pytest.raises(error) as caught:
        scene.deliver(*args)
    assert (scene.run, len(scene.history)) == before
    return caught.value


def test_an_event_is_awaited_by_a_fact_and_holds_no_worker():
    """18.4."""
    scene = Scene(graph("a>e", e=PAID))

    [_, awaited] = scene.complete("a")

    assert awaited == EventAwaited(step="e", event="paid")
    assert (scene.rows, scene.run.open_steps) == ({}, ["e"])
    assert scene.run.status is RunStatus.RUNNING


def test_the_event_that_is_awaited_ends_the_wait_with_its_payload():
    """18.4: exact"""
    scene = Scene(graph("e>b?big e>c", e=of_kind("event", event="paid", timeout=60.0), big=where("e.n", at_least=5)))

    [received] = scene.deliver("paid", {"n": 7}, "c-1")

    assert isinstance(received, EventReceived)
    assert (received.by, received.correlation, received.buffered) == (by("shop"), "c-1", None)
    assert plain(received.payload) == {"n": 7}
    assert (scene.run.open_steps, scene.run.timers) == (["b"], {})


def test_an_event_is_known_by_the_name_of_its_node_unless_another_is_said():
    """18.4."""
    scene = Scene(graph("e", e=of_kind("event")))
    scene.deliver("e", 5)

    assert (scene.run.status, plain(scene.run.output)) == (RunStatus.COMPLETED, 5)


@pytest.mark.parametrize("size", [1, INLINE_EACH])
def test_events_that_came_early_are_taken_when_the_wait_opens_in_their_order(size):
    """18.4: early"""
    scene = Scene(graph("a>e e>f f>b", e=PAID, f=of_kind("event", event="paid", timeout=9.0)))
    [early] = scene.deliver("paid", ["x" * size, 1])
    scene.deliver("paid", ["x" * size, 2])
    assert isinstance(early, EventBuffered)
    assert len(scene.run.buffered) == 2

    facts = scene.complete("a")

    assert [fact.kind for fact in facts] == [
        "attempt_completed",
        *("event_awaited", "event_received") * 2,
    ]
    assert [plain(fact.payload)[1] for fact in facts if isinstance(fact, EventReceived)] == [1, 2]
    assert [fact.buffered for fact in facts if isinstance(fact, EventReceived)] == [2, 3]
    assert (scene.run.buffered, scene.run.open_steps, scene.run.timers) == ((), ["b"], {})


def test_an_event_that_came_early_may_complete_the_run_in_the_commit_that_awaits_it():
    """18.4, 1.20."""
    scene = Scene(graph("a>e", e=PAID))
    scene.deliver("paid", "x" * INLINE_EACH)

    assert [fact.kind for fact in scene.complete("a")][-2:] == ["event_received", "run_completed"]
    assert plain(scene.run.output) == "x" * INLINE_EACH


def test_what_came_early_for_another_stays():
    """18.4."""
    scene = Scene(graph("a>e a>f", e=of_kind("event", event="paid", correlation="c-1"), f=of_kind("event")))
    scene.deliver("paid", 2, "c-2")
    scene.deliver("f", 3)
    scene.complete("a")

    assert [(each.event, each.correlation) for each in scene.run.buffered] == [("paid", "c-2")]
    assert scene.run.open_steps == ["e"]


def test_so_many_early_events_of_a_kind_are_kept_and_no_more():
    """18.4."""
    scene = Scene(graph("a>e", e=PAID), limits=Limits(buffer=2))
    for correlation in ("c-1", "c-1", "c-2"):
        scene.deliver("paid", 5, correlation)

    assert refused(scene, LimitReached, "paid", 5, "c-1").details["limit"] == 2
    assert len(scene.deliver("paid", 5, "c-2")) == 1


def test_a_correlation_tells_one_event_from_another():
    """18.4."""
    one, two = (of_kind("event", event="paid", correlation=text) for text in ("c-1", "c-2"))
    scene = Scene(graph("e f", e=one, f=two))

    scene.deliver("paid", "two", "c-2")
    assert scene.run.open_steps == ["e"]

    [early] = scene.deliver("paid", "nobody's", "c-3")
    assert isinstance(early, EventBuffered)
    [early] = scene.deliver("paid", "nobody's")
    assert isinstance(early, EventBuffered)


@pytest.mark.parametrize(("path", "correlation"), [("payload.order", "5"), ("a.id", "c-1")])
def test_a_correlation_may_be_read_from_the_run(path, correlation):
    """18.4."""
    scene = Scene(graph("a>e", e=of_kind("event", event="paid", correlation_from=path)))

    [_, awaited] = scene.complete("a", {"id": "c-1", "fill": "x" * INLINE_EACH})

    assert awaited.correlation == correlation


@pytest.mark.parametrize("value", [True, None, 1.5, "", "x" * 256, ["c-1"]])
def test_what_is_no_text_to_know_an_event_by_fails_the_node(value):
    """18.4, 1.15."""
    scene = Scene(graph("a>e e>b", e=of_kind("event", correlation_from="a")))
    scene.complete("a", value)

    assert scene.kinds[-3:] == ["event_awaited", "event_lapsed", "run_failed"]
    assert (scene.run.step, scene.run.error.kind) == ("e", FailureCode.INVALID_INPUT)


def test_a_correlation_that_is_missing_takes_the_error_edges():
    """1.15."""
    scene = Scene(graph("a>e e>b e!c", e=of_kind("event", event="paid", correlation_from="a.id")))
    scene.deliver("paid", 5)  # is not taken for it
    scene.complete("a", {})

    assert (scene.run.open_steps, scene.status("e")) == (["c"], NodeStatus.FAILED)
    lapsed = scene.facts[-1]
    assert (lapsed.event, lapsed.error.details["parameter"]) == ("paid", "correlation")


def test_the_node_that_has_waited_longest_takes_the_event():
    """18.4: several at once"""
    scene = Scene(graph("a>f e", e=PAID, f=PAID))
    scene.complete("a")

    assert scene.deliver("paid")[0].step == "e"
    assert scene.deliver("paid")[0].step == "f"


def test_an_event_that_nobody_expects_is_refused_and_told_what_is():
    """18.4."""
    scene = Scene(graph("e>b a>f a!g", e=PAID, f=of_kind("event"), g=of_kind("event")))
    assert refused(scene, EventMismatch, "lost").details == {"event": "lost", "expected": ["f", "g", "paid"]}

    scene.deliver("paid")
    scene.complete("a")
    assert refused(scene, EventMismatch, "paid").details["expected"] == ["f"]  # g was skipped


def test_an_event_for_a_run_that_has_ended_is_refused():
    """18.4: late"""
    scene = Scene(graph("e", e=PAID))
    scene.deliver("paid")

    assert refused(scene, InvalidTransition, "paid").details["status"] == "completed"


def test_a_run_that_is_undone_takes_no_events():
    """5.11, 18.4."""
    scene = Scene(graph("a>e a>b", e=PAID, a={"compensate": Compensate(action="undo")}))
    scene.complete("a")
    scene.fail("b")

    assert refused(scene, EventMismatch, "paid").details["expected"] == []


def test_an_event_that_does_not_come_in_time_takes_the_error_edges():
    """18.4: lapse"""
    scene = Scene(graph("e>b e!c", e=of_kind("event", event="paid", timeout=60.0)))
    assert (scene.row("e").kind, scene.row("e").due_at) == (OpenKind.TIMER, after(60))
    assert scene.run.nodes["e"].waiting.due_at == after(60)

    [lapsed] = scene.elapse("e")

    assert isinstance(lapsed, EventLapsed)
    assert (lapsed.event, lapsed.error.kind, lapsed.error.code) == ("paid", FailureCode.EVENT_LAPSED, "event_lapsed")
    assert (scene.run.open_steps, scene.run.timers) == (["c"], {})


def test_a_lapse_that_nothing_handles_fails_the_run():
    """18.4."""
    scene = Scene(graph("e>b", e=of_kind("event", timeout=60.0)))

    [lapsed, ended] = scene.elapse("e")

    assert (ended.step, ended.error) == ("e", lapsed.error)


def test_delivery_and_lapse_race_and_one_of_them_wins():
    """18.4."""
    scene = Scene(graph("e>b e!c", e=of_kind("event", timeout=60.0)))
    scene.now = after(60)
    scene.deliver("e")
    assert scene.ask(Elapse(RUN, "e", 1)) == []

    scene = Scene(graph("e>b e!c", e=of_kind("event", timeout=60.0)))
    scene.elapse("e")
    refused(scene, EventMismatch, "e")


def test_an_event_that_leads_nowhere_fails_the_run():
    """1.19."""
    scene = Scene(graph("a>e e>b?big x", e=PAID, big=where("e", at_least=5)))
    [received, ended] = Scene(graph("e>b?big", e=PAID, big=where("e", at_least=5))).deliver("paid", 1)
    assert (received.moved.taken, ended.error.kind) == ((), FailureCode.NO_MATCHING_EDGE)

    scene.deliver("paid", 1)
    assert [fact.kind for fact in scene.complete("a")][-2:] == ["event_received", "run_failed"]


def test_a_run_may_begin_with_an_event():
    """2.1, 18.4."""
    scene = Scene(graph("e>b", e=PAID))

    assert scene.kinds == ["run_started", "event_awaited"]
    assert scene.deliver("paid", 5)[0].opens[0].step == "b"


def test_an_early_event_takes_room_in_the_state_once():
    """3.6, 18.4."""
    scene = Scene(graph("a>e e>b", e=PAID))
    scene.deliver("paid", "x" * 98)
    assert scene.run.inline == 100

    scene.complete("a")

    assert (scene.run.inline, len(scene.run.nodes["e"].output)) == (100, 100)
