"""`squidie graph`: a run or a workflow, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from squidie.cli.completing import complete_runs_or_workflows
from squidie.cli.reading import SCOPE, Reading, read_command
from squidie.errors import InvalidArgument, InvalidSpec, RunNotFound, WorkflowNotFound

if TYPE_CHECKING:
    from squidie.runtime import Squidie
    from squidie.views.graph import RunGraph
    from squidie.workflow.spec import Spec

FORMATS = click.Choice(["unicode", "ascii", "mermaid", "dot", "svg", "json"])


@click.command()
@click.argument("what", metavar="ID|WORKFLOW|@FILE", shell_complete=complete_runs_or_workflows)
@click.option("--format", "form", type=FORMATS, default="unicode", show_default=True, help="How it is drawn.")
@click.option("--history", is_flag=True, help="With json: inputs, outputs, errors and attempts of each node.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write it there.")
@SCOPE
@read_command
def graph(reading: Reading, what: str, *, form: str, history: bool, output: str | None) -> None:
    """Draw the graph of a run, or of a workflow; one that is too wide for the terminal is told as a list.

    ID is a run's id, or its last four or more hex digits; FILE holds a spec as JSON. The code of a workflow is not
    needed once a run of it was started.
    """
    from msgspec.json import encode

    from squidie.views.graph import SCHEMA

    form = "json" if reading.as_json else form
    found = _graph(reading, what, history=history)
    if form == "json":
        text = json.dumps({"schema": SCHEMA, **json.loads(encode(reading.told(found)))}, indent=2, ensure_ascii=False)
    else:
        text = drawn(reading, reading.see(found), form, width=None if output else reading.screen.out.width)
    if output:
        _write(output, text)
        reading.screen.note(f"[green]✓[/] {output}")
    else:
        click.echo(text)


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(f"{text}\n", "utf-8")
    except OSError as error:
        raise InvalidArgument("-o", f"{name} cannot be written: {error.strerror}") from None


def drawn(reading: Reading, found: RunGraph, form: str = "unicode", width: int | None = None) -> str:
    """The graph in a format; what this terminal cannot show in Unicode it shows in ASCII. No `width` is no bound."""
    from squidie.views.drawing import dot, mermaid, svg, text

    others = {"mermaid": mermaid.draw, "dot": dot.draw, "svg": svg.draw}
    if form in others:
        return others[form](found)
    is_plain = form == "ascii" or reading.screen.ascii
    drawing = text.draw(found, ascii=is_plain, **({} if width is None else {"width": width}))
    return reading.screen.plain(drawing) if is_plain else drawing


def _graph(reading: Reading, what: str, *, history: bool) -> RunGraph:
    squidie = reading.setup.on_journal()
    if what.startswith("@"):
        return squidie.inspect_workflow_graph(_spec(squidie, what.removeprefix("@")))
    if what in squidie.registry.workflows:
        return squidie.inspect_workflow_graph(what)
    try:
        run_id = reading.setup.find(what)
    except (RunNotFound, InvalidArgument) as error:
        if not what.isidentifier() or error.hint:  # the hint lists the runs whose ids end so
            raise
        try:
            return squidie.inspect_workflow_graph(what)
        except WorkflowNotFound:
            if isinstance(error, RunNotFound):
                raise error from None
            raise
    return squidie.inspect_run_graph(run_id, history=history)


def _spec(squidie: Squidie, name: str) -> Spec:
    """The spec in a file. Raises `InvalidSpec` with all that is wrong with it."""
    from squidie.workflow.issues import Severity
    from squidie.workflow.spec import Spec

    try:
        value = json.loads(Path(name).read_text("utf-8"))
    except OSError as error:
        raise InvalidArgument("@FILE", f"{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidArgument("@FILE", f"{name} is no JSON: {error}") from None
    issues = [issue for issue in squidie.validate_spec(value) if issue.severity is Severity.ERROR]
    if issues:
        raise InvalidSpec(name, issues)
    return Spec.from_json(json.dumps(value))
