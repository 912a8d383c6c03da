"""What is told to whoever listens: facts once committed, claims, bells, refusals, and what takes time (17.7)."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from squidie.errors import KeyReused
from squidie.settings import Settings
from squidie.telemetry import ATTRIBUTES, SPANS, name_of
from squidie.telemetry.events import MEASURES
from squidie.testing import eventually
from tests.support.flows import HOOKS, Chain, Patient, Single
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    all_facts,
    change,
    claim,
    completion,
    end_lease,
    kinds,
    raises,
    settle,
    work_off,
)
from tests.support.secret_flows import EVERYTHING, SECRET, Lost, Told, tell_all
from tests.support.steering_flows import STEERED, Paused, Undoable

NOBODY = "00000000-0000-7000-8000-000000000000"


class Ear(list):
    """Hears everything."""

    def __call__(self, event):
        self.append(event)

    def names(self, *, spans=False):
        return [event.name for event in self if event.is_span is spans]

    def facts(self, run):
        """The facts that were told of a run, as kinds."""
        told = (event for event in self if event.run_id == run.id and not event.is_span and event.at is not None)
        return [event.name.replace(".", "_") for event in told]

    def spans(self, name):
        return [event for event in self if event.name == name]


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def squidie(make, bells, ear):
    return make(*STEERED, Single, Chain, Patient, delivery=bells, telemetry=ear)


def test_every_fact_of_a_run_is_told_in_its_order(squidie, ear):
    """17.7: with its workflow and step, and the database's time."""
    runs = [squidie.start(Chain), squidie.start(Undoable, {"plan": {"b": ["fail"]}}), squidie.start(Paused)]
    squidie.resume(runs[2].id)
    work_off(squidie)

    for run in runs:
        assert ear.facts(run) == kinds(squidie, run)
    [(started, *_)] = [[event for event in ear if event.name == "run.started" and event.run_id == runs[0].id]]
    assert started.attributes == {"workflow": "Chain", "trigger": "start", "queue": "default"}
    assert [event.attributes["step"] for event in ear.spans("attempt.completed") if event.run_id == runs[0].id] == [
        "a", "b", "c",
    ]  # fmt: skip
    (failed,) = ear.spans("run.failed")
    assert failed.attributes == {
        "workflow": "Undoable",
        "step": "b",
        "error": "step_failed",
        "compensation": "finished",
    }


def test_nothing_is_told_before_its_commit(make, bells):
    """17.7: at the time of the telling, everybody can see it."""
    seen = []

    def look(event):
        if event.at is not None and not event.is_span:
            seen.append((event.name, name_of(kinds(squidie, event.run_id)[-1])))

    squidie = make(Single, delivery=bells, telemetry=look)
    squidie.start(Single)

    assert seen == [("run.started", "run.started")]


def test_claims_are_told_with_how_long_they_were_due(squidie, ear, clock):
    """17.7."""
    clock(NOON)
    squidie.start(Single)
    clock(NOON + AFTER_LEASE)
    squidie.execute_next()

    (taken,) = ear.spans("claim.taken")
    assert taken.attributes == {"workflow": "Single", "step": "only", "queue": "default", "kind": "step"}
    assert taken.measures["seconds"] == AFTER_LEASE.total_seconds()


def test_an_outcome_that_comes_too_late_is_told_as_refused(squidie, ear, clock):
    """17.7: claim.refused, and nothing of the outcome."""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    end_lease(squidie, row)
    settle(squidie, completion(row))

    (refused,) = ear.spans("claim.refused")
    assert refused.attributes == {"step": "only", "code": "stale_claim"}
    assert (refused.run_id, refused.attempt) == (run.id, 1)
    assert ear.facts(run) == ["run_started", "attempt_expired"]


def test_a_claim_that_a_crash_has_erased_is_told_as_erased(squidie, ear):
    """17.7: no fact knows of it."""
    squidie.start(Single)
    (row,) = claim(squidie)
    change(squidie, "update {s}.attempts set claim_id = null, token_hash = null, owner = null, claimed_at = null, "
           "lease_until = null")  # fmt: skip
    settle(squidie, completion(row))

    assert [event.name for event in ear if event.name in ("claim.erased", "claim.refused")] == [
        "claim.erased", "claim.refused",
    ]  # fmt: skip


