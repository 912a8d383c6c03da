"""`squidie explain`: why a run is where it is, or what all the stuck ones wait for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from squidie.cli.completing import complete_runs
from squidie.cli.reading import SCOPE, Reading, moment, query_of, read_command
from squidie.errors import InvalidArgument

if TYPE_CHECKING:
    from squidie.cli.render import Screen
    from squidie.views.explain import Blocker, Explanation
    from squidie.views.stuck import StuckRuns

NO_AGE, _STATE = "0s", 7
_SKIPPED = ("error", "since")


@click.command()
@click.argument("terms", nargs=-1, metavar="ID|QUERY...", shell_complete=complete_runs)
@click.option("--step", metavar="NAME", help="This step of the run, begun or not.")
@click.option("--stuck", is_flag=True, help="What all runs wait for that do not go on by themselves, rolled up.")
@click.option("--all", "everything", is_flag=True, help="With --stuck: those as well that go on by themselves.")
@click.option("--older-than", metavar="AGE", default=NO_AGE, help="With --stuck: only what has stood for so long.")
@SCOPE
@read_command
def explain(
    reading: Reading, terms: tuple[str, ...], *, step: str | None, stuck: bool, everything: bool, older_than: str
) -> None:
    """Say why a run is where it is: since when, who acts, what happens next by itself, and what can be done.

    ID is a run's id, or its last four or more hex digits. With --stuck QUERY is any of workflow:NAME, since:2h.
    """
    squidie = reading.setup.on_journal()
    if stuck or everything:
        if step is not None:
            raise InvalidArgument("--step", "is of one run; --stuck is about many")
        options: dict[str, Any] = {"workflow": None, "status": (), "is_open": None, "since": None}
        where = query_of(terms, options, reading.attribute_types)
        where |= {name: moment(reading.setup, where[name], past=True) for name in ("since", "until") if name in where}
        found = squidie.explain_many(older_than=older_than, everything=everything, **where)
        if reading.as_json:
            reading.document("squidie.explanations/1", reading.told(found))
        else:
            _print_stuck(reading.screen, reading.see(found), is_aged=older_than != NO_AGE)
        return
    if len(terms) != 1:
        raise InvalidArgument("ID", "name one run, or ask for --stuck")
    told = squidie.explain_run(reading.setup.find(terms[0]), step)
    if reading.as_json:
        reading.document("squidie.explanation/1", reading.told(told))
    else:
        _print_one(reading.screen, reading.see(told))


def _print_one(screen: Screen, told: Explanation) -> None:
    head = f"[bold]{escape(told.workflow)} {told.short_id}[/]  {screen.badge(told.state)}"
    screen.print(head, escape(told.headline))
    for number, blocker in enumerate(told.blockers, 1):
        screen.print("", *([f"{number}. {escape(blocker.headline)}"] if number > 1 else []))
        _print_blocker(screen, blocker, told.at)
    if not told.blockers:
        screen.print("")
        _print_evidence(screen, told.evidence, told.at)


def _print_blocker(screen: Screen, blocker: Blocker, now: datetime) -> None:
    from squidie.cli.render import stamp
    from squidie.views.words import span

    begun = blocker.since if blocker.since is not None and blocker.since <= now else None
    since = f"{stamp(begun, now)} ({span(now - begun)})" if begun is not None else ""
    after = blocker.next
    ahead = (
        f", {stamp(after.at, now)}" + (f" (in {span(after.at - now)})" if after.at > now else "") if after.at else ""
    )
    rows = [
        ("code", blocker.code.value),
        ("since", since),
        ("who acts", blocker.who),
        ("next", f"{after.what}{ahead}"),
        *(("do" if n == 0 else "", action.command) for n, action in enumerate(blocker.actions)),
    ]
    for name, text in rows:
        if text:
            screen.print(f"  [dim]{name:<9}[/] {escape(text)}")
    _print_evidence(screen, blocker.evidence, now)


def _print_evidence(screen: Screen, evidence: dict[str, Any], now: datetime) -> None:
    said = [
        f"{name.replace('_', ' ')} {_plain(value, now)}"
        for name, value in evidence.items()
        if name not in _SKIPPED and value not in (None, [], {}, "")
    ]
    if said:
        screen.print(f"  [dim]{'evidence':<9}[/] {escape(' · '.join(said))}")


def _plain(value: Any, now: datetime) -> str:
    from squidie.cli.render import stamp

    if isinstance(value, datetime):
        return stamp(value, now)
    if isinstance(value, dict):
        return " ".join(_plain(each, now) for each in value.values() if each is not None)
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each, now) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _print_stuck(screen: Screen, found: StuckRuns, *, is_aged: bool) -> None:
    from squidie.views.listing import short_ids
    from squidie.views.words import many

    if not found.groups:
        screen.print(f"No run is stuck{' for that long' if is_aged else ''}; {many(found.open, 'run')} open.")
        return
    for group in found.groups:
        tails = short_ids(group.examples)
        state = group.code.state
        named = f"[dim]{', '.join(tails.values())}{' …' if group.runs > len(tails) else ''}[/]"
        sign = state.ascii if screen.ascii else state.glyph
        screen.item(sign, state.word, escape(group.headline), named, width=_STATE)
    stuck = sum(group.runs for group in found.groups)
    screen.note(f"[dim]{stuck:,} of {many(found.open, 'open run')}[/]")
