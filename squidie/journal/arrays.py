"""Columns of many rows as binary Postgres arrays: one parameter a column, however many rows a statement writes.

psycopg sends a list of text as text, and escapes each quote of a JSON document inside it by a regular expression:
several times the cost of everything else in a settle. These lists are sent in binary; only their own classes are
registered, so a host's connection may be used as well.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar

from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from psycopg import Connection

_HEADER = Struct("!iiiii")  # dimensions, has nulls, element type, length, lower bound
_EMPTY = Struct("!iii")
_LENGTH = Struct("!i")
_INT = Struct("!ii")
_LONG = Struct("!iq")
_NULL = _LENGTH.pack(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _as_text(value: str | bytes | None) -> str | None:
    """One text by itself; of an enumeration's member its value, for psycopg would send its name."""
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)


class Column(list[Any]):
    """One column of the rows of a statement."""

    type_name: ClassVar[str]
    element_oid: ClassVar[int]
    array_oid: ClassVar[int]

    @staticmethod
    def alone(value: Any) -> Any:
        """One element, as psycopg takes it where it is no array's."""
        return value

    @staticmethod
    def pack(value: Any) -> bytes:
        """One element with its length in front."""
        raise NotImplementedError

    def packed(self) -> Iterable[bytes]:
        """All elements. Much of what stands in a column is the same in every row, and is packed once."""
        pack, known = self.pack, {None: _NULL}
        for value in self:
            if value not in known:
                known[value] = pack(value)
        return [known[value] for value in self]


class Uuids(Column):
    """`uuid[]`."""

    type_name = "uuid"
    element_oid, array_oid = 2950, 2951

    @staticmethod
    def pack(value: UUID) -> bytes:
        """Sixteen bytes, as they are."""
        return b"\x00\x00\x00\x10" + value.int.to_bytes(16)

    def packed(self) -> Iterable[bytes]:
        """All elements."""
        return [_NULL if value is None else b"\x00\x00\x00\x10" + value.int.to_bytes(16) for value in self]


class Texts(Column):
    """`text[]`, of `str` or of UTF-8 `bytes`."""

    type_name = "text"
    element_oid, array_oid = 25, 1009
    alone = staticmethod(_as_text)

    @staticmethod
    def pack(value: str | bytes) -> bytes:
        """UTF-8."""
        data = value.encode() if isinstance(value, str) else bytes(value)
        return _LENGTH.pack(len(data)) + data


class Blobs(Column):
    """`bytea[]`."""

    type_name = "bytea"
    element_oid, array_oid = 17, 1001

    @staticmethod
    def pack(value: bytes) -> bytes:
        """The bytes, as they are."""
        return _LENGTH.pack(len(value)) + value

    def packed(self) -> Iterable[bytes]:
        """All elements."""
        return [_NULL if value is None else _LENGTH.pack(len(value)) + value for value in self]


class Documents(Blobs):
    """`text[]`, of documents as UTF-8 `bytes`, each of them another."""

    type_name = "text"
    element_oid, array_oid = 25, 1009
    alone = staticmethod(_as_text)


class Ints(Column):
    """`int4[]`."""

    type_name = "integer"
    element_oid, array_oid = 23, 1007

    @staticmethod
    def pack(value: int) -> bytes:
        """Four bytes, signed."""
        return _INT.pack(4, value)


class Bools(Column):
    """`boolean[]`."""

    type_name = "boolean"
    element_oid, array_oid = 16, 1000

    @staticmethod
    def pack(value: bool) -> bytes:  # noqa: FBT001 - the element of an array, not a switch
        """One byte, 0 or 1."""
        return b"\x00\x00\x00\x01\x01" if value else b"\x00\x00\x00\x01\x00"


class Times(Column):
    """`timestamptz[]`."""

    type_name = "timestamptz"
    element_oid, array_oid = 1184, 1185

    @staticmethod
    def pack(value: datetime) -> bytes:
        """Microseconds since 2000, in eight bytes."""
        return _LONG.pack(8, (value - _EPOCH) // _MICROSECOND)


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> Buffer:
        if not obj:
            return _EMPTY.pack(0, 0, obj.element_oid)
        return _HEADER.pack(1, 1, obj.element_oid, len(obj), 1) + b"".join(obj.packed())


def _dumper(column: type[Column]) -> type[Dumper]:
    return type(f"{column.__name__}Dumper", (_ColumnDumper,), {"oid": column.array_oid})


_DUMPERS = {column: _dumper(column) for column in (Uuids, Texts, Documents, Blobs, Ints, Bools, Times)}


def register(connection: Connection[Any]) -> None:
    """Teach a connection these classes, and nothing else."""
    for column, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(column, dumper)
