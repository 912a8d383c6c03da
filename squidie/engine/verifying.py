"""`verify`: every run's facts against themselves and against what is derived from them, and what is done about it.

Runs are read in pages, each page in one instant, so that no transaction stays open for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.engine.comparing import compared, lacks_state
from squidie.engine.mending import Mended, mend
from squidie.errors import InvalidArgument
from squidie.history.lifecycle import RunStatus
from squidie.history.soundness import Rule
from squidie.journal import heads, listing, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from squidie.engine.parts import Parts

PAGE = 100
BEFORE_ALL = UUID(int=0)


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a run: at which fact, by which rule, in a few words.

    `is_damage`: the history itself cannot be trusted, and nothing is claimed of the run; else it is something derived
    from facts, and `rebuilt` says whether it was made again. Of a damaged history the first flaw is named.
    """

    run_id: UUID
    workflow: str
    status: RunStatus
    seq: int
    rule: Rule
    said: str
    is_damage: bool
    rebuilt: bool = False


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs and facts were looked at, everything that is wrong with them, and what was done about it.

    `set_aside` are open runs of which nothing is claimed any more, `busy` those that somebody held for too long to be
    made again.
    """

    runs: int
    facts: int
    found: tuple[Disagreement, ...]
    rebuilt: tuple[UUID, ...] = ()
    set_aside: tuple[UUID, ...] = ()
    busy: tuple[UUID, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong now, but for what a newer version has written."""
        return not any(each.rule is not Rule.UNKNOWN_KIND and not each.rebuilt for each in self.found)


def verify(
    parts: Parts,
    runs: Sequence[UUID] | None = None,
    *,
    sample: int | None = None,
    remake: bool = False,
    put_aside: bool = True,
    told: Callable[[int, int], Any] | None = None,
) -> Verification:
    """Look at these runs, at so many that are drawn, or at all; `told` hears how many were seen, and of how many.

    Damaged runs are put aside, unless `put_aside` is false; with `remake`, what differs from facts is made again.
    Raises `RunNotFound` for a run that is named and does not exist.
    """
    if sample is not None and sample < 1:
        raise InvalidArgument("sample", "is a number of runs, above zero")
    pages, total = _pages(parts, runs, sample)
    seen, facts, found, mended = 0, 0, list[Disagreement](), Mended()
    for page in pages:
        number, length, wrong, lacking = _looked_at(parts, page, named=runs is not None)
        seen, facts = seen + number, facts + length
        touched = {each.run_id for each in wrong if (each.is_damage and put_aside) or remake}
        touched |= lacking if remake else set()
        mended = mended.and_(mend(parts, sorted(touched), remake=remake))
        found += [msgspec.structs.replace(each, rebuilt=_is_mended(each, mended)) for each in wrong]
        if told is not None:
            told(seen, total)
    return Verification(
        runs=seen,
        facts=facts,
        found=tuple(found),
        rebuilt=tuple(sorted(mended.rebuilt)),
        set_aside=tuple(sorted(mended.set_aside)),
        busy=tuple(sorted(mended.busy)),
    )


def _is_mended(wrong: Disagreement, mended: Mended) -> bool:
    return not wrong.is_damage and wrong.run_id in mended.rebuilt


def _pages(parts: Parts, runs: Sequence[UUID] | None, sample: int | None) -> tuple[Iterator[list[UUID]], int]:
    """What to look at together, and how many runs that is in all."""
    if runs is None and sample is None:
        with parts.journal.looking() as connection:
            return _all(parts), rebuild.number(parts.journal, connection)
    if runs is None and sample is not None:
        with parts.journal.looking() as connection:
            runs = rebuild.sample(parts.journal, connection, sample)
    named = list(dict.fromkeys(runs or ()))
    return iter([named[start : start + PAGE] for start in range(0, len(named), PAGE)]), len(named)


def _all(parts: Parts) -> Iterator[list[UUID]]:
    after = BEFORE_ALL
    while True:
        with parts.journal.looking() as connection:
            page = rebuild.after(parts.journal, connection, after)
        if not page:
            return
        yield page
        after = page[-1]


def _looked_at(parts: Parts, page: Sequence[UUID], *, named: bool) -> tuple[int, int, list[Disagreement], set[UUID]]:
    """How many runs and facts there are, what is wrong with them, and which have no cached state."""
    with listing.snapshot(parts.journal) as connection:
        looks = rebuild.looks(parts.journal, connection, page)
        if named and len(looks) < len(page):
            missing = next(iter(set(page) - {look.head.run_id for look in looks}))
            raise heads.missing(parts.journal, connection, missing)
        wrong = [
            Disagreement(
                run_id=look.head.run_id,
                workflow=look.head.workflow,
                status=RunStatus(look.head.status),
                seq=flaw.seq,
                rule=flaw.rule,
                said=flaw.said,
                is_damage=flaw.rule.is_damage,
            )
            for look in looks
            for flaw in compared(parts, connection, look).flaws
        ]
    lacking = {look.head.run_id for look in looks if lacks_state(look.head)}
    return len(looks), sum(look.length for look in looks), wrong, lacking
