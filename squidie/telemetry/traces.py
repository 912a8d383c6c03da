"""Where a run stands in a trace: ids as W3C Trace Context has them, derived from run, step and attempt.

The same history has the same ids, whoever derives them: so a retry, and a worker on another machine, go on in the trace
in which the run was started, and nothing has to be carried along but the `traceparent` of whoever started it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_FIRST_VERSION = "00"
_PLAIN_LENGTH = 55


class Trace(NamedTuple):
    """A span's ids, in hexadecimal digits.

    `parent_id` is None for the first of its trace. `links` are other spans that have to do with it, as pairs of trace
    and span.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    is_sampled: bool = True
    links: tuple[tuple[str, str], ...] = ()

    @property
    def traceparent(self) -> str:
        """The header of that name, with which others go on below this span."""
        return f"{_FIRST_VERSION}-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


def parsed(traceparent: str) -> Trace | None:
    """The span that a `traceparent` names; None where it is none, which is then to be ignored."""
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None or (traceparent.startswith(_FIRST_VERSION) and len(traceparent) != _PLAIN_LENGTH):
        return None
    trace_id, span_id, flags = found.groups()
    return Trace(trace_id, span_id, is_sampled=bool(int(flags, 16) & 1))


def of_run(run_id: UUID, traceparent: str | None = None) -> Trace:
    """The span of a run: below the span of whoever started it, where there was one, else the first of its own trace."""
    host = parsed(traceparent) if traceparent is not None else None
    drawn = _digest(run_id.hex)
    if host is None:
        return Trace(drawn[:32], drawn[32:48])
    return Trace(host.trace_id, drawn[32:48], host.span_id, host.is_sampled)


def of_attempt(run_id: UUID, step: str, attempt: int, run: Trace, *, base: int = 0) -> Trace:
    """The span of an attempt, below its run's, linked to the one before it.

    `base` attempts were made before the step was requeued: there another chain begins.
    """
    before = ((run.trace_id, _attempt_id(run_id, step, attempt - 1)),) if attempt > base + 1 else ()
    return Trace(run.trace_id, _attempt_id(run_id, step, attempt), run.span_id, run.is_sampled, before)


def of_claim(run_id: UUID, step: str, attempt: int, claim_id: UUID | str, run: Trace) -> Trace:
    """The span of a claim that has not ended its attempt: it was given back, lost, or the step asked to be deferred.

    It is linked to the attempt, whose own span comes when it ends.
    """
    links = ((run.trace_id, _attempt_id(run_id, step, attempt)),)
    own = _digest(f"{run_id.hex}/{step}/{attempt}/{claim_id}")[:16]
    return Trace(run.trace_id, own, run.span_id, run.is_sampled, links)


def _attempt_id(run_id: UUID, step: str, attempt: int) -> str:
    return _digest(f"{run_id.hex}/{step}/{attempt}")[:16]


def _digest(said: str) -> str:
    """64 digits, no part of which is all zero but by a chance that does not come."""
    return sha256(said.encode()).hexdigest()
