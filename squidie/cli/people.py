"""`squidie approve`, `reject`, `resume`, `delegate` and `signal`: what people and events tell runs."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from squidie.cli.completing import complete_runs
from squidie.cli.reading import Reading, pairs, read_command
from squidie.cli.who import AS

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.runtime import Run

_WHO = (
    AS,
    click.option("--note", "comment", help="What to say to it; it is kept."),
    click.option("--key", help="Makes it idempotent: the same key is the same request."),
)
_STEP = click.option("--step", help="Which of the run's questions, where several are open.")
_DATA = click.option("--data", metavar="JSON|@FILE|-", help="What comes with the answer, as the question's form asks.")
_EXPECT = click.option("--expect", type=int, metavar="REVISION", help="Refuse if the step was touched since then.")


def said_by(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command `--as`, `--note` and `--key`, as the `by` that every verb takes."""

    @wraps(command)
    def called(*args: Any, actor: str, comment: str | None, key: str | None, **given: Any) -> None:
        by = {"actor": actor, "comment": comment, "key": key, "source": "cli"}
        command(*args, by=by, **given)

    for option in reversed(_WHO):
        called = option(called)
    return called


def _answering(command: Callable[..., None]) -> click.Command:
    """A command that answers an open question of a run."""
    made = said_by(read_command(command))
    for option in (_EXPECT, _DATA, _STEP, click.argument("run", metavar="ID", shell_complete=complete_runs)):
        made = option(made)
    return click.command()(made)


@_answering
def approve(reading: Reading, run: str, *, data: str | None, **given: Any) -> None:
    """Approve what a run asks. With a quorum it is one vote of several."""
    _answer(reading, ("approve", "approved"), run, data, given)


@_answering
def reject(reading: Reading, run: str, *, data: str | None, **given: Any) -> None:
    """Reject what a run asks: it goes on by its error edges, and without one it fails."""
    _answer(reading, ("reject", "rejected"), run, data, given)


@_answering
def resume(reading: Reading, run: str, *, data: str | None, **given: Any) -> None:
    """Let a paused run go on; --data is what the steps after it get."""
    _answer(reading, ("resume", "resumed"), run, data, given)


@click.command()
@click.argument("run", metavar="ID", shell_complete=complete_runs)
@click.argument("role")
@_STEP
@click.option("--due", metavar="AGE", help='How long they have, for example "4h".')
@said_by
@read_command
def delegate(reading: Reading, run: str, role: str, *, step: str | None, due: str | None, by: dict[str, Any]) -> None:
    """Ask others: ROLE may decide from now on."""
    squidie = reading.setup.on_journal()
    told = squidie.delegate(reading.setup.find(run), to_role=role, step=step, due=due, **by)
    report(reading, "delegate", told, f"handed to role {role}", by)


@click.command()
@click.argument("run", metavar="ID", shell_complete=complete_runs)
@click.argument("event")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=TEXT|NAME:=JSON", help="A field of its payload.")
@click.option("--data", metavar="JSON|@FILE|-", help="Its payload, where that is no object of -p fields.")
@click.option("--correlation", help="Which one is meant, where several of this name may come.")
@said_by
@read_command
def signal(
    reading: Reading,
    run: str,
    event: str,
    *,
    params: tuple[str, ...],
    data: str | None,
    correlation: str | None,
    by: dict[str, Any],
) -> None:
    """Tell a run that EVENT has happened; it is kept until the run awaits it."""
    payload = pairs(params, "-p") if params else _read(data)
    squidie = reading.setup.on_journal()
    told = squidie.signal_run(reading.setup.find(run), event=event, payload=payload, correlation=correlation, **by)
    report(reading, "signal", told, f"told of {event}", by)


def report(reading: Reading, verb: str, run: Run, became: str, by: dict[str, Any]) -> None:
    """What has come of a command, and what the run does next."""
    seen = run.snapshot()
    if reading.as_json:
        body = {"id": str(run.id), "short_id": seen.short_id, "revision": seen.revision, "state": seen.state}
        reading.document(f"squidie.{verb}/1", {**body, "actor": by["actor"], "headline": seen.headline})
        return
    from rich.markup import escape

    who = escape(str(by["actor"]))
    reading.screen.print(
        f"[green]✓[/] {escape(seen.workflow)} {seen.short_id} {escape(became)} as {who} (revision {seen.revision})"
    )
    reading.screen.print(f"  {escape(seen.headline)}")


def _answer(reading: Reading, what: tuple[str, str], run: str, data: str | None, given: dict[str, Any]) -> None:
    """Call the verb, and say what became of the question."""
    verb, became = what
    squidie = reading.setup.on_journal()
    by = given.pop("by")
    told = getattr(squidie, verb)(reading.setup.find(run), data=_read(data), **given, **by)
    report(reading, verb, told, became, by)


def _read(said: str | None) -> Any:
    if said is None:
        return None
    from squidie.cli.inputs import read_object

    return read_object(said)
