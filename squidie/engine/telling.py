"""What this process tells whoever listens, and when: after the commit, ours or the host's.

Everything that happens in a transaction of ours is told when it has committed, in the thread that did it; in a host's,
see `squidie.engine.hosted`. Refusals write nothing, so they are told at once. Where nobody listens, `on` is false, and
that is all it costs.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from squidie.engine import ids
from squidie.engine.hosted import Group, Hosted
from squidie.engine.reported import Report, Times, kind_of, step_of, trace_of
from squidie.errors import Refused
from squidie.telemetry import Event, Handlers, Trace, of_run, parsed
from squidie.telemetry.events import cut

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.engine.batch import Verdict
    from squidie.engine.claim import Work
    from squidie.history.attempts import OpenAttempt
    from squidie.history.run import Run
    from squidie.journal.store import Journal

MOST_RAN = 4096
"""Measured times that are kept until their outcomes are told; refused ones never are."""

MOST_LINKS = 32
"""Runs that the span of a command is linked to; one may start thousands."""

_ABOVE: ContextVar[Trace | None] = ContextVar("squidie_above", default=None)
_COMMAND: ContextVar[Command | None] = ContextVar("squidie_command", default=None)


class Span:
    """Something that takes time, in this process; `measures` and `attributes` are told with it."""

    def __init__(self, name: str, trace: Trace) -> None:
        self.name = name
        self.trace = trace
        self.attributes: dict[str, str] = {}
        self.measures: dict[str, float] = {}
        self.began = time.time_ns()

    def event(self) -> Event:
        """It has ended."""
        ended = max(self.began, time.time_ns())
        measures = {**self.measures, "seconds": (ended - self.began) / 1e9}
        return Event(
            name=self.name,
            attributes=self.attributes,
            measures=measures,
            trace=self.trace,
            began=self.began,
            ended=ended,
        )


class Command(Span):
    """A verb that is being answered; in a host's transaction it is told with the first fact it caused."""

    def __init__(self, verb: str, trace: Trace) -> None:
        super().__init__("command", trace)
        self.attributes = {"verb": verb, "outcome": "accepted"}
        self.group: Group | None = None

    def concerns(self, run: Trace) -> None:
        """A run that it has changed."""
        links, link = self.trace.links, (run.trace_id, run.span_id)
        if len(links) < MOST_LINKS and link not in links:
            self.trace = self.trace._replace(links=(*links, link))


