"""Attempts whose time is over, and cancelled steps that may be interrupted: told, then stopped (18.3, 7.3)."""

from __future__ import annotations

import ctypes
import itertools
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from squidie import Cancelled, Retry, StepContext, TimedOut, Workflow, manual, step
from squidie.engine.interrupting import ENDED, WORKER, Guard
from squidie.testing import eventually
from squidie.workflow.steps import Signals
from tests.support.lab import all_facts, kinds, rows

QUICK = {"lease": 6.0, "grace": 0.3}
SOON = 0.3
ENTERED = multiprocessing.get_context("fork").Event()
RELEASED = threading.Event()


class Timed(Workflow):
    triggers = (manual("go"),)


def spin():
    ENTERED.set()
    while True:
        pass


def sleep_in_c():
    ENTERED.set()
    ctypes.CDLL(None).sleep(60)


def sleep():
    ENTERED.set()
    time.sleep(60)


def swallow():
    ENTERED.set()
    while not RELEASED.is_set():
        try:
            time.sleep(0.01)
        except BaseException:  # noqa: BLE001 - that is the point
            continue


def hold_the_interpreter():
    ENTERED.set()
    all(itertools.repeat(1))


def obey(ctx: StepContext):
    ENTERED.set()
    while True:
        ctx.check()
        time.sleep(0.01)


def come_late():
    try:
        time.sleep(60)
    except TimedOut:
        return "in time after all"


def clean_up():
    try:
        time.sleep(60)
    except TimedOut:
        raise ValueError("while cleaning up") from None


async def wait_for_ever():
    import asyncio

    await asyncio.sleep(60)


def be_quick():
    return "quick"


class Spin(Timed):
    only = step(spin, timeout=SOON)


class SleepInC(Timed):
    only = step(sleep_in_c, timeout=SOON)


class Sleep(Timed):
    only = step(sleep, timeout=SOON)


class Swallow(Timed):
    only = step(swallow, timeout=SOON)


class Hold(Timed):
    only = step(hold_the_interpreter, timeout=SOON, grace=0)


class Obey(Timed):
    only = step(obey, timeout=SOON)


class ComeLate(Timed):
    only = step(come_late, timeout=SOON)


class CleanUp(Timed):
    only = step(clean_up, timeout=SOON)


class WaitForEver(Timed):
    only = step(wait_for_ever, timeout=SOON)


class BeQuick(Timed):
    only = step(be_quick, timeout=60)


class Again(Timed):
    only = step(sleep, timeout=0.1, retry=Retry(2, min=0, on=TimedOut))


class AgainForAny(Timed):
    only = step(sleep, timeout=0.1, retry=Retry(2, min=0))


class NotAgain(Timed):
    only = step(sleep, timeout=0.1, retry=Retry(2, min=0, never=TimedOut))


class Stoppable(Timed):
    only = step(sleep, on_cancel="interrupt")


class StubbornlyStoppable(Timed):
    only = step(swallow, on_cancel="interrupt")


class Unstoppable(Timed):
    only = step(obey)


ALL = tuple(Timed.__subclasses__())


@pytest.fixture
def timed(make):
    ENTERED.clear()
    RELEASED.clear()
    yield make(*ALL, settings=QUICK)
    RELEASED.set()


def failure(squidie, run):
    return next(fact for fact in all_facts(squidie, run) if fact.kind == "attempt_failed")


def in_a_child(squidie, call=None):
    """A child such as `squidie worker` has; how it ended."""
    target = call or (lambda: squidie.turn(["default"]))
    child = multiprocessing.get_context("fork").Process(target=target, name=WORKER)
    child.start()
    child.join(30)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise AssertionError("the step did not end")
    squidie.child_died(child.pid)
    return child.exitcode


def in_a_thread(squidie):
    pool = ThreadPoolExecutor(1)
    return pool, pool.submit(squidie.execute_next)


@pytest.mark.parametrize("workflow", [Spin, SleepInC, Sleep, WaitForEver, Obey])
def test_a_step_that_does_not_end_by_itself_is_told_and_fails(timed, workflow):
    """18.3: endless loop and C-level sleep end, in the main thread of a process."""
    run = timed.start(workflow)
    begun = time.monotonic()

    timed.execute_next()

    assert SOON <= time.monotonic() - begun < 5
    assert failure(timed, run).error.kind == "timed_out"
    assert "0.3 s" in failure(timed, run).error.message
    assert run.snapshot().status == "failed"


@pytest.mark.parametrize("workflow", [Spin, Obey])
def test_in_a_thread_python_code_is_told_as_well(timed, workflow):
    """18.3"""
    run = timed.start(workflow)
    pool, done = in_a_thread(timed)

    done.result(10)

    assert failure(timed, run).error.kind == "timed_out"
    pool.shutdown()


def test_a_child_ends_with_the_step_that_swallows_the_signal(timed):
    """18.3: the one that ignores the signal ends: it is settled in its place, and no claim is lost."""
    run = timed.start(Swallow)

    assert in_a_child(timed) == ENDED

    assert kinds(timed, run) == ["run_started", "attempt_failed", "run_failed"]
    assert failure(timed, run).error.kind == "timed_out"


def test_a_child_whose_step_holds_the_interpreter_is_ended_from_c(timed):
    """18.3: nobody in it can run Python; it counts as a dead child."""
    run = timed.start(Hold)

    assert in_a_child(timed) not in {0, ENDED, 7}

    assert kinds(timed, run) == ["run_started", "attempt_released"]
    assert all_facts(timed, run)[-1].reason == "child_died"
    assert [tuple(row) for row in rows(timed, run)] == [("only", 1, False, 1)]
    timed.cancel(run.id, reason="enough")


