"""What people see: one line an event, and below them the state of things; plain lines where there is no terminal."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from squidie_celery.demo.tally import Tally

WIDTH = 44
EVERY = 1.0  # between two plain lines of progress
ASCII = str.maketrans(
    {"✓": "*", "✕": "x", "☠": "!", "⚠": "?", "↻": "r", "→": "->", "∥": "||", "·": "-", "━": "=", "…": "..."}
)
STYLES = {"✓": "green", "✕": "bold red", "☠": "bold red", "⚠": "bold magenta", "↻": "cyan"}


class Screen:
    """A console, with a live part that is there while the screen is entered."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._is_plain = not self._console.is_terminal
        self._is_ascii = not self._console.encoding.lower().startswith("utf")
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._spoke_at = 0.0
        self._said = ""

    def __enter__(self) -> Self:
        if not self._is_plain:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def line(self, text: str = "", style: str = "") -> None:
        """Something to read."""
        self._console.print(Text(self._fit(text), style=style), soft_wrap=True)

    def event(self, glyph: str, text: str) -> None:
        """Something that has just happened."""
        self._console.print(
            Text.assemble("  ", (self._fit(glyph), STYLES.get(glyph, "")), " ", self._fit(text)), soft_wrap=True
        )

    def progress(self, tally: Tally, before: str) -> None:
        """The state of things, drawn again; as a plain line once a second, if it has changed."""
        said = self._fit(f"{before} · {tally.said()}")
        if not self._is_plain:
            self._live.update(Text.assemble("  ", self._bar(tally), "  ", said), refresh=True)
        elif said != self._said and monotonic() - self._spoke_at >= EVERY:
            self._spoke_at, self._said = monotonic(), said
            self.line(f"    {said}")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table; its last column is as wide as it likes."""
        widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head) - 1)] + [0]
        for row in (head, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.line(f"  {'   '.join(cells)}".rstrip(), "dim" if row is head else "")

    def _bar(self, tally: Tally) -> Text:
        done, refused = (count * WIDTH // max(1, tally.orders) for count in (tally.completed, tally.refused))
        rest = WIDTH - done - refused
        mark = self._fit("━")
        return Text.assemble((mark * done, "green"), (mark * refused, "red"), (mark * rest, "bright_black"))

    def _fit(self, text: str) -> str:
        return text.translate(ASCII).encode("ascii", "replace").decode() if self._is_ascii else text
