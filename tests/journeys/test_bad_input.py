"""Everything that a verb refuses, as one table: class, code, details, family; nothing written, no value repeated.

The rows are the "bad input" lines of SEMANTICS 2, 5 to 8, 17 and 18; a line or a verb without a row is named by a test.
"""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from squidie import errors
from squidie.runtime import Partition, Squidie
from squidie.testing.invariants import violations
from tests.support.flows import Diamond, Nightly, Patient, Single, Sums
from tests.support.lab import claim, query, raises, scalar, work_off
from tests.support.race_flows import Told
from tests.support.steering_flows import (
    STEERED,
    Asked,
    Awaiting,
    Charging,
    Paused,
    Several,
    Stern,
    Twice,
    notify,
)

CANARY = "canary-4711"
NOBODY = "00000000-0000-7000-8000-000000000000"
EXITS = {"Invalid": 2, "NotFound": 3, "Conflict": 4, "Blocked": 5, "NotPermitted": 6}
DAY = {"window_start": datetime(2026, 3, 1, tzinfo=UTC), "window_end": datetime(2026, 3, 2, tzinfo=UTC)}


class Case(NamedTuple):
    """One refusal: the line it stands for, the verb with its arguments, and what is said."""

    line: str
    verb: str
    args: tuple
    options: dict
    error: str
    details: dict = {}  # noqa: RUF012 - never changed

    def __str__(self):
        told = "-".join(f"{name}={value}" for name, value in self.details.items() if isinstance(value, str))
        return f"{self.line} {self.verb} {self.error} {told}"[:70]


def case(line, verb, *args, error, details=None, **options):
    return Case(line, verb, args, options, error, details or {})


def argument(line, verb, *args, of, **options):
    return case(line, verb, *args, error="InvalidArgument", details={"argument": of}, **options)


PEOPLE = [
    *(
        case("6", verb, at, error="InvalidReview", details={"field": "actor"}, actor=actor)
        for verb, at in (("approve", "asked"), ("reject", NOBODY))
        for actor in (None, " ", 7, [])
    ),
    *(
        case("6", verb, NOBODY, error="InvalidReview", details={"field": field}, **{"actor": "ann", field: value})
        for verb in ("resume", "approve", "reject")
        for field, value in (("comment", 5), ("comment", CANARY * 1000), ("metadata", CANARY), ("expect", CANARY))
    ),
    case(
        "6", "approve", "asked", error="InvalidReview", details={"field": "data"}, actor="ann", data={"amount": CANARY}
    ),
    case(
        "6", "approve", "asked", error="InvalidReview", details={"field": "data"}, actor="ann", data={"strange": CANARY}
    ),
    case("6", "resume", "twice", error="InvalidReview", details={"field": "step"}),
    *(case("6", verb, NOBODY, error="RunNotFound", actor="ann") for verb in ("resume", "approve", "reject")),
    case("6", "delegate", NOBODY, error="RunNotFound", to_role="x"),
    case("6", "resume", "asked", error="WrongVerb", details={"kind": "approval", "use": ["approve", "reject"]}),
    case("6", "approve", "paused", error="WrongVerb", details={"kind": "pause", "use": ["resume"]}, actor="ann"),
    case("6", "delegate", "paused", error="WrongVerb", details={"kind": "pause"}, to_role="x"),
    case("6", "resume", "awaiting", error="InvalidTransition", details={"status": "running"}),
    case("6", "approve", "done", error="InvalidTransition", details={"status": "completed"}, actor="ann"),
    case("6", "approve", "asked", error="StepNotFound", actor="ann", step="nowhere"),
    case(
        "6", "approve", "answered", error="AlreadyResolved", details={"decision": "approved", "by": "ann"}, actor="bob"
    ),
    case("6", "approve", "voted", error="StaleRevision", details={"by": "ann"}, actor="bob", expect=2),
    case("6", "approve", "voted", error="NotPermitted", details={"reason": "starter"}, actor="sam"),
    argument("6", "delegate", "asked", of="to_role", to_role=""),
    argument("6", "delegate", "asked", of="due", to_role="x", due=CANARY),
    argument("6", "resume", CANARY, of="run_id"),
]

