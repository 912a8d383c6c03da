"""`squidie workflows …`: what is declared, what the journal remembers, and on which graphs runs are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from squidie.cli.completing import complete_workflows
from squidie.cli.judging import diff, validate
from squidie.cli.listing import Listing
from squidie.cli.reading import Reading, read_command

if TYPE_CHECKING:
    from datetime import datetime

    from squidie.cli.render import Screen
    from squidie.views.catalogue import Catalogue, DefinitionView, WorkflowView


@click.group(cls=Listing)
def workflows() -> None:
    """Look at workflows and at the graphs that their runs keep. Without a command, `ls`."""


workflows.add_command(validate)
workflows.add_command(diff)


@workflows.command()
@read_command
def ls(reading: Reading) -> None:
    """List the workflows that are declared here, and those that runs were ever started of."""
    found = _catalogue(reading)
    if reading.as_json:
        reading.document("squidie.workflows/1", found)
    else:
        _print_list(reading.screen, found)


@workflows.command()
@click.argument("name", metavar="NAME", shell_complete=complete_workflows)
@read_command
def show(reading: Reading, name: str) -> None:
    """Show one workflow: its graph, its triggers, its steps, and every graph that was kept of it."""
    from squidie.views.catalogue import workflow_of

    found = _catalogue(reading)
    view = workflow_of(found, name)
    squidie = reading.setup.on_journal()
    graph = squidie.inspect_workflow_graph(name)
    if reading.as_json:
        reading.document("squidie.workflow/1", view, graph=graph.to_map())
        return
    from squidie.cli.graphs import drawn

    _print_head(reading.screen, view)
    click.echo(drawn(reading, graph, width=reading.screen.out.width))
    columns: list[tuple[str, dict[str, Any]]] = [
        ("STEP", {"most": 24}),
        ("KIND", {}),
        ("TRIES", {}),
        ("RUNS", {"shrink": True}),
    ]
    rows = [
        (escape(node.id), node.kind, str(node.max_attempts) if node.action else "", escape(_runs(node)))
        for node in graph.nodes
    ]
    reading.screen.print("")
    reading.screen.table(columns, rows)
    _print_definitions(reading.screen, view, found.at)


def _catalogue(reading: Reading) -> Catalogue:
    from squidie.views.catalogue import catalogue

    squidie = reading.setup.on_journal()
    return catalogue(reading.setup.journal(), squidie.registry, squidie.default_queue)


def _print_list(screen: Screen, found: Catalogue) -> None:
    from squidie.views.words import span

    if not found.workflows:
        screen.print("No workflow is declared here, and the journal remembers none.")
        return
    columns: list[tuple[str, dict[str, Any]]] = [
        ("WORKFLOW", {"most": 24}),
        ("TRIGGERS", {"shrink": True}),
        ("QUEUES", {"most": 18}),
        *((title, {"justify": "right"}) for title in ("STEPS", "GRAPHS", "OPEN", "LAST")),
    ]
    rows = [
        (
            escape(view.name) + ("" if view.is_declared else " [yellow]?[/]"),
            escape(", ".join(view.triggers)),
            escape(", ".join(view.queues)),
            str(view.steps),
            str(len(view.definitions)),
            f"{view.open:,}" if view.open else "",
            f"{span(found.at - view.last_at)} ago" if view.last_at else "never",
        )
        for view in found.workflows
    ]
    screen.table(columns, rows)
    if any(not view.is_declared for view in found.workflows):
        screen.note("[dim]? is not declared here; the journal remembers it[/]")


def _print_head(screen: Screen, view: WorkflowView) -> None:
    version = f" {view.version}" if view.version else ""
    said = "" if view.is_declared else "  [yellow]not declared here[/]"
    screen.print(f"[bold]{escape(view.name)}{escape(version)}[/]{said}")
    if view.description:
        screen.print(escape(view.description))
    queues = f" · queues {', '.join(view.queues)}" if view.queues else ""
    screen.print(f"[dim]triggers {escape(', '.join(view.triggers))}{escape(queues)}[/]", "")


def _runs(node: Any) -> str:
    marks = [
        word
        for word, holds in (("irreversible", node.irreversible), (f"undone by {node.compensation}", node.compensation))
        if holds
    ]
    return " · ".join([node.action, *marks] if node.action else marks)


def _print_definitions(screen: Screen, view: WorkflowView, now: datetime) -> None:
    columns: list[tuple[str, dict[str, Any]]] = [
        ("GRAPH", {}),
        ("VERSION", {"most": 16}),
        ("SINCE", {}),
        ("RUNS", {"justify": "right"}),
        ("OPEN", {"justify": "right"}),
        ("", {"shrink": True}),
    ]
    screen.print("")
    screen.table(columns, [_definition(each, now) for each in view.definitions])


def _definition(each: DefinitionView, now: datetime) -> tuple[str, ...]:
    from squidie.cli.render import stamp

    return (
        each.definition[:6],
        escape(each.version or ""),
        stamp(each.kept_at, now),
        f"{each.runs:,}" if each.runs else "",
        f"{each.open:,}" if each.open else "",
        "declared here" if each.is_declared else "",
    )
