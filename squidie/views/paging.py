"""Pages, one after the other, for whoever wants all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Page(Protocol):
    """What any list gives a part of itself as."""

    @property
    def next(self) -> str | None:
        """The cursor of the page after this one; None on the last."""


P = TypeVar("P", bound=Page)


def pages(ask: Callable[[str | None], P], after: str | None = None) -> Iterator[P]:
    """Every page from this cursor on: `ask` is given the cursor of the page before."""
    while True:
        page = ask(after)
        yield page
        after = page.next
        if after is None:
            return
