"""Bars as SVG: names, values, whiskers from the smallest to the largest. Light and dark, as the reader prefers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH, LEFT, RIGHT, BAR, GAP, TITLE = 760, 230, 80, 14, 8, 34
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 }
.ours { fill: #0969da } .peer { fill: #9aa4b0 } .floor { fill: #d4a72c } .spread { stroke: #1f2328; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .ours { fill: #4493f8 } .peer { fill: #6e7681 } .spread { stroke: #e6edf3 } }
"""


class Bar(NamedTuple):
    """A name and its value; `kind` is `ours`, `peer` or `floor`."""

    name: str
    value: float
    least: float
    most: float
    kind: str


class Panel(NamedTuple):
    """Bars over one scale."""

    title: str
    bars: tuple[Bar, ...]
    digits: int


def draw(panels: Sequence[Panel]) -> str:
    """All panels, one below the other."""
    height = sum(TITLE + len(panel.bars) * (BAR + GAP) + GAP for panel in panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
        f"<title>{escape('; '.join(panel.title for panel in panels))}</title>",
        f"<style>{STYLE}</style>",
    ]
    top = 0
    for panel in panels:
        lines += _panel(panel, top)
        top += TITLE + len(panel.bars) * (BAR + GAP) + GAP
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(panel: Panel, top: int) -> Iterator[str]:
    yield f'<text class="title" x="0" y="{top + 20}">{escape(panel.title)}</text>'
    most = max((bar.most for bar in panel.bars), default=1.0) or 1.0
    for number, bar in enumerate(panel.bars):
        yield from _bar(bar, top + TITLE + number * (BAR + GAP), (WIDTH - LEFT - RIGHT) / most, panel.digits)


def _bar(bar: Bar, y: int, scale: float, digits: int) -> Iterator[str]:
    end, least, most = (LEFT + value * scale for value in (bar.value, bar.least, bar.most))
    line, middle = y + BAR - 3, y + BAR / 2
    yield f'<text x="{LEFT - 8}" y="{line}" text-anchor="end">{escape(bar.name)}</text>'
    yield f'<rect class="{bar.kind}" x="{LEFT}" y="{y}" width="{max(1.0, end - LEFT):.1f}" height="{BAR}" rx="2"/>'
    if bar.least != bar.most:
        yield f'<line class="spread" x1="{least:.1f}" x2="{most:.1f}" y1="{middle}" y2="{middle}"/>'
    yield f'<text x="{max(end, most) + 6:.1f}" y="{line}">{bar.value:,.{digits}f}</text>'
