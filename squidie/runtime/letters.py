"""Dead letters as operators work through them: found, grouped by what failed the same way, taken up or put away.

for group in squidie.dead_letters.groups().groups:
print(group.count, group.workflow, group.step, group.message)
squidie.dead_letters.requeue_many({"fingerprint": group.fingerprint}, reason="font installed", actor="ada")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

import msgspec

from squidie.engine import steering
from squidie.engine.requests import Who, as_uuid
from squidie.errors import InvalidArgument, LimitReached, SquidieError
from squidie.views.letters import (
    Letter,
    LetterGroups,
    LetterPage,
    check_limit,
    count_letters,
    group_letters,
    list_letters,
    show_letter,
)
from squidie.views.paging import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from squidie.engine.parts import Parts
    from squidie.runtime.door import By
    from squidie.runtime.run import Run

AT_ONCE = 10_000
"""The most letters that are taken in hand by one call."""

_NOT_ASKED = {"limit", "after"}


class TakenUp(msgspec.Struct, frozen=True):
    """What became of many dead letters, each for itself.

    `matched` were found; `done` names those that were requeued or discarded by run and step, and the run in which each
    goes on (its own, or the new one); `refused` says of others why not. With `most` the rest was left as it is.
    """

    matched: int
    done: Mapping[tuple[UUID, str], UUID]
    refused: Mapping[tuple[UUID, str], SquidieError]


class DeadLetters:
    """The dead letters of the journal, or of one partition where the handle is bound to one."""

    def __init__(
        self, parts: Parts, within: str | None, *, requeue: Callable[..., Run], discard: Callable[..., Run]
    ) -> None:
        self._parts = parts
        self._within = within
        self._requeue = requeue
        self._discard = discard

    # ------------------------------------------------------------------ looking
    def list(self, **query: Any) -> LetterPage:
        """Letters, newest first, in pages: see `squidie.views.letters.list_letters` for what may be asked."""
        return list_letters(self._parts.journal, **self._bound(query))

    def show(self, run_id: UUID | str, step: str) -> Letter:
        """The latest letter of a step, open or closed. Raises `DeadLetterNotFound`."""
        place = steering.text_of(step, "step")
        return show_letter(self._parts.journal, as_uuid(run_id), place, within=self._within)

    def groups(self, **query: Any) -> LetterGroups:
        """What failed the same way, the most frequent first: see `squidie.views.letters.group_letters`."""
        return group_letters(self._parts.journal, **self._bound(query))

    def count(self, **query: Any) -> int:
        """How many letters `list` would find in all."""
        return count_letters(self._parts.journal, **self._bound(query))

    # ------------------------------------------------------------------ taking in hand
    def requeue(
        self, run_id: UUID | str, step: str, *, reason: str, allow_irreversible: Iterable[str] = (), **by: Unpack[By]
    ) -> Run:
        """Take up what was given up: `actor` says who, `reason` why. See `Squidie.requeue`."""
        return self._requeue(run_id, step, reason=reason, allow_irreversible=allow_irreversible, **by)

    def discard(self, run_id: UUID | str, step: str, *, reason: str, **by: Unpack[By]) -> Run:
        """Give up for good: `actor` says who, `reason` why. See `Squidie.discard`."""
        return self._discard(run_id, step, reason=reason, **by)

    def requeue_many(
        self,
        query: Mapping[str, Any],
        *,
        reason: str,
        limit: int = 1000,
        most: int | None = None,
        allow_irreversible: Iterable[str] = (),
        **by: Unpack[By],
    ) -> TakenUp:
        """Requeue every open letter that `list` would find by this query, each for itself, newest first.

        They are counted first: more than `limit` are `LimitReached`, and none is touched. With `most` only so many are
        requeued and the rest stays: one first, to see whether it goes well now.
        """
        allowed = tuple(allow_irreversible)

        def take_up(letter: Letter) -> Run:
            return self._requeue(letter.run_id, letter.step, reason=reason, allow_irreversible=allowed, **by)

        return self._many(query, take_up, reason, limit, most, by)

    def discard_many(
        self, query: Mapping[str, Any], *, reason: str, limit: int = 1000, most: int | None = None, **by: Unpack[By]
    ) -> TakenUp:
        """Discard every open letter that `list` would find by this query; as `requeue_many` does it."""

        def give_up(letter: Letter) -> Run:
            return self._discard(letter.run_id, letter.step, reason=reason, **by)

        return self._many(query, give_up, reason, limit, most, by)

    def _many(  # noqa: PLR0917 - what both verbs are given
        self,
        query: Mapping[str, Any],
        act: Callable[[Letter], Run],
        reason: str,
        limit: int,
        most: int | None,
        by: By,
    ) -> TakenUp:
        steering.reason_of(reason)
        steering.known(Who(**by))
        found = self._found(query, limit)
        done: dict[tuple[UUID, str], UUID] = {}
        refused: dict[tuple[UUID, str], SquidieError] = {}
        for letter in found if most is None else found[:most]:
            place = (letter.run_id, letter.step)
            try:
                done[place] = act(letter).id
            except SquidieError as error:
                refused[place] = error
        return TakenUp(len(found), done, refused)

    def _found(self, query: Mapping[str, Any], limit: int) -> Sequence[Letter]:
        check_limit(limit, AT_ONCE)
        if _NOT_ASKED & set(query) or query.get("open") not in (None, True):
            raise InvalidArgument("query", "is about open letters, and holds filters only")
        wanted = {**query, "open": True}
        matched = self.count(**wanted)
        if matched > limit:
            raise LimitReached("dead letters at once", limit)
        found = (page.letters for page in pages(lambda after: self.list(**wanted, limit=1000, after=after)))
        return [letter for letters in found for letter in letters][:limit]

    def _bound(self, query: dict[str, Any]) -> dict[str, Any]:
        """The query, within the handle's partition."""
        if self._within is None:
            return query
        if query.get("partition") not in (None, self._within):
            raise InvalidArgument("partition", "is another one than this handle's")
        return {**query, "partition": self._within}
