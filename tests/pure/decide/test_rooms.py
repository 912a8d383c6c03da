"""What a limit and a rate let pass (SEMANTICS 18.14): slots that are counted, tokens that come back."""

from __future__ import annotations

import pytest

from squidie.decide.rooms import Bucket, Room, room


@pytest.mark.parametrize(("held", "slots"), [(0, 3), (2, 1), (3, 0), (5, 0)])
def test_a_limit_lets_so_many_pass_as_are_not_held_and_none_where_more_are(held, slots):
    """18.14: more are held after a lease was revived, or a limit was lowered."""
    assert room(Bucket(n=3, held=held)) == Room(slots)


def test_a_rate_that_nobody_has_used_is_full():
    """18.14."""
    assert room(Bucket(n=6, per=60.0, burst=4)) == Room(4, 4.0, 10.0)


@pytest.mark.parametrize(
    ("tokens", "since", "slots"), [(0.0, 9.999, 0), (0.0, 10.0, 1), (0.5, 5.0, 1), (0.0, 3600.0, 4), (2.0, -60.0, 2)]
)
def test_tokens_come_back_one_by_one_up_to_the_burst_and_never_go_away(tokens, since, slots):
    """18.14: six a minute; a clock that stepped back takes none away."""
    assert room(Bucket(n=6, per=60.0, burst=4, tokens=tokens, since=since)).slots == slots


def test_a_rate_of_none_lets_nothing_pass_and_nobody_waits_for_it():
    """18.14: an operator has set it to zero."""
    closed = room(Bucket(n=0, per=60.0, burst=4, tokens=3.0, since=100.0))

    assert (closed.slots, closed.wait) == (0, None)


def test_what_is_taken_is_gone_and_the_next_token_has_its_time():
    """18.14."""
    left = room(Bucket(n=6, per=60.0, burst=4)).less(4)

    assert (left.slots, left.tokens, left.wait) == (0, 0.0, 10.0)
    assert Room(0, 0.75, 10.0).wait == pytest.approx(2.5)
    assert Room(2, 2.0, 10.0).wait is None


def test_slots_that_are_taken_are_fewer_and_have_no_time():
    """18.14: a holder's end frees one, or its lease's."""
    assert (Room(3).less(2), Room(1).less(2), Room(0).wait) == (Room(1), Room(0), None)
