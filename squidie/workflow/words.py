"""A schedule in words: the common forms in English, the expression itself for all others."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from squidie.workflow.cron import EPOCH, NAMES, interval, is_interval, next_after, zone

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT = {name[:3].upper(): number for number, name in enumerate(_DAYS[:7])}
_STEP = re.compile(r"\*/(\d+)\Z")
_NUMBER = re.compile(r"\d{1,2}\Z")
_HORIZON = timedelta(days=45)
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def in_words(expression: str) -> str:
    """`daily at 03:00`, `every 15 minutes`; the expression where there are no plain words for it."""
    if is_interval(expression):
        return _each(interval(expression))
    text = NAMES.get(expression.lower(), expression).upper()
    minute, hour, day, month, weekday = text.split()
    if (day, month, weekday) == ("*", "*", "*") and (found := _within_the_day(minute, hour)):
        return found
    if not (_NUMBER.match(minute) and _NUMBER.match(hour)) or month != "*":
        return text
    return _on(day, weekday, f"{int(hour):02}:{int(minute):02}") or text


def _within_the_day(minute: str, hour: str) -> str | None:
    if hour == "*":
        if minute == "*" or ((step := _STEP.match(minute)) and int(step[1]) == 1):
            return "every minute"
        if step and 60 % int(step[1]) == 0:
            return f"every {int(step[1])} minutes"
        return f"hourly at :{int(minute):02}" if _NUMBER.match(minute) else None
    step = _STEP.match(hour)
    if step and _NUMBER.match(minute) and 24 % int(step[1]) == 0:
        return f"every {int(step[1])} hours at :{int(minute):02}"
    return f"daily at {int(hour):02}:{int(minute):02}" if _NUMBER.match(minute) and _NUMBER.match(hour) else None


def _on(day: str, weekday: str, at: str) -> str | None:
    if day == "*":
        if weekday in {"1-5", "MON-FRI"}:
            return f"Monday to Friday at {at}"
        numbers = [_weekday(each) for each in weekday.split(",")]
        if None not in numbers:
            return f"{', '.join(_DAYS[number] + 's' for number in numbers if number is not None)} at {at}"
    elif weekday == "*" and (_NUMBER.match(day) or day == "L"):
        return f"monthly on the last day at {at}" if day == "L" else f"monthly on day {int(day)} at {at}"
    return None


def _weekday(text: str) -> int | None:
    found = _SHORT.get(text, int(text) if _NUMBER.match(text) else None)
    return found if found is not None and found < len(_DAYS) else None


def _each(length: timedelta) -> str:
    left = length.total_seconds()
    for size, word in _UNITS:
        if left % size == 0:
            number = int(left // size)
            return f"every {word}" if number == 1 else f"every {number} {word}s"
    return f"every {left:g} seconds"


def clock_warnings(expression: str, timezone: str, now: datetime, within: timedelta = _HORIZON) -> Iterator[str]:
    """What the local clock's changes in the time to come do to a fixed time: it does not exist, or it happens twice.

    Times of the hour go on by real time, and intervals know no local clock.
    """
    text = NAMES.get(expression.lower(), expression)
    if is_interval(expression) or "*" in "".join(text.split()[:2]):
        return
    for at, step in _changes(timezone, now, now + within):
        local = at.astimezone(zone(timezone))
        wall = local.replace(tzinfo=UTC)  # the local clock's face, as if it were a time of its own
        if step > timedelta(0):
            lost = next_after(text, "UTC", wall - step - timedelta(seconds=1))
            if lost < wall:
                yield f"{lost:%H:%M} does not exist on {lost:%Y-%m-%d} in {timezone}: it fires once, at {local:%H:%M}"
        else:
            twice = next_after(text, "UTC", wall - timedelta(seconds=1))
            if twice < wall - step:
                yield f"{twice:%H:%M} happens twice on {twice:%Y-%m-%d} in {timezone}: it fires once, the first time"


def _changes(timezone: str, low: datetime, high: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """When the local clock is set, in UTC to the second, and by how much."""
    local, day = zone(timezone), timedelta(days=1)
    while low < high:
        before = low.astimezone(local).utcoffset() or timedelta()
        step = ((low + day).astimezone(local).utcoffset() or timedelta()) - before
        if step:
            early, late = low, low + day
            while late - early > timedelta(seconds=1):
                middle = early + (late - early) / 2
                is_before = middle.astimezone(local).utcoffset() == before
                early, late = (middle, late) if is_before else (early, middle)
            yield EPOCH + timedelta(seconds=round((late - EPOCH).total_seconds())), step
        low += day
