"""`squidie ls` and `squidie show`: what there is, and why it is where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from squidie.cli.completing import complete_runs, complete_workflows
from squidie.cli.reading import SCOPE, Reading, moment, query_of, read_command

if TYPE_CHECKING:
    from squidie.cli.setup import Setup
    from squidie.views.listing import RunPage
    from squidie.views.snapshot import RunSnapshot

STATUSES = click.Choice(["running", "paused", "compensating", "completed", "failed", "cancelled"])


@click.command()
@click.argument("query", nargs=-1, shell_complete=complete_workflows)
@click.option("--workflow", metavar="NAME", shell_complete=complete_workflows, help="Runs of this workflow.")
@click.option("--status", multiple=True, type=STATUSES, help="Runs with this status; may be repeated.")
@click.option("--open/--ended", "is_open", default=None, help="Runs that have not ended, or those that have.")
@click.option("--since", metavar="AGE|TIME", help='Open since, or ended after: "2h", or 2026-05-01T12:00Z.')
@click.option("--until", metavar="AGE|TIME", help="Started before, or if they have ended, ended before.")
@click.option("--updated", is_flag=True, help="First what was written last, not what was started last.")
@click.option("--archived/--all", "archived", default=None, help="What is archived; or what is archived, too.")
@click.option("--limit", default=50, show_default=True, help="At most so many; 0 is all.")
@click.option("--after", metavar="CURSOR", help="The page after this one.")
@SCOPE
@read_command
def ls(reading: Reading, query: tuple[str, ...], *, limit: int, after: str | None, **options: Any) -> None:
    """List runs, newest first.

    QUERY is any of workflow:NAME, partition:NAME, status:failed, state:open, since:2h, until:1h, attr.NAME:TEXT,
    attr.NAME:=JSON, is:archived; a bare word is a workflow's name.
    """
    from squidie.cli.tables import print_runs
    from squidie.views.listing import counts

    where = _where(reading, query, options)
    page = _page(reading.setup, where, limit, after)
    if reading.as_json:
        reading.document("squidie.runs/1", reading.told(page))
    else:
        print_runs(reading.screen, reading.see(page), counts(reading.setup.journal()), narrowed=bool(where))


def _where(reading: Reading, query: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, as `list_runs` takes it."""
    where = query_of(query, options, reading.attribute_types)
    where = {"until": options["until"], **where} if options["until"] else where
    for name in ("since", "until"):
        if name in where:
            where[name] = moment(reading.setup, where[name], past=True)
    if options["archived"] is not None:
        where["archived"] = options["archived"] or None
    return where | ({"order": "updated"} if options["updated"] else {})


def _page(setup: Setup, where: dict[str, Any], limit: int, after: str | None) -> RunPage:
    """One page, or for a limit of zero all of them."""
    from squidie.views.listing import MOST, RunPage
    from squidie.views.paging import pages

    squidie = setup.on_journal()
    if limit:
        return squidie.list_runs(**where, limit=limit, after=after)
    found = list(pages(lambda cursor: squidie.list_runs(**where, limit=MOST, after=cursor), after))
    return RunPage(tuple(row for page in found for row in page.runs), None, found[-1].at)


@click.command()
@click.argument("run", metavar="ID", shell_complete=complete_runs)
@click.option("--steps", "with_steps", is_flag=True, help="Each step in full: action, queue, holder, times, error.")
@click.option("--data", "with_data", is_flag=True, help="Payload, outputs and error.")
@click.option("--graph", "with_graph", is_flag=True, help="Its graph, drawn.")
@click.option("--timeline", "with_timeline", is_flag=True, help="Its steps against time; long pauses are folded.")
@click.option("--events", "with_events", is_flag=True, help="What happened, in order: facts, and claims they ended.")
@click.option("--journal", "with_journal", is_flag=True, help="Its facts, in order.")
@SCOPE
@read_command
def show(
    reading: Reading,
    run: str,
    *,
    with_steps: bool,
    with_data: bool,
    with_graph: bool,
    with_timeline: bool,
    with_events: bool,
    with_journal: bool,
) -> None:
    """Show one run: why it is where it is, and its steps.

    ID is a run's id, or its last four or more hex digits.
    """
    from squidie.cli import tables
    from squidie.views.snapshot import inspect_run

    snapshot = inspect_run(reading.setup.journal(), reading.setup.find(run))
    is_timed = with_events or (with_timeline and reading.as_json)
    more = _asked(reading, snapshot, graph=with_graph, timeline=is_timed, journal=with_journal)
    if reading.as_json:
        reading.document("squidie.run/1", reading.told(snapshot), **_plain(reading, more))
        return
    snapshot = reading.see(snapshot)
    tables.print_head(reading.screen, snapshot)
    if with_timeline:
        _print_timeline(reading, snapshot)
    elif with_steps:
        tables.print_each_step(reading.screen, snapshot, outside=reading.is_outside)
    else:
        tables.print_steps(reading.screen, snapshot, outside=reading.is_outside)
    if with_data and reading.is_outside:
        reading.screen.note("Payloads and outputs are not shown outside.")
    elif with_data:
        tables.print_data(reading.screen, snapshot)
    _print_more(reading, snapshot, more)


def _asked(reading: Reading, run: RunSnapshot, *, graph: bool, timeline: bool, journal: bool) -> dict[str, Any]:
    """What else there is to show of a run, by its name."""
    from squidie.views.facts import facts_of
    from squidie.views.graph import inspect_run_graph
    from squidie.views.timeline import inspect_run_timeline

    at = reading.setup.journal()
    found: dict[str, Any] = {"graph": inspect_run_graph(at, run.id)} if graph else {}
    found |= {"timeline": inspect_run_timeline(at, run.id)} if timeline else {}
    return found | ({"journal": facts_of(at, run.id)} if journal else {})


def _print_timeline(reading: Reading, run: RunSnapshot) -> None:
    from squidie.cli.timelines import print_timeline
    from squidie.views.graph import inspect_run_graph

    graph = reading.see(inspect_run_graph(reading.setup.journal(), run.id, history=True))
    attempts = {node.id: node.attempts for node in graph.nodes}
    print_timeline(reading.screen, run, attempts, outside=reading.is_outside)


def _plain(reading: Reading, more: dict[str, Any]) -> dict[str, Any]:
    """What else there is, as programs are told of it."""
    from squidie.views.graph import SCHEMA

    graph = {"graph": {"schema": SCHEMA, **reading.told(more.pop("graph"))}} if "graph" in more else {}
    return graph | {name: [reading.told(each) for each in found] for name, found in more.items()}


def _print_more(reading: Reading, run: RunSnapshot, more: dict[str, Any]) -> None:
    from squidie.cli import tables
    from squidie.cli.graphs import drawn

    if "graph" in more:
        click.echo("\n" + drawn(reading, reading.see(more["graph"]), width=reading.screen.out.width))
    for name in ("timeline", "journal"):
        if name in more:
            tables.print_facts(reading.screen, [reading.see(each) for each in more[name]], run.at)
