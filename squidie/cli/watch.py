"""`squidie watch`: one run, or all that fit a query, until they have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
import msgspec
from rich.markup import escape

from squidie.cli.completing import complete_runs_or_workflows
from squidie.cli.reading import SCOPE, Reading, moment, query_of, read_command
from squidie.cli.watching import Drawing, Logging, Silent, Through, follow
from squidie.errors import InvalidArgument, RunNotFound, RunUnsuccessful, WaitTimeout
from squidie.history.lifecycle import RunStatus
from squidie.views.reasons import Reason
from squidie.views.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.views.snapshot import RunSnapshot

LOOK_EVERY = 0.5
NEEDS_A_PERSON = 12
PEOPLE = {Reason.NEEDS_APPROVAL, Reason.NEEDS_RESUME, Reason.DEAD_LETTERED, Reason.COMPENSATION_STUCK}
_WORD = max(len(state.word) for state in State)
_BAD = (State.FAILED, State.COMPENSATED, State.CANCELLED)


@click.command()
@click.argument("terms", nargs=-1, required=True, metavar="ID|QUERY...", shell_complete=complete_runs_or_workflows)
@click.option("--exit-status", is_flag=True, help="The exit code is the result.")
@click.option("--timeout", metavar="AGE", help='Watch at most so long, for example "30s".')
@click.option("--compact", is_flag=True, help="The run and why it is where it is, without its steps.")
@SCOPE
@read_command
def watch(reading: Reading, terms: tuple[str, ...], *, exit_status: bool, timeout: str | None, compact: bool) -> None:
    """Follow a run until it ends, or all open runs that fit a query until none is open.

    ID is a run's id, or its last four or more hex digits; QUERY is any of workflow:NAME, since:2h. With --exit-status:
    0 completed, 10 failed, 11 cancelled, and for one run 12 as soon as only people can move it; 124 not within
    --timeout. Ctrl-C leaves the runs running. With --json each change is one object on a line.
    """
    within = _seconds(timeout)
    run_id = _one(reading, terms)
    if run_id is None:
        _watch_many(reading, terms, within, exit_status=exit_status)
    else:
        _watch_one(reading, run_id, within, exit_status=exit_status, compact=compact)


def _watch_one(reading: Reading, run_id: UUID, within: float | None, *, exit_status: bool, compact: bool) -> None:
    run = reading.setup.on_journal().run(run_id)
    with _way(reading, compact=compact) as shown:
        seen = follow(
            reading, run, shown, within, every=LOOK_EVERY, stops=_needs_a_person if exit_status else lambda _: False
        )
    if not exit_status:
        return
    if seen.ended_at is None:
        click.get_current_context().exit(NEEDS_A_PERSON)
    if seen.state is not State.COMPLETED:
        raise RunUnsuccessful(run_id, seen.status.value, seen.error)


def _way(reading: Reading, *, compact: bool) -> Silent:
    screen = reading.screen
    if reading.as_json:
        return _Objects(reading)
    if screen.out.is_terminal:
        return Through(reading, Drawing(screen, screen.out, compact=compact, outside=reading.is_outside))
    inner = _Headlines(reading) if compact else _Steps(screen, screen.print, outside=reading.is_outside)
    return Through(reading, inner)


def _needs_a_person(run: RunSnapshot) -> bool:
    """Whether nothing but people can move it, or the time they were given."""
    reasons = {step.reason for step in run.steps if step.reason is not None}
    return bool(reasons) and reasons <= PEOPLE


class _Steps(Logging):
    """For logs: what becomes of each step, and in the end of the run."""

    def show(self, run: RunSnapshot) -> None:
        """What has changed since the last look."""
        super().show(run)
        if run.ended_at is not None:
            self._say(f"{self._screen.badge(run.state)}  {escape(run.headline)}")


class _Changes(Silent):
    """What is said only when a run, or the state of one of its steps, is another than before."""

    is_live = True

    def __init__(self) -> None:
        self._known: Any = None

    def show(self, run: RunSnapshot) -> None:
        """Say it if it is new."""
        now = (run.revision, run.state, [(step.name, step.state, step.reason) for step in run.steps])
        if now != self._known:
            self._known = now
            self.say(run)

    def say(self, run: RunSnapshot) -> None:
        """How it is said."""
        raise NotImplementedError


class _Objects(_Changes):
    """For programs: the run as one object a line."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self._reading = reading

    def say(self, run: RunSnapshot) -> None:
        """The whole snapshot."""
        self._reading.line("squidie.run/1", run)


