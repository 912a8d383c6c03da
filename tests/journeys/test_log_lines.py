"""What log lines say: where they were written, no secrets, and no traces of refusals (17.9)."""

from __future__ import annotations

import asyncio
import json
import logging
import logging.handlers
import queue

import pytest

from squidie import Fail, Workflow, log, manual, step
from squidie.engine.logs import NAMES
from squidie.settings import Settings
from tests.support.flows import HOOKS, Single
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    all_facts,
    claim,
    completion,
    end_lease,
    kinds,
    raises,
    settle,
    work_off,
)
from tests.support.secret_flows import EMAIL, NEVER, ORDER, SECRET, TOKEN, Lost, Told, tell_all

shop = logging.getLogger("shop.payments")


class Said(Workflow):
    """A line of a graph's own, and a step that is a coroutine."""

    triggers = (manual("go"),)
    begun = log("begun")

    async def pay() -> None:
        await asyncio.sleep(0)
        shop.warning("paying")

    pay = step(pay)
    flow = begun >> pay


@pytest.fixture
def squidie(make, bells):
    return make(Single, Said, Told, Lost, delivery=bells, settings=Settings(secret_values=(SECRET,)))


def place(record):
    return {name: getattr(record, name, None) for name in NAMES}


def test_a_line_logged_inside_a_step_says_where_by_any_logger(squidie, caplog):
    """17.9: run, workflow, step, attempt and claim."""

    def pay(ctx):
        shop.warning("paying %s", "now")
        logging.getLogger().error("odd")
        shop.warning("%(who)s", {"who": "ann"})
        HOOKS["claim"] = ctx.claim_id

    HOOKS["only"] = pay
    run = squidie.start(Single)
    squidie.execute_next()

    told = [each for each in caplog.records if each.name in ("shop.payments", "root")]
    assert [record.getMessage() for record in told] == ["paying now", "odd", "ann"]
    where = {
        "run_id": str(run.id), "workflow": "Single", "step": "only", "attempt": 1, "claim_id": str(HOOKS["claim"]),
    }  # fmt: skip
    assert [place(record) for record in told] == [where] * 3
    assert logging.Formatter("%(run_id)s %(step)s").format(told[0]) == f"{run.id} only"


def test_the_lines_of_coroutines_and_of_log_nodes_say_it_too(squidie, caplog):
    """17.9."""
    caplog.set_level(logging.INFO)
    run = squidie.start(Said)
    work_off(squidie)

    told = {
        record.getMessage(): place(record)
        for record in caplog.records
        if record.name in ("shop.payments", "squidie.workflow")
    }
    assert {name: (where["run_id"], where["step"]) for name, where in told.items()} == {
        "begun": (str(run.id), "begun"), "paying": (str(run.id), "pay"),
    }  # fmt: skip


def test_squidies_own_line_of_a_failing_step_says_it(squidie, caplog):
    """17.9."""
    caplog.set_level(logging.INFO)
    squidie.start(Single, {"plan": {"only": ["raise"]}})
    squidie.execute_next()

    (line,) = [record for record in caplog.records if record.name == "squidie.step"]
    assert (line.step, line.attempt, line.workflow) == ("only", 1, "Single")


def test_an_extra_of_the_same_name_is_the_callers(squidie, caplog):
    """17.9: what logging refuses for its own names is no error of a step."""
    HOOKS["only"] = lambda _: shop.warning("mine", extra={"step": "checkout", "order": 7})
    run = squidie.start(Single)
    squidie.execute_next()

    (line,) = [record for record in caplog.records if record.name == "shop.payments"]
    assert (line.step, line.order, line.run_id) == ("checkout", 7, str(run.id))
    assert kinds(squidie, run)[-1] == "run_completed"


def test_outside_a_step_lines_are_what_they_were(squidie, caplog):
    """17.9: before, after, and in a step that went wrong."""
    HOOKS["only"] = lambda _: (_ for _ in ()).throw(Fail("no"))
    squidie.start(Single)
    shop.warning("before")
    squidie.execute_next()
    shop.warning("after")

    told = [record for record in caplog.records if record.name == "shop.payments"]
    assert [set(NAMES) & vars(record).keys() for record in told] == [set(), set()]


def test_records_travel_as_others_do(squidie):
    """17.9: through a queue and as JSON, with where they were written."""
    waiting = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(waiting)
    shop.addHandler(handler)
    try:
        HOOKS["only"] = lambda _: shop.warning("paying")
        squidie.start(Single)
        squidie.execute_next()
    finally:
        shop.removeHandler(handler)

    record = waiting.get_nowait()
    assert record.step == "only"
    assert json.loads(json.dumps(vars(record), default=str))["step"] == "only"


def test_known_secrets_are_masked_in_a_steps_lines_and_in_our_own(squidie, caplog):
    """17.9: by value and by name, in messages, arguments and tracebacks."""
    caplog.set_level(logging.INFO)

    def leak(_):
        shop.warning("it is %s, token=%s", SECRET, TOKEN)
        shop.error("failed", exc_info=ValueError(f"{SECRET} again"))

    HOOKS["only"] = leak
    squidie.start(Single)
    squidie.execute_next()
    logging.getLogger("squidie.any").warning("password=%s", TOKEN)
    shop.warning("outside: %s", SECRET)

    inside, outside = caplog.text.split("outside: ")
    assert SECRET not in inside
    assert TOKEN not in inside
    assert "ValueError: *** again" in inside
    assert SECRET in outside, "what a host says outside of steps is its own"


def test_a_line_that_cannot_be_made_is_what_it_was(squidie, capsys):
    """17.9: logging says so itself, and the step goes on."""
    handler = logging.StreamHandler()
    shop.addHandler(handler)
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        HOOKS["only"] = lambda _: shop.warning("%d", "no number")
        run = squidie.start(Single)
        squidie.execute_next()
    finally:
        logging.raiseExceptions = before
        shop.removeHandler(handler)

    assert kinds(squidie, run)[-1] == "run_completed"


def test_no_word_that_is_secret_is_in_any_line(squidie, caplog):
    """17.9: payload, error, comment, metadata and reason, at every level."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    tell_all(squidie, lambda: work_off(squidie))
    with raises("invalid_payload"):
        squidie.start(Told, {**ORDER, SECRET: 1}, actor={"id": "ann", "token": TOKEN})
    squidie.sweep()

    assert {word for word in NEVER - {EMAIL} if word in caplog.text} == set()
    assert EMAIL not in caplog.text
    assert 'refused: start of a run by {"id":"ann","token":"***"}: invalid_payload' in caplog.text


def test_a_refusal_leaves_no_traceback(squidie, caplog, clock):
    """17.9: neither a refused command nor a refused outcome."""
    caplog.set_level(logging.DEBUG)
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    end_lease(squidie, row)
    settle(squidie, completion(row))
    with raises("invalid_argument"):
        squidie.cancel(run.id, reason="")
    squidie.cancel(run.id, reason="enough")
    with raises("invalid_transition"):
        squidie.cancel(run.id, reason="again")

    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert all_facts(squidie, run)[-1].kind == "run_cancelled"
