"""Rows on their way into a statement: turned into columns at its end, or sent as they are where there is only one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.journal.arrays import Column

if TYPE_CHECKING:
    from collections.abc import Iterator

Kinds = dict[str, type[Column]]
"""Of the columns of a table's rows, by the names of their parameters."""


class Columns:
    """The rows of one table."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._rows: list[tuple[Any, ...]] = []

    def add(self, *values: Any) -> None:
        """One row, in the order of the columns."""
        self._rows.append(values)

    @property
    def columns(self) -> dict[str, Column]:
        """The rows as columns by name."""
        values = zip(*self._rows, strict=True) if self._rows else ((),) * len(self._kinds)
        return {name: kind(column) for (name, kind), column in zip(self._kinds.items(), values, strict=True)}

    @property
    def alone(self) -> dict[str, Any]:
        """The only row by name. Raises `ValueError` where there is not exactly one."""
        (row,) = self._rows
        return {name: kind.alone(value) for (name, kind), value in zip(self._kinds.items(), row, strict=True)}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)


def unnested(kinds: Kinds, alias: str) -> str:
    """What to read the columns from, in a statement: `alias` has a column for each, named by the list that follows."""
    return f"unnest({', '.join(f':{name}' for name in kinds)}) as {alias}"


def single(kinds: Kinds, alias: str) -> str:
    """The same, from the only row."""
    return f"(values ({', '.join(f'cast(:{name} as {kind.type_name})' for name, kind in kinds.items())})) as {alias}"
