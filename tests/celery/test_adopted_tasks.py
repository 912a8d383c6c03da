"""Existing Celery tasks as steps, unedited: requests, retries, limits, signals and hooks are what they were (1.24)."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from celery import Celery, Task, current_task, signals
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.exceptions import Retry as RetrySignal

from squidie import Fail, Retry, Squidie, StepContext, Workflow, manual, step
from squidie.workflow.tasks import declared
from squidie_celery import CeleryDelivery
from tests.support.lab import all_facts

app = Celery("bank", broker="redis://127.0.0.1:1/0", set_as_current=False)
CALLS = Counter()
SEEN = []


class Declined(Exception):
    pass


class Hooked(Task):
    def before_start(self, task_id, args, kwargs):
        SEEN.append(("before_start", self.request.retries))

    def on_success(self, retval, task_id, args, kwargs):
        SEEN.append(("on_success", retval))

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        SEEN.append(("on_retry", str(exc)))

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        SEEN.append(("on_failure", str(exc)))

    def after_return(self, status, *args):
        SEEN.append(("after_return", status))


class InContext(Task):
    def __call__(self, *args, **kwargs):
        SEEN.append("inside")
        return super().__call__(*args, **kwargs)


@app.task(bind=True, name="bank.stand")
def stand(self, number: int) -> dict:
    request = self.request
    return {
        "current": current_task.name,
        "directly": request.called_directly,
        "eager": request.is_eager,
        "retries": request.retries,
        "kwargs": request.kwargs,
        "queue": request.delivery_info["routing_key"],
        "id": request.id,
        "root": request.root_id,
    }


@app.task(bind=True, name="bank.ask", max_retries=2)
def ask(self, number: int) -> int:
    CALLS["ask"] += 1
    if self.request.retries < number:
        raise self.retry(exc=Declined("not yet"), countdown=0)
    return self.request.retries


@app.task(bind=True, name="bank.ask_default", base=InContext, default_retry_delay=0)
def ask_default(self, number: int) -> int:
    CALLS["ask_default"] += 1
    raise self.retry()


@app.task(bind=True, name="bank.ask_eta")
def ask_eta(self, number: int) -> int:
    raise self.retry(eta=app.now() + timedelta(seconds=120))


@app.task(bind=True, name="bank.ask_less", autoretry_for=(Declined,), max_retries=5)
def ask_less(self, number: int) -> int:
    CALLS["ask_less"] += 1
    raise self.retry(exc=Declined("asked"), countdown=0, max_retries=1)


@app.task(name="bank.auto", base=Hooked, autoretry_for=(Declined,), max_retries=2, default_retry_delay=0)
def auto(number: int) -> int:
    CALLS["auto"] += 1
    if CALLS["auto"] <= number:
        raise Declined(f"call {CALLS['auto']}")
    return CALLS["auto"]


BACKING = {"retry_backoff": 40, "retry_jitter": False}


@app.task(name="bank.backing", autoretry_for=(Exception,), dont_autoretry_for=(KeyError,), **BACKING)
def backing(number: int) -> int:
    raise KeyError("no") if number else Declined("wait")


@app.task(name="bank.plain")
def plain(number: int) -> int:
    CALLS["plain"] += 1
    raise Declined("as it is")


@app.task(bind=True, name="bank.word", autoretry_for=(Exception,), default_retry_delay=0)
def word(self, number: int) -> int:
    CALLS["word"] += 1
    raise WORDS[number](self)


@app.task(name="bank.turn_down")
def turn_down(number: int) -> int:
    CALLS["turn_down"] += 1
    raise Reject("no")


def replaced(self):
    self.replace(plain.s(1))


def chorded(self):
    self.add_to_chord(plain.s(1))


def quiet(self):
    self.retry(throw=False)


WORDS = [
    lambda self: Fail("for good", code="declined"),
    lambda self: Ignore(),
    replaced,
    chorded,
    quiet,
]


@app.task(bind=True, name="bank.swallow")
def swallow(self, number: int) -> str:
    try:
        self.replace(plain.s(1))
    except Exception:  # noqa: BLE001
        return "as if nothing had been"


@app.task(name="bank.reject")
def reject(number: int) -> int:
    CALLS["reject"] += 1
    if CALLS["reject"] == 1:
        raise Reject("not now", requeue=True)
    return CALLS["reject"]


@app.task(name="bank.slow", soft_time_limit=0.2, time_limit=5)
def slow(number: int) -> str:
    try:
        threading.Event().wait(30)
    except SoftTimeLimitExceeded:
        if number:
            return "cleaned up"
        raise
    return "never"


@app.task(bind=True, name="bank.report")
def report(self, number: int) -> str:
    self.update_state(state="WORKING", meta={"current": 1, "total": 4})
    return "reported"


class Banking(Workflow):
    triggers = (manual("go"),)


def workflow(task, **options):
    """A workflow whose only step is this task."""
    return type(task.name.replace(".", "_"), (Banking,), {"only": step(task, **options), "__module__": __name__})


TASKS = (
    stand,
    ask,
    ask_default,
    ask_eta,
    ask_less,
    auto,
    backing,
    plain,
    word,
    swallow,
    reject,
    turn_down,
    slow,
    report,
)
FLOWS = {task.name: workflow(task) for task in TASKS}


@pytest.fixture
def bank(database_url):
    CALLS.clear()
    SEEN.clear()
    delivery = CeleryDelivery(app)
    delivery.ring = lambda queues: None
    squidie = Squidie(database_url, workflows=FLOWS.values(), delivery=delivery)
    yield squidie
    squidie.close()


def run(squidie, task, number=0, calls=20):
    """Start its workflow and work until nothing is due, or so often."""
    started = squidie.start(FLOWS[task.name], {"number": number})
    while calls and squidie.execute_next():
        calls -= 1
    return started


def errors(squidie, started):
    return [fact.error for fact in all_facts(squidie, started) if fact.kind == "attempt_failed"]


def test_a_task_finds_a_request_as_in_a_worker(bank):
    """1.24: bind, current_task, request."""
    started = run(bank, stand, 7)

    assert started.result(1) == {
        "current": "bank.stand",
        "directly": False,
        "eager": False,
        "retries": 0,
        "kwargs": {"number": 7},
        "queue": "default",
        "id": f"{started.id}/only/1",
        "root": str(started.id),
    }
    assert not stand.request_stack.top
    assert current_task is None or not current_task


@pytest.mark.parametrize(("wanted", "calls"), [(0, 1), (2, 3)])
def test_retry_is_a_retry_of_the_step(bank, wanted, calls):
    """1.24: self.retry(countdown=) is RetryLater, self.request.retries is the attempt - 1."""
    assert run(bank, ask, wanted).result(1) == wanted
    assert CALLS["ask"] == calls


def test_max_retries_n_are_n_plus_one_attempts_and_the_last_error_is_the_tasks_own(bank):
    """1.24"""
    started = run(bank, ask, 9)

    found = errors(bank, started)
    assert [(error.type, error.message, error.retryable) for error in found] == [
        ("Declined", "not yet", True),
        ("Declined", "not yet", True),
        ("Declined", "not yet", False),
    ]
    assert started.snapshot().status == "failed"


def test_without_a_word_it_is_three_retries(bank):
    """1.24: also through a class that calls in its own way."""
    started = run(bank, ask_default)
    assert CALLS["ask_default"] == 4
    assert SEEN == ["inside"] * 4
    assert errors(bank, started)[-1].type == "MaxRetriesExceededError"


def test_a_retry_may_name_a_time(bank):
    """1.24"""
    started = run(bank, ask_eta)
    failed = all_facts(bank, started)[1]
    with bank.engine.connect():
        wait = failed.opens[0].due_at - failed.claim.claimed_at
    assert timedelta(seconds=115) < wait < timedelta(seconds=125)
    bank.cancel(started.id, reason="enough")


def test_the_code_decides_when_it_wants_fewer_retries_than_declared(bank):
    """1.24: an error that Celery gives up on is final, whatever the policy catches."""
    started = run(bank, ask_less)
    assert CALLS["ask_less"] == 2
    assert started.snapshot().status == "failed"


def test_autoretry_and_its_hooks(bank):
    """1.24: each hook once, after the outcome was recorded."""
    assert run(bank, auto, 2).result(1) == 3
    assert SEEN == [
        ("before_start", 0), ("on_retry", "call 1"), ("after_return", "RETRY"),
        ("before_start", 1), ("on_retry", "call 2"), ("after_return", "RETRY"),
        ("before_start", 2), ("on_success", 3), ("after_return", "SUCCESS"),
    ]  # fmt: skip


def test_autoretry_ends(bank):
    """1.24"""
    started = run(bank, auto, 99)
    assert CALLS["auto"] == 3
    assert SEEN[-2:] == [("on_failure", "call 3"), ("after_return", "FAILURE")]
    assert started.snapshot().status == "failed"


def test_the_delay_is_the_one_that_celery_draws(bank):
    """1.24: retry_backoff."""
    started = run(bank, backing, 0)
    failed = all_facts(bank, started)[1]
    wait = failed.opens[0].due_at - failed.claim.claimed_at
    assert timedelta(seconds=39) < wait < timedelta(seconds=45)
    bank.cancel(started.id, reason="enough")


def test_what_is_not_to_be_retried_is_not(bank):
    """1.24: dont_autoretry_for."""
    started = run(bank, backing, 1)
    assert [error.type for error in errors(bank, started)] == ["KeyError"]


def test_an_exception_that_nobody_retries_fails_the_step(bank):
    """5.2"""
    run(bank, plain)
    assert CALLS["plain"] == 1


@pytest.mark.parametrize("number", range(len(WORDS)))
def test_words_that_end_a_step_for_good(bank, number):
    """1.24: our own Fail, Ignore; replace, add_to_chord and a silent retry are refused, not retried."""
    started = run(bank, word, number)
    assert CALLS["word"] == 1
    assert started.snapshot().status == "failed"
    assert len(errors(bank, started)) == 1


def test_a_refusal_that_is_swallowed_fails_the_step_all_the_same(bank):
    """1.24"""
    started = run(bank, swallow)
    assert errors(bank, started)[0].code == "unsupported_canvas"


def test_a_requeue_is_a_retry_at_once(bank):
    """1.24"""
    assert run(bank, reject).result(1) == 2


def test_a_rejection_is_a_failure(bank):
    """1.24"""
    started = run(bank, turn_down)
    assert CALLS["turn_down"] == 1
    assert started.snapshot().status == "failed"


def test_a_soft_time_limit_is_raised_in_the_task(bank):
    """1.24, 18.3: as what the task expects."""
    assert run(bank, slow, 1).result(1) == "cleaned up"

    started = run(bank, slow, 0)
    assert errors(bank, started)[0].kind == "timed_out"


def test_a_state_is_progress(bank):
    """1.24"""
    assert run(bank, report).result(1) == "reported"


def hear(seen, name, sender=None, **_):
    seen.append((name, sender.name))


def test_signals_are_sent_once(bank):
    """1.24: prerun and postrun around the call, success after the settle."""
    seen = []
    names = ("task_prerun", "task_postrun", "task_success", "task_retry", "task_failure")
    receivers = {name: partial(hear, seen, name) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver, weak=False)
    try:
        run(bank, ask, 1)
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)
    assert [name for name, _ in seen] == [
        "task_prerun", "task_postrun", "task_retry", "task_prerun", "task_postrun", "task_success",
    ]  # fmt: skip


def test_a_task_called_the_plain_way_is_what_it_was(bank):
    """1.24: once it has run as a step, too."""
    run(bank, ask, 1)

    with pytest.raises(Declined, match="not yet"):
        ask(5)
    assert ask.apply(kwargs={"number": 1}).get() == 1
    with pytest.raises(RetrySignal):
        ask_default.run.__self__.retry()


def test_threads_have_requests_of_their_own(bank):
    """1.24"""
    runs = [bank.start(FLOWS["bank.ask"], {"number": 2}) for _ in range(12)]

    def work():
        while bank.execute_next():
            pass

    with ThreadPoolExecutor(4) as pool:
        [done.result(60) for done in [pool.submit(work) for _ in range(4)]]
    work()
    assert [each.result(1) for each in runs] == [2] * 12


def test_the_policy_in_the_spec_is_for_people():
    """1.24: what each task declares."""
    assert [declared(task) for task in (plain, ask)] == [{}, {"retry": Retry(3, on="celery.exceptions:Retry")}]
    assert declared(auto)["retry"] == Retry(3, on=Declined, backoff="fixed", min=0)
    assert declared(backing)["retry"] == Retry(4, on=Exception, never=KeyError, min=40, max=600)
    assert declared(slow) == {"timeout": 0.2, "grace": 4.8}


@pytest.mark.parametrize(
    ("routes", "queue"),
    [
        ({"shop.resize": {"queue": "images"}}, "images"),
        ({"shop.*": "pictures"}, "pictures"),
        ([lambda name, args, kwargs, options, task=None, **_: {"queue": "byhand"}], "byhand"),
        ([lambda name, args, kwargs, options, task=None, **_: {"queue": args[0]}], None),
        ({"else.*": "elsewhere"}, None),
        (None, None),
    ],
)
def test_a_task_goes_where_the_routes_of_its_app_send_it(routes, queue):
    """1.24: a router that needs arguments is not asked; a queue of the task's own goes before."""
    app = Celery("shop", set_as_current=False, broker="memory://")
    app.conf.task_routes = routes

    @app.task(name="shop.resize", shared=False)
    def resize(width):
        return width

    assert declared(resize).get("queue") == queue


def own(ctx: StepContext) -> None:
    """A function is no task."""


def test_a_function_declares_nothing():
    """1.24"""
    assert declared(own) == {}
