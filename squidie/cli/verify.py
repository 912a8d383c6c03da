"""`squidie verify`: whether facts are whole, and everything derived from them is what they add up to."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from squidie.cli.reading import Reading, read_command
from squidie.errors import InvalidArgument
from squidie.views.words import many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from squidie.engine.verifying import Disagreement, Verification

_ERRORS, _WARNINGS = 1, 8
_SHOWN = 50


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only so many runs, drawn.")
@click.option("--rebuild", is_flag=True, help="Make again from facts what differs from them.")
@click.option("--strict", is_flag=True, help="Exit with 8 for what was made again, or cannot be read by this version.")
@read_command
def verify(reading: Reading, runs: tuple[str, ...], *, sample: int | None, rebuild: bool, strict: bool) -> None:
    """Follow the chain of every run's facts, and compare heads, states and open work with them.

    Without RUN, all runs. A run whose facts are damaged is named with the first bad one, and nothing of it is claimed
    any more. Exit 1 if anything is wrong.
    """
    if (runs and sample is not None) or (rebuild and sample is not None):
        raise InvalidArgument("--sample", "goes neither with runs that are named nor with --rebuild")
    squidie = reading.setup.on_journal()
    named = [reading.setup.find(run) for run in runs] or None
    begun = time.monotonic()
    with _progress(reading) as told:
        found = squidie.rebuild(named, told=told) if rebuild else squidie.verify(named, sample=sample, told=told)
    code = _exit_code(found, strict=strict)
    if reading.as_json:
        reading.document("squidie.verification/1", {"ok": code == 0, **_plain(found)})
    else:
        _print(reading, found, time.monotonic() - begun)
    click.get_current_context().exit(code)


def _plain(found: Verification) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain


def _exit_code(found: Verification, *, strict: bool) -> int:
    if not found.is_sound:
        return _ERRORS
    return _WARNINGS if strict and found.found else 0


@contextmanager
def _progress(reading: Reading) -> Iterator[Callable[[int, int], None] | None]:
    """How far it is, where somebody watches."""
    if reading.as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("runs", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=reading.screen.err, transient=True) as progress:
        task = progress.add_task("verify", total=None)
        yield lambda seen, total: progress.update(task, completed=seen, total=total)


def _print(reading: Reading, found: Verification, seconds: float) -> None:
    screen = reading.screen
    for each in found.found[:_SHOWN]:
        _print_one(reading, each, found)
    if len(found.found) > _SHOWN:
        screen.print(f"[dim]and {len(found.found) - _SHOWN:,} more; --json has them all[/]")
    read = f"{many(found.runs, 'run')} with {many(found.facts, 'fact')}"
    rate = f" ({found.facts / seconds:,.0f} facts/s)" if found.facts and seconds > 0 else ""
    if found.rebuilt:
        screen.print(f"[green]✓[/] {many(len(found.rebuilt), 'run')} made again from facts")
    if found.busy:
        screen.print(f"[yellow]⚠[/] {many(len(found.busy), 'run')} held by somebody: try again")
    if not found.found:
        screen.print(f"[green]✓[/] {read}: whole, and what is derived agrees{rate}")
        return
    screen.note(f"{read} read{rate}")
    if any(not each.is_damage and not each.rebuilt and each.rule != "unknown_kind" for each in found.found):
        screen.note("What differs from facts can be made again: squidie verify --rebuild")


def _print_one(reading: Reading, each: Disagreement, found: Verification) -> None:
    from rich.markup import escape

    is_error = not each.rebuilt and each.rule != "unknown_kind"
    sign = "[red]✕[/]" if is_error else "[green]✓[/]" if each.rebuilt else "[yellow]⚠[/]"
    aside = "[dim]nothing of it is claimed until its facts are whole again[/]"
    more = [aside] if each.run_id in found.set_aside else []
    text = f"{each.workflow} · {each.rule} at fact {each.seq}: {each.said}" + (" · made again" if each.rebuilt else "")
    reading.screen.item(sign, _short(each.run_id), escape(text), *more)


def _short(run_id: UUID) -> str:
    from squidie.views.listing import SHORT

    return run_id.hex[-SHORT:]
