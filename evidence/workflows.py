"""Workflows made for faults: each step writes into the ledger of effects, then does what the payload says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TypedDict

from sqlalchemy import text

from evidence import effects
from squidie import Fail, Retry, StepContext, Workflow, approval, every, manual, step, wait

GATE_PATIENCE = 60.0
RETRY = Retry(5, min=0.05, max=0.4, backoff="exponential")
"""The test profile of RELIABILITY."""


class Orders(TypedDict, total=False):
    """What steps do, by their names.

    `fails`: so many attempts raise. `naps`: seconds before the end, and `lingers` the first time only. `gates`: a file
    to wait for. `dies`: ends its process each time. `gives_up`: fails for good. `needs`: a file without which an
    attempt raises.
    """

    fails: dict[str, int]
    naps: dict[str, float]
    lingers: dict[str, float]
    gates: dict[str, str]
    dies: list[str]
    gives_up: list[str]
    needs: dict[str, str]


def act(ctx: StepContext) -> str:
    """An effect outside the journal: at least once."""
    effects.record(ctx)
    return obey(ctx)


def book(ctx: StepContext) -> str:
    """A row of the host's, committed with the step's outcome or not at all."""
    effects.record(ctx)
    written = {"run": ctx.run_id, "step": ctx.step, "claim": ctx.claim_id}
    ctx.session.execute(text("insert into books (run_id, step, claim) values (:run, :step, :claim)"), written)
    return obey(ctx)


def obey(ctx: StepContext) -> str:
    """Nap, wait for a gate, die, fail: whatever the payload says of this step."""
    if ctx.step in (ctx.payload.get("dies") or []):
        os._exit(11)
    gate = (ctx.payload.get("gates") or {}).get(ctx.step)
    if gate is not None:
        wait_for(Path(gate))
    nap((ctx.payload.get("naps") or {}).get(ctx.step, 0))
    if (linger := (ctx.payload.get("lingers") or {}).get(ctx.step)) is not None and effects.ledger().times(ctx) == 1:
        nap(linger)
    needed = (ctx.payload.get("needs") or {}).get(ctx.step)
    if needed is not None and not Path(needed).exists():
        raise ConnectionError(f"what {ctx.step} needs is down")
    if ctx.step in (ctx.payload.get("gives_up") or []):
        raise Fail(f"{ctx.step} was to fail for good")
    if ctx.attempt <= (ctx.payload.get("fails") or {}).get(ctx.step, 0):
        raise ConnectionError(f"{ctx.step} was to fail")
    return f"{ctx.step} {ctx.attempt}"


def nap(seconds: float) -> None:
    """Take so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)


def wait_for(gate: Path) -> None:
    """Until that file is there, or much later."""
    deadline = time.monotonic() + GATE_PATIENCE
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


class Ordered(Workflow):
    """What the others derive from: started by hand, with orders."""

    triggers = (manual("start"),)
    payload = Orders


class Plain(Ordered):
    """Effects outside the journal. Behind the first step there is more than one turn takes over, so it must ring."""

    first = step(act, retry=RETRY)
    left = step(act, retry=RETRY)
    right = step(act, retry=RETRY)
    last = step(act, retry=RETRY)
    flow = first >> [left, right] >> last


class Booked(Ordered):
    """The same with a first step whose rows are the host's, in the journal's database."""

    first = step(book, transactional=True, retry=RETRY)
    left = step(act, retry=RETRY)
    right = step(act, retry=RETRY)
    last = step(act, retry=RETRY)
    flow = first >> [left, right] >> last


class Single(Ordered):
    """One step."""

    only = step(act, retry=RETRY)


class Delayed(Ordered):
    """A timer between two steps."""

    before = step(act)
    pause = wait("4s")
    after = step(act)
    flow = before >> pause >> after


class Retried(Ordered):
    """Fails once, and is tried again after a time that is long enough to be interrupted."""

    work = step(act, retry=Retry(5, min=3, backoff="fixed"))


class Asked(Ordered):
    """Two people of a role decide."""

    before = step(act)
    decision = approval(role="finance", quorum=2, due="2h")
    after = step(act)
    flow = before >> decision >> after


class Ticking(Workflow):
    """A window each second, none of them left out."""

    triggers = (every("tick", "1s", catchup="all"),)
    tick = step(act)


OURS = (Plain, Booked, Single, Delayed, Retried, Asked)