STARTS = [
    case("2", "start", Sums, {}, error="InvalidPayload", details={"missing": ["number"]}),
    case("2", "start", Sums, {"number": CANARY}, error="InvalidPayload", details={"missing": [], "unknown": []}),
    case("2", "start", Sums, {"number": 1, "other": CANARY}, error="InvalidPayload", details={"unknown": ["other"]}),
    case(
        "2", "start", Single, {"plan": {"a": float("nan")}}, error="UnstorableValue", details={"path": "payload.plan.a"}
    ),
    case("2", "start", Single, {"plan": {"a": CANARY * 10**5}}, error="PayloadTooLarge", details={"limit": 2**20}),
    case("2", "start", Single, error="InvalidTrigger", details={"known": ["start"]}, trigger="nobody"),
    case("2", "start", "Nobody", error="WorkflowNotFound", details={"workflow": "Nobody"}),
    argument("2", "start", None, of="workflow"),
    *(
        argument("2", "start", Single, of=name, **{name: value})
        for name, value in [
            ("key", ""),
            ("key", CANARY * 50),
            ("key", f"{CANARY}\0"),
            ("key", 5),
            ("run_id", CANARY),
            ("queue", f"{CANARY} {CANARY}"),
            ("queue", 5),
            ("priority", CANARY),
            ("priority", 1000),
            ("priority", True),
            ("partition", f"{CANARY} {CANARY}"),
            ("at", CANARY),
            ("at", datetime(2026, 1, 1)),  # noqa: DTZ001 - that is what is wrong with it
            ("after", CANARY),
            ("after", -1),
            ("actor", ""),
            ("actor", 5),
            ("source", f"{CANARY} {CANARY}"),
        ]
    ),
    argument("2", "start", Single, of="key", key=CANARY, run_id=NOBODY),
    *(
        case("18.6", "start", Single, error="InvalidAttributes", details={"key": key, "code": code}, attributes=value)
        for key, code, value in [
            (None, "malformed", CANARY),
            (None, "malformed", {f"{CANARY} ": 1}),
            ("other", "undeclared", {"other": CANARY}),
            ("a", "wrong_type", {"a": [CANARY]}),
            ("a", "wrong_type", {"a": CANARY}),
            ("a", "wrong_type", {"a": None}),
            ("customer", "too_long", {"customer": CANARY * 50}),
            ("customer", "malformed", {"customer": f"{CANARY}\0"}),
            ("tags", "too_many", {"tags": [CANARY] * 17}),
            ("due", "wrong_type", {"due": CANARY}),
        ]
    ),
    case("18.6", "list_runs", error="InvalidCursor", details={"reason": "malformed"}, after=CANARY),
    case("18.6", "list_runs", error="InvalidAttributes", details={"code": "undeclared"}, attributes={"other": CANARY}),
    argument("18.6", "list_runs", of="order", order=CANARY),
    case("2", "start", Single, error="UnstorableValue", details={"path": "metadata"}, metadata={1, 2}),
    case("2", "start", Paused, {"plan": {"other": []}}, error="KeyReused", details={"key": "taken"}, key="taken"),
    case("2", "start", Single, error="RunRetired", key="retired"),
    argument("2", "start_many", Single, [{}], of="keys", keys=["a", "b"]),
    argument("2", "start_many", Single, [{}], of="colour", colour=CANARY),
    argument("2", "start_many", Single, CANARY, of="payloads"),
    argument("2", "start_many", Single, 5, of="payloads"),
    case("2", "start_many", Sums, [{"number": 1}, {"number": CANARY}], error="InvalidPayload"),
    case("2", "start_cron", Nightly, error="InvalidSchedule", details={"field": "signal_id"}),
    case(
        "2",
        "start_cron",
        Nightly,
        error="InvalidSchedule",
        details={"field": "window_end"},
        window_start=DAY["window_start"],
    ),
    case("2", "start_cron", Nightly, "nobody", error="InvalidTrigger", details={"known": ["night"]}, **DAY),
]

