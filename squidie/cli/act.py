"""`squidie start`, `run` and `cancel`: commands on runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from squidie.cli.completing import complete_runs, complete_workflows
from squidie.cli.reading import Reading, moment, pairs, read_command
from squidie.cli.who import AS
from squidie.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.runtime import Run, Squidie

_START = (
    click.argument("workflow", metavar="WORKFLOW[:TRIGGER]", shell_complete=complete_workflows),
    click.option(
        "-p",
        "--param",
        "params",
        multiple=True,
        metavar="NAME=TEXT|NAME:=JSON",
        help="One field of the payload; may be repeated.",
    ),
    click.option(
        "--input",
        "source",
        metavar="@FILE|-",
        help="The payload from a .json file or stdin; a .jsonl file starts a run for each line.",
    ),
    click.option("--key", help="Makes it idempotent: the same key and payload are the same run."),
    click.option("--at", metavar="AGE|TIME", help='Not before: "10m", or 2026-05-01T12:00Z.'),
    click.option("--queue", help="The queue of steps that name none."),
    click.option("--priority", default=100, show_default=True, help="0 is the most urgent, 999 the least."),
    click.option(
        "--attr",
        "attributes",
        multiple=True,
        metavar="NAME=TEXT|NAME:=JSON",
        help="What to find it by; may be repeated.",
    ),
)


def _start_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_START):
        command = option(command)
    return command


@click.command()
@_start_options
@click.option("--key-field", metavar="NAME", help="With .jsonl: the field of each payload that is its key.")
@read_command
def start(reading: Reading, workflow: str, *, source: str | None, key_field: str | None, **given: Any) -> None:
    """Start a run, or with a .jsonl file one for each line.

    WORKFLOW is a declared workflow's name, with :TRIGGER where it is not the first one.
    """
    from squidie.cli.inputs import is_lines

    if is_lines(source) or key_field:
        _start_lines(reading, workflow, source, key_field, given)
        return
    run = _started(reading, workflow, source, given)
    if reading.as_json:
        reading.document("squidie.start/1", {"id": str(run.id), "short_id": run.id.hex[-6:], "created": run.created})
        return
    said = "started" if run.created else "exists already, under the same key and payload"
    reading.screen.print(f"[green]✓[/] {workflow} {run.id.hex[-6:]} {said}")
    reading.screen.print(f"  [dim]{run.id}[/]")


@click.command()
@_start_options
@click.option("--timeout", metavar="AGE", help='Wait at most so long, for example "30s"; the run goes on.')
@read_command
def run(reading: Reading, workflow: str, *, source: str | None, timeout: str | None, **given: Any) -> None:
    """Start a run and wait for its end: its output goes to stdout, and the exit code is its result.

    0 completed, 10 failed, 11 cancelled, 124 not within --timeout. Ctrl-C leaves the run running.
    """
    from squidie.cli.watching import wait_for
    from squidie.workflow.durations import seconds

    try:
        within = seconds(timeout) if timeout is not None else None
    except ValueError as error:
        raise InvalidArgument("--timeout", str(error)) from None
    started = _started(reading, workflow, source, given)
    output = wait_for(reading, started, within)
    if reading.as_json:
        reading.document("squidie.run/1", started.snapshot())
    else:
        from squidie.cli.render import json_lines

        click.echo("\n".join(json_lines(output)))


@click.command()
@click.argument("runs", metavar="ID...", shell_complete=complete_runs, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@click.option("--compensate", is_flag=True, help="Undo first what has completed.")
@click.option("--abandon-undo", is_flag=True, help="End runs that are being undone, and leave the rest of it.")
@AS
@read_command
def cancel(reading: Reading, runs: tuple[str, ...], *, compensate: bool, **given: Any) -> None:
    """End runs now. A step that is running learns of it; its outcome is not taken."""
    squidie = reading.setup.on_journal()
    found = [reading.setup.find(each) for each in runs]
    ended = [squidie.cancel(run_id, compensate=compensate, source="cli", **given) for run_id in found]
    if reading.as_json:
        reading.document("squidie.cancel/1", {"cancelled": [str(run.id) for run in ended]})
        return
    for run in ended:
        became = "is undone, and then cancelled" if compensate and run.snapshot().ended_at is None else "cancelled"
        reading.screen.print(f"[green]✓[/] {run.id.hex[-6:]} {became}")


def _started(reading: Reading, workflow: str, source: str | None, given: dict[str, Any]) -> Run:
    from squidie.cli.inputs import read_payload

    squidie = reading.setup.with_code()
    name, trigger = _named(workflow)
    payload = read_payload(source) if source else {}
    params = pairs(given["params"], "-p", _types(squidie, name, trigger))
    if params and not isinstance(payload, dict):
        raise InvalidArgument("-p", "cannot be added to an input that is no object")
    return squidie.start(
        name,
        {**payload, **params} if params else payload,
        trigger=trigger,
        key=given["key"],
        **_options(reading, given),
    )


def _start_lines(
    reading: Reading, workflow: str, source: str | None, key_field: str | None, given: dict[str, Any]
) -> None:
    from squidie.cli.inputs import start_lines

    if given["params"] or given["key"]:
        raise InvalidArgument(
            "--input",
            "many payloads take neither -p nor --key",
            hint="--key-field names the field of each payload that is its key",
        )
    name, trigger = _named(workflow)
    squidie = reading.setup.with_code()
    options = {"trigger": trigger, **_options(reading, given)}
    start_lines(reading, partial(squidie.start_many, name, **options), source or "-", key_field)


def _options(reading: Reading, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": moment(reading.setup, given["at"], past=False) if given["at"] else None,
        "queue": given["queue"],
        "priority": given["priority"],
        "attributes": pairs(given["attributes"], "--attr", reading.attribute_types) or None,
    }


def _named(workflow: str) -> tuple[str, str | None]:
    name, colon, trigger = workflow.partition(":")
    return name, trigger if colon else None


def _types(squidie: Squidie, name: str, trigger: str | None) -> dict[str, str]:
    """What the contract calls each field; unknown names are left to `start`, which says so better."""
    spec = squidie.registry.spec(name)
    narrowed = next(
        (each.payload for each in spec.triggers if each.name == trigger and each.payload is not None), spec.payload
    )
    return {field.name: field.type for field in narrowed}