class Telling:
    """One process's telemetry. Made anew in a forked child."""

    def __init__(self, handlers: Handlers, journal: Journal) -> None:
        handlers.renew()
        self.handlers = handlers
        self.on = handlers.on
        self._journal = journal
        self._hosted = Hosted(journal, handlers.tell)
        self._ran: dict[str, Times] = {}

    def close(self) -> None:
        """Tell what a host has committed just now."""
        self._hosted.close()

    # ---- facts

    def facts(self, connection: Connection, verdicts: Sequence[Verdict], host: Any) -> None:
        """Within the transaction that writes them: what is to be told of these verdicts once it has committed."""
        groups = self._all_groups(verdicts)
        if not groups:
            return
        command = _COMMAND.get()
        events = [event for group in groups for event in group.events]
        if self._journal.after_commit(connection, partial(self.handlers.tell, events)):
            return
        self._hosted.wait(host if host is not None else connection, groups)
        if command is not None:
            command.group = groups[0]

    def written(self, verdicts: Sequence[Verdict]) -> None:
        """These facts have been committed just now, by the statement that wrote them."""
        if groups := self._all_groups(verdicts):
            self.handlers.tell([event for group in groups for event in group.events])

    def _all_groups(self, verdicts: Sequence[Verdict]) -> list[Group]:
        if not self.on:
            return []
        try:
            groups = [group for verdict in verdicts if verdict.error is None for group in self._groups(verdict)]
        except Exception as error:  # noqa: BLE001 - whatever cannot be told, it must be written
            self.handlers.note(error)
            return []
        command = _COMMAND.get()
        if command is not None:
            for verdict in verdicts:
                if verdict.run is not None and verdict.facts and verdict.created:
                    command.concerns(of_run(verdict.command.run_id, verdict.run.trace))
        return groups

    def _groups(self, verdict: Verdict) -> Iterator[Group]:
        run, run_id = verdict.run, verdict.command.run_id
        if run is None or run.at is None or not verdict.created:
            return
        report = Report(run_id, run, run.at, self._ran)
        first = run.revision - len(verdict.facts) + 1
        for seq, (fact, digest) in enumerate(zip(verdict.facts, verdict.hashes, strict=True), first):
            group = Group(run_id, seq, digest)
            group.events = list(report.events(fact))
            claim = getattr(fact, "claim", None)
            if claim is not None:
                self._ran.pop(claim.id, None)
            yield group

    def ran(self, row: OpenAttempt, times: Times) -> None:
        """The code of this claim has run; its outcome is to be told later, perhaps."""
        if self.on and row.lease is not None:
            if len(self._ran) >= MOST_RAN:
                self._ran.clear()
            self._ran[str(row.lease.claim_id)] = times

    # ---- claims and bells

    def taken(self, work: Sequence[Work]) -> None:
        """Claims that this process holds from now on."""
        if self.on and work:
            self.handlers.tell([_taken(each.holding.row, each.run) for each in work])

    def renewed(self, rows: Sequence[OpenAttempt], revived: Collection[UUID]) -> None:
        """Claims that go on; some whose lease was over."""
        if self.on:
            for row in rows:
                is_revived = row.lease is not None and row.lease.claim_id in revived
                names = ("claim.renewed", "claim.revived") if is_revived else ("claim.renewed",)
                self.handlers.tell([_of_claim(name, row) for name in names])

    def not_taken(self, name: str, command: Any, code: str) -> None:
        """The outcome of a claim counts no more: `claim.refused`, or `claim.erased`."""
        if self.on:
            said = {"step": step_of(command.step), "code": code}
            self.handlers.tell([Event(name=name, attributes=said, run_id=command.run_id, attempt=command.attempt)])

    def bells(self, queues: Collection[str], *, rung: bool) -> None:
        """Bells were sent, or could not be."""
        if self.on:
            name = "bell.rung" if rung else "bell.failed"
            self.handlers.tell([Event(name=name, attributes={"queue": cut(queue)}) for queue in queues])

    # ---- what takes time

    def span(self, name: str, **measures: float) -> AbstractContextManager[Span | None]:
        """A turn, a settle, a sweep or a tick; told when it has ended well."""
        return self._span(name, measures) if self.on else nullcontext()

    @contextmanager
    def _span(self, name: str, measures: dict[str, float]) -> Iterator[Span]:
        span = Span(name, self._below())
        span.measures = measures
        token = _ABOVE.set(span.trace)
        try:
            yield span
        finally:
            _ABOVE.reset(token)
        self.handlers.tell([span.event()])

    @contextmanager
    def command(self, verb: str, *, is_whole: bool = True) -> Iterator[None]:
        """A verb: told when it was answered, or with what it has written in a host's transaction."""
        if not self.on:
            yield
            return
        command = Command(verb, self._below())
        tokens = _COMMAND.set(command), _ABOVE.set(command.trace)
        try:
            yield
        except BaseException as error:
            is_refused = isinstance(error, Refused)
            command.attributes["outcome"] = "refused" if is_refused else "failed"
            if isinstance(error, Refused):
                command.attributes["code"] = error.code
                self.refused(verb, error)
            command.group, is_whole = None, True
            raise
        finally:
            _COMMAND.reset(tokens[0])
            _ABOVE.reset(tokens[1])
            if command.group is not None:
                command.group.events.append(command.event())
            elif is_whole:
                self.handlers.tell([command.event()])

    def refused(self, verb: str, error: Refused) -> None:
        """A request was refused; nothing was written."""
        if self.on:
            self.handlers.tell([Event(name="command.refused", attributes={"verb": verb, "code": error.code})])

    def repeated(self) -> None:
        """The command that is being answered was answered before."""
        command = _COMMAND.get()
        if command is not None:
            command.attributes["outcome"] = "repeated"

    def _below(self) -> Trace:
        """A new span, below the one of ours that is open, or the host's, or at the beginning of a trace."""
        above = _ABOVE.get() or parsed(self.handlers.traceparent() or "")
        if above is None:
            return Trace(ids.trace_id(), ids.span_id())
        return Trace(above.trace_id, ids.span_id(), above.span_id, above.is_sampled)

    # ---- traces

    def traceparent(self) -> str | None:
        """Where the calling code stands in a trace of its own, as a handler knows."""
        found = self.handlers.traceparent() if self.on else None
        return found if found is not None and parsed(found) is not None else None

    def during(self, row: OpenAttempt, run: Run) -> AbstractContextManager[None]:
        """Around a step's code: its span is the current one there."""
        return self._during(trace_of(*row.key, run)) if self.handlers.surround else nullcontext()

    @contextmanager
    def _during(self, trace: Trace) -> Iterator[None]:
        token = _ABOVE.set(trace)
        try:
            with self.handlers.during(trace):
                yield
        finally:
            _ABOVE.reset(token)


def _taken(row: OpenAttempt, run: Run) -> Event:
    waited = (row.lease.claimed_at - row.due_at).total_seconds() if row.lease is not None else 0.0
    said = {"workflow": cut(run.workflow), **_about(row)}
    measures = {"seconds": max(0.0, waited)}
    return Event(name="claim.taken", attributes=said, measures=measures, run_id=row.run_id, attempt=row.attempt)


def _of_claim(name: str, row: OpenAttempt) -> Event:
    return Event(name=name, attributes=_about(row), run_id=row.run_id, attempt=row.attempt)


def _about(row: OpenAttempt) -> dict[str, str]:
    return {"step": step_of(row.step), "queue": cut(row.queue), "kind": kind_of(row.step)}
