"""A workflow in which a word stands in every place that a person, a host or a step can write to."""

from __future__ import annotations

from typing import TypedDict

from squidie import Fail, StepContext, approval, event, step
from tests.support.flows import Started

PAYLOAD, OUTPUT, REVIEW, EVENT, METADATA = "c-payload", "c-output", "c-review", "c-event", "c-metadata"
ERROR, DETAIL = "c-error", "c-detail"
ACTOR, APPROVER, COMMENT, ATTRIBUTE, REASON = "c-actor", "c-approver", "c-comment", "c-attribute", "c-reason"
TOKEN, EMAIL, SECRET = "c-token", "c-email", "c-secret"

VALUES = {PAYLOAD, OUTPUT, REVIEW, EVENT, METADATA}
PEOPLE = {ACTOR, APPROVER, COMMENT, ATTRIBUTE, REASON}
NEVER = {TOKEN, EMAIL, SECRET}
EVERYTHING = VALUES | PEOPLE | NEVER | {ERROR, DETAIL}


class Order(TypedDict):
    """Of whom something is asked."""

    customer: dict


class Form(TypedDict):
    """What an approver fills in."""

    text: str


def tell(customer: dict) -> dict:
    """Bring something, and something that is secret."""
    assert customer["name"] == PAYLOAD
    return {"text": OUTPUT, "accessToken": TOKEN, "customer": {"email": EMAIL}, "items": [OUTPUT]}


def charge(ctx: StepContext) -> None:
    """Say too much."""
    raise Fail(f"{ERROR} with {SECRET}, token={TOKEN}", code="declined", details={"why": DETAIL, "token": TOKEN})


class Told(Started):
    """Asked, told of an event, brought something, and parked."""

    payload = Order
    ask = approval(role="finance", form=Form)
    paid = event("paid")
    tell = step(tell)
    charge = step(charge, on_give_up="park")
    flow = ask >> paid >> tell >> charge


class Lost(Started):
    """Fails at once, and for good."""

    payload = Order
    charge = step(charge)


ORDER = {"customer": {"name": PAYLOAD, "token": TOKEN, "email": EMAIL, "note": f"it is {SECRET}"}}


def tell_all(squidie, work_off, **start):
    """Three runs, one parked, one cancelled and one failed, with every word in its place."""
    by = {"actor": {"id": ACTOR, "api_key": TOKEN}, "metadata": {"note": METADATA, "token": TOKEN, "known": SECRET}}
    said = {"comment": f"{COMMENT} {SECRET} password={TOKEN}", "metadata": {"note": METADATA}}
    runs = [squidie.start(Told, ORDER, attributes={"note": ATTRIBUTE}, **by, **start) for _ in range(2)]
    runs.append(squidie.start(Lost, ORDER, attributes={"token": TOKEN}, **by, **start))
    for run in runs[:2]:
        squidie.approve(run.id, actor=APPROVER, data={"text": REVIEW}, **said)
        squidie.signal_run(run.id, event="paid", payload={"text": EVENT, "token": TOKEN}, actor=ACTOR, **said)
    work_off()
    squidie.cancel(runs[1].id, reason=f"{REASON} {SECRET}", actor=ACTOR)
    squidie.discard(
        runs[2].id, "charge", reason=f"{REASON} token={TOKEN}", actor=ACTOR, metadata={"note": METADATA, "token": TOKEN}
    )
    return runs