FAILURES = [
    case("5", "requeue", NOBODY, "d", error="RunNotFound", reason="x", actor="ann"),
    case("5", "requeue", "done", "only", error="DeadLetterNotFound", details={"step": "only"}, reason="x", actor="ann"),
    case("5", "discard", "done", "only", error="DeadLetterNotFound", details={"step": "only"}, reason="x", actor="ann"),
    case(
        "5",
        "requeue",
        "put_away",
        "only",
        error="InvalidTransition",
        details={"status": "discarded"},
        reason="x",
        actor="ann",
    ),
    case(
        "5",
        "discard",
        "put_away",
        "only",
        error="InvalidTransition",
        details={"status": "discarded"},
        reason="x",
        actor="ann",
    ),
    case(
        "5",
        "requeue",
        "taken_up",
        "only",
        error="InvalidTransition",
        details={"status": "requeued"},
        reason="x",
        actor="ann",
    ),
    *(
        argument("5", verb, "failed", "only", of=name, **{"reason": "x", "actor": "ann", name: value})
        for verb in ("requeue", "discard")
        for name, value in (("reason", ""), ("reason", 5), ("actor", None), ("actor", " "), ("key", ""))
    ),
    argument("5", "requeue", "failed", 5, of="step", reason="x", actor="ann"),
    argument(
        "5", "requeue", "failed", "only", of="allow_irreversible", reason="x", actor="ann", allow_irreversible=True
    ),
    case("5", "retry_now", "paused", "go", error="StepNotFound", details={"step": "go"}),
    case("5", "retry_now", "claimed", "only", error="StepNotFound", details={"step": "only"}),
    case("5", "retry_now", "done", "only", error="StepNotFound", details={"step": "only"}),
    case("5", "retry_now", NOBODY, "only", error="RunNotFound"),
    argument("5", "retry_now", "paused", " ", of="step"),
]

CANCELS = [
    case("7", "cancel", NOBODY, error="RunNotFound", reason="x"),
    argument("7", "cancel", CANARY, of="run_id", reason="x"),
    case("7", "cancel", "done", error="InvalidTransition", details={"status": "completed"}, reason="x"),
    case("7", "cancel", "failed", error="InvalidTransition", details={"status": "failed"}, reason="x"),
    case("7", "cancel", "cancelled", error="InvalidTransition", details={"status": "cancelled"}, reason="x"),
    *(
        argument("7", "cancel", "paused", of=name, **{"reason": "x", name: value})
        for name, value in [
            ("reason", ""),
            ("reason", None),
            ("reason", CANARY * 1000),
            ("compensate", CANARY),
            ("abandon_undo", CANARY),
            ("comment", 5),
            ("metadata", CANARY),
            ("actor", ""),
            ("source", f"{CANARY} {CANARY}"),
            ("key", ""),
        ]
    ),
    case("7", "cancel", "keyed", error="KeyReused", details={"key": "k"}, reason="another", key="k"),
    argument("7", "cancel_many", {}, of="reason", reason=" "),
    argument("7", "cancel_many", {CANARY: 1}, of="query", reason="x"),
    argument("7", "cancel_many", CANARY, of="query", reason="x"),
    argument("7", "cancel_many", {}, of="limit", reason="x", limit=CANARY),
    case("7", "cancel_many", {"workflow": "Paused"}, error="LimitReached", details={"limit": 1}, reason="x", limit=1),
]

