"""What every change that an operator makes has in common: its receipt, and whether the very same was made before."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.engine.requests import Request, receipt
from squidie.errors import KeyReused
from squidie.journal import operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.history.bodies import Receipt
    from squidie.history.masking import Masking
    from squidie.journal.operations import Subject


def request(
    verb: str, said: Mapping[str, Any], actor: Any, reason: str | None, key: str | None, *, masking: Masking
) -> Receipt:
    """Who asks for what, and why."""
    digest = sha256(msgspec.json.encode([verb, said], order="sorted")).hexdigest()
    return receipt(verb, digest, Request(key=key, actor=actor), comment=reason, masking=masking)


def is_repeated(parts: Parts, connection: Connection, subject: Subject, name: str, by: Receipt) -> bool:
    """Whether this request was answered before. Raises `KeyReused` where its key stood for another one."""
    before = operations.find(parts.journal, connection, subject, name, by) if by.key is not None else None
    if before is not None and before[0] != by.digest:
        raise KeyReused(by.key or "", about=f"{subject} {name}")
    return before is not None
