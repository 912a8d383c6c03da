"""The demo from curtain to curtain."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from time import monotonic

from squidie.errors import SquidieError
from squidie_celery.demo import checkout
from squidie_celery.demo.scenes import Scenes, TooSlow, perform
from squidie_celery.demo.screen import Screen
from squidie_celery.demo.stage import Stage
from squidie_celery.demo.tally import Books
from squidie_celery.demo.verdict import RULES, Evidence, closing, gather

PAUSE, NO_PAUSE = 0.8, 0.2
INTERRUPTED = 130
STORY = "validate → reserve → charge → (ship ∥ tell) → close"


def play(*, fast: bool, keep: bool, no_kill: bool, orders: int, postgres: str | None, redis: str | None) -> int:
    """Play it; the exit code. Ctrl-C ends it and everything that it has started."""
    began = monotonic()
    screen = Screen()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Stage(checkout.find(), postgres=postgres, redis=redis) as stage:
            return _play(stage, screen, orders, began, kill=not no_kill, keep=keep, pause=NO_PAUSE if fast else PAUSE)
    except KeyboardInterrupt:
        screen.line("Stopped; everything that was started has ended.")
        return INTERRUPTED
    except SquidieError as error:
        screen.event("✕", str(error))
        return error.exit_code


def _play(stage: Stage, screen: Screen, count: int, began: float, *, kill: bool, keep: bool, pause: float) -> int:
    screen.line(f"squidie demo · {stage.title} · lease {checkout.LEASE} s, sweep {checkout.SWEEP} s", "bold")
    screen.event("✓", f"journal ready ({monotonic() - began:.1f} s)")
    orders = checkout.orders(stage.root, count)
    books = Books(stage.squidie, count)
    screen.line()
    screen.line(f"{count} orders, each {STORY}")
    scenes = Scenes(stage, screen, books, orders, pause=pause)
    is_well = _performed(screen, scenes, kill=kill)
    evidence = gather(stage.squidie, books, orders, scenes.deeds)
    is_well = _judge(screen, evidence) and is_well
    screen.line()
    screen.line(closing(evidence, monotonic() - began), "bold green" if is_well else "bold red")
    if not is_well:
        _complain(stage, screen)
    _what_next(stage, screen, evidence, keep=keep)
    return 0 if is_well else 1


def _performed(screen: Screen, scenes: Scenes, *, kill: bool) -> bool:
    """Whether every scene came to its end. What did happen is judged in any case."""
    try:
        with screen:
            perform(scenes, kill=kill)
    except (TooSlow, AssertionError) as error:
        screen.event("✕", str(error))
        return False
    return True


def _judge(screen: Screen, evidence: Evidence) -> bool:
    """Each promise, kept or not; and why orders were refused."""
    screen.line()
    is_well = True
    for rule in (rule for rule in RULES if rule.applies(evidence)):
        faults = list(rule.faults(evidence))
        is_well = is_well and not faults
        screen.event("✕" if faults else "✓", rule.said)
        for fault in faults[:10]:
            screen.line(f"      {fault}")
    called = sum(evidence.calls.values())
    booked = sum(times for times, _ in evidence.booked.values())
    lost = len(evidence.lost_claims)
    screen.event(
        "·", f"claims that lost their worker: {lost}; calls to the gateway: {called}; charges in the ledger: {booked}"
    )
    screen.line()
    screen.table(
        ("REFUSED", "REASON", ""), [(row.order_id, row.code or "none", row.message or "") for row in evidence.refused]
    )
    return is_well


def _complain(stage: Stage, screen: Screen) -> None:
    """What the workers had to say, for their logs go with them."""
    screen.line("The workers' last warnings and errors:")
    for line in stage.complaints() or ["none"]:
        screen.line(f"  {line}")


def _what_next(stage: Stage, screen: Screen, evidence: Evidence, *, keep: bool) -> None:
    source = stage.root / checkout.WORKFLOWS
    lines = len(source.read_text(encoding="utf-8").splitlines())
    screen.line(
        f"The workflow: {checkout.WORKFLOWS} ({lines} lines). Its steps: examples/fulfilment/tasks.py, plain functions."
    )
    if not keep:
        screen.line("Look around:  squidie demo --keep     leaves everything running until Ctrl-C")
        return
    screen.line("Everything is still running. In another terminal:")
    for name in ("SQUIDIE_DATABASE_URL", "SQUIDIE_REDIS_URL", "SQUIDIE_APP"):
        screen.line(f"  export {name}='{stage.told[name]}'")
    screen.line("  squidie ls")
    for charging in evidence.deeds.killed:
        run_id = evidence.ended[charging.order_id].run_id
        screen.line(f"  squidie show {run_id}     # {charging.order_id}, whose worker was killed")
    screen.line("Ctrl-C ends all of it.")
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)
