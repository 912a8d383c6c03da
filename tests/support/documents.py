"""What `--json` prints, as JSON Schema: made from the types of the views, so that it cannot say anything else.

Every field of a view may be absent, since a scope hides what it hides; nothing that is not listed may be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from squidie.cli.checks.patient import Severity
from squidie.cli.watch import _Seen
from squidie.engine.backfill import Backfill
from squidie.engine.fires import Moment, Shown
from squidie.engine.operating import LimitState
from squidie.engine.replaying import Preview
from squidie.engine.retention import RetentionPlan, RetentionReport
from squidie.engine.verifying import Verification
from squidie.journal.queues import Pause
from squidie.views.bundle import Bundle
from squidie.views.catalogue import Catalogue, WorkflowView
from squidie.views.explain import Explanation
from squidie.views.facts import FactView
from squidie.views.fleet import QueueView, WorkerView
from squidie.views.graph import RunGraph
from squidie.views.letters import Letter, LetterGroups, LetterPage
from squidie.views.listing import RunPage
from squidie.views.shown import SHOWN, Kind
from squidie.views.snapshot import RunSnapshot
from squidie.views.status import Status
from squidie.views.stranded import StrandedRuns
from squidie.views.stuck import StuckRuns
from squidie.views.tailing import TailedFact
from squidie.views.timeline import TimelineEvent
from squidie.workflow.difference import Difference
from squidie.workflow.issues import Issue


class Document(NamedTuple):
    """A document by its commands: the view that it is, and what else stands in it."""

    commands: str
    view: Any = None
    more: Mapping[str, Any] = MappingProxyType({})


class Checked(msgspec.Struct):
    """One check of doctor: what it found, and what mends it."""

    id: str
    severity: Severity
    evidence: str
    fix: str | None


class Validated(msgspec.Struct):
    """A workflow, and everything that is wrong with it."""

    name: str
    issues: tuple[Issue, ...]


class TakenStep(msgspec.Struct):
    """A dead letter that was taken in hand; a refused one has its error."""

    run_id: str
    step: str
    goes_on_in: str | None = None
    error: dict[str, Any] | None = None


VERBS = ("approve", "reject", "resume", "delegate", "signal", "retry", "replay", "fork")
RUN = {"graph": Any, "timeline": tuple[TimelineEvent, ...], "journal": tuple[FactView, ...]}
COMMANDED = {"id": str, "short_id": str, "revision": int, "state": str, "actor": Any, "headline": str}
STARTED = {"id": str, "short_id": str, "created": bool}
LETTER = {"verb": str, "matched": int, "done": list[TakenStep], "refused": list[TakenStep]}

DOCUMENTS: dict[str, Document] = {
    "squidie.status/1": Document("status", Status),
    "squidie.runs/1": Document("ls", RunPage),
    "squidie.run/1": Document("show, run, watch of one run, a line each change", RunSnapshot, RUN),
    "squidie.explanation/1": Document("explain", Explanation),
    "squidie.explanations/1": Document("explain --stuck", StuckRuns),
    "squidie.watch/1": Document("watch of many runs, a line each change", _Seen),
    "squidie.fact/1": Document("tail, a line each fact", TailedFact),
    "squidie.graph/1": Document("graph", RunGraph),
    "squidie.workflows/1": Document("workflows ls", Catalogue),
    "squidie.workflow/1": Document("workflows show", WorkflowView, {"graph": Any}),
    "squidie.validation/1": Document("workflows validate", None, {"ok": bool, "workflows": list[Validated]}),
    "squidie.difference/1": Document(
        "workflows diff", None, {"workflow": str, "before": str, "after": str, "difference": Difference}
    ),
    "squidie.bundle/1": Document("export", Bundle, {"scope": str}),
    "squidie.verification/1": Document("verify", Verification, {"ok": bool}),
    "squidie.check/1": Document("check", StrandedRuns, {"ok": bool}),
    "squidie.doctor/1": Document("doctor", None, {"ok": bool, "checks": list[Checked]}),
    "squidie.queues/1": Document("queues ls", None, {"queues": tuple[QueueView, ...], "at": str}),
    "squidie.queue.changed/1": Document("queues pause, resume", None, {"name": str, "paused": Pause | None}),
    "squidie.workers/1": Document("workers ls", None, {"workers": tuple[WorkerView, ...], "at": str}),
    "squidie.limits/1": Document("limits ls", None, {"limits": tuple[LimitState, ...], "at": str}),
    "squidie.limit.changed/1": Document("limits set, unset", LimitState),
    "squidie.dead/1": Document("dead ls", LetterPage),
    "squidie.dead.groups/1": Document("dead groups", LetterGroups),
    "squidie.dead.letter/1": Document("dead show", Letter),
    "squidie.dead.taken/1": Document("dead requeue, discard", None, LETTER),
    "squidie.schedules/1": Document("schedules ls", None, {"schedules": tuple[Shown, ...]}),
    "squidie.schedule/1": Document("schedules show", Shown),
    "squidie.schedule.next/1": Document("schedules next", None, {"next": tuple[Moment, ...]}),
    "squidie.schedule.changed/1": Document("schedules create, change, …", None, {"name": str, "state": str}),
    "squidie.backfill/1": Document("schedules backfill", Backfill),
    "squidie.sync/1": Document("schedules sync", None, {"changed": dict[str, str]}),
    "squidie.start/1": Document("start, schedules run-now", None, STARTED),
    "squidie.start_many/1": Document("start of a file of many", None, {"started": Any, "existed": Any, "errors": Any}),
    "squidie.cancel/1": Document("cancel", None, {"cancelled": list[str]}),
    "squidie.archive/1": Document("archive", None, {"archived": list[str]}),
    "squidie.unarchive/1": Document("unarchive", None, {"unarchived": list[str]}),
    "squidie.replay_preview/1": Document("replay --preview, fork --preview", Preview),
    **{f"squidie.{verb}/1": Document(verb, None, COMMANDED) for verb in VERBS},
    "squidie.retention.plan/1": Document("gc", RetentionPlan),
    "squidie.retention.report/1": Document("gc --apply, --now", RetentionReport),
    "squidie.migrate/1": Document(
        "migrate", None, {"database_schema": str, "before": str | None, "after": str | None, "wanted": str}
    ),
    "squidie.version/1": Document("version", None, {"versions": dict[str, str]}),
}
ERROR = {"code": str, "message": str, "hint": str | None, "details": dict[str, Any], "retryable": bool}

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas():
    """All of them, with what they share."""
    types: dict[str, Any] = {}
    for name, document in DOCUMENTS.items():
        types |= {f"{name}#{field}": hint for field, hint in document.more.items()}
        if document.view is not None:
            types[name] = document.view
    types |= {f"error#{field}": hint for field, hint in ERROR.items()}
    made, shared = msgspec.json.schema_components(list(types.values()), ref_template="#/$defs/{name}")
    by_name = dict(zip(types, made, strict=True))
    return {
        "$schema": DIALECT,
        "title": "What squidie --json prints",
        "documents": {name: _document(name, document, by_name, shared) for name, document in DOCUMENTS.items()},
        "error": _object({field: by_name[f"error#{field}"] for field in ERROR}, required=sorted(ERROR)),
        "$defs": {name: _definition(name, each) for name, each in sorted(shared.items())},
    }


def _document(name, document, by_name, shared):
    fields = {"schema": {"const": name}}
    if document.view is not None:
        fields |= _definition(document.view.__name__, shared[document.view.__name__])["properties"]
    fields |= {field: by_name[f"{name}#{field}"] for field in document.more}
    return {"description": f"squidie {document.commands}", **_object(fields, required=["schema"])}


def _object(fields, required):
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


KINDS = {view.__name__: kinds for view, kinds in SHOWN.items()}


def _definition(name, schema):
    """A view's fields, each of them optional. What holds values of payloads may hold what they are like instead."""
    if "properties" not in schema:
        return schema
    kinds = KINDS.get(name, {})
    free = {field for field, kind in kinds.items() if kind in (Kind.DATA, Kind.BODY)}
    fields = {field: {} if field in free else each for field, each in schema["properties"].items()}
    rest = {key: value for key, value in schema.items() if key not in ("required", "properties", "title")}
    return {**rest, "properties": fields, "additionalProperties": False}