class _Headlines(_Changes):
    """For logs: the run's state and its headline."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self._screen = reading.screen

    def say(self, run: RunSnapshot) -> None:
        """One line."""
        self._screen.print(f"{self._screen.badge(run.state, _WORD)}  {run.short_id}  {escape(run.headline)}")


class _Seen(msgspec.Struct):
    """One run among many at one look; `where` is what it is at, or how it ended."""

    id: UUID
    short_id: str
    workflow: str
    status: RunStatus
    state: State
    revision: int
    where: str


def _watch_many(reading: Reading, terms: tuple[str, ...], within: float | None, *, exit_status: bool) -> None:
    known: dict[UUID, _Seen] = {}
    for seen in _looks(reading, _where(reading, terms), within):
        before = known.get(seen.id)
        known[seen.id] = seen
        if before is None or (before.state, before.revision) != (seen.state, seen.revision):
            _say(reading, seen)
    if not known:
        reading.screen.note("No open run fits.")
    worst = sorted((seen for seen in known.values() if seen.state in _BAD), key=lambda seen: _BAD.index(seen.state))
    if exit_status and worst:
        raise RunUnsuccessful(worst[0].id, worst[0].status.value, {"message": worst[0].where})


def _looks(reading: Reading, where: dict[str, Any], within: float | None) -> Iterator[_Seen]:
    """The open runs, look after look; one that has left the list as it was when it had ended.

    Raises `WaitTimeout` naming a run that is still open.
    """
    from squidie.views.listing import MOST
    from squidie.views.paging import pages

    squidie, began, before = reading.setup.on_journal(), time.monotonic(), set[UUID]()
    while True:
        found = pages(lambda cursor: squidie.list_runs(**where, limit=MOST, after=cursor))
        rows = {row.id: row for page in found for row in page.runs}
        yield from (_ended(reading, run_id) for run_id in sorted(before - rows.keys()))
        for row in map(reading.see, rows.values()):
            yield _Seen(row.id, row.short_id, row.workflow, row.status, row.state, row.revision, row.where)
        if not rows:
            return
        before = set(rows)
        if within is not None and time.monotonic() - began >= within:
            raise WaitTimeout(next(iter(rows)), within)
        time.sleep(LOOK_EVERY)


def _ended(reading: Reading, run_id: UUID) -> _Seen:
    from squidie.views.snapshot import inspect_run

    run = reading.see(inspect_run(reading.setup.journal(), run_id))
    return _Seen(run.id, run.short_id, run.workflow, run.status, run.state, run.revision, run.headline)


def _say(reading: Reading, seen: _Seen) -> None:
    if reading.as_json:
        click.echo(msgspec.json.encode({"schema": "squidie.watch/1", **msgspec.to_builtins(seen)}).decode())
        return
    told = f"{escape(seen.workflow)} {seen.short_id}  {escape(seen.where)}"
    reading.screen.print(f"{reading.screen.badge(seen.state, _WORD)}  {told}".rstrip())


def _one(reading: Reading, terms: tuple[str, ...]) -> UUID | None:
    """The run that a single term names; None for a query, of which a workflow's name is one."""
    if len(terms) != 1 or ":" in terms[0]:
        return None
    try:
        return reading.setup.find(terms[0])
    except (RunNotFound, InvalidArgument) as error:
        if not terms[0].isidentifier() or error.hint or terms[0] not in _workflows(reading):
            raise
        return None


def _workflows(reading: Reading) -> set[str]:
    return set(reading.setup.on_journal().registry.workflows)


def _where(reading: Reading, terms: tuple[str, ...]) -> dict[str, Any]:
    options: dict[str, Any] = {"workflow": None, "status": (), "is_open": True, "since": None}
    where = query_of(terms, options, reading.attribute_types)
    if "since" in where:
        where["since"] = moment(reading.setup, where["since"], past=True)
    return where


def _seconds(timeout: str | None) -> float | None:
    from squidie.workflow.durations import seconds

    try:
        return seconds(timeout) if timeout is not None else None
    except ValueError as error:
        raise InvalidArgument("--timeout", str(error)) from None
