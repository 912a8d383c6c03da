"""`squidie schedules …`: what fires when, what it opened, and the hands that stop, start and fill in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from squidie.cli.listing import Listing
from squidie.cli.reading import Reading, moment, read_command
from squidie.cli.who import AS

if TYPE_CHECKING:
    from squidie.engine.backfill import Backfill
    from squidie.journal.schedules import Schedule

_NAME = click.argument("name", metavar="NAME")
_KEY = click.option("--key", help="Makes it idempotent: the same key is the same request.")
_REASON = click.option("--reason", help="Why; it is kept.")


_OPTIONS = (
    click.option("--timezone", metavar="ZONE", help="IANA's name of it; without one, UTC."),
    click.option("--input", metavar="JSON|@FILE", help='The payload: literals, or {"from": "window.start"}.'),
    click.option("--catchup", type=click.Choice(["latest", "skip", "all"]), help="Windows nobody was there to open."),
    click.option("--catchup-max", type=int, help="At most so many of them, with --catchup all."),
    click.option(
        "--overlap",
        type=click.Choice(["allow", "skip", "queue_one", "cancel_previous"]),
        help="A window that is due while a run is open.",
    ),
    click.option("--jitter", metavar="DURATION", help="Spread the first steps over so long."),
    click.option("--starts", metavar="TIME", help="The first window is not before."),
    click.option("--ends", metavar="TIME", help="The last window is before."),
    click.option("--partition", help="Whose runs they are."),
)


@click.group(cls=Listing)
def schedules() -> None:
    """Look at schedules, pause them, run them now, fill in what was missed. Without a command, `ls`.

    NAME is Workflow.trigger; either half alone will do where only one fits.
    """


@schedules.command()
@read_command
def ls(reading: Reading) -> None:
    """List schedules: in words, the next time, and what became of the last one."""
    found = reading.setup.on_journal().schedules.survey()
    if reading.as_json:
        reading.document("squidie.schedules/1", {"schedules": found})
        return
    from squidie.cli.timetables import print_list

    print_list(reading.screen, found)


@schedules.command()
@_NAME
@click.option("-n", "number", default=5, show_default=True, help="So many times to come.")
@click.option("--last", default=10, show_default=True, help="So many windows that have come.")
@read_command
def show(reading: Reading, name: str, *, number: int, last: int) -> None:
    """Show one schedule: its times, its last windows and their runs, who changed it, and what to beware of."""
    found = reading.setup.on_journal().schedules.show(name, next=number, last=last)
    if reading.as_json:
        reading.document("squidie.schedule/1", found)
        return
    from squidie.cli.timetables import print_one

    print_one(reading.screen, found)


@schedules.command("next")
@_NAME
@click.option("-n", "number", default=5, show_default=True, help="So many.")
@click.option("--tz", "timezone", metavar="ZONE", help="On the clock of this zone instead of the schedule's.")
@read_command
def next_times(reading: Reading, name: str, *, number: int, timezone: str | None) -> None:
    """Say when it fires next: in UTC and on the local clock."""
    found = reading.setup.on_journal().schedules.next(name, number, timezone=timezone)
    if reading.as_json:
        reading.document("squidie.schedule.next/1", {"next": found})
        return
    from squidie.cli.timetables import print_moments

    print_moments(reading.screen, found)


@schedules.command()
@_NAME
@click.option("--reason", required=True, help="Why; it is kept.")
@AS
@_KEY
@read_command
def pause(reading: Reading, name: str, **given: Any) -> None:
    """Open no windows until it is resumed. Runs that are open go on."""
    _said(reading, reading.setup.on_journal().schedules.pause(name, **given), "paused")


@schedules.command()
@_NAME
@_REASON
@AS
@_KEY
@read_command
def resume(reading: Reading, name: str, **given: Any) -> None:
    """Open windows again, from now on; what the pause left out is for `backfill`."""
    _said(reading, reading.setup.on_journal().schedules.resume(name, **given), "resumed")


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@schedules.command()
@click.argument("workflow")
@click.argument("name")
@click.argument("expression")
@_with_options
@_REASON
@AS
@_KEY
@read_command
def create(reading: Reading, workflow: str, name: str, expression: str, **given: Any) -> None:
    """Make a schedule of a declared WORKFLOW: five fields, @daily and the like, or "@every 15m"."""
    squidie = reading.setup.with_code()
    _said(reading, squidie.schedules.create(workflow, name, expression, **_options(reading, given)), "created")


@schedules.command()
@_NAME
@click.option("--expression", help='Five fields, @daily and the like, or "@every 15m".')
@_with_options
@_REASON
@AS
@_KEY
@read_command
def change(reading: Reading, name: str, **given: Any) -> None:
    """Change a schedule that was made at run time; new times start from now."""
    _said(reading, reading.setup.with_code().schedules.change(name, **_options(reading, given)), "changed")


@schedules.command()
@_NAME
@_REASON
@AS
@_KEY
@read_command
def remove(reading: Reading, name: str, **given: Any) -> None:
    """Forget a schedule that was made at run time, or whose trigger has vanished from the code. Its runs stay."""
    reading.setup.on_journal().schedules.remove(name, **given)
    if reading.as_json:
        reading.document("squidie.schedule.changed/1", {"name": name, "state": "removed"})
    else:
        reading.screen.print(f"[green]✓[/] {name} removed")


@schedules.command("run-now")
@_NAME
@_REASON
@AS
@_KEY
@read_command
def run_now(reading: Reading, name: str, **given: Any) -> None:
    """Start a run with the schedule's input, now, paused or not; its windows open at their times all the same."""
    run = reading.setup.with_code().schedules.run_now(name, **given)
    if reading.as_json:
        reading.document("squidie.start/1", {"id": str(run.id), "short_id": run.id.hex[-6:], "created": run.created})
        return
    said = "started" if run.created else "exists already, under the same key"
    reading.screen.print(f"[green]✓[/] {run.id.hex[-6:]} {said}", f"  [dim]{run.id}[/]")


