"""How long to wait (5.1)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squidie.decide.backoff import LONGEST, after_loss, after_unserved, delay
from squidie.workflow.spec import Backoff, Retry

FIXED, LINEAR, EXPONENTIAL = Backoff.FIXED, Backoff.LINEAR, Backoff.EXPONENTIAL


@pytest.mark.parametrize(
    ("backoff", "factor", "delays"),
    [
        (FIXED, 2.0, {1: 1.5, 2: 1.5, 3: 1.5, 1_000: 1.5}),
        (LINEAR, 2.0, {1: 1.5, 2: 3.0, 3: 4.5, 20: 30.0, 21: 30.0, 1_000: 30.0}),
        (EXPONENTIAL, 2.0, {1: 1.5, 2: 3.0, 3: 6.0, 5: 24.0, 6: 30.0, 1_000: 30.0, 10_000: 30.0}),
        (EXPONENTIAL, 3.0, {1: 1.5, 2: 4.5, 3: 13.5, 4: 30.0}),
        (EXPONENTIAL, 1.0, {1: 1.5, 9: 1.5}),
    ],
)
def test_the_delay_grows_as_its_backoff_says_up_to_the_cap(backoff, factor, delays):
    """5.1."""
    retry = Retry(20_000, backoff=backoff, min=1.5, max=30.0, factor=factor)

    assert {attempt: delay(retry, attempt, 0.9) for attempt in delays} == delays


def test_a_delay_resolves_microseconds():
    """W-25"""
    assert delay(Retry(3, min=0.000_001), 2, 0.0) == 0.000_002


@pytest.mark.parametrize(
    ("jitter", "dice", "expected"),
    [
        (False, 0.5, 8.0),
        (0.0, 0.5, 8.0),
        (True, 0.0, 8.0),
        (True, 0.5, 4.0),
        (1.0, 0.75, 2.0),
        (0.25, 0.0, 8.0),
        (0.25, 0.5, 7.0),
    ],
)
def test_jitter_draws_its_fraction_of_the_delay(jitter, dice, expected):
    """5.1."""
    assert delay(Retry(9, min=2.0, jitter=jitter), 3, dice) == expected


@given(
    st.builds(
        Retry,
        st.integers(1, 100),
        st.sampled_from(Backoff),
        min=st.floats(0, 1e9),
        max=st.floats(0, 1e9),
        factor=st.floats(1, 100),
        jitter=st.booleans() | st.floats(0, 1),
    ),
    st.integers(1, 5_000),
    st.floats(0, 1, exclude_max=True),
)
def test_every_delay_lies_between_nothing_and_the_cap(retry, attempt, dice):
    """5.1."""
    wait = delay(retry, attempt, dice)

    assert 0 <= wait <= min(retry.max, LONGEST)
    assert timedelta(seconds=wait) <= timedelta(days=366)


def test_a_step_that_kills_its_workers_is_tried_ever_more_rarely():
    """4.4."""
    assert [after_loss(lost) for lost in (1, 2, 3, 4, 5, 99)] == [0.0, 1.0, 5.0, 30.0, 30.0, 30.0]


def test_what_a_worker_cannot_run_is_due_again_later_and_later_up_to_a_minute():
    """4.9, B27: under ten claims in the first minute, and one a minute after that."""
    assert [after_unserved(before) for before in (0, 1, 2, 3, 4, 9, 10_000)] == [5, 10, 20, 40, 60, 60, 60]
