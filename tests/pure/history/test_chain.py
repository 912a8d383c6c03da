"""The chain of hashes names the first fact that is not as it was written (3.3)."""

from datetime import datetime, timedelta, timezone
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from squidie.history.chain import first_broken, link, microseconds
from squidie.history.facts import KINDS
from tests.pure.drawn import times
from tests.pure.scene import NOON, RUN

bodies = st.lists(st.tuples(times, st.sampled_from(sorted(KINDS)), st.binary(min_size=2)), min_size=2, max_size=5)
places = st.randoms(use_true_random=False)


def chained(history):
    rows, before = [], b""
    for seq, (at, kind, body) in enumerate(history, start=1):
        before = link(before, RUN, seq, kind, at, body)
        rows.append((seq, kind, at, body, before))
    return rows


def test_a_hash_covers_the_one_before_and_all_of_the_row():
    """3.3."""
    text = f"{RUN}/2/run_cancelled/{microseconds(NOON)}/"

    assert link(b"before", RUN, 2, "run_cancelled", NOON, b"{}") == sha256(b"before" + text.encode() + b"{}").digest()


def test_a_time_counts_in_microseconds_whatever_its_zone():
    """3.3."""
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=timezone.utc)) == 1_000_005  # noqa: UP017
    assert microseconds(NOON.astimezone(timezone(timedelta(hours=5)))) == microseconds(NOON)


@given(bodies)
def test_an_untouched_stream_is_whole(history):
    """3.3."""
    assert first_broken(RUN, chained(history)) is None
    assert first_broken(RUN, []) is None


@given(bodies, places)
def test_a_flipped_byte_is_named_by_its_seq(history, dice):
    """3.3."""
    rows = chained(history)
    place = dice.randrange(len(rows))
    seq, kind, at, body, stored = rows[place]
    flipped = bytearray(body)
    flipped[dice.randrange(len(body))] ^= 1

    rows[place] = (seq, kind, at, bytes(flipped), stored)

    assert first_broken(RUN, rows) == place + 1


@given(bodies, places)
def test_another_kind_time_or_hash_is_named_by_its_seq(history, dice):
    """3.3."""
    rows = chained(history)
    place = dice.randrange(len(rows))
    seq, kind, at, body, stored = rows[place]
    forged = [
        (seq, kind + "x", at, body, stored),
        (seq, kind, at + timedelta(microseconds=1), body, stored),
        (seq, kind, at, body, sha256(stored).digest()),
    ]

    rows[place] = dice.choice(forged)

    assert first_broken(RUN, rows) == place + 1


@given(bodies, places)
def test_a_dropped_fact_is_named_unless_it_was_the_last(history, dice):
    """3.3."""
    rows = chained(history)
    place = dice.randrange(len(rows) - 1)

    del rows[place]

    assert first_broken(RUN, rows) == place + 1


@given(bodies, places)
def test_a_dropped_fact_is_named_though_the_rest_was_numbered_anew(history, dice):
    """3.3."""
    rows = chained(history)
    place = dice.randrange(len(rows) - 1)

    del rows[place]
    rows = [(seq, *row[1:]) for seq, row in enumerate(rows, start=1)]

    assert first_broken(RUN, rows) == place + 1


def test_a_gap_is_named_though_its_hashes_fit():
    """3.3."""
    first = link(b"", RUN, 1, "run_started", NOON, b"{}")
    third = link(first, RUN, 3, "run_completed", NOON, b"{}")

    rows = [(1, "run_started", NOON, b"{}", first), (3, "run_completed", NOON, b"{}", third)]

    assert first_broken(RUN, rows) == 2


@given(bodies, places)
def test_of_two_facts_that_were_swapped_the_first_is_named(history, dice):
    """3.3."""
    rows = chained(history)
    one, two = sorted(dice.sample(range(len(rows)), 2))

    rows[one], rows[two] = rows[two], rows[one]

    assert first_broken(RUN, rows) == one + 1


@given(bodies)
def test_a_stream_does_not_pass_for_that_of_another_run(history):
    """3.3."""
    assert first_broken(type(RUN)(int=8), chained(history)) == 1