@schedules.command()
@_NAME
@click.option(
    "--from", "start", required=True, metavar="AGE|TIME", help='The first window: "2d", or 2026-05-01T00:00Z.'
)
@click.option("--to", "end", default="0s", metavar="AGE|TIME", help="Before this time; without it, until now.")
@click.option("--apply", "is_applied", is_flag=True, help="Start the runs; without it they are only counted.")
@click.option("--priority", default=200, show_default=True, help="Of their runs: 0 is the most urgent, 999 the least.")
@_REASON
@AS
@_KEY
@read_command
def backfill(reading: Reading, name: str, *, start: str, end: str, is_applied: bool, **given: Any) -> None:
    """Open the windows of the past that have no run. Without --apply it says how many there are."""
    squidie = reading.setup.with_code()
    since = moment(reading.setup, start, past=True)
    until = squidie.now() if end == "0s" else moment(reading.setup, end, past=True)
    found = squidie.schedules.backfill(name, since, until, preview=not is_applied, **given)
    if reading.as_json:
        reading.document("squidie.backfill/1", found)
    else:
        reading.screen.print(*_counted(found))


@schedules.command()
@read_command
def sync(reading: Reading) -> None:
    """Make the schedules what the code says. Workers and beats do so by themselves when they start."""
    changed = reading.setup.with_code().schedules.sync()
    if reading.as_json:
        reading.document("squidie.sync/1", {"changed": changed})
        return
    for name, what in changed.items():
        reading.screen.print(f"[green]✓[/] {name} {what}")
    if not changed:
        reading.screen.note("Nothing to do: the schedules are what the code says.")


def _options(reading: Reading, given: dict[str, Any]) -> dict[str, Any]:
    """What was said on the command line, as the API takes it; what was not said is left as it is."""
    said = {name: value for name, value in given.items() if value is not None}
    if "input" in said:
        from squidie.cli.inputs import read_object

        said["input"] = read_object(said["input"])
    for name in ("starts", "ends"):
        if name in said:
            said[name] = moment(reading.setup, said[name], past=False)
    return said


def _said(reading: Reading, schedule: Schedule, what: str) -> None:
    if reading.as_json:
        reading.document("squidie.schedule.changed/1", {"name": schedule.name, "state": schedule.state})
    else:
        reading.screen.print(f"[green]✓[/] {schedule.name} {what}")


def _counted(found: Backfill) -> list[str]:
    if not found.windows:
        return [f"{found.schedule} has no window in this range."]
    span = f"{found.first:%Y-%m-%d %H:%M:%S} to {found.last:%Y-%m-%d %H:%M:%S} UTC"
    there = f"{found.windows:,} windows, {span}; {found.existing:,} have a run"
    if found.preview:
        left = found.windows - found.existing
        return [f"{there}, {left:,} would be started.", "Nothing was done: --apply starts them." if left else ""]
    return [f"[green]✓[/] {found.started:,} started", f"  [dim]{there} before[/]"]
