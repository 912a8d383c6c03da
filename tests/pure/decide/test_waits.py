"""Waits for a time, and log nodes: no worker is held (1.15, the table of node kinds)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from squidie.decide.commands import Elapse
from squidie.history.canonical import canonical
from squidie.history.facts import (
    AttemptCompleted,
    FailureCode,
    Opening,
    OpenKind,
    WaitElapsed,
    WaitStarted,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import INLINE_EACH, NodeStatus
from squidie.workflow.spec import LOG_ACTION
from tests.pure.scene import NOON, RUN, Scene, after, graph, of_kind, where

PAYLOAD = canonical({"at": "2026-03-01T13:00:00.000001+01:00", "order": 5, "text": "soon", "local": "2026-03-01"})


def test_a_wait_opens_a_timer_and_its_successors_follow_when_it_elapses():
    """1.16, 1.17."""
    scene = Scene(graph("a>w w>b", w=of_kind("wait", duration=0.000_001)))

    [_, begun] = scene.complete("a")
    assert begun == WaitStarted(
        step="w",
        until=after(0.000_001),
        opens=(
            Opening(step="w", attempt=1, queue="default", due_at=after(0.000_001), priority=100, kind=OpenKind.TIMER),
        ),
    )
    assert scene.run.timers == {"w": 1}

    [over] = scene.elapse("w")
    assert isinstance(over, WaitElapsed)
    assert over.moved.taken == ("w:ok:b",)
    assert [opened.step for opened in over.opens] == ["b"]
    assert (scene.run.at, scene.run.timers) == (after(0.000_001), {})


@pytest.mark.parametrize(("now", "facts"), [(59.999_999, 0), (60, 2), (3600, 2)])
def test_a_wait_is_over_to_the_microsecond(now, facts):
    """0: the boundary counts"""
    scene = Scene(graph("w", w=of_kind("wait", duration=60.0)))
    scene.now = after(now)

    assert len(scene.ask(Elapse(RUN, "w", 1))) == facts


def test_a_timer_that_somebody_else_has_settled_writes_nothing():
    """2.8."""
    scene = Scene(graph("w a", w=of_kind("wait", duration=1.0)))
    scene.elapse("w")
    assert scene.ask(Elapse(RUN, "w", 1)) == []
    assert scene.ask(Elapse(RUN, "a", 1)) == []  # that is no timer

    scene.cancel()
    assert scene.ask(Elapse(RUN, "w", 1)) == []


def test_a_timer_of_a_run_that_has_ended_writes_nothing():
    """2.8: though its row was read before the end"""
    scene = Scene(graph("w", w=of_kind("wait", duration=1.0)))
    rows = dict(scene.rows)
    scene.cancel()
    scene.rows, scene.now = rows, after(9)

    assert scene.ask(Elapse(RUN, "w", 1)) == []


def test_a_wait_until_a_time_reads_it_where_it_is_found():
    """1.12."""
    scene = Scene(graph("w", w=of_kind("wait", until="payload.at")), payload=PAYLOAD)

    assert scene.row("w").due_at == datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    assert scene.run.nodes["w"].waiting.due_at == after(0.000_001)


def test_a_wait_until_what_an_earlier_step_brought_sees_it_though_it_is_too_large_for_the_state():
    """1.12, 3.6."""
    at = after(90).astimezone(timezone(timedelta(hours=-5))).isoformat()
    scene = Scene(graph("a>w", w=of_kind("wait", until="a.at")))
    scene.complete("a", {"at": at, "fill": "x" * INLINE_EACH})

    assert scene.row("w").due_at == after(90)


def test_a_time_that_is_past_is_over_at_once():
    """0: `due_at <= now` is due"""
    scene = Scene(graph("a>w", w=of_kind("wait", until="a")))
    scene.complete("a", after(-60).isoformat())

    assert len(scene.ask(Elapse(RUN, "w", 1))) == 2
    assert scene.run.status is RunStatus.COMPLETED


UNUSABLE = [
    ("payload.nowhere", FailureCode.MISSING_INPUT_PATH),
    ("payload.order", FailureCode.INVALID_INPUT),
    ("payload.text", FailureCode.INVALID_INPUT),
    ("payload.local", FailureCode.INVALID_INPUT),
]


@pytest.mark.parametrize(("path", "kind"), UNUSABLE)
def test_a_wait_that_finds_no_time_fails_the_run_where_nothing_handles_it(path, kind):
    """1.15."""
    scene = Scene(graph("w>b other", w=of_kind("wait", until=path)), payload=PAYLOAD)

    assert scene.kinds == ["run_started", "wait_started", "wait_elapsed", "run_failed"]
    assert (scene.run.step, scene.run.error.kind, scene.run.error.retryable) == ("w", kind, False)
    assert "soon" not in scene.run.error.message
    assert scene.status("w") is NodeStatus.FAILED


@pytest.mark.parametrize(("path", "kind"), UNUSABLE)
def test_a_wait_that_finds_no_time_takes_its_error_edges(path, kind):
    """1.15."""
    spec = graph("w>b w!c?kind w!d", w=of_kind("wait", until=path), kind=where("error.kind", equals=kind.value))
    scene = Scene(spec, payload=PAYLOAD)

    assert scene.run.open_steps == ["c"]
    assert scene.rows.keys() == {(RUN, "c", 1)}


def test_what_was_missing_is_said():
    """1.15: `parameter, path, missing_at`"""
    scene = Scene(graph("w", w=of_kind("wait", until="payload.order_at.start")), payload=PAYLOAD)

    assert scene.run.error.details == {
        "parameter": "until",
        "path": "payload.order_at.start",
        "missing_at": "payload.order_at",
    }


def test_a_wait_whose_edges_all_ask_for_something_else_fails_the_run():
    """1.19."""
    spec = graph("w>b?asked", w=of_kind("wait", duration=1.0), asked=where("w", equals=5))
    scene = Scene(spec)

    [over, ended] = scene.elapse("w")

    assert over.moved.taken == ()
    assert ended.error.kind is FailureCode.NO_MATCHING_EDGE


def test_waits_follow_one_another_and_run_beside_steps():
    """1.17: W-20."""
    spec = graph("a>v v>w b>w w>c", v=of_kind("wait", duration=5.0), w=of_kind("wait", duration=7.0))
    scene = Scene(spec)
    scene.complete("a")
    scene.elapse("v")
    assert scene.run.open_steps == ["b"]

    [_, begun] = scene.complete("b")
    assert begun.until == after(12)
    scene.elapse("w")
    assert scene.run.open_steps == ["c"]


def test_a_wait_that_nothing_follows_ends_its_run_with_a_null():
    """1.20."""
    scene = Scene(graph("w", w=of_kind("wait", duration=5.0)))

    assert [fact.kind for fact in scene.elapse("w")] == ["wait_elapsed", "run_completed"]
    assert scene.run.output == canonical(None)


def test_a_log_node_is_worked_as_a_step_that_every_worker_can_run():
    """1.17."""
    scene = Scene(graph("a>l l>b", l=of_kind("log", message="half way")))
    scene.complete("a")

    assert (scene.row("l").action, scene.row("l").kind) == (LOG_ACTION, OpenKind.STEP)
    [logged] = scene.complete("l", None)
    assert isinstance(logged, AttemptCompleted)
    assert scene.run.open_steps == ["b"]


def test_a_run_may_begin_with_waits():
    """2.1."""
    scene = Scene(graph("w>b a", w=of_kind("wait", duration=5.0)))

    assert scene.kinds == ["run_started", "wait_started"]
    assert scene.facts[0].by is not None
    assert scene.facts[1].by is None
    assert sorted(scene.run.open_steps) == ["a", "w"]
    assert scene.row("w").due_at == NOON + timedelta(seconds=5)
