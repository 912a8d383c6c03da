"""Durations as authors write them (0)."""

from datetime import timedelta

import pytest

from squidie.workflow.durations import seconds


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("90s", 90.0),
        ("4h30m", 16_200.0),
        ("4h 30m", 16_200.0),
        ("1.5d", 129_600.0),
        ("2w1d", 1_296_000.0),
        ("250ms", 0.25),
        ("1s500ms", 1.5),
        ("1us", 0.000001),
        (30, 30.0),
        (0.1, 0.1),
        (1.00000049, 1.0),
        (timedelta(hours=1, microseconds=1), 3600.000001),
    ],
)
def test_a_duration_is_text_a_number_or_a_timedelta(written, expected):
    """0: to the microsecond."""
    assert seconds(written) == expected


@pytest.mark.parametrize(
    "written",
    ["", "5", "s", "5 apples", "m5", "30m4h", "5s5s", "-5s", "5s!", -1, 0, "0s", True, None, [],
     float("nan"), float("inf"), 10**400, 1e12,
     0.0000001, timedelta(seconds=-1)],
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_a_reason(written):
    with pytest.raises(ValueError, match="a duration"):
        seconds(written)


def test_zero_is_welcome_only_where_it_is_said():
    assert seconds(0, allow_zero=True) == 0
    assert seconds("0s", allow_zero=True) == 0
