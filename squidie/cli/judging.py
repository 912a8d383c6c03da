"""`squidie workflows validate` and `diff`: what is wrong with a graph, and what became of one in another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from squidie.cli.completing import complete_workflows
from squidie.cli.reading import Reading, read_command
from squidie.errors import InvalidArgument, WorkflowNotFound

if TYPE_CHECKING:
    from squidie.runtime import Squidie
    from squidie.workflow.issues import Issue
    from squidie.workflow.spec import Spec

_ERRORS, _WARNINGS = 1, 8
_SIGNS = {"error": "[red]✕[/]", "warning": "[yellow]⚠[/]"}
DECLARED = "declared"
SHORTEST = 4


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKFLOW|@FILE...]", shell_complete=complete_workflows)
@click.option("--strict", is_flag=True, help="Exit with 8 for warnings, too.")
@read_command
def validate(reading: Reading, names: tuple[str, ...], *, strict: bool) -> None:
    """Say everything that is wrong with the declared workflows, or with these. Exit 1 for errors.

    FILE holds a spec as JSON; nothing in it is run or imported.
    """
    squidie = reading.setup.on_journal() if any(name.startswith("@") for name in names) else reading.setup.with_code()
    found = {name: squidie.validate_spec(_given(squidie, name)) for name in names or sorted(squidie.registry.workflows)}
    issues = [issue for each in found.values() for issue in each]
    is_wrong = any(issue.severity == "error" for issue in issues)
    if reading.as_json:
        told = [{"name": name, "issues": each} for name, each in found.items()]
        reading.document("squidie.validation/1", {"ok": not is_wrong, "workflows": told})
    else:
        for name, each in found.items():
            _print_issues(reading, name, each)
    click.get_current_context().exit(_ERRORS if is_wrong else _WARNINGS if strict and issues else 0)


@click.command()
@click.argument("name", metavar="WORKFLOW", shell_complete=complete_workflows)
@click.argument("before", metavar="GRAPH")
@click.argument("after", metavar="[GRAPH]", default=DECLARED)
@read_command
def diff(reading: Reading, name: str, before: str, after: str) -> None:
    """Say what became of one graph of a workflow in another: nodes and edges that came, went or changed.

    GRAPH is the beginning of one that `squidie workflows show` lists, or `declared`, which is what this code says.
    """
    from squidie.workflow.difference import difference
    from squidie.workflow.fingerprint import fingerprint

    squidie = reading.setup.on_journal()
    old, new = (_graph(reading, squidie, name, each) for each in (before, after))
    found = difference(old, new)
    if reading.as_json:
        ids = {"before": fingerprint(old), "after": fingerprint(new)}
        reading.document("squidie.difference/1", {"workflow": name, **ids, "difference": found})
        return
    from msgspec import to_builtins

    changes = [(word, names) for word, names in to_builtins(found).items() if names]
    for word, names in changes:
        reading.screen.item(" ", word.replace("_", " "), escape(", ".join(names)))
    if not changes:
        reading.screen.print("Nothing: the one does what the other does.")


def _given(squidie: Squidie, name: str) -> Any:
    """The spec of a declared workflow, or what a file holds."""
    if not name.startswith("@"):
        return squidie.registry.spec(name)
    path = Path(name.removeprefix("@"))
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidArgument("@FILE", f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidArgument("@FILE", f"{path} is no JSON: {error}") from None


def _print_issues(reading: Reading, name: str, issues: tuple[Issue, ...]) -> None:
    if not issues:
        reading.screen.print(f"[green]✓[/] {escape(name)}")
    for issue in issues:
        where = escape(f"{name}: {issue.path}" if issue.path else name)
        reading.screen.print(f"{_SIGNS[issue.severity]} {where}", f"  {escape(issue.message)} [dim]({issue.code})[/]")


def _graph(reading: Reading, squidie: Squidie, name: str, wanted: str) -> Spec:
    """A graph of this workflow by the beginning of its fingerprint, or the declared one."""
    from squidie.journal import definitions
    from squidie.workflow.spec import Spec

    if wanted == DECLARED:
        return squidie.registry.spec(name)
    journal = reading.setup.journal()
    with journal.looking() as connection:
        kept = [row for row in definitions.everything(journal, connection) if row.workflow == name]
    if not kept:
        raise WorkflowNotFound(name, squidie.registry.workflows)
    fitting = [row for row in kept if row.fingerprint.startswith(wanted.lower())]
    if len(fitting) == 1 and len(wanted) >= SHORTEST:
        return Spec.from_json(fitting[0].spec)
    known = ", ".join(row.fingerprint[:8] for row in fitting or kept)
    said = "more than one begins so" if len(fitting) > 1 else "no graph of this workflow begins so"
    raise InvalidArgument("GRAPH", said, hint=f"one of {known}, or {DECLARED}")
