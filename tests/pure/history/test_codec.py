"""Facts and their bytes (3.7, 3.8)."""

import msgspec
import pytest
from hypothesis import given, settings

from squidie.errors import CorruptHistory, UnknownFact
from squidie.history.codec import decode, encode
from squidie.history.facts import KINDS, AttemptCompleted, RunCancelled
from tests.pure import drawn
from tests.pure.scene import CLAIM

DEEP = b'{"by":{"verb":"","digest":"","request_id":"","actor":' + b"[" * 100_000 + b"]" * 100_000 + b'},"reason":"x"}'


def test_a_kind_is_the_name_of_its_class_in_snake_case():
    """3: the facts"""
    assert set(KINDS) == {
        *("run_started", "run_completed", "run_failed", "run_cancelled"),
        *("attempt_completed", "attempt_failed", "attempt_dead_lettered", "attempt_deferred", "attempt_hastened"),
        *("attempt_released", "attempt_expired", "step_requeued", "step_discarded", "wait_started", "wait_elapsed"),
        *("pause_opened", "vote_cast", "review_delegated", "pause_resolved"),
        *("event_awaited", "event_buffered", "event_received", "event_lapsed"),
        *("deadline_passed", "drain_started", "compensation_started", "compensation_stuck"),
        *("attributes_changed", "run_archived", "run_unarchived"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_fact_reads_back_as_it_was_written(kind):
    """3.8."""

    @settings(max_examples=25)
    @given(drawn.facts_of(kind))
    def check(fact):
        assert fact.kind == kind
        assert decode(kind, encode(fact)) == fact
        assert decode(kind, encode(fact).decode()) == fact
        assert encode(decode(kind, encode(fact))) == encode(fact)

    check()


def test_what_has_its_default_is_left_out_of_the_text():
    """W-10"""
    fact = AttemptCompleted(step="a", attempt=1, claim=CLAIM)

    assert sorted(msgspec.json.decode(encode(fact))) == ["attempt", "claim", "step"]


def test_an_output_is_kept_as_the_bytes_it_came_in():
    """3.5."""
    fact = AttemptCompleted(step="a", attempt=1, claim=CLAIM, output=msgspec.Raw(b'{"z":1e16,"a":-0.0}'))

    assert b'"output":{"z":1e16,"a":-0.0}' in encode(fact)
    assert decode(fact.kind, encode(fact)).output == fact.output


def test_a_fact_of_an_unknown_kind_is_left_to_newer_workers():
    """3.8."""
    with pytest.raises(UnknownFact, match="run a newer worker") as refused:
        decode("run_continued", b"{}")

    assert refused.value.details == {"kind": "run_continued"}


@pytest.mark.parametrize("body", [b'{"reason":"x","v":2}', b'{"reasons":["x"],"v":2}'])
def test_a_fact_of_a_newer_version_is_left_to_newer_workers(body):
    """3.8."""
    with pytest.raises(UnknownFact):
        decode("run_cancelled", body)


def test_a_field_that_a_later_release_adds_is_ignored():
    """3.8."""
    assert decode("run_cancelled", b'{"reason":"x","mood":"sad"}') == RunCancelled(reason="x")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"reason":5}',
        b'{"reason":"x"}x',
        b'{"reason":"x","v":"2"}',
        b'{"reason":"\xff"}',
        DEEP,
    ],
)
def test_a_body_that_is_none_of_ours_is_corrupt_history(body):
    """3.7."""
    with pytest.raises(CorruptHistory) as refused:
        decode("run_cancelled", body)

    assert refused.value.details == {"kind": "run_cancelled"}
