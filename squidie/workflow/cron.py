"""When a cron trigger fires: window arithmetic without a clock.

Expressions have five fields, or one of five names, or are intervals such as `@every 90s`. Fixed times follow Debian's
cron across daylight saving: a local time that does not exist fires once at the jump, one that happens twice fires once;
times of the hour go on by the real time, and intervals know no local clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from squidie.workflow.durations import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from squidie.workflow.durations import Duration

NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
WINDOW = ("window.start", "window.end")
EVERY = "@every "
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = 1.0
_FIELDS = re.compile(r"[0-9A-Za-z*,/#-]{1,120}( [0-9A-Za-z*,/#-]{1,120}){4}\Z")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}\Z")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_DAY = timedelta(hours=26)
_PART = timedelta(minutes=15)


def normalise(expression: str) -> str:
    """The expression as five fields in upper case.

    Raises `ValueError` with the reason, also for one that never fires.
    """
    if not isinstance(expression, str) or len(expression) > 600:
        raise ValueError("a cron expression is text of five fields")
    text = " ".join(expression.split())
    if is_interval(f"{text} "):
        return interval_expression(_interval(text))
    if text.startswith("@"):
        if text.lower() not in NAMES:
            raise ValueError(
                f"of the names only {', '.join(NAMES)} and {EVERY}90s are known; "
                "there is no moment when a fleet of workers boots"
            )
        return NAMES[text.lower()]
    if not _FIELDS.match(text):
        raise ValueError("a cron expression has five fields: minute, hour, day of month, month, day of week")
    text = text.upper()
    try:
        next(CronSim(text, _EPOCH))
    except CronSimError as error:
        raise ValueError(_said(error)) from None
    except StopIteration:
        raise ValueError("never fires") from None
    except (AssertionError, ValueError, TypeError, OverflowError):
        raise ValueError("a field cannot be read") from None
    return text


def _said(error: CronSimError) -> str:
    said = str(error)
    return f"the field {said[4:]} cannot be read, or never comes" if said.startswith("Bad ") else "cannot be read"


def zone(name: str) -> ZoneInfo:
    """The time zone by its IANA name. Raises `ValueError`."""
    if not isinstance(name, str) or len(name) > 64 or not _ZONE.match(name):
        raise ValueError('a time zone is named like "Europe/Oslo" or "UTC"')
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError("there is no such time zone on this machine (the package tzdata brings them all)") from None


def interval_expression(duration: Duration) -> str:
    """The expression of an interval; for what is no duration, one that `normalise` refuses with the reason."""
    try:
        found = f"{round(seconds(duration), 6):.6f}".rstrip("0").rstrip(".")
    except ValueError:
        return f"{EVERY}{duration}" if isinstance(duration, str) else EVERY
    return f"{EVERY}{found}s"


@lru_cache(maxsize=256)
def _interval(expression: str) -> timedelta:
    """The interval of an expression; `ValueError` where it is none, or too short for anybody to keep up with."""
    found = seconds(expression[len(EVERY) :])
    if found < SHORTEST:
        raise ValueError(f"an interval is at least {SHORTEST:g} second")
    return timedelta(seconds=found)


def is_interval(expression: str) -> bool:
    """Whether windows follow an interval, and no calendar."""
    return expression.lower().startswith(EVERY)


def interval(expression: str) -> timedelta:
    """The length of an interval's windows."""
    return _interval(expression)


def next_after(expression: str, timezone: str, after: datetime, anchor: datetime = EPOCH) -> datetime:
    """The first window later than `after` (aware), in UTC. The expression may be any that `normalise` takes."""
    if is_interval(expression):
        every = _interval(expression)
        return _utc(anchor + ((after - anchor) // every + 1) * every)
    text, local = NAMES.get(expression.lower(), expression), zone(timezone)
    found = _first(text, local, after, after)
    jump = _jump(local, after - timedelta(hours=1), found)
    if jump is None:
        return found
    return min(found, *(_first(text, local, jump + part * _PART, after) for part in range(1, 17)))


def _first(text: str, local: ZoneInfo, start: datetime, after: datetime) -> datetime:
    fires = CronSim(text, start.astimezone(_tz(local)))
    found = _utc(next(fires))
    while found <= after:  # in the repeated hour the local clock has gone back
        found = _utc(next(fires))
    return found


def _jump(local: ZoneInfo, low: datetime, high: datetime) -> datetime | None:
    """When, between the two, the local clock jumped by a part of an hour.

    From an hour cut by such a jump cronsim walks on by whole hours, past the minute that it looks for: it is then asked
    again from each quarter of an hour.
    """
    before = low.astimezone(local).utcoffset() or timedelta()
    change = (high.astimezone(local).utcoffset() or timedelta()) - before
    if not change % timedelta(hours=1):
        return None
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(local).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0) - timedelta(seconds=1)


def latest_before(
    expression: str, timezone: str, before: datetime, anchor: datetime = EPOCH, *, inclusive: bool = False
) -> datetime:
    """The last window earlier than `before` (aware), in UTC; with `inclusive`, at it or earlier.

    Going backwards across a change of the local clock may name a window that going forwards does not, so what is found
    is walked up to from behind.
    """
    if is_interval(expression):
        every = _interval(expression)
        found = anchor + (before - anchor) // every * every
        return _utc(found if inclusive or found < before else found - every)
    text, local = NAMES.get(expression.lower(), expression), zone(timezone)
    end = before + timedelta(microseconds=1) if inclusive else before
    guess = _utc(next(CronSim(text, end.astimezone(_tz(local)), reverse=True)))
    found = next_after(text, timezone, guess - timedelta(seconds=1))
    behind = _DAY
    while found >= end:
        found, behind = next_after(text, timezone, guess - behind), behind * 16
    while (later := next_after(text, timezone, found)) < end:
        found = later
    return found


def _tz(local: ZoneInfo) -> Any:
    """For cronsim only one UTC is free of daylight saving."""
    return UTC if local.key in ("UTC", "Etc/UTC") else local


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def window_input(declared: Mapping[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    """A trigger's input for one window: `{"from": "window.start"}` stands for that time, anything else for itself."""
    times = {"window.start": start.isoformat(), "window.end": end.isoformat()}
    return {
        name: times[source] if (source := window_source(value)) in times else value for name, value in declared.items()
    }


def window_source(value: Any) -> Any:
    """What `{"from": ...}` refers to; None for a literal."""
    if isinstance(value, dict) and len(value) == 1:
        source = value.get("from")
        return source if isinstance(source, str) and source.startswith("window.") else None
    return None
