"""What is wrong with an item of a queue's list, so that a worker that read it would end, or read it for ever.

Kombu itself is asked whether it can read the item; what Celery's consumer stumbles over after that was found by sending
it, and each rule here stands for something that ended a worker. A message that is merely refused, such as one of an
unknown task, is not flawed.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from kombu.transport.virtual import Message
from kombu.utils.json import object_hook

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = "application/json"
PARTS = 3  # positional arguments, keyword arguments, and what belongs to a canvas

new_message: Callable[..., Any] = Message  # which has no types


def flaw(item: bytes | str, channel: Any) -> str | None:
    """Why this item cannot be delivered; None for a message. `channel` is one of the transport that would read it."""
    try:
        message = new_message(read(item), channel=channel)
        return next((told for told in (rule(message) for rule in RULES) if told), None)
    except Exception as error:  # noqa: BLE001 whatever it raises here it would raise in the worker
        return reason(error)


def read(item: bytes | str) -> Any:
    """An item as the transport reads it: what is no UTF-8 is replaced, and some objects become other types."""
    return json.loads(text(item), object_hook=object_hook)


def text(item: bytes | str) -> str:
    """An item as text, whatever it holds."""
    return item.decode(errors="replace") if isinstance(item, bytes) else item


def reason(error: BaseException) -> str:
    """An error in one short line."""
    said = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {said}"[:200]


def _has_no_tag(message: Any) -> str | None:
    return None if isinstance(message.delivery_tag, str | int) else "properties.delivery_tag is no text"


def _has_no_body(message: Any) -> str | None:
    return None if message.body else "the body is empty"


def _has_no_type(message: Any) -> str | None:
    told = (message.content_type, message.content_encoding)
    return None if all(isinstance(each, str) for each in told) else "content-type or content-encoding is no text"


def _has_no_headers(message: Any) -> str | None:
    return None if isinstance(message.headers, dict | list | None) else "headers are no object"


def _has_no_identity(message: Any) -> str | None:
    if not _is_task(message):
        return None
    wrong = [name for name in ("task", "id") if not isinstance(message.headers.get(name, []), Hashable)]
    return f"headers.{wrong[0]} is missing or no text" if wrong else None


def _has_no_time(message: Any) -> str | None:
    if not _is_task(message):
        return None
    wrong = [name for name in ("expires", "eta") if isinstance(message.headers.get(name), dict | list)]
    return f"headers.{wrong[0]} is no time" if wrong else None


def _has_no_limits(message: Any) -> str | None:
    limits = message.headers.get("timelimit") if _is_task(message) else None
    if limits is None:
        return None
    numbers = isinstance(limits, list) and all(each is None or isinstance(each, int | float) for each in limits)
    return None if numbers and len(limits) == 2 else "headers.timelimit is no pair of numbers"


def _has_no_stamps(message: Any) -> str | None:
    stamped = message.headers.get("stamped_headers") if _is_task(message) else None
    return None if stamped is None or isinstance(stamped, list) else "headers.stamped_headers is no list"


def _has_no_parts(message: Any) -> str | None:
    if not _is_task(message) or message.content_type != JSON:
        return None
    try:
        parts = read(message.body)
    except ValueError:
        return None  # Celery refuses it by itself
    if isinstance(parts, dict):
        return None if "args" in parts else "the body names no args"
    whole = isinstance(parts, list) and len(parts) == PARTS and isinstance(parts[-1], dict | None)
    return None if whole else "the body is not [args, kwargs, embed]"


def _names_no_task(message: Any) -> str | None:
    """The older form of a message: the task's name is in its body."""
    if _is_task(message) or not isinstance(message.headers, dict) or message.content_type != JSON:
        return None
    try:
        body = read(message.body)
    except ValueError:
        return None
    named = body.get("task", "") if isinstance(body, dict) else ""
    return None if isinstance(named, Hashable) else "the body's task is no text"


def _is_task(message: Any) -> bool:
    return isinstance(message.headers, dict) and "task" in message.headers


RULES: tuple[Callable[[Any], str | None], ...] = (
    _has_no_tag,
    _has_no_body,
    _has_no_type,
    _has_no_headers,
    _has_no_identity,
    _has_no_time,
    _has_no_limits,
    _has_no_stamps,
    _has_no_parts,
    _names_no_task,
)
"""The first that applies is the reason."""
