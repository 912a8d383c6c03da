"""Workflows that wait for people and events, that cannot be taken back, or that are undone."""

from __future__ import annotations

from typing import Any, TypedDict

from squidie import Compensate, Retry, StepContext, approval, escalate, event, pause, step
from tests.support.flows import CALLS, Planned, act


class Form(TypedDict, total=False):
    """What an approver fills in."""

    amount: int


class Asked(Planned):
    """An approval in the middle, with a way for each answer."""

    check = step(act)
    ask = approval(role="finance", form=Form)
    pay = step(act)
    refuse = step(act)
    flow = (check >> ask >> pay, ask.on_error >> refuse)


class Stern(Planned):
    """A rejection that nothing handles."""

    ask = approval(role="finance")
    pay = step(act)
    flow = ask >> pay


class Several(Planned):
    """Two must agree, and not whoever started it."""

    ask = approval(role="board", quorum=2, exclude=("starter",))
    pay = step(act)
    flow = ask >> pay


class Escalating(Planned):
    """An hour, then somebody else is asked."""

    ask = approval(role="clerk", due=3600, then=escalate("boss", due=3600))
    pay = step(act)
    flow = ask >> pay


class Paused(Planned):
    """A pause whose answer the next step reads."""

    hold = pause()
    go = step(act)
    flow = hold >> go


class Twice(Planned):
    """Two pauses side by side."""

    left = pause()
    right = pause()
    go = step(act)
    flow = [left, right] >> go


class Parking(Planned):
    """A step that waits for a person once it has failed."""

    a = step(act)
    b = step(act, on_give_up="park")
    c = step(act)
    flow = a >> b >> c


def undo(ctx: StepContext) -> None:
    """Take back what the step did."""
    CALLS.append((ctx.step, ctx.attempt, ctx.idempotency_key))


class Undoable(Planned):
    """What it did can be taken back."""

    a = step(act, compensate=Compensate(undo))
    b = step(act)
    flow = a >> b


class Awaiting(Planned):
    """An event in the middle."""

    a = step(act)
    paid = event("paid", correlation="order-1")
    c = step(act)
    flow = a >> paid >> c


class Open(Planned):
    """An event that any correlation will do for."""

    paid = event("paid")
    c = step(act)
    flow = paid >> c


class Charging(Planned):
    """A charge that cannot be taken back, between two steps that may be repeated, and a mail that must not."""

    a = step(act)
    charge = step(act, irreversible=True)
    mail = step(act, replayable=False)
    flow = a >> charge >> mail


class Trying(Planned):
    """An irreversible step with a second try."""

    charge = step(act, irreversible=True, retry=Retry(2, min=10, backoff="fixed"))


class Handled(Planned):
    """A failure that another way handles, one that is passed over, and a join."""

    a = step(act)
    b = step(act)
    fallback = step(act)
    c = step(act, on_give_up="tolerate")
    d = step(act)
    flow = (a >> [b, c], b >> d, b.on_error >> fallback, fallback >> d, c >> d)


def notify(user: str, ctx: StepContext, *, copies: int = 1) -> dict[str, Any]:
    """A plain function, to be sent."""
    CALLS.append((ctx.step, ctx.attempt, ctx.idempotency_key))
    return {"user": user, "copies": copies}


def unknown_task(user: str) -> str:
    """A function that no runtime is given."""
    return user


STEERED = (
    Asked, Stern, Several, Escalating, Paused, Twice, Parking, Undoable, Awaiting, Open, Charging, Trying, Handled,
)  # fmt: skip