REPLAYS = [
    case("8", "replay", NOBODY, error="RunNotFound"),
    *(
        case("8", "replay", at, error="InvalidTransition", details={"status": status})
        for at, status in (("paused", "paused"), ("awaiting", "running"), ("compensating", "compensating"))
    ),
    case("8", "replay", "charged", error="UnsafeReplay"),
    *(
        argument("8", verb, "charged", *more, of="allow_irreversible", allow_irreversible=allowed)
        for verb, more in (("replay", ()), ("preview_replay", ()), ("fork", ("charge",)))
        for allowed in (True, "charge", [CANARY], [5])
    ),
    argument("8", "replay", "done", of="definition", definition=CANARY),
    argument("8", "replay", "done", of="queue", queue=f"{CANARY} {CANARY}"),
    argument("8", "replay", "done", of="reason", reason=" "),
    argument("8", "replay", "done", of="key", key=""),
    case("18.11", "fork", NOBODY, "a", error="RunNotFound"),
    case("18.11", "fork", "charged", "charge", error="UnsafeReplay"),
    case("18.11", "fork", "charged", "nowhere", error="StepNotFound", details={"step": "nowhere"}),
    case("18.11", "fork", "awaiting", "c", error="InvalidTransition", details={"status": "running"}),
    argument("18.11", "fork", "done", "", of="from_step"),
    argument("18.11", "fork", "done", "only", of="payload_changes", payload_changes=[CANARY]),
    case(
        "18.11",
        "fork",
        "done",
        "only",
        error="InvalidPayload",
        details={"unknown": ["x"]},
        payload_changes={"x": CANARY},
    ),
]

EVENTS = [
    case("18.4", "signal_run", "told", error="EventMismatch", details={"expected": ["paid"]}, event="shipped"),
    case("18.4", "signal_run", "paused", error="EventMismatch", details={"expected": []}, event="paid"),
    case("18.4", "signal_run", "done", error="InvalidTransition", details={"status": "completed"}, event="paid"),
    case("18.4", "signal_run", "heard", error="KeyReused", details={"key": "e"}, event="paid", payload=CANARY, key="e"),
    case("18.4", "signal_run", "early", error="LimitReached", event="paid", correlation="order-1", payload=CANARY),
    case("18.4", "signal_run", NOBODY, error="RunNotFound", event="paid"),
    case("18.4", "signal_run", error="RunNotFound", workflow=Awaiting, event="paid", correlation=CANARY),
    case(
        "18.4", "signal_run", error="WorkflowNotFound", workflow=type("Stranger", (), {"spec": Told.spec}), event="paid"
    ),
    argument("18.4", "signal_run", of="run_id", event="paid"),
    argument("18.4", "signal_run", "told", of="run_id", event="paid", workflow=Told),
    argument("18.4", "signal_run", "told", of="event", event=""),
    argument("18.4", "signal_run", "told", of="correlation", event="paid", correlation=5),
    case("18.4", "signal_run", "told", error="UnstorableValue", event="paid", payload={CANARY, 5}),
    case("18.4", "signal_run", "told", error="PayloadTooLarge", event="paid", payload=CANARY * 10**5),
]

OTHERS = [
    case("17.3", "apply_signal", {"type": CANARY}, error="InvalidSignal", details={"field": "type"}),
    case("17.3", "apply_signal", CANARY, error="InvalidSignal", details={"field": "signal"}),
    case(
        "17.3",
        "apply_signal",
        {"type": "cancel_run", "run_id": CANARY, "reason": "x"},
        error="InvalidSignal",
        details={"field": "run_id"},
    ),
    case("17.3", "apply_signal", {"type": "cancel_run", "run_id": NOBODY, "reason": "x"}, error="RunNotFound"),
    argument("18.18", "send", CANARY, of="task"),
    argument("18.18", "send", notify, CANARY, of="args"),
    argument("18.18", "send", notify, [], {"strange": CANARY, "user": 1}, of="kwargs"),
    argument("18.18", "send", notify, ["ann"], of="key", key=""),
    case("18.18", "send", notify, [{CANARY}], error="UnstorableValue"),
]  # fmt: skip

