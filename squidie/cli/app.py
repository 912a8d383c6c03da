"""The group itself, and whose `Squidie` its commands are about.

Commands are loaded when they are invoked. What takes time (rich, SQLAlchemy, the application) is imported inside them.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from squidie.cli.lazily import Commands
from squidie.cli.setup import Setup

COMMANDS = {
    "status": ("squidie.cli.overview:status", "Show how things are, on one screen."),
    "ls": ("squidie.cli.runs:ls", "List runs, newest first."),
    "show": ("squidie.cli.runs:show", "Show one run: why it is where it is, and its steps."),
    "explain": ("squidie.cli.explain:explain", "Say why a run is where it is, and who can do what."),
    "watch": ("squidie.cli.watch:watch", "Follow runs until they end."),
    "tail": ("squidie.cli.tail:tail", "Tell the facts of all runs as they are committed."),
    "graph": ("squidie.cli.graphs:graph", "Draw a run or a workflow."),
    "workflows": ("squidie.cli.workflows:workflows", "Look at workflows, and at the graphs that runs keep."),
    "start": ("squidie.cli.act:start", "Start a run, or many."),
    "run": ("squidie.cli.act:run", "Start a run and wait; the exit code is its result."),
    "approve": ("squidie.cli.people:approve", "Approve what a run asks."),
    "reject": ("squidie.cli.people:reject", "Reject what a run asks."),
    "resume": ("squidie.cli.people:resume", "Let a paused run go on."),
    "delegate": ("squidie.cli.people:delegate", "Ask others for an approval."),
    "signal": ("squidie.cli.people:signal", "Tell a run that an event has happened."),
    "retry": ("squidie.cli.again:retry", "Skip the backoff of a step."),
    "replay": ("squidie.cli.again:replay", "Run again what has ended, with the same payload."),
    "fork": ("squidie.cli.again:fork", "Start a run that goes on from a step of another."),
    "cancel": ("squidie.cli.act:cancel", "End runs now."),
    "dead": ("squidie.cli.dead:dead", "Look at what was given up; requeue it or put it away."),
    "schedules": ("squidie.cli.schedules:schedules", "Look at schedules, pause them, fill in what was missed."),
    "queues": ("squidie.cli.fleet:queues", "Show what is due on each queue and who serves it; pause one."),
    "limits": ("squidie.cli.limits:limits", "Show limits and rates, and set other numbers."),
    "workers": ("squidie.cli.fleet:workers", "Show who is alive, and what they serve."),
    "worker": ("squidie.cli.work:worker", "Work off queues without a broker."),
    "export": ("squidie.cli.exporting:export", "Write one run as a document, masked."),
    "gc": ("squidie.cli.gc:gc", "Remove ended runs that are past their age."),
    "verify": ("squidie.cli.verify:verify", "Check facts, and what is derived from them; rebuild it."),
    "archive": ("squidie.cli.notes:archive", "Put ended runs away, so that lists do not show them."),
    "unarchive": ("squidie.cli.notes:unarchive", "Let lists show them again."),
    "migrate": ("squidie.cli.admin:migrate", "Create or upgrade the journal's schema."),
    "doctor": ("squidie.cli.doctor:doctor", "Check everything that can be wrong around Squidie."),
    "check": ("squidie.cli.deploying:check", "Say which open runs this code could not go on with."),
    "completion": ("squidie.cli.completion:completion", "Print what makes Tab work in a shell."),
    "version": ("squidie.cli.admin:version", "Print the versions of Squidie and what it stands on."),
}
PLUGINS = "squidie.commands"


class Squidies(Commands):
    """Our group: errors of ours become a message, a hint and an exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember who reads the answer, before anything can go wrong."""
        ctx.meta["squidie.json"] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit codes are those of the errors."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            ctx.exit(130)
        except Exception as error:  # noqa: BLE001 - the last door: what is not told there is raised again
            ctx.exit(_told(ctx, error))


def _told(ctx: click.Context, error: Exception) -> int:
    """Say what went wrong, and give the exit code.

    What is not an error of Squidie's, click's or Postgres' is a bug, and keeps its traceback.
    """
    from squidie.cli.failures import failure_of, tell

    failure = failure_of(error)
    if failure is None:
        raise error
    setup = ctx.find_object(Setup)
    if setup is not None and setup.verbose:
        sys.excepthook(type(error), error, error.__traceback__)
    tell(
        failure,
        as_json=bool(ctx.meta.get("squidie.json")),
        color=False if setup is not None and setup.no_color else None,
    )
    return failure.exit_code


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click calls it so
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"squidie {version('squidie')}")
        except PackageNotFoundError:
            click.echo("squidie, not installed")
        ctx.exit()


@click.group(
    name="squidie",
    cls=Squidies,
    commands_at=COMMANDS,
    plugins=PLUGINS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-A",
    "--app",
    metavar="MODULE:ATTR",
    help="Where your Squidie object is. Also SQUIDIE_APP, or [tool.squidie] app in pyproject.toml.",
)
@click.option(
    "--dsn", metavar="URL", help="The journal's database, where the code is not at hand. Also SQUIDIE_DATABASE_URL."
)
@click.option("--schema", default="squidie", show_default=True, help="The journal's schema, with --dsn.")
@click.option("--no-color", is_flag=True, help="Plain text. Also NO_COLOR.")
@click.option("--ascii", "only_ascii", is_flag=True, help="ASCII signs instead of glyphs.")
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.pass_context
def squidie(
    ctx: click.Context,
    app: str | None,
    dsn: str | None,
    schema: str,
    *,
    no_color: bool,
    only_ascii: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Durable workflows for the Celery you already run."""
    celery = getattr(ctx.obj, "app", None)  # under `celery -A proj squidie` our parent's object carries the app
    ctx.obj = Setup(
        app=app,
        dsn=dsn,
        schema=schema,
        celery=celery,
        no_color=no_color or "NO_COLOR" in os.environ,
        ascii=only_ascii,
        quiet=quiet,
        verbose=verbose,
    )
    ctx.call_on_close(ctx.obj.close)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