def test_renewals_are_told_and_those_of_a_lease_that_was_over(make, bells, ear, clock):
    """17.7: claim.renewed and claim.revived."""
    squidie = make(Single, delivery=bells, telemetry=ear, settings={"lease": 0.6, "beat": 0.2})

    def wait(_):
        eventually(lambda: "claim.renewed" in ear.names())
        change(squidie, "update {s}.attempts set lease_until = lease_until - interval '1 hour'")
        eventually(lambda: "claim.revived" in ear.names())

    HOOKS["only"] = wait
    run = squidie.start(Single)
    squidie.execute_next()

    assert kinds(squidie, run)[-1] == "run_completed"
    assert ear.spans("claim.renewed")[0].attributes == {"step": "only", "queue": "default", "kind": "step"}


def test_a_refusal_is_told_and_changes_nothing(squidie, ear):
    """17.7, 17.2: command.refused, by the error's code; no value of it."""
    squidie.start(Single, key="k")
    with raises("key_reused"):
        squidie.start(Single, {"plan": {"only": ["raise:canary-9"]}}, key="k", actor="canary-9")
    with raises("run_not_found"):
        squidie.cancel(NOBODY, reason="canary-9")
    with raises("run_not_found"):
        squidie.signal_run(workflow="Single", event="canary-9")

    assert [event.attributes for event in ear.spans("command.refused")] == [
        {"verb": "start", "code": "key_reused"},
        {"verb": "cancel", "code": "run_not_found"},
        {"verb": "signal_run", "code": "run_not_found"},
    ]
    assert [event.attributes["outcome"] for event in ear.spans("command")] == [
        "accepted",
        "refused",
        "refused",
        "refused",
    ]
    assert "canary" not in repr(ear)


def test_each_member_that_is_refused_and_each_signal_is_told(squidie, ear, caplog):
    """17.7, 17.2: and in the audit's log, though the call itself was answered."""
    caplog.set_level("INFO", "squidie.audit")
    squidie.start(Single, key="k")
    squidie.start_many(Single, [{"plan": {}}, {"no": 1}, {}], keys=["k", "l", "m"], partial=True, actor="ann")
    with raises("invalid_signal"):
        squidie.apply_signal({"type": "canary-9"})
    with raises("workflow_not_found"):
        squidie.start_cron("Nowhere", signal_id="s")

    told = [(event.attributes["verb"], event.attributes["code"]) for event in ear.spans("command.refused")]
    assert told == [
        ("start_many", "key_reused"), ("start_many", "invalid_payload"), ("apply_signal", "invalid_signal"),
        ("start_cron", "workflow_not_found"),
    ]  # fmt: skip
    assert caplog.text.count("refused: ") == 4
    assert "start_many of a run by ann: key_reused" in caplog.text
    assert [span.attributes["outcome"] for span in ear.spans("command")] == [
        "accepted",
        "accepted",
        "refused",
        "refused",
    ]


def test_a_command_is_a_span_from_the_call_to_the_commit(squidie, ear):
    """17.7: accepted, repeated, and linked to the run that it concerns."""
    run = squidie.start(Paused)
    squidie.resume(run.id, key="k")
    squidie.resume(run.id, key="k")
    squidie.start(Single, key="k")
    squidie.start(Single, key="k")

    spans = ear.spans("command")
    assert [(span.attributes["verb"], span.attributes["outcome"]) for span in spans] == [
        ("start", "accepted"), ("resume", "accepted"), ("resume", "repeated"), ("start", "accepted"),
        ("start", "repeated"),
    ]  # fmt: skip
    (started,) = [event for event in ear if event.name == "run.started" and event.run_id == run.id]
    assert [span.trace.links for span in spans[:3]] == [(started.trace[:2],), (started.trace[:2],), ()]
    assert all(span.measures["seconds"] == (span.ended - span.began) / 1e9 >= 0 for span in spans)


def test_a_command_that_starts_many_is_linked_to_some(squidie, ear):
    """17.7: of them there may be thousands."""
    squidie.start_many(Single, [{}] * 50)

    (command,) = ear.spans("command")
    assert len(ear.spans("run.started")) == 50
    assert len(command.trace.links) == 32


def test_turns_settles_sweeps_and_ticks_take_time(squidie, ear):
    """17.7: a settle stands below its turn."""
    for _ in range(3):
        squidie.start(Single)
    squidie.turn(["default"])
    squidie.sweep()
    squidie.tick()

    (turn,) = ear.spans("turn")
    assert turn.measures.items() >= {"claimed": 3, "settled": 3}.items()
    assert {settle.trace.parent_id for settle in ear.spans("settle")} == {turn.trace.span_id}
    assert sum(settle.measures["settled"] for settle in ear.spans("settle")) == 3
    (sweep,), ticks = ear.spans("sweep"), ear.spans("tick")
    assert sweep.measures.items() >= {"expired": 0, "timers": 0}.items()
    assert [tick.trace.parent_id for tick in ticks] == [sweep.trace.span_id, None]


