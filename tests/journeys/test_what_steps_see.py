"""What a step is given: logs, the error it handles, the arguments and results it undoes (1.23, 5.9, 18.2)."""

from __future__ import annotations

import logging
from typing import Any, TypedDict

import pytest

from squidie import Compensate, Fail, Retry, StepContext, Workflow, log, manual, step
from tests.support.lab import all_facts, kinds, work_off

SEEN: list[Any] = []


class Order(TypedDict):
    number: int
    size: int


class Ordered(Workflow):
    payload = Order
    triggers = (manual("go"),)


def reserve(ctx: StepContext, number: int) -> dict:
    ctx.progress(0.5, "half way")
    return {"hold": number * 2}


def refuse(size: int) -> None:
    raise Fail("declined " + "x" * size, code="card_declined", details={"why": ["planned"]})


def handle(ctx: StepContext, error: dict, code: str = "none") -> dict:
    SEEN.append((error, ctx.error))
    return {"code": code, "message": len(error["message"])}


class Handled(Ordered):
    reserve = step(reserve)
    charge = step(refuse)
    apologise = step(handle, input={"code": "error.code"})
    flow = (reserve >> charge, charge.on_error >> apologise)


def look(ctx: StepContext, code: str = "none") -> dict:
    return {"error": ctx.error, "code": code, "outputs": ctx.outputs}


class Unhandled(Ordered):
    """Its last step is the target of an error edge that is not taken."""

    reserve = step(reserve)
    look = step(look, input={"code": "error.code?"})
    flow = (reserve >> look, reserve.on_error >> look)


class Tolerated(Ordered):
    charge = step(refuse, on_give_up="tolerate")
    look = step(look)
    flow = charge >> look


class Logged(Ordered):
    tell = log("an order has come", level="warning")
    reserve = step(reserve)
    flow = tell >> reserve


def undo(ctx: StepContext, input: dict, output: dict, error: dict, number: int) -> None:  # noqa: A002
    SEEN.append((input, output, error["code"], number, ctx))
    if ctx.attempt == 1:
        raise ValueError("not yet")


class Undone(Ordered):
    reserve = step(reserve, compensate=Compensate(undo, retry=Retry(3, min=0)))
    charge = step(refuse)
    flow = reserve >> charge


class LogOnly(Ordered):
    tell = log("nothing else happens")


ALL = (Handled, Unhandled, Tolerated, Logged, Undone, LogOnly)


@pytest.fixture
def shop(make, database_url):
    SEEN.clear()
    return make(*ALL)


def work(squidie, workflow, size=0):
    run = squidie.start(workflow, {"number": 7, "size": size})
    work_off(squidie)
    return run


def test_the_target_of_an_error_edge_sees_the_error(shop):
    """5.9: as parameter `error`, by path, and as `ctx.error`."""
    run = work(shop, Handled)

    assert run.result(1) == {"code": "card_declined", "message": len("declined ")}
    error, of_context = SEEN[0]
    assert error == of_context
    assert {"kind", "code", "type", "message", "details", "origin", "frames", "retryable", "attempt"} <= set(error)
    assert (error["kind"], error["code"], error["details"]) == ("step_failed", "card_declined", {"why": ["planned"]})


def test_an_error_too_large_for_the_state_is_read_from_its_fact(shop):
    """5.9"""
    run = work(shop, Handled, size=20_000)

    assert run.result(1)["message"] == 8192
    assert SEEN[0][0]["code"] == "card_declined"


def test_another_step_sees_no_error(shop):
    """5.9: an optional path falls back on the default."""
    found = work(shop, Unhandled).result(1)
    assert (found["error"], found["code"], found["outputs"]) == (None, "none", {"reserve": {"hold": 14}})


def test_a_tolerated_failure_has_a_null_output(shop):
    """5.5, 1.13"""
    assert work(shop, Tolerated).result(1)["outputs"] == {"charge": None}


def test_a_log_node_logs_with_the_runs_ids(shop, caplog):
    """1: `log`: output null."""
    with caplog.at_level(logging.DEBUG, "squidie.workflow"):
        run = work(shop, Logged)

    [line] = [each for each in caplog.records if each.name == "squidie.workflow"]
    assert (line.getMessage(), line.levelname) == ("an order has come", "WARNING")
    assert (line.run_id, line.workflow, line.step, line.attempt) == (str(run.id), "Logged", "tell", 1)
    assert bytes(all_facts(shop, run)[1].output) == b"null"
    assert work(shop, LogOnly).result(1) is None


def test_progress_is_said_at_debug_level(shop, caplog):
    """1.23"""
    with caplog.at_level(logging.DEBUG, "squidie.step"):
        work(shop, Logged)
    assert [each.getMessage() for each in caplog.records if "half way" in each.getMessage()]


def test_an_undo_sees_arguments_result_and_error(shop):
    """18.2, 5.10: own retries and an own key, the same for every attempt."""
    run = work(shop, Undone)

    assert kinds(shop, run)[-1] == "run_failed"
    assert [each[:4] for each in SEEN] == [({"number": 7}, {"hold": 14}, "card_declined", 7)] * 2
    first, second = SEEN[0][4], SEEN[1][4]
    assert first.idempotency_key == second.idempotency_key == f"{run.id}/compensate:reserve"
    assert (first.step, first.max_attempts, second.attempt) == ("compensate:reserve", 3, 2)
    assert first.outputs == {"reserve": {"hold": 14}}
    assert first.error["code"] == "card_declined"


def test_the_context_has_what_it_should():
    """1.23: never the claim token."""
    from uuid import UUID

    ctx = StepContext(run_id=UUID(int=1), workflow="W", step="s", attempt=1, idempotency_key="k")
    names = (
        "run_id workflow step attempt max_attempts item index idempotency_key claim_id payload outputs error schedule "
        "parent deadline trace cancelled lease_lost check progress session"
    )
    assert [name for name in names.split() if not hasattr(ctx, name)] == []
    assert [name for name in dir(ctx) if "token" in name] == []