# ---------------------------------------------------------------- judging a document
def problems(value, schema, root, at="$"):
    """What is wrong with a value, each with its path; as much of JSON Schema as msgspec writes."""
    if "$ref" in schema:
        return problems(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
    if "anyOf" in schema:
        found = [problems(value, each, root, at) for each in schema["anyOf"]]
        return [] if [] in found else min(found, key=len)
    known = schema.get("enum", [schema["const"]] if "const" in schema else [value])
    if value not in known or not _is(value, schema.get("type")):
        return [f"{at}: {value!r} is not of {schema.get('type', known)}"]
    if isinstance(value, dict):
        return _of_object(value, schema, root, at)
    items = value if isinstance(value, list) else []
    inner = schema.get("items") or {}
    return [each for n, item in enumerate(items) for each in problems(item, inner, root, f"{at}[{n}]")]


def _of_object(value, schema, root, at):
    known = schema.get("properties", {})
    other = schema.get("additionalProperties", True)
    found = [f"{at}.{name}: is not there" for name in schema.get("required", ()) if name not in value]
    for name, each in value.items():
        if name in known:
            found += problems(each, known[name], root, f"{at}.{name}")
        elif other is False:
            found.append(f"{at}.{name}: is not listed")
        elif isinstance(other, dict):
            found += problems(each, other, root, f"{at}.{name}")
    return found


_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
          "null": type(None)}  # fmt: skip


def _is(value, kind):
    if kind is None or isinstance(value, bool):
        return kind in (None, "boolean")
    return isinstance(value, _TYPES[kind])