def test_a_step_is_a_span_however_its_claim_ends(squidie, ear, clock):
    """17.7: run and step, from what the facts say."""
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise"]}})
    squidie.execute_next()
    clock(NOON + AFTER_LEASE)
    (row,) = claim(squidie)
    clock(NOON + 2 * AFTER_LEASE)
    end_lease(squidie, row)
    squidie.cancel(run.id, reason="enough")

    assert [(span.attempt, span.attributes["outcome"]) for span in ear.spans("step")] == [(1, "failed"), (2, "expired")]
    assert ear.spans("step")[1].measures["seconds"] == AFTER_LEASE.total_seconds()
    (whole,) = ear.spans("run")
    assert whole.attributes == {"workflow": "Patient", "outcome": "cancelled"}
    assert whole.measures["seconds"] == 2 * AFTER_LEASE.total_seconds()


def test_a_claim_that_its_run_took_along_is_withdrawn(squidie, ear):
    """17.7."""
    run = squidie.start(Single)
    claim(squidie)
    squidie.cancel(run.id, reason="enough")

    assert [span.attributes["outcome"] for span in ear.spans("step")] == ["withdrawn"]


# ---- in a host's transaction


def hosts(squidie):
    """Each way in which a host may give its transaction, with its commit."""
    yield "session", Session(squidie.engine)
    yield "scoped", scoped_session(sessionmaker(squidie.engine))
    yield "connection", squidie.engine.connect()


@pytest.mark.parametrize("kind", ["session", "scoped", "connection"])
def test_in_a_hosts_transaction_events_wait_for_its_commit(squidie, ear, kind):
    """17.7: buffered; then told, the command's span with them."""
    host = dict(hosts(squidie))[kind]
    given = {"connection" if kind == "connection" else "session": host}
    run = squidie.start(Single, **given)
    squidie.cancel(run.id, reason="changed my mind", **given)
    ear_before = ear.names() + ear.names(spans=True)
    host.commit()

    assert ear_before == []
    eventually(lambda: len(ear.spans("command")) == 2)
    assert ear.facts(run) == ["run_started", "run_cancelled"]
    host.close()


def rolled_back(squidie, ear):
    with Session(squidie.engine) as session:
        squidie.start(Single, session=session)
        session.rollback()
        session.commit()


def rolled_back_core(squidie, ear):
    with squidie.engine.connect() as connection:
        squidie.start(Single, connection=connection)
        connection.rollback()
        connection.commit()


def rolled_back_to_a_savepoint(squidie, ear):
    with Session(squidie.engine) as session:
        with session.begin_nested() as part:
            squidie.start(Single, session=session)
            part.rollback()
        session.commit()


def rolled_back_to_a_savepoint_core(squidie, ear):
    with squidie.engine.connect() as connection:
        with connection.begin_nested() as part:
            squidie.start(Single, connection=connection)
            part.rollback()
        connection.commit()


def raises_at_commit(squidie, ear):
    with squidie.engine.connect() as connection:
        squidie.start(Single, connection=connection)
        connection.execute(text("insert into public.late values (1), (1)"))
        with pytest.raises(IntegrityError):
            connection.commit()


def raises_at_commit_orm(squidie, ear):
    with Session(squidie.engine) as session:
        squidie.start(Single, session=session)
        session.execute(text("insert into public.late values (1), (1)"))
        with pytest.raises(IntegrityError):
            session.commit()


def dies_with_its_test(squidie, ear):
    """The commit of a session that joined an outer transaction, which is rolled back."""
    with squidie.engine.connect() as connection:
        connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            squidie.start(Single, session=session)
            session.commit()
        connection.rollback()


@pytest.mark.parametrize("undo", [
    rolled_back, rolled_back_core, rolled_back_to_a_savepoint, rolled_back_to_a_savepoint_core, raises_at_commit,
    raises_at_commit_orm, dies_with_its_test,
])  # fmt: skip
def test_what_a_host_rolls_back_is_told_to_nobody(squidie, ear, undo):
    """17.7, G18: rolled back, to a savepoint, or failed in its commit; telemetry none."""
    change(squidie, "create table public.late (number int unique deferrable initially deferred)")
    undo(squidie, ear)
    with squidie.engine.connect() as connection:  # and whoever comes after it is heard
        run = squidie.start(Single, connection=connection)
        connection.commit()

    eventually(lambda: ear.facts(run) == ["run_started"])
    squidie.close()
    assert {event.run_id for event in ear if event.run_id is not None} == {run.id}
    assert [span.attributes["verb"] for span in ear.spans("command")] == ["start"]


