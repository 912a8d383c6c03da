"""Workflows for what batches, limits and a held interpreter add to what may go wrong."""

from __future__ import annotations

import ctypes
from pathlib import Path

from evidence import effects
from evidence.workflows import RETRY, Ordered, obey
from squidie import Limit, StepContext, step

HELD = 2_500_000
"""Microseconds for which a step lets nobody else in its process run Python: two leases and a half."""

LIMITED = 2
"""So many of the steps of `NarrowChain` may be held at once, over all runs."""


def quickly(ctx: StepContext) -> str:
    """An effect, and nothing else: many of them make a batch."""
    effects.record(ctx)
    return obey(ctx)


def narrowly(ctx: StepContext) -> str:
    """An effect under a limit."""
    effects.record(ctx)
    return obey(ctx)


def once(ctx: StepContext) -> str:
    """An effect that nobody can take back."""
    effects.record(ctx)
    return obey(ctx)


def hold(ctx: StepContext) -> str:
    """The first time sleep in C without giving up the interpreter: no thread of this process renews anything."""
    effects.record(ctx)
    mark = Path(ctx.payload["gates"][ctx.step])
    if not mark.exists():
        mark.touch()
        ctypes.PyDLL(None).usleep(HELD)
    return f"{ctx.step} {ctx.attempt}"


class Short(Ordered):
    """One quick step."""

    only = step(quickly, retry=RETRY)


class Once(Ordered):
    """One step that is never run in a batch."""

    only = step(once, irreversible=True)


class Held(Ordered):
    """One step that holds the interpreter."""

    only = step(hold, retry=RETRY)


class NarrowChain(Ordered):
    """Ten steps, of which so many are held at once."""

    s0 = step(narrowly, limit=Limit("narrow", LIMITED))
    s1 = step(narrowly, limit=Limit("narrow", LIMITED))
    s2 = step(narrowly, limit=Limit("narrow", LIMITED))
    s3 = step(narrowly, limit=Limit("narrow", LIMITED))
    s4 = step(narrowly, limit=Limit("narrow", LIMITED))
    s5 = step(narrowly, limit=Limit("narrow", LIMITED))
    s6 = step(narrowly, limit=Limit("narrow", LIMITED))
    s7 = step(narrowly, limit=Limit("narrow", LIMITED))
    s8 = step(narrowly, limit=Limit("narrow", LIMITED))
    s9 = step(narrowly, limit=Limit("narrow", LIMITED))
    flow = s0 >> s1 >> s2 >> s3 >> s4 >> s5 >> s6 >> s7 >> s8 >> s9


BATCHED = (Short, Once, Held, NarrowChain)
