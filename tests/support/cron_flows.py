"""Workflows that the clock starts, with every policy."""

from __future__ import annotations

from typing import Any, TypedDict

from squidie import StepContext, Workflow, cron, every, manual, step

MINUTELY = "* * * * *"


class Day(TypedDict):
    day: str


def tell(ctx: StepContext) -> Any:
    """What the run knows of its schedule."""
    return ctx.schedule


def note(day: str) -> str:
    return day


class Minutely(Workflow):
    """Each of its triggers does something else about the windows that were missed."""

    triggers = (
        cron("latest", MINUTELY),
        cron("skip", MINUTELY, catchup="skip"),
        cron("all", MINUTELY, catchup="all"),
        cron("seven", MINUTELY, catchup="all", catchup_max=7),
    )
    tell = step(tell)


class Overlapping(Workflow):
    """Each of its triggers does something else while a run is open."""

    triggers = (
        cron("allow", MINUTELY),
        cron("skip", MINUTELY, overlap="skip"),
        cron("queue_one", MINUTELY, overlap="queue_one"),
        cron("cancel_previous", MINUTELY, overlap="cancel_previous"),
    )
    tell = step(tell)


class Spread(Workflow):
    """Its steps wait for up to a minute, its windows do not."""

    triggers = (every("spread", "1h", jitter="1m"),)
    tell = step(tell)


class Daily(Workflow):
    """With a payload of its own, so that an input can be wrong."""

    payload = Day
    triggers = (
        cron("night", "0 2 * * *", input={"day": {"from": "window.start"}}),
        manual("by_hand"),
    )
    note = step(note)
