"""One workflow for each way in which a run can stand: asked, halted, waiting, parked, put off, undone, late."""

from __future__ import annotations

from squidie import Compensate, Deadline, Retry, StepContext, approval, event, log, pause, step, wait
from tests.support.flows import CALLS, Planned, act


class Asking(Planned):
    """An approval with a time limit."""

    ok = approval(role="ops", due="4h")
    pay = step(act)
    flow = ok >> pay


class Board(Planned):
    """Two must agree, however long it takes, while something else runs."""

    vote = approval(quorum=2)
    aside = step(act)
    flow = (vote, aside)


class Halting(Planned):
    """A pause that goes on by itself after a day."""

    hold = pause(due="1d", then="resume")
    go = step(act)
    flow = hold >> go


class Listening(Planned):
    """Two events: one of an order, in time; one of any, whenever."""

    paid = event("payment_settled", correlation="order-7", timeout="2h")
    news = event("news")
    flow = (paid, news)


class Napping(Planned):
    """A wait of an hour, and a line in the log."""

    nap = wait("1h")
    say = log("awake")
    flow = nap >> say


class Parked(Planned):
    """A step that waits for a person once it has failed twice, beside an approval."""

    charge = step(act, retry=Retry(2, min=10, backoff="fixed"), on_give_up="park")
    ok = approval()
    flow = (charge, ok)


class Polling(Planned):
    """A step that may ask to be called later."""

    poll = step(act, retry=Retry(3, min=10, backoff="fixed"))


def release(ctx: StepContext) -> None:
    """Take back what a step did; the plan may say that it fails."""
    CALLS.append((ctx.step, ctx.attempt, ctx.idempotency_key))
    words = (ctx.payload["plan"] or {}).get(ctx.step, [])
    if ctx.attempt <= len(words) and words[ctx.attempt - 1] == "raise":
        raise ValueError("cannot be released")


class Saga(Planned):
    """Two steps that can be undone, and one that may fail."""

    reserve = step(act, compensate=Compensate(release, retry=Retry(2, min=10, backoff="fixed")))
    book = step(act, compensate=Compensate(release))
    charge = step(act)
    flow = reserve >> book >> charge


class Shrugging(Planned):
    """A saga that leaves undone what cannot be undone."""

    reserve = step(act, compensate=Compensate(release, retry=Retry(1), on_stuck="continue"))
    charge = step(act)
    flow = reserve >> charge


class Draining(Planned):
    """A step that fails while its sibling still runs."""

    reserve = step(act, compensate=Compensate(release))
    slow = step(act)
    charge = step(act)
    flow = reserve >> [slow, charge]


class Late(Planned):
    """A step and a run with deadlines that only tell."""

    deadline = Deadline("3h")
    work = step(act, deadline=Deadline("1h", due_soon="30m", then="escalate", escalate_after="10m"))


class Shrugged(Planned):
    """A failure that is passed over, and a way around another."""

    try_it = step(act, on_give_up="tolerate")
    check = step(act)
    around = step(act)
    unneeded = step(act)
    flow = (try_it >> check, check >> unneeded, check.on_error >> around)


class Leaving(Planned):
    """Leaves of every kind: together too large to be said twice."""

    big = step(act)
    told = event("told")
    held = pause()
    nap = wait("1s")
    shrug = step(act, on_give_up="tolerate")
    flow = (big, told, held, nap, shrug)


class Misread(Planned):
    """A wait until a time that the payload does not hold."""

    nap = wait(until="payload.plan.absent")
    after = step(act)
    flow = nap >> after


class Writing(Planned):
    """A step that writes in the journal's own database; it needs the setting `step_role`."""

    write = step(act, transactional=True)
    then = step(act)
    flow = write >> then


STANDING = (
    Asking, Board, Halting, Listening, Napping, Parked, Polling, Saga, Shrugging, Draining, Late, Shrugged, Leaving,
    Misread,
)  # fmt: skip
