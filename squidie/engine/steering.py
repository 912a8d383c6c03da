"""What people and programs ask of a run that exists, checked at the door and made into commands.

Nothing is looked up here, so that what is wrong in itself is said before anything else.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.decide.commands import (
    Archive,
    Cancel,
    Delegate,
    Deliver,
    Discard,
    Hasten,
    Requeue,
    Review,
    SetAttributes,
    Unarchive,
)
from squidie.decide.people import GIVES
from squidie.engine.requests import SOMEBODY, Who, is_somebody, receipt
from squidie.errors import InvalidArgument, InvalidAttributes, InvalidReview
from squidie.history.bodies import Decision
from squidie.history.canonical import canonical
from squidie.workflow.durations import seconds
from squidie.workflow.values import is_record, to_plain

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.engine.parts import Parts
    from squidie.history.bodies import Receipt

MOST_TEXT = 255
LONGEST_REASON = 4096


def cancel_of(
    parts: Parts, run_id: UUID, who: Who, *, reason: Any, compensate: bool = False, abandon_undo: bool = False
) -> Cancel:
    """End the run, at once or once what it did is undone."""
    why = reason_of(reason)
    for name, value in (("compensate", compensate), ("abandon_undo", abandon_undo)):
        if not isinstance(value, bool):
            raise InvalidArgument(name, "is true or false")
    by = by_of(parts, "cancel", who, why, compensate, abandon_undo)
    return Cancel(run_id, by, masked(parts, why), compensate, abandon_undo)


def review_of(
    parts: Parts,
    run_id: UUID,
    who: Who,
    *,
    decision: Decision,
    step: Any = None,
    data: Any = None,
    expect: Any = None,
) -> Review:
    """Answer a pause or an approval. Whoever approves or rejects must say who he is."""
    _check_reviewer(who, required=decision is not Decision.RESUMED)
    plain = to_plain(data, root="data") if is_record(type(data)) else data
    canonical(plain, root="data", limit=parts.settings.max_body)
    if expect is not None and (not isinstance(expect, int) or isinstance(expect, bool) or expect < 0):
        raise InvalidReview("expect", "is the revision of the run that was looked at")
    place = None if step is None else text_of(step, "step")
    by = by_of(parts, GIVES[decision], who, place, plain, who.actor)
    return Review(run_id, by, decision, place, plain, expect)


def delegate_of(parts: Parts, run_id: UUID, who: Who, *, to_role: Any, step: Any = None, due: Any = None) -> Delegate:
    """Ask others instead."""
    role, place = text_of(to_role, "to_role"), None if step is None else text_of(step, "step")
    try:
        within = None if due is None else seconds(due)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument("due", str(error)) from None
    by = by_of(parts, "delegate", who, place, role, within, who.actor)
    return Delegate(run_id, by, role, place, within)


def deliver_of(
    parts: Parts, run_id: UUID, who: Who, *, event: Any, payload: Any = None, correlation: Any = None
) -> Deliver:
    """Tell the run that an event has happened."""
    name = text_of(event, "event")
    about = None if correlation is None else text_of(correlation, "correlation")
    plain = to_plain(payload, root="payload") if is_record(type(payload)) else payload
    stored = canonical(plain, root="payload", limit=parts.settings.max_body)
    return Deliver(run_id, by_of(parts, "signal_run", who, name, about, stored), name, stored, about)


def hasten_of(parts: Parts, run_id: UUID, who: Who, *, step: Any) -> Hasten:
    """Make a scheduled attempt due."""
    place = text_of(step, "step")
    return Hasten(run_id, by_of(parts, "retry_now", who, place), place)


def requeue_of(parts: Parts, run_id: UUID, who: Who, *, step: Any, reason: Any) -> Requeue:
    """Try a parked step again."""
    place, why = text_of(step, "step"), reason_of(reason)
    return Requeue(run_id, by_of(parts, "requeue", known(who), place, why), place, masked(parts, why))


def discard_of(parts: Parts, run_id: UUID, who: Who, *, step: Any, reason: Any) -> Discard:
    """Give a parked step up."""
    place, why = text_of(step, "step"), reason_of(reason)
    return Discard(run_id, by_of(parts, "discard", known(who), place, why), place, masked(parts, why))


def attributes_of(parts: Parts, run_id: UUID, who: Who, *, changes: Any) -> SetAttributes:
    """Change what the run is found by."""
    admitted = parts.attributes.admit(changes, nulls=True)
    if not admitted:
        raise InvalidAttributes(None, "malformed", "say which, and to what value")
    return SetAttributes(run_id, by_of(parts, "update_attributes", who, admitted), admitted)


def archive_of(parts: Parts, run_id: UUID, who: Who, *, reason: Any) -> Archive:
    """Put an ended run away."""
    why = reason_of(reason)
    return Archive(run_id, by_of(parts, "archive_run", who, why), masked(parts, why))


def unarchive_of(parts: Parts, run_id: UUID, who: Who) -> Unarchive:
    """Show it again."""
    return Unarchive(run_id, by_of(parts, "unarchive_run", who))


def by_of(parts: Parts, verb: str, who: Who, *asked: Any) -> Receipt:
    """The receipt of a request that asks for this; with another comment it is another one."""
    if who.comment is not None:
        text_of(who.comment, "comment", most=LONGEST_REASON)
    if who.metadata is not None and not isinstance(who.metadata, dict):
        raise InvalidArgument("metadata", "is an object")
    return receipt(verb, digest_of(*asked, who.comment), who, comment=who.comment, masking=parts.masking)


def digest_of(*asked: Any) -> str:
    """What tells one request from another under the same key."""
    return sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def known(who: Who) -> Who:
    """Whoever takes a failure in hand says who he is."""
    if not is_somebody(who.actor):
        raise InvalidArgument("actor", "say who does this, as text or an object")
    return who


def masked(parts: Parts, reason: str) -> str:
    """A reason as it is kept: what is secret in it is masked."""
    return parts.masking.text(reason)[:LONGEST_REASON]


def reason_of(reason: Any) -> str:
    """A reason, without the spaces around it."""
    return text_of(reason, "reason", most=LONGEST_REASON, why="say why, as text")


def text_of(value: Any, argument: str, *, most: int = MOST_TEXT, why: str = "") -> str:
    """Text that says something, without the spaces around it."""
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise InvalidArgument(argument, why or f"is text of 1 to {most} characters")
    canonical(value, root=argument)
    return value.strip()


def _check_reviewer(who: Who, *, required: bool) -> None:
    if who.actor is None and required:
        raise InvalidReview("actor", "say who decides")
    if who.actor is not None and not is_somebody(who.actor):
        raise InvalidReview("actor", SOMEBODY)
    if who.comment is not None and (not isinstance(who.comment, str) or len(who.comment) > LONGEST_REASON):
        raise InvalidReview("comment", f"is text of at most {LONGEST_REASON} characters")
    if who.metadata is not None and not isinstance(who.metadata, dict):
        raise InvalidReview("metadata", "is an object")
