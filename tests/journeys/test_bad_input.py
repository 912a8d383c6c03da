"""Every line "bad input gets" of the verbs on runs, in one table (SEMANTICS 0, refusals).

Each case is asked for in a host's transaction which then writes a row of its own and commits: the error is of its class
and code, nothing of what was refused is repeated, nothing is written and no bell is rung.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import text

from squidie import errors
from tests.support.flows import Patient, Single, Sums, act
from tests.support.lab import change, query, raises, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Charging, Parking, Paused, Twice

CANARY = "canary4711"
NOWHERE = UUID("00000000-0000-7000-8000-000000000000")
ENDS = {"reason": "x", "actor": "ann"}

KEPT = """
select (select count(*) from {s}.facts), (select count(*) from {s}.attempts), (select count(*) from {s}.dead_letters),
       (select count(*) from {s}.receipts), (select jsonb_object_agg(run_id, r) from {s}.runs r),
       (select count(*) from {s}.dead_letters where closed_as is not null)
"""


@dataclass(frozen=True)
class Case:
    """One refusal: its criterion, its code, the verb, the run that it is about, and what is given."""

    where: str
    code: str
    verb: str
    about: str | None
    given: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.where}-{self.verb}-{self.code}-{self.about}-{'-'.join(self.given)}"


CASES = [
    # 1: the payload's contract and the trigger
    Case("1", "invalid_payload", "start", None, {"workflow": Sums, "payload": {"number": CANARY}}),
    Case("1", "invalid_payload", "start", None, {"workflow": Sums, "payload": CANARY}),
    Case("1", "invalid_payload", "start_many", None, {"workflow": Sums, "payloads": [{"number": CANARY}]}),
    Case("1", "invalid_trigger", "start", None, {"workflow": Single, "trigger": "nobody"}),
    # 2: options of a start
    Case("2", "invalid_argument", "start", None, {"workflow": Single, "queue": f"{CANARY} {CANARY}"}),
    Case("2", "invalid_argument", "start", None, {"workflow": Single, "run_id": CANARY}),
    Case("2", "invalid_argument", "start", None, {"workflow": Single, "after": CANARY}),
    Case("2", "invalid_argument", "start", None, {"workflow": Single, "partition": f"{CANARY}!"}),
    Case("2", "invalid_argument", "start_many", None, {"workflow": Single, "payloads": [{}], "keys": [CANARY, CANARY]}),
    # 5: what was given up, and retries
    Case("5", "dead_letter_not_found", "requeue", "ended", {"step": "only", **ENDS}),
    Case("5", "dead_letter_not_found", "discard", "ended", {"step": "only", **ENDS}),
    Case("5", "run_not_found", "requeue", "nowhere", {"step": "only", **ENDS}),
    Case("5", "invalid_transition", "requeue", "closed", {"step": "only", **ENDS}),
    Case("5", "invalid_transition", "discard", "closed", {"step": "only", **ENDS}),
    Case("5", "invalid_argument", "requeue", "parked", {"step": "b", "reason": CANARY}),
    Case("5", "invalid_argument", "discard", "parked", {"step": "b", "reason": " ", "actor": CANARY}),
    Case("5", "step_not_found", "retry_now", "question", {"step": "check"}),
    Case("5", "run_not_found", "retry_now", "nowhere", {"step": "a"}),
    # 6: answers
    *(
        Case("6", "invalid_review", verb, "nowhere", given)
        for verb in ("approve", "reject")
        for given in ({"data": {"amount": CANARY}}, {"actor": " ", "comment": CANARY})
    ),
    Case("6", "invalid_review", "resume", "nowhere", {"comment": [CANARY]}),
    Case("6", "invalid_review", "resume", "nowhere", {"metadata": CANARY}),
    Case("6", "invalid_review", "resume", "paused", {"expect": CANARY}),
    Case("6", "invalid_review", "approve", "question", {"actor": "ann", "data": {"amount": CANARY}}),
    Case("6", "invalid_review", "resume", "several", {"data": CANARY}),
    Case("6", "run_not_found", "approve", "nowhere", {"actor": "ann"}),
    Case("6", "run_not_found", "delegate", "nowhere", {"to_role": CANARY}),
    Case("6", "wrong_verb", "resume", "question", {"data": CANARY}),
    Case("6", "wrong_verb", "approve", "paused", {"actor": "ann", "comment": CANARY}),
    Case("6", "invalid_transition", "resume", "awaiting", {"data": CANARY}),
    Case("6", "invalid_transition", "reject", "ended", {"actor": "ann", "data": CANARY}),
    Case("6.8", "stale_revision", "approve", "question", {"actor": "ann", "expect": 0, "comment": CANARY}),
    # 7: cancels
    Case("7", "run_not_found", "cancel", "nowhere", {"reason": CANARY}),
    Case("7", "invalid_transition", "cancel", "ended", {"reason": CANARY}),
    Case("7", "invalid_argument", "cancel", "paused", {"reason": [CANARY]}),
    Case("7.6", "invalid_argument", "cancel_many", None, {"query": {"colour": CANARY}, "reason": "x"}),
    Case("7.6", "limit_reached", "cancel_many", None, {"query": {}, "reason": CANARY, "limit": 1}),
    # 8: replays
    Case("8", "run_not_found", "replay", "nowhere"),
    Case("8", "invalid_transition", "replay", "paused", {"reason": CANARY}),
    Case("8", "unsafe_replay", "replay", "charged", {"reason": CANARY}),
    Case("8", "invalid_argument", "replay", "charged", {"allow_irreversible": [CANARY]}),
    Case("8", "invalid_argument", "replay", "charged", {"allow_irreversible": True}),
    # 17: signals, receipts
    Case("17.2", "key_reused", "cancel", "keyed", {"reason": CANARY, "key": "k"}),
    Case("17.2", "key_reused", "start", None, {"workflow": Sums, "payload": {"number": 4711}, "key": "k"}),
    Case("17.3", "invalid_signal", "apply_signal", None, {"signal": {"type": CANARY}}),
    Case("17.3", "invalid_signal", "apply_signal", None, {"signal": {"type": "cancel_run", "run_id": CANARY}}),
    Case("17.3", "invalid_signal", "apply_signal", None, {"signal": CANARY}),
    # 18.4: events
    Case("18.4", "event_mismatch", "signal_run", "awaiting", {"event": "shipped", "payload": CANARY}),
    Case("18.4", "invalid_transition", "signal_run", "ended", {"event": "paid", "payload": CANARY}),
    Case("18.4", "run_not_found", "signal_run", "nowhere", {"event": "paid", "payload": CANARY}),
    Case("18.4", "unstorable_value", "signal_run", "awaiting", {"event": "paid", "payload": {CANARY}}),
    # 18.11: forks
    Case("18.11", "unsafe_replay", "fork", "charged", {"from_step": "charge", "reason": CANARY}),
    Case("18.11", "step_not_found", "fork", "ended", {"from_step": "nowhere"}),
    Case("18.11", "invalid_transition", "fork", "paused", {"from_step": "hold", "reason": CANARY}),
    Case("18.11", "invalid_payload", "fork", "ended", {"from_step": "only", "payload_changes": {"plan": CANARY}}),
    # 18.18: what is sent
    Case("18.18", "invalid_argument", "send", None, {"task": act, "args": [CANARY, CANARY]}),
    Case("18.18", "invalid_argument", "send", None, {"task": CANARY}),
]


def stand(squidie):
    """One run in every state that a case is about, and a key that is taken."""
    runs = {
        "ended": squidie.start(Single),
        "closed": squidie.start(Single, {"plan": {"only": ["raise"]}}),
        "parked": squidie.start(Parking, {"plan": {"b": ["fail"]}}),
        "question": squidie.start(Asked),
        "paused": squidie.start(Paused),
        "several": squidie.start(Twice),
        "awaiting": squidie.start(Awaiting),
        "charged": squidie.start(Charging),
        "keyed": squidie.start(Paused),
    }
    squidie.start(Sums, {"number": 1}, key="k")
    work_off(squidie)
    squidie.discard(runs["closed"].id, "only", reason="x", actor="ann")
    squidie.cancel(runs["keyed"].id, reason="first", key="k")
    return {name: run.id for name, run in runs.items()} | {"nowhere": NOWHERE}


@pytest.fixture(scope="module")
def standing(scratch):
    """What the refusals leave as it is serves them all."""
    from squidie import Squidie
    from squidie.testing.invariants import violations
    from tests.support.lab import Recorder

    url = scratch.url.render_as_string(hide_password=False)
    squidie = Squidie(url, workflows=(*STEERED, Single, Sums, Patient), keep=[act], delivery=Recorder())
    runs = stand(squidie)
    change(squidie, "create table if not exists host_rows (name text)")
    squidie.delivery.rung.clear()
    yield squidie, runs
    assert violations(squidie.engine) == []
    squidie.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_refused_writes_nothing_says_why_and_leaves_the_host_its_transaction(standing, case):
    """0, 1, 2, 5, 6, 7, 8, 17.2, 17.3, 18.4, 18.11, 18.18: bad input."""
    squidie, runs = standing
    given = dict(case.given) | ({"run_id": runs[case.about]} if case.about else {})
    before = query(squidie, KEPT)
    with squidie.engine.connect() as host, host.begin():
        with raises(case.code) as refused:
            getattr(squidie, case.verb)(**given, connection=host)
        host.execute(text("insert into host_rows values (:name)"), {"name": str(case)})

    error = refused.value
    assert (error.code, error.retryable) == (case.code, False)
    assert isinstance(error, errors.Refused)
    assert CANARY not in f"{error} {error.message} {error.hint} {json.dumps(error.to_dict())}"
    assert query(squidie, KEPT) == before
    assert squidie.delivery.rung == []
    assert change(squidie, "delete from host_rows") == 1
