"""`squidie retry`, `replay` and `fork`: run at once, or again, what has run before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from squidie.cli.completing import complete_runs
from squidie.cli.people import report, said_by
from squidie.cli.reading import Reading, pairs, read_command

if TYPE_CHECKING:
    from squidie.runtime import Preview

_ALLOW = click.option(
    "--allow-irreversible",
    "allowed",
    multiple=True,
    metavar="STEP",
    help="Repeat this step though it cannot be taken back; may be repeated.",
)
_REASON = click.option("--reason", help="Why; it is kept.")


@click.command()
@click.argument("run", metavar="ID", shell_complete=complete_runs)
@click.option("--step", help="Which step, where several wait for their next attempt.")
@said_by
@read_command
def retry(reading: Reading, run: str, *, step: str | None, by: dict[str, Any]) -> None:
    """Skip the backoff: the next attempt, which is scheduled already, is due now."""
    squidie = reading.setup.on_journal()
    run_id = reading.setup.find(run)
    step = step or _scheduled(squidie.inspect_run(run_id))
    report(reading, "retry", squidie.retry_now(run_id, step, **by), f"{step} is due now", by)


@click.command()
@click.argument("run", metavar="ID", shell_complete=complete_runs)
@_ALLOW
@_REASON
@click.option("--queue", help="The queue of steps that name none.")
@click.option("--same", is_flag=True, help="On the graph that the run had, not on that of today.")
@click.option("--preview", is_flag=True, help="Say what would happen, and do nothing.")
@said_by
@read_command
def replay(
    reading: Reading,
    run: str,
    *,
    allowed: tuple[str, ...],
    reason: str | None,
    queue: str | None,
    same: bool,
    preview: bool,
    by: dict[str, Any],
) -> None:
    """Start a new run with the payload of one that has ended.

    A step that took effect, or may have, and cannot be taken back must be named with --allow-irreversible.
    """
    squidie = reading.setup.on_journal() if same else reading.setup.with_code()
    run_id = reading.setup.find(run)
    said: dict[str, Any] = {"allow_irreversible": allowed, "queue": queue, "definition": "same" if same else "current"}
    if preview:
        _show(reading, squidie.preview_replay(run_id, **said))
        return
    made = squidie.replay(run_id, reason=reason, **said, **by)
    report(reading, "replay", made, f"replays {run_id.hex[-6:]}", by)


@click.command()
@click.argument("run", metavar="ID", shell_complete=complete_runs)
@click.argument("step")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=TEXT|NAME:=JSON", help="Replace a payload field.")
@_ALLOW
@_REASON
@said_by
@read_command
def fork(
    reading: Reading,
    run: str,
    step: str,
    *,
    params: tuple[str, ...],
    allowed: tuple[str, ...],
    reason: str | None,
    by: dict[str, Any],
) -> None:
    """Start a new run that goes on at STEP; what is not after it is carried over and not run again."""
    squidie = reading.setup.on_journal()
    run_id = reading.setup.find(run)
    changes = pairs(params, "-p") or None
    said: dict[str, Any] = {"allow_irreversible": allowed, "payload_changes": changes}
    made = squidie.fork(run_id, step, reason=reason, **said, **by)
    report(reading, "fork", made, f"goes on from {step} of {run_id.hex[-6:]}", by)


def _scheduled(seen: Any) -> str:
    """The one step that waits for its next attempt; where there are several, or none, the error names them."""
    from squidie.errors import InvalidArgument
    from squidie.views.states import State

    waiting = [step.name for step in seen.steps if step.state is State.RETRYING]
    if len(waiting) == 1:
        return str(waiting[0])
    said = f"one of {', '.join(waiting)}" if waiting else "no step of this run waits for another attempt"
    raise InvalidArgument("--step", said, hint=f"squidie show {seen.short_id}")


def _show(reading: Reading, found: Preview) -> None:
    if reading.as_json:
        reading.document("squidie.replay_preview/1", found)
        return
    from rich.markup import escape

    same = found.target == found.definition
    reading.screen.print("On the same graph." if same else "On another graph than the run had:")
    if not same:
        for word, names in _changes(found):
            reading.screen.print(f"  {word}: {escape(', '.join(names))}")
    if found.refused is not None:
        reading.screen.print(f"[red]✕[/] It would be refused: {escape(str(found.refused.get('message')))}")
        for each in found.unsafe:
            reading.screen.print(f"  {escape(_unsafe(each))}")
        return
    reading.screen.print("[green]✓[/] It would be accepted.")


def _changes(found: Preview) -> list[tuple[str, list[str]]]:
    from msgspec import to_builtins

    told = to_builtins(found.difference)
    return [(word.replace("_", " "), list(names)) for word, names in told.items() if names]


def _unsafe(step: dict[str, Any]) -> str:
    what = "took effect" if step["outcome_known"] else "may have taken effect"
    return f"{step['step']} {what}, under key {step['idempotency_key']}"
