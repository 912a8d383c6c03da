"""Events and spans: what there is to be told, and the few words that may be said of each.

One event for each kind of fact, by a rule (`attempt_failed` is `attempt.failed`), and those of `OTHERS`. A span is an
event that took time. What is said is names of the graph and members of enumerations, never what somebody has written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from squidie.telemetry.traces import Trace

LONGEST = 255
"""Bytes of a value, at most."""

_WIDEST = 4
"""Bytes of a character, at most."""

ATTRIBUTES: Mapping[str, str] = {
    "workflow": "the workflow's name",
    "step": "the step, by its name in the graph; of a mapped step without the item",
    "queue": "where the work is, or was, due",
    "trigger": "what the run was started by",
    "kind": "what a claim is on: `step` or `compensation`",
    "outcome": "how it ended",
    "error": "the kind of a failure, as recorded: `step_raised`, `timed_out`, ...",
    "disposition": "what came of a failure: `retried`, `routed`, `parked`, `tolerated`, `fatal`",
    "reason": "why, where there is a closed list of reasons",
    "compensation": "how the undo went",
    "cause": "why a run is undone",
    "pause": "what a person is asked for",
    "decision": "how a question was answered",
    "then": "what happens when nobody answers in time",
    "action": "what a missed deadline does",
    "verb": "what was asked",
    "code": "the code of the error with which it was refused",
}
"""All that an event may say, and what it means. Ids, keys, actors, comments, payloads and messages are not among it."""

MEASURES: Mapping[str, str] = {
    "seconds": "how long it took; of `claim.taken` how long the attempt had been due",
    "claimed": "attempts that the turn has taken",
    "settled": "outcomes that were taken",
    "expired": "claims that were ended because their lease was over",
    "timers": "timers that were settled",
}
"""All that an event may measure."""

OTHERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "claim.taken": (
        "A worker has taken an attempt.",
        ("workflow", "step", "queue", "kind", "seconds"),
    ),
    "claim.renewed": ("A claim goes on.", ("step", "queue", "kind")),
    "claim.revived": ("The same, though its lease was over already: nobody had ended it.", ("step", "queue", "kind")),
    "claim.refused": ("An outcome was not taken: its claim no longer counted.", ("step", "code")),
    "claim.erased": ("The same, since a crash of the database has erased the claim.", ("step", "code")),
    "bell.rung": ("A bell was sent for a queue.", ("queue",)),
    "bell.failed": ("A bell could not be sent; it is tried again.", ("queue",)),
    "command.refused": ("A request was refused; nothing was written.", ("verb", "code")),
}
"""Events that are no facts: what each means, and what it says."""

SPANS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "command": (
        "A verb, from the call to the commit.",
        ("verb", "outcome", "code"),
    ),
    "run": ("A run, from its start to its end.", ("workflow", "outcome", "error")),
    "step": (
        "A claim of a step, from the call of its code to its outcome.",
        ("workflow", "step", "kind", "outcome", "error"),
    ),
    "turn": ("A worker answers a bell.", ("claimed", "settled")),
    "settle": ("Outcomes become facts, in one commit.", ("settled",)),
    "sweep": ("A look for what a crash or a lost bell has left.", ("expired", "timers")),
    "tick": ("Cron windows that were due are opened.", ()),
}
"""What takes time. All of them have `seconds`."""

COMMANDS = ("accepted", "repeated", "refused", "failed")
"""The outcomes of a command: `failed` is neither an answer nor a refusal, such as a journal that is away."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has happened, and stays so.

    `attributes` are words of `ATTRIBUTES`, of low cardinality, each at most 255 bytes; `measures` are numbers of
    `MEASURES`. `at` is the database's time, where the journal knows of it. `run_id`, `step` and `attempt` say what it
    is about and `trace` where it belongs: for traces and error reports, not for the labels of a metric. `began` and
    `ended`, in nanoseconds since 1970, are those of a span.
    """

    name: str
    attributes: Mapping[str, str] = {}
    measures: Mapping[str, float] = {}
    at: datetime | None = None
    run_id: UUID | None = None
    attempt: int | None = None
    trace: Trace | None = None
    began: int = 0
    ended: int = 0

    @property
    def is_span(self) -> bool:
        """Whether it took time."""
        return self.name in SPANS


def name_of(kind: str) -> str:
    """The event of a kind of fact: `attempt_dead_lettered` is `attempt.dead_lettered`."""
    return kind.replace("_", ".", 1)


def cut(value: str) -> str:
    """At most 255 bytes of it, in whole characters."""
    if len(value) * _WIDEST <= LONGEST:
        return value
    return value.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")