def test_a_number_that_another_fact_has_taken_meanwhile_is_not_mistaken(squidie, ear, clock):
    """17.7: a fact is known by its hash."""
    clock(NOON)
    run = squidie.start(Paused)
    with Session(squidie.engine) as session:
        with session.begin_nested() as part:
            squidie.cancel(run.id, reason="no", session=session)
            part.rollback()
        squidie.cancel(run.id, reason="yes", session=session)
        session.commit()
    eventually(lambda: "run_cancelled" in ear.facts(run))
    squidie.close()

    assert ear.facts(run) == ["run_started", "pause_opened", "run_cancelled"]


def test_a_refusal_in_a_hosts_transaction_is_told_at_once(squidie, ear):
    """17.7: it has written nothing, and the host may well roll back because of it."""
    squidie.start(Single, key="k")
    with Session(squidie.engine) as session, pytest.raises(KeyReused):
        squidie.start(Single, {"plan": {"only": ["ok"]}}, key="k", session=session)

    assert ear.names()[-1] == "command.refused"


def test_what_a_host_has_committed_is_told_when_the_runtime_is_closed(squidie, ear):
    """17.7: without waiting for the time at which it would be looked at."""
    with Session(squidie.engine) as session:
        run = squidie.start(Single, session=session)
        session.commit()
    squidie.close()

    assert ear.facts(run) == ["run_started"]


# ---- whoever listens


def test_a_broken_handler_changes_no_outcome(make, bells, ear):
    """17.7: everything is as without it; it is counted, and the handler beside it hears everything."""
    told = []

    def broken(event):
        told.append(event.name)
        raise RuntimeError("canary-4711")

    def broken_too(*_):
        raise RuntimeError("canary-4711")

    broken.traceparent = broken.during = broken_too
    histories = []
    for telemetry in (None, [broken, ear]):
        squidie = make(*STEERED, Single, Chain, Patient, delivery=bells, telemetry=telemetry)
        runs = [squidie.start(Chain), squidie.start(Single, {"plan": {"only": ["fail"]}}), squidie.start(Undoable)]
        work_off(squidie)
        with raises("invalid_transition"):
            squidie.cancel(runs[0].id, reason="x")
        with Session(squidie.engine) as session:
            runs.append(squidie.start(Single, session=session))
            session.commit()
        squidie.sweep()
        histories.append([kinds(squidie, run) for run in runs])
    eventually(lambda: ear.facts(runs[3]) == ["run_started"])

    assert histories[0] == histories[1]
    assert len(told) == len(ear) >= 20
    assert squidie.stats().telemetry_faults >= len(ear)


def test_what_cannot_be_told_is_written_all_the_same(squidie, ear, monkeypatch):
    """17.7: should an event of a fact be beyond us."""

    def fails(*_):
        raise KeyError("canary-4711")

    monkeypatch.setattr("squidie.engine.telling.Report", fails)
    run = squidie.start(Chain)
    work_off(squidie)

    assert kinds(squidie, run)[-1] == "run_completed"
    assert ear.facts(run) == []
    assert squidie.stats().telemetry_faults > 0


def test_handlers_are_called_in_the_thread_that_did_the_work(make, bells):
    """17.7: after its commit; so that a trace of its own is the current one."""
    threads = []
    squidie = make(Single, delivery=bells, telemetry=lambda _: threads.append(threading.current_thread()))
    squidie.start(Single)

    assert set(threads) == {threading.current_thread()}


def test_no_word_that_somebody_has_written_is_told(make, bells, ear):
    """17.7: payloads, outputs, errors, comments, metadata, actors and reasons never appear."""
    squidie = make(Told, Lost, delivery=bells, telemetry=ear, settings=Settings(secret_values=(SECRET,)))
    runs = tell_all(squidie, lambda: work_off(squidie))
    squidie.sweep()

    assert {word for word in EVERYTHING if word in repr(list(ear))} == set()
    assert [ear.facts(run) for run in runs] == [kinds(squidie, run) for run in runs]
    for event in ear:
        assert event.attributes.keys() <= ATTRIBUTES.keys()
        assert event.measures.keys() <= MEASURES.keys()
        assert event.is_span is (event.name in SPANS)


def test_without_a_handler_nothing_is_made(make, bells):
    """17.7."""
    squidie = make(Single, delivery=bells)
    run = squidie.start(Single)
    work_off(squidie)

    assert not squidie._parts.telling.on
    assert squidie._parts.telling._ran == {}
    assert [fact.kind for fact in all_facts(squidie, run)] == ["run_started", "attempt_completed", "run_completed"]