def test_the_backstop_is_gone_with_the_step(timed):
    """18.3: it never ends what comes afterwards."""
    run = timed.start(Sleep)

    def work():
        timed.turn(["default"])
        time.sleep(SOON + QUICK["grace"] + 2.5)

    assert in_a_child(timed, work) == 0
    assert run.snapshot().status == "failed"


def test_in_a_thread_it_is_settled_in_its_place_and_what_it_returns_is_refused(timed, caplog):
    """18.3, 4.6"""
    run = timed.start(Swallow)
    pool, done = in_a_thread(timed)

    eventually(lambda: run.snapshot().status == "failed", why="it was not settled")
    assert failure(timed, run).error.kind == "timed_out"
    assert not done.done()

    RELEASED.set()
    done.result(10)
    pool.shutdown()
    assert kinds(timed, run) == ["run_started", "attempt_failed", "run_failed"]
    assert "an outcome was not taken" in caplog.text


@pytest.mark.parametrize("workflow", [Again, AgainForAny])
def test_a_timeout_is_retried_like_an_exception(timed, workflow):
    """5.2: TimedOut counts as an exception."""
    run = timed.start(workflow)

    timed.execute_next()
    timed.execute_next()

    assert kinds(timed, run) == ["run_started", "attempt_failed", "attempt_failed", "run_failed"]


def test_a_policy_may_except_timeouts(timed):
    """5.2"""
    run = timed.start(NotAgain)
    timed.execute_next()
    assert kinds(timed, run) == ["run_started", "attempt_failed", "run_failed"]


def test_what_a_step_returns_within_its_grace_is_taken(timed):
    """18.3: the signal is soft."""
    run = timed.start(ComeLate)
    timed.execute_next()
    assert run.result(1) == "in time after all"


def test_what_is_raised_because_of_a_timeout_is_a_timeout(timed):
    """18.3"""
    run = timed.start(CleanUp)
    timed.execute_next()
    assert (failure(timed, run).error.kind, failure(timed, run).error.type) == ("timed_out", "ValueError")


def test_the_signal_is_the_hosts_again_afterwards(timed):
    """18.3: a quick step leaves no trace."""
    before = signal.getsignal(signal.SIGALRM)
    run = timed.start(BeQuick)

    timed.execute_next()

    assert run.result(1) == "quick"
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("in_main", [True, False])
def test_an_interruption_that_comes_as_the_step_ends_leaves_nothing_behind(in_main):
    """18.3: whatever line it strikes."""

    def trials():
        before = signal.getsignal(signal.SIGALRM)
        for number in range(300):
            guard = Guard(Signals(), lambda why: None, timeout=0.0005, grace=10)
            with suppress(TimedOut):
                guard.run(lambda number=number: sum(range(number * 60)))
        assert signal.getsignal(signal.SIGALRM) is before
        return sum(range(1000))

    if in_main:
        trials()
    else:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(trials).result(60)


LIMITED = """
import cProfile, threading
from squidie.engine.interrupting import Guard
from squidie.workflow.steps import Signals, StepInterrupted

def steps():
    for number in range(200):
        try:
            Guard(Signals(), print, timeout=0.0005, grace=10).run(lambda: sum(range(number * 60)))
        except StepInterrupted:
            pass

thread = threading.Thread(target=steps)
thread.start()
thread.join()
cProfile.run("sum(map(lambda number: number, range(10)))")
"""


def test_whatever_is_profiled_ends_after_steps_with_time_limits():
    """An exception that is taken back from a thread keeps CPython looking for it, where nothing else is raised."""
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=60, check=False)

    assert "function calls" in done.stdout, done.stderr


def cancelled_while_it_runs(squidie, workflow):
    """Cancel its run once the step is entered, from a thread; then go on with it here."""
    run = squidie.start(workflow)

    def cancel():
        ENTERED.wait(10)
        squidie.cancel(run.id, reason="no longer wanted")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    begun = time.monotonic()
    squidie.execute_next()
    canceller.join()
    return run, time.monotonic() - begun


def test_a_step_that_may_be_interrupted_is_stopped_when_its_run_is_cancelled(timed):
    """7.3: within a heartbeat and its grace, and nothing is settled."""
    run, seconds = cancelled_while_it_runs(timed, Stoppable)

    assert seconds < QUICK["lease"] / 3 * 1.5 + QUICK["grace"]
    assert kinds(timed, run) == ["run_started", "run_cancelled"]


def test_a_step_that_may_not_be_interrupted_is_told(timed):
    """7.3: `ctx.check()` raises."""
    run, seconds = cancelled_while_it_runs(timed, Unstoppable)

    assert seconds < QUICK["lease"] / 3 * 1.5
    assert kinds(timed, run) == ["run_started", "run_cancelled"]


def test_a_child_ends_with_a_cancelled_step_that_does_not(timed):
    """7.3"""
    run = timed.start(StubbornlyStoppable)

    def cancel():
        ENTERED.wait(10)
        timed.cancel(run.id, reason="no longer wanted")

    canceller = threading.Thread(target=cancel)
    canceller.start()

    assert in_a_child(timed) == ENDED
    canceller.join()
    assert kinds(timed, run) == ["run_started", "run_cancelled"]


def test_words_are_what_they_were():
    """1.23: an interruption is a BaseException."""
    assert not issubclass(TimedOut, Exception)
    assert not issubclass(Cancelled, Exception)
