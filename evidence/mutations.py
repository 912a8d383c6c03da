"""Guards of Squidie, each with the way in which it is switched off and the test that must then fail.

The table stands in `mutations.toml`. It is kept in step with the code: a text that is not found exactly once is an
error, here and in the tests.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).with_name("mutations.toml")


class TextNotFound(Exception):
    """The code has moved on: what a mutation wants to change does not stand in its file exactly once."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One guard that is switched off. `edits` are texts that stand in the file once, and what takes their place."""

    name: str
    promise: str
    file: str
    test: str
    edits: tuple[tuple[str, str], ...]

    def applied(self, source: str) -> str:
        """The file's text without the guard. Raises `TextNotFound`."""
        for text, instead in self.edits:
            if (found := source.count(text)) != 1:
                raise TextNotFound(f"{self.name}: this stands in {self.file} {found} times, not once: {text!r}")
            source = source.replace(text, instead)
        return source

    def apply(self, tree: Path) -> None:
        """Switch the guard off in a copy of the repository."""
        path = tree / self.file
        path.write_text(self.applied(path.read_text("utf-8")), "utf-8")


def mutations() -> Iterator[Mutation]:
    """All of them, in the order of the table."""
    for name, given in tomllib.loads(TABLE.read_text("utf-8")).items():
        edits = tuple((text, instead) for text, instead in given.pop("edits"))
        yield Mutation(name=name, edits=edits, **given)
