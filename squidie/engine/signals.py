"""Commands as data: what a queue, a webhook or another language can carry, JSON both ways.

    signal_from({"type": "cancel_run", "run_id": "…", "reason": "refunded", "actor": "ann"})

Each stands for one verb and has its arguments by name, so that applying it is calling the verb. `subject` may repeat
what it is about, the run or the workflow, and must then agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec

from squidie.errors import InvalidSignal

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
LATER = ("start_spec", "migrate_run", "continue_run")
"""What other versions know, and this one does not."""

FORGED = ("by", "request_id", "digest")
"""What only the journal says of a command; in a signal it is passed over."""

_PLACE = re.compile(r" - at `\$\.?(?P<field>\w+).*`\Z")


class _Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every signal has."""

    verb: ClassVar[str] = ""
    about: ClassVar[str] = "run_id"

    subject: str | None = None
    actor: Any = None

    def arguments(self) -> dict[str, Any]:
        """What the verb is called with."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        del given["subject"]
        return given

    def to_json(self) -> bytes:
        """The signal as JSON; `signal_from` reads it."""
        return msgspec.json.encode(self, order="sorted")


class _Keyed(_Signal, frozen=True, kw_only=True):
    """One that can be repeated under its key."""

    metadata: dict[str, Any] | None = None
    key: str | None = None
    source: str | None = None


class _OnRun(_Keyed, frozen=True, kw_only=True):
    """A signal to a run that exists."""

    run_id: UUID


class _Commented(_OnRun, frozen=True, kw_only=True):
    """One that takes a comment, too."""

    comment: str | None = None


class StartRun(_Keyed, frozen=True, kw_only=True, tag="start_run"):
    """Calls `start`."""

    verb: ClassVar[str] = "start"
    about: ClassVar[str] = "workflow"

    workflow: str
    payload: Any = None
    trigger: str | None = None
    run_id: UUID | None = None
    queue: str | None = None
    priority: int = 100
    partition: str | None = None
    at: Moment | None = None
    after: float | str | None = None
    attributes: dict[str, Any] | None = None


class StartCron(_Signal, frozen=True, kw_only=True, tag="start_cron"):
    """Calls `start_cron`."""

    verb: ClassVar[str] = "start_cron"
    about: ClassVar[str] = "workflow"

    workflow: str
    trigger: str | None = None
    signal_id: str | None = None
    window_start: Moment | None = None
    window_end: Moment | None = None
    on_duplicate: str = "return_existing"


class ResumeRun(_Commented, frozen=True, kw_only=True, tag="resume_run"):
    """Calls `resume`."""

    verb: ClassVar[str] = "resume"

    step: str | None = None
    data: Any = None
    expect: int | None = None


class ApproveRun(_Commented, frozen=True, kw_only=True, tag="approve_run"):
    """Calls `approve`."""

    verb: ClassVar[str] = "approve"

    step: str | None = None
    data: Any = None
    expect: int | None = None


class RejectRun(_Commented, frozen=True, kw_only=True, tag="reject_run"):
    """Calls `reject`."""

    verb: ClassVar[str] = "reject"

    step: str | None = None
    data: Any = None
    expect: int | None = None


class CancelRun(_Commented, frozen=True, kw_only=True, tag="cancel_run"):
    """Calls `cancel`."""

    verb: ClassVar[str] = "cancel"

    reason: str
    compensate: bool = False
    abandon_undo: bool = False


class ReplayRun(_OnRun, frozen=True, kw_only=True, tag="replay_run"):
    """Calls `replay`."""

    verb: ClassVar[str] = "replay"

    allow_irreversible: tuple[str, ...] = ()
    queue: str | None = None
    definition: str = "current"
    reason: str | None = None


class ForkRun(_OnRun, frozen=True, kw_only=True, tag="fork_run"):
    """Calls `fork`."""

    verb: ClassVar[str] = "fork"

    from_step: str
    allow_irreversible: tuple[str, ...] = ()
    payload_changes: dict[str, Any] | None = None
    reason: str | None = None


class DeliverEvent(_Keyed, frozen=True, kw_only=True, tag="deliver_event"):
    """Calls `signal_run`."""

    verb: ClassVar[str] = "signal_run"

    event: str
    run_id: UUID | None = None
    workflow: str | None = None
    payload: Any = None
    correlation: str | None = None
    comment: str | None = None


Signal = StartRun | StartCron | ResumeRun | ApproveRun | RejectRun | CancelRun | ReplayRun | ForkRun | DeliverEvent
"""Every signal there is."""

TYPES: dict[str, type[Any]] = {str(kind.__struct_config__.tag): kind for kind in Signal.__args__}


def signal_from(data: Any) -> Signal:
    """The signal in JSON text or in plain data. Raises `InvalidSignal` naming the field, and nothing else."""
    given = dict(_object(data))
    kind = _kind(given.get("type"))
    for name in FORGED:
        given.pop(name, None)
    fields = {"type", *kind.__struct_fields__}
    for name in given:
        if name not in fields:
            raise InvalidSignal(_shown(name), "is no field of this type of signal")
    try:
        signal: Signal = msgspec.convert(given, kind, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _refused(error) from None
    _agree(signal)
    return signal


def checked(signal: Any) -> Signal:
    """A signal as it is, or what is read from data. Raises `InvalidSignal`."""
    if not isinstance(signal, Signal):
        return signal_from(signal)
    _agree(signal)
    return signal


def _object(data: Any) -> Mapping[str, Any]:
    if isinstance(data, bytes | bytearray | str):
        try:
            data = msgspec.json.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise InvalidSignal("signal", "is no JSON") from None
    if not isinstance(data, Mapping):
        raise InvalidSignal("signal", "is no object")
    return data


def _kind(name: Any) -> type[Any]:
    if isinstance(name, str) and name in TYPES:
        return TYPES[name]
    if name in LATER:
        raise InvalidSignal("type", "is not offered by this version")
    raise InvalidSignal("type", f"is one of {', '.join(TYPES)}")


def _agree(signal: Any) -> None:
    """Whatever says twice what the signal is about must say the same."""
    about = "workflow" if isinstance(signal, DeliverEvent) and signal.run_id is None else signal.about
    subject = getattr(signal, about)
    if isinstance(signal, DeliverEvent) and (signal.run_id is None) == (signal.workflow is None):
        raise InvalidSignal("run_id", "give the run's id, or the workflow")
    if signal.subject is not None and signal.subject != str(subject):
        raise InvalidSignal("subject", f"is not the {about} that the signal names")


def _refused(error: Exception) -> InvalidSignal:
    """What is wrong and where, without what was given."""
    said = str(error)
    missing = re.search(r"required field `(\w+)`", said)
    place = _PLACE.search(said)
    if missing is not None:
        return InvalidSignal(missing[1], "is missing")
    reason = _PLACE.sub("", said) if said.startswith("Expected") else "has another form"
    return InvalidSignal(place["field"] if place else "signal", reason[:1].lower() + reason[1:])


def _shown(name: Any) -> str:
    return name if isinstance(name, str) and re.fullmatch(r"\w{1,64}", name) else "?"
