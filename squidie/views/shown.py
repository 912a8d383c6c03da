"""The lists of what is shown: for each view, each of its fields, and of which kind it is.

What is not listed is hidden from everybody. A new field is added here when somebody has thought about who may see it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from squidie.history.bodies import Origin
from squidie.journal.queues import Pause
from squidie.views.attempts import AttemptView
from squidie.views.blockers import Action, Next
from squidie.views.bundle import Bundle, RawFact, Unreadable
from squidie.views.catalogue import Catalogue, DefinitionView, WorkflowView
from squidie.views.commands import AcceptedCommand
from squidie.views.deadlines import DeadlineView
from squidie.views.explain import Blocker, Explanation
from squidie.views.facts import FactView
from squidie.views.fleet import Consumer, Counts, Fleet, PartitionCounts, QueueView, WorkerView
from squidie.views.graph import GraphEdge, GraphNode, RunGraph
from squidie.views.letters import Letter, LetterGroup, LetterGroups, LetterPage
from squidie.views.listing import RunPage
from squidie.views.rows import RunRow
from squidie.views.snapshot import RunSnapshot, TimerView, UndoView
from squidie.views.status import EndCount, ScheduleGlance, StateCount, Status
from squidie.views.steps import ParkedView, StepView, VoteView, WaitView
from squidie.views.stranded import StrandedGroup, StrandedRuns
from squidie.views.stuck import StuckGroup, StuckRuns
from squidie.views.tailing import TailedFact
from squidie.views.timeline import TimelineEvent

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """What a field holds, by which `squidie.views.visibility` decides how each scope sees it."""

    OPEN = "open"
    HEADLINE = "headline"
    ERROR = "error"
    COUNTED = "counted"
    EVIDENCE = "evidence"
    INNER = "inner"
    RECEIPT = "receipt"
    DATA = "data"
    BODY = "body"
    TRACED = "traced"


def _kinds(
    *,
    open: str = "",  # noqa: A002 - the kind's name
    counted: str = "",
    inner: str = "",
    **others: Kind,
) -> Mapping[str, Kind]:
    """The kinds of these fields: names in a row for the usual kinds, one by one for the others."""
    usual = {Kind.OPEN: open, Kind.COUNTED: counted, Kind.INNER: inner}
    return {name: kind for kind, names in usual.items() for name in names.split()} | others


_COUNTS = "due scheduled claimed expired parked dead oldest_due_at"

SHOWN: Mapping[type, Mapping[str, Kind]] = {
    RunSnapshot: _kinds(
        open="id short_id workflow version definition trigger replay_of forked_from status state reason started_at "
        "ended_at archived revision facts compensation undo deadline steps timers commands at",
        headline=Kind.HEADLINE,
        counted="queue anomalies",
        inner="key partition starter priority attributes",
        payload=Kind.DATA,
        output=Kind.DATA,
        error=Kind.ERROR,
    ),
    Origin: _kinds(open="run step seq"),
    TimerView: _kinds(open="name due_at"),
    UndoView: _kinds(open="cause step done total", inner="reason", error=Kind.ERROR),
    DeadlineView: _kinds(open="status due_at due_soon_at", counted="escalates_at then"),
    StepView: _kinds(
        open="name kind state reason due_at claimed_at waits deadline parked undone tolerated carried effects "
        "settled_at after",
        counted="action queue attempt max_attempts claims lost owner lease_until usual times_out_at deferrals",
        inner="deferred_because",
        error=Kind.ERROR,
        output=Kind.DATA,
    ),
    WaitView: _kinds(
        open="since due_at decision", counted="then quorum event", inner="role votes exclude correlation by"
    ),
    VoteView: _kinds(open="decision at", inner="actor comment"),
    ParkedView: _kinds(open="since", counted="attempts go_on"),
    AcceptedCommand: _kinds(
        open="seq at fact verb",
        inner="key actor comment source request_id",
        metadata=Kind.DATA,
        digest=Kind.TRACED,
    ),
    RunPage: _kinds(open="runs next at"),
    RunRow: _kinds(
        open="id short_id workflow version trigger status state done steps started_at updated_at ended_at archived "
        "revision",
        where=Kind.HEADLINE,
        counted="queue",
        inner="key priority attributes",
    ),
    FactView: _kinds(open="seq at kind step attempt", inner="summary by hash"),
    TailedFact: _kinds(open="seq at kind step attempt run_id short_id workflow", inner="summary by hash"),
    TimelineEvent: _kinds(open="seq at kind step attempt", inner="summary by"),
    RunGraph: _kinds(open="workflow version definition run_id short_id state revision nodes edges current"),
    GraphNode: _kinds(
        open="id kind state reason current manual waits deadline recovery compensation irreversible tolerated carried",
        counted="action attempt max_attempts attempts",
        input=Kind.DATA,
        output=Kind.DATA,
        error=Kind.ERROR,
    ),
    GraphEdge: _kinds(open="id source target on status fallback recovery", inner="when"),
    AttemptView: _kinds(open="id outcome seq claimed_at ended_at due_at", counted="attempt owner", error=Kind.ERROR),
    Explanation: _kinds(
        open="run_id short_id workflow status revision state code blockers next at",
        headline=Kind.HEADLINE,
        inner="actions",
        evidence=Kind.EVIDENCE,
    ),
    Blocker: _kinds(open="code step since next", headline=Kind.HEADLINE, inner="who actions", evidence=Kind.EVIDENCE),
    Next: _kinds(open="what at"),
    Action: _kinds(inner="verb command"),
    StuckRuns: _kinds(open="groups open at"),
    StuckGroup: _kinds(open="code runs since examples", headline=Kind.HEADLINE, inner="subject"),
    StrandedRuns: _kinds(open="groups open unreadable at"),
    StrandedGroup: _kinds(open="workflow version definition step runs since examples", counted="action", inner="why"),
    Status: _kinds(open="open looked_at states ended waiting workers beats lost queues schedules dead_letters at"),
    StateCount: _kinds(open="state runs"),
    EndCount: _kinds(open="status runs"),
    ScheduleGlance: _kinds(open="name next_at late"),
    Catalogue: _kinds(open="workflows at"),
    WorkflowView: _kinds(
        open="name version is_declared steps runs open last_at definitions",
        counted="queues",
        inner="description triggers",
    ),
    DefinitionView: _kinds(open="definition version is_declared kept_at last_at runs open"),
    Bundle: _kinds(open="run explanation graph timeline facts unreadable at", inner="versions"),
    Unreadable: _kinds(open="name code", inner="message"),
    RawFact: _kinds(open="seq at kind step attempt", inner="summary by hash", body=Kind.BODY),
    Letter: _kinds(
        open="run_id short_id step workflow reason code first_failed_at at closed_at closed_as",
        counted="attempt queue claims owner requeues_in",
        inner="partition fingerprint closed_why",
        error=Kind.ERROR,
        closed_by=Kind.RECEIPT,
    ),
    LetterPage: _kinds(open="letters next at"),
    LetterGroup: _kinds(
        open="first_at last_at newest workflow step reason code",
        counted="count",
        inner="fingerprint type origin message",
    ),
    LetterGroups: _kinds(open="groups at"),
    Fleet: _kinds(open="workers queues at", counted="dead_letters"),
    WorkerView: _kinds(
        open="role state started_at seen_at left_at",
        counted="owner queues callables version code_version delivery slots busy claims bell_ok_at bell_failed_at",
        inner="host pid boot",
    ),
    Counts: _kinds(open=_COUNTS),
    PartitionCounts: _kinds(open=_COUNTS, inner="partition"),
    Consumer: _kinds(open="seen_at", counted="owner"),
    QueueView: _kinds(open=_COUNTS, counted="name consumers last_consumer unserved", inner="partitions paused"),
    Pause: _kinds(open="since", counted="queue", inner="by reason"),
}
"""By type. A test holds it against every view there is."""

EVIDENCE: Mapping[str, Kind] = _kinds(
    open="since due_at until next_at seq ended_at settled_at sources compensation cause definition undoes",
    counted="attempt attempts max_attempts claims lost deferrals votes quorum done total ahead busy slots used n per "
    "event queue callable workers elsewhere last_consumer owner lease_until usual idle last_bell_ok anomalies limit "
    "rate holders",
    inner="role correlation by reason",
    error=Kind.ERROR,
)
"""By key, whatever it is evidence of. A test holds it against every answer there is."""

RECEIPT: Mapping[str, Kind] = SHOWN[AcceptedCommand]
"""Of a receipt that a view holds as data; of each name what the view of a command shows."""
