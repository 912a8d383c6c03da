"""How lengths, moments and errors are said in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.history.lines import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from squidie.journal.queues import Pause

_KIB = 1024
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


def span(length: timedelta) -> str:
    """A duration as people read it in a table: `0.12s`, `41s`, `18m`, `2h14m`, `3d4h`."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 10:
        return f"{seconds:.2g}s" if seconds >= 0.1 else f"{seconds * 1000:.0f}ms"
    whole = round(seconds)
    for index, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            below, word = (_UNITS[index + 1]) if index < 2 else (1, "s")
            rest = whole % size // below
            return f"{whole // size}{unit}" + (f"{rest}{word}" if rest and (index < 2 or whole < 600) else "")
    return f"{whole}s"


def moment(at: datetime, now: datetime) -> str:
    """A time to the minute; the day is left out where it is today's."""
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"


def until(at: datetime, now: datetime) -> str:
    """How far away a time is, or that it has come."""
    return f"in {span(at - now)}" if at > now else "now"


def first_line(error: Mapping[str, Any] | None) -> str:
    """An error in a few words: its type, and the first line of what it says."""
    error = error or {}
    message = str(error.get("message") or "").partition("\n")[0]
    kind = str(error.get("type") or "").rpartition(".")[2].rpartition(":")[2]
    return f"{kind}: {message}" if kind and message else kind or message or error.get("code") or "no reason given"


def many(n: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def worker_command(delivery: str, queues: Sequence[str] = ()) -> str:
    """What starts a worker for these queues, where bells are carried so."""
    named = f" -Q {','.join(queues)}" if queues else ""
    return f"celery -A PROJECT worker{named}" if delivery == "celery" else f"squidie worker{named}"


def who(actor: Any) -> str:
    """A person as text; one that is described by an object by its name or id, or as the object says."""
    if isinstance(actor, dict):
        actor = next((actor[name] for name in ("name", "id", "email") if actor.get(name)), "somebody")
    return "somebody" if actor is None else str(actor)


def paused(pause: Pause, now: datetime) -> str:
    """Who has paused a queue, how long ago and why."""
    ago = f" {span(now - pause.since)} ago" if pause.since is not None else ""
    return f"paused by {one_line(who(pause.by), 40)}{ago}: {one_line(pause.reason)}"


def size(number: int) -> str:
    """Bytes as people read them."""
    size = float(number)
    for unit in ("B", "KiB", "MiB"):
        if size < _KIB:
            return f"{size:.0f} {unit}"
        size /= _KIB
    return f"{size:.1f} GiB"
