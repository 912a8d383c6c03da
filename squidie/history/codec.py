"""Facts to JSON and back. The bytes made here are stored, hashed and never changed."""

from __future__ import annotations

import msgspec

from squidie.errors import CorruptHistory, UnknownFact
from squidie.history.facts import KINDS, Fact

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Fact]] = {kind: msgspec.json.Decoder(fact) for kind, fact in KINDS.items()}


def encode(fact: Fact) -> bytes:
    """The body of a fact as it is stored."""
    return _encoder.encode(fact)


def decode(kind: str, body: str | bytes) -> Fact:
    """The fact that a stored row holds.

    Raises `UnknownFact` for a kind of a newer version, `CorruptHistory` for a body that is none of ours.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        raise UnknownFact(
            f"a fact of kind {kind!r} was written by a newer version", hint="run a newer worker", details={"kind": kind}
        )
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise CorruptHistory(f"the body of a {kind} cannot be read: {error}", details={"kind": kind}) from error
