"""Starting a run: one fact with the work it opens (2.1, 1.17)."""

import msgspec
import pytest

from squidie.decide.ready import opening, row
from squidie.decide.start import start
from squidie.history.attempts import OpenAttempt
from squidie.history.facts import Opening, RunStarted
from tests.pure.scene import BY, NOON, RUN, after, begin, graph


def test_a_run_starts_with_its_entry_steps():
    """1.17, 2.1"""
    fact = start(begin(graph("a>c b>c")), NOON)

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
    """2.1, 2.3"""
    told = {
        "priority": 7,
        "key": "order-5",
        "partition": "acme",
        "window": "2026-03-01T12:00:00+00:00",
        "schedule": {"window": {"start": "x"}},
        "attributes": {"customer": "c5"},
    }

    fact = start(begin(graph("a"), **told), NOON)

    assert {name: getattr(fact, name) for name in told} == told


@pytest.mark.parametrize(("at", "due_at"), [(None, NOON), (after(60), after(60)), (NOON, NOON), (after(-60), NOON)])
def test_a_time_delays_the_first_steps_and_a_past_one_means_now(at, due_at):
    """2.1"""
    fact = start(begin(graph("a"), at=at), NOON)

    assert [opened.due_at for opened in fact.opens] == [due_at]


@pytest.mark.parametrize(
    ("declared", "queue", "priority"),
    [({}, "default", 100), ({"queue": "gpu"}, "gpu", 100), ({"priority": 0}, "default", 0)],
)
def test_a_step_keeps_its_own_queue_and_priority(declared, queue, priority):
    """18.15"""
    opened = opening(graph("a", a=declared), "a", 1, queue="default", priority=100, due_at=NOON)

    assert (opened.queue, opened.priority) == (queue, priority)


def test_a_row_appears_as_its_opening_says():
    """2.1"""
    spec = graph("a", a={"irreversible": True})
    opened = Opening(step="a", attempt=2, queue="gpu", due_at=after(5), priority=7)

    assert row(RUN, spec, opened) == OpenAttempt(RUN, "a", 2, "shop:a", "gpu", 7, after(5), 0, irreversible=True)
