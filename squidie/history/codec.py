"""Facts to JSON and back. The bytes made here are stored, hashed and never changed."""

from __future__ import annotations

import msgspec

from squidie.errors import CorruptHistory, UnknownFact
from squidie.history.facts import KINDS, VERSION, Fact


class _Versioned(msgspec.Struct):
    """As much of any body as tells its version."""

    v: int = VERSION


_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Fact]] = {kind: msgspec.json.Decoder(fact) for kind, fact in KINDS.items()}

_anything = msgspec.json.Decoder(_Versioned)
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def encode(fact: Fact) -> bytes:
    """The body of a fact as it is stored."""
    return _encoder.encode(fact)


def decode(kind: str, body: str | bytes) -> Fact:
    """The fact that a stored row holds.

    Raises `UnknownFact` for one of a newer version, `CorruptHistory` for a body that is none of ours.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        raise _newer(kind)
    try:
        fact = decoder.decode(body)
    except _UNREADABLE as error:
        if _version(body) > VERSION:
            raise _newer(kind) from error
        raise CorruptHistory(f"the body of a {kind} cannot be read: {error}", details={"kind": kind}) from error
    if fact.v > VERSION:
        raise _newer(kind)
    return fact


def _version(body: str | bytes) -> int:
    """What a body that cannot be read says of its version."""
    try:
        return _anything.decode(body).v
    except _UNREADABLE:
        return 0


def _newer(kind: str) -> UnknownFact:
    message = f"a fact of kind {kind!r} was written by a newer version"
    return UnknownFact(message, hint="run a newer worker", details={"kind": kind})
