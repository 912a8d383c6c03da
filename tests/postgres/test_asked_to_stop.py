"""Steps that still run when their run is to be undone: asked to stop, free to finish (5.11, 7.3)."""

from __future__ import annotations

import threading
import time
from typing import TypedDict

import pytest

from squidie import StepContext, Workflow, manual, step
from tests.support.lab import all_facts, kinds, work_off

ENTERED = threading.Event()
UNDONE = []


class Nothing(TypedDict, total=False):
    """It takes nothing."""


def prepare() -> str:
    return "prepared"


def clean_up(output: str) -> None:
    UNDONE.append(output)


def fail() -> None:
    ENTERED.wait(10)
    raise ValueError("planned")


def obey(ctx: StepContext) -> str:
    ENTERED.set()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        ctx.check()
        time.sleep(0.01)
    return "late"


def sleep() -> str:
    ENTERED.set()
    time.sleep(30)
    return "late"


def finish(ctx: StepContext) -> str:
    ENTERED.set()
    while not ctx.cancelled:
        time.sleep(0.01)
    return "finished"


class Saga(Workflow):
    payload = Nothing
    triggers = (manual("go"),)


class Obeys(Saga):
    prepare = step(prepare, compensate=clean_up)
    fail = step(fail)
    beside = step(obey)
    flow = prepare >> [fail, beside]


class Interrupted(Saga):
    prepare = step(prepare, compensate=clean_up)
    fail = step(fail)
    beside = step(sleep, on_cancel="interrupt")
    flow = prepare >> [fail, beside]


class Finishes(Saga):
    prepare = step(prepare, compensate=clean_up)
    fail = step(fail)
    beside = step(finish, compensate=clean_up)
    flow = prepare >> [fail, beside]


@pytest.fixture
def saga(make, database_url):
    ENTERED.clear()
    UNDONE.clear()
    return make(Obeys, Interrupted, Finishes, settings={"lease": 3.0, "grace": 1.0})


def drained(squidie, workflow):
    """Run it with two workers, until the undo is over; how many seconds that took."""
    run = squidie.start(workflow, {})
    squidie.execute_next()
    begun = time.monotonic()
    workers = [threading.Thread(target=squidie.execute_next) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    work_off(squidie)
    return run, time.monotonic() - begun


@pytest.mark.parametrize("workflow", [Obeys])
def test_a_step_that_looks_gives_its_claim_back_and_is_not_run_again(saga, workflow):
    """5.11: a claim that ends without an outcome takes its attempt with it."""
    run, seconds = drained(saga, workflow)

    assert seconds < 4
    facts = {fact.kind: fact for fact in all_facts(saga, run)}
    assert facts["attempt_released"].due_at is None
    assert kinds(saga, run)[-1] == "run_failed"
    assert UNDONE == ["prepared"]


def test_a_step_may_finish_all_the_same_and_is_undone_as_well(saga):
    """5.11: claimed siblings are asked to stop and may still settle."""
    run, _ = drained(saga, Finishes)

    assert kinds(saga, run)[-1] == "run_failed"
    assert UNDONE == ["finished", "prepared"]


def test_a_step_that_may_be_interrupted_is(saga):
    """7.3: in a run that is to be undone as well."""
    run = saga.start(Interrupted, {})
    saga.execute_next()
    helper = threading.Thread(target=failing_first, args=(saga,))
    helper.start()
    begun = time.monotonic()
    while not ENTERED.is_set():  # the sleeping step runs here, in the main thread; the other one in the helper
        saga.execute_next()
    helper.join(30)
    work_off(saga)

    assert time.monotonic() - begun < 8
    assert kinds(saga, run)[-1] == "run_failed"
    assert UNDONE == ["prepared"]


def failing_first(squidie):
    """Claims are taken by name where nothing else tells them apart: `beside` is first."""
    ENTERED.wait(10)
    squidie.execute_next()
