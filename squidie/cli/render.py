"""How things look: tables with glyphs for people, documents for programs.

Data goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from squidie.history.lines import visible
from squidie.views.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from squidie.cli.setup import Setup

STYLES = {
    State.NOT_STARTED: "dim",
    State.QUEUED: "",
    State.RUNNING: "blue",
    State.WAITING: "cyan",
    State.RETRYING: "yellow",
    State.PAUSED: "bold bright_magenta",
    State.STALLED: "bold magenta",
    State.COMPLETED: "green",
    State.FAILED: "red",
    State.COMPENSATED: "yellow",
    State.CANCELLED: "dim",
    State.SKIPPED: "dim",
}
_NARROWEST = 10
PIPE_WIDTH = 200
"""Columns where nobody says how many there are."""

_PLAIN = str.maketrans({"·": "-", "…": "...", "✓": "ok", "⚠": "!", "✕": "x", "→": "->"})


class Screen:
    """One terminal, or a pipe: what it can show, and how wide it is."""

    def __init__(self, setup: Setup) -> None:
        self._is_quiet = setup.quiet
        self.ascii = setup.ascii or not _is_utf8(sys.stdout.encoding)
        self.out = _console(setup, stderr=False)
        self.err = _console(setup, stderr=True)

    def badge(self, state: State, width: int = 0) -> str:
        """A glyph and a word, never a colour alone; the word is padded to a width."""
        sign = state.ascii if self.ascii else state.glyph
        text = escape(f"{sign} {state.word:<{width}}")
        return f"[{STYLES[state]}]{text}[/]" if STYLES[state] else text

    def print(self, *lines: str) -> None:
        """Lines with markup, wrapped at words."""
        for line in lines:
            self.out.print(self.plain(line), highlight=False, soft_wrap=not self.out.is_terminal)

    def note(self, line: str) -> None:
        """A line that is no data."""
        if self._is_quiet:
            return
        self.err.print(self.plain(line), highlight=False, soft_wrap=not self.err.is_terminal)

    def table(self, columns: Sequence[tuple[str, dict[str, Any]]], rows: Sequence[Sequence[str]]) -> None:
        """A table without lines, no wider than the terminal: the column that may `shrink` gives way."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
        cells = [[Text.from_markup(self.plain(cell).replace("\n", " ")) for cell in row] for row in rows]
        for (title, options), width in zip(columns, _widths(columns, cells, self.out.width), strict=True):
            table.add_column(
                title, width=width, no_wrap=True, overflow="ellipsis", justify=options.get("justify", "left")
            )
        for row in cells:
            table.add_row(*row)
        self._trimmed(table)

    def item(self, sign: str, name: str, text: str, *more: str, width: int = 15) -> None:
        """One entry of a list: a sign, a name, and text that is wrapped beside them."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, show_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, min_width=width)
        table.add_column(overflow="fold")
        table.add_row(self.plain(sign), self.plain(escape(name)), self.plain("\n".join((text, *more))))
        self._trimmed(table)

    def _trimmed(self, table: Table) -> None:
        """Without the spaces that rich pads lines with, which a pipe would carry along."""
        with self.out.capture() as captured:
            self.out.print(table, highlight=False)
        for line in captured.get().splitlines():
            click.echo((line.replace("…", "~") if self.ascii else line).rstrip())

    def plain(self, text: str) -> str:
        """The text as this terminal can show it; what it cannot, or would obey, is told by its number."""
        seen = visible(text)
        return seen.translate(_PLAIN).encode("ascii", "backslashreplace").decode() if self.ascii else seen


def _widths(columns: Sequence[tuple[str, dict[str, Any]]], rows: Sequence[Sequence[Text]], total: int) -> list[int]:
    """Each column as wide as its widest cell, or its `most`; the one that may `shrink` gets what is left."""
    widest = [max([cell_len(title), *(row[n].cell_len for row in rows)]) for n, (title, _) in enumerate(columns)]
    widths = [min(width, options.get("most", width)) for width, (_, options) in zip(widest, columns, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - total
    return [
        max(_NARROWEST, width - over) if over > 0 and "shrink" in options else width
        for width, (_, options) in zip(widths, columns, strict=True)
    ]


def document(schema: str, body: Any, **more: Any) -> None:
    """One JSON document on stdout, named and versioned."""
    plain = msgspec.to_builtins(body)
    text = msgspec.json.format(msgspec.json.encode({"schema": schema, **plain, **more}), indent=2)
    click.echo(text.decode())


def stamp(at: datetime | None, now: datetime | None = None) -> str:
    """A time of the database, in UTC: the day is left out where it is today's."""
    if at is None:
        return ""
    return f"{at:%H:%M:%S}" if now is not None and at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"


def json_lines(value: Any) -> list[str]:
    """A value as indented JSON, line by line."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode().splitlines()


def _console(setup: Setup, *, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(
        stderr=stderr, color_system=None if setup.no_color else "auto", width=width, soft_wrap=False, emoji=False
    )


def _is_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").startswith("utf8")
