"""What is wrong first with a history is named by its seq and a rule (3.3, 3.7, V15)."""

import pytest

from squidie.errors import CorruptHistory
from squidie.history.chain import link
from squidie.history.run import NodeRun, NodeStatus
from squidie.history.soundness import Flaw, Rule, corrupt, flaw_at_end, flaw_in_chain, flaw_in_fold
from tests.pure.scene import NOON, RUN, Scene

KINDS = ("run_started", "attempt_completed", "run_completed")


def stream():
    """Three facts, chained."""
    rows, before = [], b""
    for seq, kind in enumerate(KINDS, start=1):
        before = link(before, RUN, seq, kind, NOON, b"{}")
        rows.append((seq, kind, NOON, b"{}", before))
    return rows


def test_a_chain_that_is_whole_has_no_flaw():
    """3.3"""
    assert flaw_in_chain(RUN, stream()) is None


def test_a_fact_that_is_missing_is_a_gap_and_one_that_was_edited_a_bad_hash():
    """3.3, V15"""
    first, second, third = stream()
    edited = (*second[:3], b'{"output":2}', second[4])

    assert flaw_in_chain(RUN, [first, third]) == Flaw(2, Rule.GAP, "fact 2 is missing")
    bad = flaw_in_chain(RUN, [first, edited, third])
    assert (bad.seq, bad.rule) == (2, Rule.BAD_HASH)
    assert str(bad) == "seq 2: bad_hash: attempt_completed is not what was written: its hash differs"


@pytest.mark.parametrize(
    ("rev", "head", "flaw"),
    [
        (2, b"b", None),
        (2, None, None),
        (1, None, None),  # it went on since the head was read
        (3, b"c", (3, Rule.GAP)),
        (1, b"a", (2, Rule.HEAD_MISMATCH)),
        (2, b"x", (2, Rule.HEAD_MISMATCH)),
    ],
)
def test_a_head_belongs_to_its_stream(rev, head, flaw):
    """3.3"""
    found = flaw_at_end(rev, head, [b"a", b"b"])

    assert (found and found[:2]) == flaw


def test_a_run_that_goes_on_or_has_ended_contradicts_nothing():
    """3.3, 13.10"""
    scene = Scene("a>b")

    assert flaw_in_fold(scene.run) is None


def test_what_contradicts_itself_is_named_where_it_was_found():
    """13.10"""
    run = Scene("a").run
    run.anomalies = ("seq 3: b was never planned", "seq 4: and more")
    assert flaw_in_fold(run) == Flaw(3, Rule.CONTRADICTION, "b was never planned")

    run.anomalies = ("it says nothing of where",)
    assert flaw_in_fold(run) == Flaw(run.revision, Rule.CONTRADICTION, "it says nothing of where")


def test_an_open_run_that_owes_nothing_will_never_end():
    """13.10: `owes_nothing`"""
    run = Scene("a").run
    run.nodes["a"] = NodeRun(status=NodeStatus.SKIPPED)

    assert flaw_in_fold(run) == Flaw(1, Rule.OWES_NOTHING, "it is open, and nothing is to come")


def test_the_error_says_where_by_which_rule_and_what_helps():
    """3.7"""
    error = corrupt(RUN, Flaw(2, Rule.GAP, "fact 2 is missing"))

    assert isinstance(error, CorruptHistory)
    assert error.details == {"run_id": str(RUN), "seq": 2, "rule": "gap"}
    assert "squidie verify" in error.hint


def test_facts_are_damaged_or_only_what_is_derived_from_them():
    """3.3, 3.7"""
    harmless = {rule for rule in Rule if not rule.is_damage}

    assert harmless == {Rule.UNKNOWN_KIND, Rule.STATE_MISMATCH, Rule.ATTEMPT_MISMATCH}
