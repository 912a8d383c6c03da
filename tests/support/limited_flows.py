"""Workflows under limits and rates."""

from __future__ import annotations

from squidie import Limit, Rate, Workflow, manual, step
from tests.support.flows import CALLS, HOOKS


def work(ctx):
    CALLS.append(ctx.step)
    if hook := HOOKS.get(ctx.step):
        hook(ctx)
    return ctx.step


def other(ctx):
    return work(ctx)


def of_tenant(ctx, tenant):
    return work(ctx)


class Narrow(Workflow):
    """Two at once, over all runs."""

    triggers = (manual("go"),)
    narrow = step(work, limit=Limit("gateway", 2))


class NarrowElsewhere(Workflow):
    """The same limit on another queue."""

    triggers = (manual("go"),)
    far = step(other, limit=Limit("gateway", 2), queue="far")


class NarrowChain(Workflow):
    """Ten steps under one limit of two."""

    triggers = (manual("go"),)
    s0 = step(work, limit=Limit("chain", 2))
    s1 = step(work, limit=Limit("chain", 2))
    s2 = step(work, limit=Limit("chain", 2))
    s3 = step(work, limit=Limit("chain", 2))
    s4 = step(work, limit=Limit("chain", 2))
    s5 = step(work, limit=Limit("chain", 2))
    s6 = step(work, limit=Limit("chain", 2))
    s7 = step(work, limit=Limit("chain", 2))
    s8 = step(work, limit=Limit("chain", 2))
    s9 = step(work, limit=Limit("chain", 2))
    flow = s0 >> s1 >> s2 >> s3 >> s4 >> s5 >> s6 >> s7 >> s8 >> s9


class Tenants(Workflow):
    """One at a time of each tenant."""

    triggers = (manual("go"),)
    each = step(of_tenant, limit=Limit("tenant", 1, by="payload.tenant"))


class Rated(Workflow):
    """Two at once, then one each thirty seconds."""

    triggers = (manual("go"),)
    rated = step(work, rate=Rate("api", 2, per="1m"))


class Plain(Workflow):
    """Under no limit."""

    triggers = (manual("go"),)
    plain = step(other)


LIMITED = [Narrow, NarrowElsewhere, NarrowChain, Tenants, Rated, Plain]
