"""`squidie tail`: the journal, live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from squidie.cli.completing import complete_runs_or_workflows
from squidie.cli.reading import SCOPE, Reading, moment, query_of, read_command
from squidie.errors import InvalidArgument, RunNotFound

if TYPE_CHECKING:
    from squidie.views.tailing import Tail, TailedFact

LOOK_EVERY = 0.5


@click.command()
@click.argument("terms", nargs=-1, metavar="[ID|QUERY...]", shell_complete=complete_runs_or_workflows)
@click.option("--since", metavar="AGE|TIME", help='First what was written since: "2h", or 2026-05-01T12:00Z.')
@click.option("--kinds", metavar="KIND,KIND", help="These kinds only: run_failed,attempt_dead_lettered.")
@click.option("--follow/--no-follow", default=True, help="Go on until Ctrl-C, or tell what there is and end.")
@SCOPE
@read_command
def tail(reading: Reading, terms: tuple[str, ...], *, since: str | None, kinds: str | None, follow: bool) -> None:
    """Tell the facts of all runs as they are committed, each once.

    ID is a run's id, or its last four or more hex digits; QUERY is workflow:NAME. With --json each is one object on a
    line.
    """
    wanted = _kinds(kinds)
    looking = _tail(reading, terms, since)
    while True:
        for fact in looking.look():
            if wanted is None or fact.kind in wanted:
                _say(reading, fact)
        if not follow:
            return
        time.sleep(LOOK_EVERY)


def _tail(reading: Reading, terms: tuple[str, ...], since: str | None) -> Tail:
    from squidie.views.tailing import Tail

    asked: dict[str, Any] = _asked(reading, terms)
    since = asked.pop("since", since)
    return Tail(
        reading.setup.journal(), since=None if since is None else moment(reading.setup, since, past=True), **asked
    )


def _asked(reading: Reading, terms: tuple[str, ...]) -> dict[str, Any]:
    """One run, or what a query narrows to; a bare word is an id, or else a workflow's name."""
    if len(terms) == 1 and ":" not in terms[0]:
        try:
            return {"only": reading.setup.find(terms[0])}
        except (RunNotFound, InvalidArgument) as error:
            if not terms[0].isidentifier() or error.hint or isinstance(error, RunNotFound):
                raise
    where = query_of(terms, {"workflow": None, "status": (), "is_open": None, "since": None})
    if where.keys() - {"workflow", "since"}:
        raise InvalidArgument("query", "facts are found by workflow and since only")
    return where


def _kinds(text: str | None) -> set[str] | None:
    from squidie.history.facts import KINDS

    if text is None:
        return None
    wanted = {kind.strip() for kind in text.split(",")}
    unknown = sorted(wanted - KINDS.keys())
    if unknown:
        raise InvalidArgument("--kinds", f"there is no kind {unknown[0]!r}", hint=f"known: {', '.join(sorted(KINDS))}")
    return wanted


def _say(reading: Reading, fact: TailedFact) -> None:
    if reading.as_json:
        reading.line("squidie.fact/1", fact)
        return
    fact = reading.see(fact)
    step = f" [bold]{escape(fact.step)}[/]" if fact.step else ""
    said = f"  [dim]{escape(fact.summary)}[/]" if fact.summary else ""
    at, run = f"{fact.at:%H:%M:%S}", f"{fact.workflow} {fact.short_id}"
    if reading.screen.out.is_terminal:
        reading.screen.item(at, run, f"{fact.kind}{step}{said}")
    else:
        reading.screen.print(f"{at}  {escape(run)}  {fact.kind}{step}{said}")
