"""`squidie gc`: what is past its age, and its way out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from squidie.cli.reading import Reading, read_command
from squidie.cli.who import AS
from squidie.errors import InvalidArgument
from squidie.views.words import many, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from squidie.engine.retention import RetentionPlan, RetentionReport

ENDINGS = ("completed", "failed", "cancelled")
_STAYS = {
    "lineage": "because runs that come from them are open",
    "host": "because the application keeps them",
    "referred": "because rows of the application refer to them",
    "busy": "because somebody holds them just now",
}


@click.command()
@click.option("--completed", metavar="AGE", help='How long completed runs are kept: "30d".')
@click.option("--failed", metavar="AGE", help="How long failed runs are kept.")
@click.option("--cancelled", metavar="AGE", help="How long cancelled runs are kept.")
@click.option(
    "--preview", is_flag=True, help="Only count, and give the plan's token; so it is without --apply and --now."
)
@click.option("--apply", "token", metavar="TOKEN", help="Remove what the plan of this token says, or the rest of it.")
@click.option("--now", is_flag=True, help="Count, and remove at once: for a nightly job.")
@click.option("--most", type=click.IntRange(min=1), metavar="N", help="Remove at most so many runs.")
@click.option("--reason", help="Why; it is kept.")
@AS
@click.option("--yes", is_flag=True, help="Do not ask.")
@read_command
def gc(reading: Reading, *, preview: bool, token: str | None, now: bool, yes: bool, **given: Any) -> None:
    """Remove ended runs that are past their age: first look, then apply what was looked at.

    Without ages those of settings.retention count. Open runs stay, and what they come from. Of a run that was removed
    its name, its end and its last hash are kept, and its key is not given out again for as long as the settings say.
    """
    ages = {name: given.pop(name) for name in ENDINGS}
    ages = {name: age for name, age in ages.items() if age is not None}
    if preview + now + (token is not None) > 1:
        raise InvalidArgument("--preview|--apply|--now", "are three things; give one")
    if token is not None and ages:
        raise InvalidArgument("--apply", "removes what was looked at; ages are for --preview and --now")
    squidie = reading.setup.on_journal()
    if token is None:
        plan = squidie.preview_retention(ages or None)
        if not now or not plan.runs:
            _print_plan(reading, plan)
            return
        _confirm(plan, yes=yes)
        token = plan.token
    with _progress(reading) as told:
        report = squidie.apply_retention(token, told=told, **given)
    _print_report(reading, report)


def _confirm(plan: RetentionPlan, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidArgument("--yes", f"is needed to remove {many(plan.runs, 'run')} where nobody can be asked")
    click.confirm(f"remove {many(plan.runs, 'run')} for good?", abort=True, err=True)


@contextmanager
def _progress(reading: Reading) -> Iterator[Callable[[int], None] | None]:
    """How many are gone so far, where somebody watches."""
    if reading.as_json or not sys.stderr.isatty():
        yield None
        return
    with reading.screen.err.status("removed 0 runs") as status:
        yield lambda removed: status.update(f"removed {removed:,} runs")


def _print_plan(reading: Reading, plan: RetentionPlan) -> None:
    if reading.as_json:
        reading.document("squidie.retention.plan/1", plan)
        return
    screen = reading.screen
    if not plan.runs:
        screen.print("Nothing is past its age.")
    else:
        right = {"justify": "right"}
        screen.table(
            [("WORKFLOW", {"shrink": True}), ("STATUS", {}), ("RUNS", right), ("FACTS", right), ("SIZE", right)],
            [
                (escape(row.workflow), row.status, f"{row.runs:,}", f"{row.facts:,}", size(row.bytes))
                for row in plan.counts
            ],
        )
        screen.print(f"{many(plan.runs, 'run')} with {many(plan.facts, 'fact')}, {size(plan.bytes)}, would be removed.")
    _print_blocked(reading, plan.blocked)
    if plan.runs:
        screen.print(f"To remove them, until {plan.expires_at:%H:%M} UTC:")
        click.echo(f"squidie gc --apply {plan.token}")


def _print_report(reading: Reading, report: RetentionReport) -> None:
    if reading.as_json:
        reading.document("squidie.retention.report/1", report)
        return
    rest = "" if report.is_complete else "; the same token goes on with the rest"
    reading.screen.print(f"[green]✓[/] {many(report.removed, 'run')} removed{rest}")
    _print_blocked(reading, report.blocked)
    if report.forgotten:
        reading.screen.print(f"{report.forgotten:,} keys of runs removed long ago may be used again")


def _print_blocked(reading: Reading, blocked: Any) -> None:
    for why, number in blocked.items():
        reading.screen.print(f"{number:,} {'stays' if number == 1 else 'stay'} {_STAYS[why]}")
