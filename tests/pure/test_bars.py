"""A run against time: what each step did, on a scale where long pauses are folded (UX 8.3, 4.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from squidie.views.attempts import AttemptView
from squidie.views.bars import Kind, Mark, marks_of, scale_of

START = datetime(2026, 3, 10, 14, tzinfo=UTC)


def after(seconds):
    return START + timedelta(seconds=seconds)


def mark(start, end, kind=Kind.RUNS):
    return Mark(kind, after(start), after(end))


def run(now, ended=None):
    return SimpleNamespace(started_at=START, at=after(now), ended_at=None if ended is None else after(ended))


def step(**given):
    plain = {"claimed_at": None, "settled_at": None, "waits": None, "reason": None, "lease_until": None,
             "due_at": None, "state": "completed"}  # fmt: skip
    return SimpleNamespace(**{**plain, **given})


def tried(start, end, outcome="completed"):
    ended = None if end is None else after(end)
    return AttemptView(id="x", attempt=1, outcome=outcome, claimed_at=after(start), ended_at=ended)


def test_a_short_run_is_drawn_as_it_was():
    scale = scale_of(run(10, 10), [mark(0, 5), mark(5, 10)], 11)

    assert scale.folds == ()
    assert [scale.cell(after(at)) for at in (0, 5, 10)] == [0, 5, 10]


def test_a_pause_that_takes_more_than_half_is_folded_into_a_cell():
    scale = scale_of(run(7204, 7204), [mark(0, 2), mark(7202, 7204)], 40)

    (fold,) = scale.folds
    assert fold[1] - fold[0] > timedelta(hours=1)
    ((cell, goes_on),) = scale.marks()
    assert (scale.cell(fold[0]), scale.cell(goes_on)) == (cell, cell + 1)
    assert scale.cell(after(7204)) > cell


def test_work_is_never_folded():
    scale = scale_of(run(7200, 7200), [mark(0, 7200)], 40)

    assert scale.folds == ()


def test_a_pause_of_seconds_is_not_folded():
    assert scale_of(run(9, 9), [mark(0, 0.1), mark(8.9, 9)], 40).folds == ()


def test_a_run_in_which_nothing_took_any_time_is_drawn_too():
    scale = scale_of(run(0, 0), [mark(0, 0)], 20)

    assert scale.cell(START) == 0


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4)), max_size=12),
    st.integers(5, 120),
    st.lists(st.floats(-10, 2e6), max_size=20),
)
def test_cells_lie_on_the_scale_and_in_the_order_of_their_times(busy, width, times):
    """Whatever was done, and whatever is asked."""
    marks = [mark(start, start + length) for start, length in busy]
    last = max([0.0, *(start + length for start, length in busy)])
    scale = scale_of(run(last, last), marks, width)

    cells = [scale.cell(after(at)) for at in sorted(times)]
    assert cells == sorted(cells)
    assert all(0 <= cell < width for cell in cells)
    assert all(a < b for a, b in scale.folds)


def test_between_two_tries_there_is_a_backoff():
    marks = marks_of(step(settled_at=after(9)), [tried(0, 1, "failed"), tried(8, 9)], after(20))

    assert marks == [mark(0, 1, Kind.FAILED), mark(1, 8, Kind.BACKOFF), mark(8, 9)]


def test_what_waits_for_its_next_try_waits_until_now():
    marks = marks_of(step(reason="retry_backoff", due_at=after(60)), [tried(0, 1, "failed")], after(20))

    assert marks == [mark(0, 1, Kind.FAILED), mark(1, 20, Kind.BACKOFF)]


def test_what_is_due_and_not_taken_is_queued():
    assert marks_of(step(reason="queued", due_at=after(3)), [], after(20)) == [mark(3, 20, Kind.QUEUED)]


def test_what_is_held_runs_until_now():
    found = marks_of(step(reason="running", lease_until=after(30)), [tried(5, None, "claimed")], after(20))

    assert found == [mark(5, 20)]


def test_who_waits_for_somebody_waits_until_the_decision():
    waiting = SimpleNamespace(since=after(2))

    assert marks_of(step(waits=waiting), [], after(20)) == [mark(2, 20, Kind.WAITS)]
    assert marks_of(step(waits=waiting, settled_at=after(8)), [], after(20)) == [mark(2, 8, Kind.WAITS)]


def test_where_attempts_are_not_to_be_seen_the_last_one_stands_for_them():
    """14.1: outside, times are shown and claims are not."""
    assert marks_of(step(claimed_at=after(1), settled_at=after(3)), [], after(20)) == [mark(1, 3)]


def test_what_is_parked_waits_for_a_person():
    marks = marks_of(step(reason="dead_lettered"), [tried(0, 1, "failed")], after(20))

    assert marks == [mark(0, 1, Kind.FAILED), mark(1, 20, Kind.WAITS)]
