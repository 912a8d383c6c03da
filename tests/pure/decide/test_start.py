"""Starting a run: one fact with the work it opens (2.1, 1.17)."""

import msgspec
import pytest

from squidie.decide.ready import opening, row
from squidie.decide.start import start
from squidie.history.attempts import OpenAttempt
from squidie.history.canonical import canonical
from squidie.history.facts import Opening, OpenKind, RunStarted
from squidie.history.lifecycle import RunStatus
from squidie.history.run import INLINE_SUM
from tests.pure.scene import BY, NOON, RUN, Scene, after, begin, by, graph, of_kind


def test_a_run_starts_with_its_entry_steps():
    """1.17, 2.1."""
    [fact] = start(begin(graph("a>c b>c")), NOON)

    assert fact == RunStarted(
        by=BY,
        workflow="Shop",
        definition="f1",
        trigger="go",
        payload=msgspec.Raw(b'{"order":5}'),
        queue="default",
        opens=(
            Opening(step="a", attempt=1, queue="default", due_at=NOON),
            Opening(step="b", attempt=1, queue="default", due_at=NOON),
        ),
    )


def test_everything_a_start_says_stands_in_the_fact():
    """2.1, 2.3."""
    told = {
        "priority": 7,
        "key": "order-5",
        "partition": "acme",
        "window": "2026-03-01T12:00:00+00:00",
        "schedule": {"window": {"start": "x"}},
        "attributes": {"customer": "c5"},
    }

    [fact] = start(begin(graph("a"), **told), NOON)

    assert {name: getattr(fact, name) for name in told} == told


@pytest.mark.parametrize(("at", "due_at"), [(None, NOON), (after(60), after(60)), (NOON, NOON), (after(-60), NOON)])
def test_a_time_delays_the_first_steps_and_a_past_one_means_now(at, due_at):
    """2.1."""
    [fact] = start(begin(graph("a"), at=at), NOON)

    assert [opened.due_at for opened in fact.opens] == [due_at]


@pytest.mark.parametrize(
    ("declared", "queue", "priority"),
    [({}, "default", 100), ({"queue": "gpu"}, "gpu", 100), ({"priority": 0}, "default", 0)],
)
def test_a_step_keeps_its_own_queue_and_priority(declared, queue, priority):
    """18.15."""
    opened = opening(graph("a", a=declared), "a", 1, queue="default", priority=100, due_at=NOON)

    assert (opened.queue, opened.priority) == (queue, priority)


@pytest.mark.parametrize(
    ("declared", "alone"), [({}, False), ({"irreversible": True}, True), ({"transactional": True}, True)]
)
def test_a_row_appears_as_its_opening_says(declared, alone):
    """2.1."""
    opened = Opening(step="a", attempt=2, queue="gpu", due_at=after(5), priority=7)

    found = row(RUN, graph("a", a=declared), opened)

    assert found == OpenAttempt(RUN, "a", 2, "shop:a", "gpu", 7, after(5), 0, alone)


def test_the_row_of_a_timer_names_no_code():
    """2.1."""
    opened = Opening(step="w", attempt=1, queue="gpu", due_at=after(5), kind=OpenKind.TIMER)

    found = row(RUN, graph("w", w=of_kind("wait", duration=5.0)), opened)

    assert found == OpenAttempt(RUN, "w", 1, "", "gpu", 100, after(5), kind=OpenKind.TIMER)


def test_a_run_may_begin_with_everything_at_once():
    """1.17, 2.1: W-20."""
    scene = Scene(
        graph(
            "a p>b w e l",
            p=of_kind("approval", due=5.0),
            w=of_kind("wait", duration=5.0),
            e=of_kind("event", timeout=5.0),
            l=of_kind("log", message="x"),
        )
    )

    assert scene.kinds == ["run_started", "pause_opened", "wait_started", "event_awaited"]
    assert [fact.by for fact in scene.facts] == [BY, None, None, None]
    assert sorted(scene.run.open_steps) == ["a", "e", "l", "p", "w"]
    assert scene.run.timers == {"p": 1, "w": 1, "e": 1}


def test_a_run_that_begins_with_a_question_is_paused_from_its_start():
    """2.1, 6.1."""
    scene = Scene(graph("p", p=of_kind("pause")))

    assert scene.run.status is RunStatus.PAUSED


def test_a_run_may_be_over_in_the_commit_that_starts_it():
    """1.15, 2.1."""
    scene = Scene(graph("w!end", w=of_kind("wait", until="payload.nowhere")))

    assert scene.kinds == ["run_started", "wait_started", "wait_elapsed", "run_completed"]
    assert scene.rows == {}


def test_what_a_wait_at_the_entry_reads_may_be_too_large_for_the_state():
    """2.1, 3.6."""
    payload = canonical({"at": after(60).isoformat(), "fill": "x" * INLINE_SUM})
    scene = Scene(graph("w", w=of_kind("wait", until="payload.at")), payload=payload)

    assert scene.row("w").due_at == after(60)


def test_a_run_knows_who_started_it():
    """6.5."""
    assert Scene("a", by=by("ann")).run.starter == "ann"


def test_a_replay_says_of_what():
    """8.1."""
    [fact] = start(begin(graph("a"), replay_of=RUN), NOON)

    assert fact.replay_of == str(RUN)


def test_a_time_delays_what_waits_at_the_entry_as_well():
    """2.1: a question and an event are open at once, and how long they have counts from that time"""
    spec = graph(
        "w p e u!b",
        w=of_kind("wait", duration=5.0),
        p=of_kind("pause", due=6.0),
        e=of_kind("event", timeout=7.0),
        u=of_kind("wait", until="payload.nowhere"),
    )
    scene = Scene(spec, at=after(60))

    assert [scene.row(step).due_at for step in "wpeb"] == [after(65), after(66), after(67), after(60)]
    assert scene.run.at == NOON
    assert scene.run.nodes["p"].waiting.at == NOON