NOTES = [
    *(
        case("18.6", "update_attributes", "done", wrong, error="InvalidAttributes", details={"key": key, "code": code})
        for key, code, wrong in [
            (None, "malformed", CANARY),
            (None, "malformed", {}),
            ("other", "undeclared", {"other": None}),
            ("a", "wrong_type", {"a": True}),
            ("paid", "wrong_type", {"paid": 1}),
            ("amount", "wrong_type", {"amount": CANARY}),
            ("tags", "wrong_type", {"tags": CANARY}),
            ("tags", "wrong_type", {"tags": [CANARY, 1]}),
            ("a", "wrong_type", {"a": 2**63}),
        ]
    ),
    case("18.6", "update_attributes", NOBODY, {"a": 1}, error="RunNotFound"),
    case("18.7", "archive_run", "asked", "enough", error="InvalidTransition", details={"status": "paused"}),
    argument("18.7", "archive_run", "done", " ", of="reason"),
    case("18.7", "archive_run", NOBODY, "enough", error="RunNotFound"),
    case("18.7", "unarchive_run", "done", error="InvalidTransition", details={"status": "completed"}),
    argument("18.7", "unarchive_run", "done", of="key", key=""),
]

CASES = [*STARTS, *FAILURES, *PEOPLE, *CANCELS, *REPLAYS, *EVENTS, *OTHERS, *NOTES]
LINES = {"2", "5", "6", "7", "8", "17.3", "18.4", "18.6", "18.7", "18.11", "18.18"}
WRITERS = {
    "start", "start_many", "start_cron", "send", "resume", "approve", "reject", "delegate", "cancel", "cancel_many",
    "retry_now", "requeue", "discard", "signal_run", "replay", "fork", "apply_signal", "update_attributes",
    "archive_run", "unarchive_run",
}  # fmt: skip
"""The verbs of 17.1 that write runs and are built; those that only workers use have no session."""


@pytest.fixture(scope="module")
def world(scratch):
    """A journal with a run in every state that a refusal needs; nothing here changes it, so that one serves all."""
    from squidie.testing.clock import set_clock  # noqa: F401 - see below
    from tests.support import flows
    from tests.support.fixtures import renew
    from tests.support.lab import Recorder

    renew(scratch)
    flows.HOOKS.clear()
    url = scratch.url.render_as_string(hide_password=False)
    squidie = Squidie(
        url,
        workflows=(*STEERED, Diamond, Nightly, Patient, Single, Sums, Told),
        keep=[notify],
        attributes=flows.ATTRIBUTES,
        delivery=Recorder(),
        settings={"early_events": 1},
    )
    with squidie.engine.begin() as connection:
        connection.execute(text("create table if not exists public.orders (id int)"))
    squidie.runs = populated(squidie)
    squidie._parts.bells._later._items.clear()  # a retry of the world's own is due while the table is read
    squidie._parts.bells._known.clear()
    squidie.delivery.rung.clear()
    yield squidie
    assert violations(squidie.engine) == []
    squidie.close()


def populated(squidie):
    """The runs, by what they stand for."""
    failed = {"plan": {"only": ["fail"]}}
    runs = {
        "paused": squidie.start(Paused),
        "keyed": squidie.start(Stern),
        "cancelled": squidie.start(Paused, key="taken"),
        "asked": squidie.start(Asked),
        "answered": squidie.start(Asked),
        "twice": squidie.start(Twice),
        "voted": squidie.start(Several, actor="sam"),
        "awaiting": squidie.start(Awaiting),
        "told": squidie.start(Told),
        "heard": squidie.start(Told),
        "done": squidie.start(Single),
        "charged": squidie.start(Charging),
        "failed": squidie.start(Single, failed),
        "put_away": squidie.start(Single, failed),
        "taken_up": squidie.start(Single, failed),
        "compensating": squidie.start("Undoable"),
    }
    retired = squidie.start(Single, key="retired")
    work_off(squidie)
    squidie.start(Paused)
    runs["early"] = squidie.start(Awaiting)
    squidie.signal_run(runs["early"].id, event="paid", correlation="order-1")
    runs["claimed"] = squidie.start(Single, queue="held")
    claim(squidie, queue="held")
    squidie.cancel(runs["cancelled"].id, reason="x")
    squidie.cancel(runs["keyed"].id, reason="x", key="k")
    squidie.approve(runs["answered"].id, actor="ann")
    squidie.approve(runs["voted"].id, actor="ann")
    squidie.signal_run(runs["heard"].id, event="paid", correlation="order-1", key="e")
    squidie.discard(runs["put_away"].id, "only", reason="x", actor="ann")
    squidie.requeue(runs["taken_up"].id, "only", reason="x", actor="ann")
    runs["compensating"] = compensating(squidie)
    with squidie.engine.begin() as connection:
        sql = text(f"select \"{squidie.schema}\".retire(:id, interval '90 days')")
        connection.execute(sql, {"id": retired.id})
    return {name: run.id for name, run in runs.items()}


