"""What was worked out once for an object that never changes, found again by the object's identity.

Specs hold dictionaries and so cannot be hashed; looking them up by value would cost more than the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Subject = TypeVar("Subject")
Answer = TypeVar("Answer")

SIZE = 4096


def by_identity(build: Callable[[Subject], Answer]) -> Callable[[Subject], Answer]:
    """`build`, remembering its answers. The subject is kept alive with its answer, so that its id stays its own."""
    kept: dict[int, tuple[Subject, Answer]] = {}

    def find(subject: Subject) -> Answer:
        entry = kept.get(id(subject))
        if entry is not None:
            return entry[1]
        answer = build(subject)
        if len(kept) >= SIZE:
            kept.clear()
        kept[id(subject)] = (subject, answer)
        return answer

    return find
