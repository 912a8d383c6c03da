"""Where a page stopped, as text that a caller hands back: opaque, bound to what was asked, and granting nothing.

A byte for the version, eight of a digest of the query, and the place. Where the handle has a secret, a signature stands
behind it, and a cursor without one is refused.
"""

from __future__ import annotations

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec

from squidie.errors import InvalidCursor
from squidie.history.chain import EPOCH, microseconds

VERSION = 2
_PLACE = struct.Struct("!B8sq16s")
_SIGNATURE = 16
_TEXT = re.compile(r"[A-Za-z0-9_-]{44,66}")

Place = tuple[datetime, UUID]
"""The last row of a page: its time in the order of the list, and its run."""


def cursor(place: Place, query: object, secret: str | None) -> str:
    """The place as text. `query` is what was asked, as plain data."""
    at, run_id = place
    packed = _PLACE.pack(VERSION, _digest(query), microseconds(at), run_id.bytes)
    return urlsafe_b64encode(packed + _signature(packed, secret)).rstrip(b"=").decode()


def place_of(text: object, query: object, secret: str | None) -> Place:
    """The place that a cursor says. Raises `InvalidCursor`."""
    if not isinstance(text, str) or not _TEXT.fullmatch(text):
        raise InvalidCursor("malformed")
    try:
        data = urlsafe_b64decode(f"{text}==")
        packed, signature = data[: _PLACE.size], data[_PLACE.size :]
        if len(signature) not in (0, _SIGNATURE):
            raise InvalidCursor("malformed")
        version, digest, at, run_id = _PLACE.unpack(packed)
        place = EPOCH + timedelta(microseconds=at), UUID(bytes=run_id)
    except (ValueError, OverflowError, struct.error):
        raise InvalidCursor("malformed") from None
    if version != VERSION:
        raise InvalidCursor("version")
    if secret is not None and not hmac.compare_digest(signature, _signature(packed, secret)):
        raise InvalidCursor("malformed")
    if digest != _digest(query):
        raise InvalidCursor("other_query")
    return place


def _digest(query: object) -> bytes:
    return sha256(msgspec.json.encode(query, order="sorted")).digest()[:8]


def _signature(packed: bytes, secret: str | None) -> bytes:
    return b"" if secret is None else hmac.digest(secret.encode(), b"squidie.runs" + packed, "sha256")[:_SIGNATURE]