def compensating(squidie):
    run = squidie.start("Undoable", queue="undo")
    squidie.execute_next("undo")
    squidie.cancel(run.id, reason="x", compensate=True)
    return run


def written(squidie):
    """Everything that a command can write: how many rows, and the revisions of all runs."""
    tables = ("runs", "facts", "attempts", "dead_letters", "receipts", "definitions", "schedules")
    counted = [scalar(squidie, f"select count(*) from {{s}}.{table}") for table in tables]
    seen = scalar(squidie, "select coalesce(sum(seen), 0) from {s}.receipts")
    closed = scalar(squidie, "select count(*) from {s}.dead_letters where closed_as is not null")
    return counted, seen, closed, sorted(map(tuple, query(squidie, "select run_id, rev, status from {s}.runs")))


def ask(squidie, case, **host):
    args = [squidie.runs.get(each, each) if isinstance(each, str) else each for each in case.args]
    return getattr(squidie, case.verb)(*args, **case.options, **host)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_is_refused_by_name_and_leaves_nothing_behind(world, case):
    """2.1, 5.6, 6.2, 7.1, 8.3, 17.3, 18.4, 18.11, 18.18: bad input"""
    before = written(world)
    with pytest.raises(errors.SquidieError) as refused:
        ask(world, case)

    error = refused.value
    assert (type(error).__name__, error.code) == (case.error, getattr(errors, case.error).code)
    family = next(base for base in type(error).__mro__ if base.__name__ in EXITS)
    assert (error.exit_code, error.retryable) == (EXITS[family.__name__], False)
    assert {name: error.details.get(name) for name in case.details} == case.details
    assert CANARY not in f"{error} {error.to_dict()}"
    assert error.message
    assert written(world) == before
    assert world.delivery.rung == []


HOSTED = [case for case in CASES if case.verb in WRITERS]


@pytest.mark.parametrize("case", HOSTED, ids=str)
def test_a_host_in_whose_transaction_it_was_refused_commits_its_own_rows(world, case):
    """2.4, 17.1: by its connection and by its session."""
    before, rows = written(world), scalar(world, "select count(*) from public.orders")
    with world.engine.begin() as connection:
        with pytest.raises(errors.Refused):
            ask(world, case, connection=connection)
        connection.execute(text("insert into public.orders values (1)"))
    with Session(world.engine) as session:
        with pytest.raises(errors.Refused):
            ask(world, case, session=session)
        session.execute(text("insert into public.orders values (2)"))
        session.commit()

    assert scalar(world, "select count(*) from public.orders") == rows + 2
    assert written(world) == before
    assert world.delivery.rung == []


def test_every_line_and_every_verb_has_its_rows():
    """17.1: a verb that is new is missed here, and so is a line."""
    public = {name: verb for name, verb in inspect.getmembers(Squidie, inspect.isfunction) if not name.startswith("_")}
    hosted = {name for name, verb in public.items() if {"session", "by"} & set(inspect.signature(verb).parameters)}

    assert hosted == WRITERS
    assert {case.verb for case in HOSTED} == WRITERS
    assert {case.line for case in CASES} == LINES
    assert WRITERS - {"start_cron"} <= {name for name, _ in inspect.getmembers(Partition, inspect.isfunction)}


def test_a_session_and_a_connection_of_different_transactions_are_refused(world):
    """17.1: bad input"""
    with world.engine.connect() as connection, Session(world.engine) as session, raises("invalid_argument"):
        world.start(Single, session=session, connection=connection)
