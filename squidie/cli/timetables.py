"""Schedules as tables at 80 columns: local times with UTC beside them, windows with their runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from squidie.cli.render import stamp
from squidie.views.headline import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.cli.render import Screen
    from squidie.engine.fires import Fire, Moment, Shown

_SIGNS = {"completed": "[green]✓ completed[/]", "failed": "[red]✕ failed[/]", None: "[yellow]⚠ no run[/]"}
_STATES = {"on": "[green]on[/]", "paused": "[yellow]paused[/]", "orphaned": "[red]orphaned[/]", "over": "[dim]over[/]"}


def print_list(screen: Screen, found: Sequence[Shown]) -> None:
    """One line a schedule, and under it what to beware of."""
    if not found:
        screen.print(
            "No schedules. Declare cron(...) or every(...), or create one; squidie schedules sync writes them."
        )
        return
    columns: list[tuple[str, dict[str, Any]]] = [
        ("NAME", {}),
        ("WHEN", {"shrink": True}),
        ("NEXT", {}),
        ("LAST", {}),
        ("STATE", {}),
    ]
    screen.table(columns, [_line(each) for each in found])
    for each in found:
        for warning in each.warnings:
            screen.note(f"[yellow]⚠ {escape(each.name)}[/]: {escape(warning)}")


def _line(each: Shown) -> tuple[str, ...]:
    when = f"{each.words} {each.schedule.timezone}"
    last = _SIGNS.get(each.fires[0].status, escape(each.fires[0].status or "")) if each.fires else ""
    last += f", {each.missed} of {len(each.fires)} without a run" if each.missed else ""
    return escape(each.name), escape(when), _next(each), last, _STATES[each.state]


def _next(each: Shown) -> str:
    if each.state != "on" or not each.next:
        return ""
    now, first = each.schedule.now, each.next[0]
    local = datetime.fromisoformat(first.local)
    utc = "" if local.utcoffset() == first.at.utcoffset() else f" ({first.at:%H:%M} UTC)"
    away = f" {span(first.at - now)}" if now is not None else ""
    return f"{local:%H:%M}{utc}{away}"


def print_one(screen: Screen, found: Shown) -> None:
    """A schedule in full."""
    schedule = found.schedule
    screen.print(f"[bold]{escape(found.name)}[/]  {_STATES[found.state]}", "")
    policies = f"catchup {schedule.catchup}" + (f" (at most {schedule.catchup_max})" if schedule.catchup_max else "")
    facts = [
        ("when", f"{found.words} ({schedule.expression}) {schedule.timezone}"),
        ("policies", f"{policies} · overlap {schedule.overlap}" + _jitter(schedule.jitter)),
        ("within", " to ".join(stamp(at) or "open" for at in (schedule.starts, schedule.ends))),
        ("partition", schedule.partition or ""),
        ("source", "the code" if schedule.origin == "code" else "made at run time"),
        ("paused", _paused(found)),
        ("waiting", f"window {stamp(schedule.queued_at)}" if schedule.queued_at else ""),
        ("left out", f"{schedule.skipped:,}, last: {schedule.skipped_why}" if schedule.skipped else ""),
    ]
    for name, text in facts:
        if text and text != "open to open":
            screen.print(f"[dim]{name:<9}[/] {escape(text)}")
    for warning in found.warnings:
        screen.print(f"[yellow]⚠ {escape(warning)}[/]")
    if found.next and found.state == "on":
        screen.print("")
        print_moments(screen, found.next)
    _print_fires(screen, found)
    _print_changes(screen, found)


def print_moments(screen: Screen, moments: Sequence[Moment]) -> None:
    """Times to come, on both clocks."""
    rows = [(f"{datetime.fromisoformat(each.local):%a %Y-%m-%d %H:%M:%S %z}", stamp(each.at)) for each in moments]
    screen.table([("NEXT, LOCAL", {}), ("UTC", {})], rows)


def _print_fires(screen: Screen, found: Shown) -> None:
    if not found.fires:
        return
    missed = f", {found.missed} of {len(found.fires)} without a run" if found.missed else ""
    screen.print("", f"[dim]last windows{missed}[/]")
    screen.table([("WINDOW, UTC", {}), ("RUN", {}), ("STATUS", {})], [_fire(each) for each in found.fires])


def _fire(fire: Fire) -> tuple[str, ...]:
    run = fire.run_id.hex[-6:] if fire.status else ""
    return stamp(fire.window), run, _SIGNS.get(fire.status, escape(fire.status or ""))


def _print_changes(screen: Screen, found: Shown) -> None:
    if not found.changes:
        return
    screen.print("", "[dim]changes[/]")
    rows = [
        (
            stamp(each["at"]),
            each["verb"],
            escape(_who(each["by"].get("actor"))),
            escape(each["by"].get("comment") or ""),
        )
        for each in found.changes
    ]
    screen.table([("AT, UTC", {}), ("WHAT", {}), ("WHO", {}), ("WHY", {"ratio": 1})], rows)


def _who(actor: Any) -> str:
    if isinstance(actor, dict):
        return ", ".join(f"{name} {value}" for name, value in actor.items())
    return str(actor or "")


def _paused(found: Shown) -> str:
    schedule = found.schedule
    if schedule.paused_at is None:
        return ""
    by = f" by {_who(schedule.paused_by)}" if schedule.paused_by else ""
    return f"since {stamp(schedule.paused_at)}{by}: {schedule.paused_why}"


def _jitter(seconds: float) -> str:
    return f" · jitter {seconds:g} s" if seconds else ""
