"""Where a run stands in a trace: the same history, the same ids (17.8)."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squidie.telemetry import Trace, of_attempt, of_claim, of_run, parsed

RUN_ID = UUID("018f4c3e-0000-7000-8000-000000000001")
HOST = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
steps = st.text(min_size=1, max_size=20)


@given(st.uuids(), steps, st.integers(1, 9))
def test_ids_follow_from_run_step_and_attempt_and_are_w3c_ids(run_id, step, attempt):
    """17.8."""
    run = of_run(run_id)
    tried = of_attempt(run_id, step, attempt, run)

    assert (run, tried) == (of_run(run_id), of_attempt(run_id, step, attempt, run))
    assert parsed(run.traceparent) == run
    assert tried[:3] == (run.trace_id, tried.span_id, run.span_id)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", tried.traceparent)
    assert tried.span_id != of_attempt(run_id, step, attempt + 1, run).span_id


def test_the_ids_of_a_known_run_stay_what_they_are():
    """17.8: whoever looks at a history later finds them in his traces."""
    run = of_run(RUN_ID)

    assert run.traceparent == "00-e352c12bcdc2bd187de495e040ddeff8-5f28503c3312536f-01"
    assert of_attempt(RUN_ID, "charge", 2, run).span_id == "27c03ce9a1cf5f47"


def test_the_hosts_span_is_the_parent_and_its_trace_and_sampling_go_on():
    """17.8."""
    run = of_run(RUN_ID, HOST)

    assert (run.trace_id, run.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert run.span_id == of_run(RUN_ID).span_id
    assert of_attempt(RUN_ID, "charge", 1, run).trace_id == run.trace_id
    assert not of_attempt(RUN_ID, "charge", 1, of_run(RUN_ID, HOST[:-1] + "0")).is_sampled


def test_an_attempt_is_linked_to_the_one_before_it_and_a_claim_to_its_attempt():
    """17.8: a step that was requeued begins another chain."""
    run = of_run(RUN_ID)
    first, second = (of_attempt(RUN_ID, "charge", number, run) for number in (1, 2))

    assert first.links == ()
    assert second.links == ((first.trace_id, first.span_id),)
    assert of_attempt(RUN_ID, "charge", 2, run, base=1).links == ()
    assert of_claim(RUN_ID, "charge", 1, "c1", run).links == ((first.trace_id, first.span_id),)
    assert len({of_claim(RUN_ID, "charge", 1, claim, run).span_id for claim in ("c1", "c2")} | {first.span_id}) == 3


@pytest.mark.parametrize("given", [
    "", "x", HOST[:-1], HOST.upper(), HOST + "-more", "ff" + HOST[2:], "00-" + "0" * 32 + HOST[35:],
    HOST[:36] + "0" * 16 + "-01", HOST + "\n", f" {HOST}",
])  # fmt: skip
def test_what_is_no_traceparent_is_none(given):
    """17.8."""
    assert parsed(given) is None


def test_a_later_version_may_say_more():
    """17.8: as the recommendation has it."""
    assert parsed("01" + HOST[2:] + "-more") == Trace(HOST[3:35], HOST[36:52])
