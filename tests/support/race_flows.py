"""Workflows that one outcome ends: whoever of two racers comes first decides how."""

from __future__ import annotations

from collections import Counter

from squidie import Compensate, Deadline, Retry, approval, escalate, event, step, wait
from tests.support.flows import Planned, act
from tests.support.steering_flows import undo

TRIALS = 500
ABOUT = {"event": "paid", "correlation": "order-1"}


class Bounded(Planned):
    """Failed by its deadline after a minute."""

    only = step(act, deadline=Deadline(60, then="fail"))


class Timed(Planned):
    """Stopped when its time is over, and tried again."""

    only = step(act, timeout=10, retry=Retry(2, min=3600))


class Resting(Planned):
    """Completed by a timer after an hour."""

    rest = wait(3600)


class Told(Planned):
    """Completed by an event, failed where it does not come within an hour."""

    paid = event("paid", correlation="order-1", timeout=3600)


class Asking(Planned):
    """Completed by an approval; rejected where nobody answers within an hour."""

    ask = approval(role="clerk", due=3600)


class Rising(Planned):
    """Completed by an approval; somebody else is asked where nobody answers within an hour."""

    ask = approval(role="clerk", due=3600, then=escalate("boss", due=3600))


class Agreeing(Planned):
    """Two must agree."""

    ask = approval(role="board", quorum=2)


class Hurried(Planned):
    """Its second attempt is far away."""

    only = step(act, retry=Retry(2, min=3600, backoff="fixed"))


class Parked(Planned):
    """It waits for a person once it has failed."""

    only = step(act, on_give_up="park")


class Undone(Planned):
    """Its first step is undone where the second one fails."""

    a = step(act, compensate=Compensate(undo))
    b = step(act)
    flow = a >> b


RACED = (Bounded, Timed, Resting, Told, Asking, Rising, Agreeing, Hurried, Parked, Undone)


class Winners(Counter):
    """Who came first, trial by trial."""

    def check(self, *names, trials=TRIALS):
        """Every trial had a winner, and none was always beaten: a race that one side always wins says little."""
        assert sum(self.values()) == trials
        assert set(self) == set(names), dict(self)
