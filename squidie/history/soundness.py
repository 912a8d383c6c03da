"""Whether a run's history can be trusted, and what is wrong first where it cannot.

A history that is damaged is named by its first bad seq and a rule. What was derived from it (the cached state, the open
work, columns of the head) can be made again from facts, as long as they are sound; the facts themselves cannot.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from squidie.errors import CorruptHistory
from squidie.history.chain import first_broken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from squidie.history.run import Run


class Rule(StrEnum):
    """What is wrong with a run: its facts, down to `head_mismatch`; then what was derived from them."""

    GAP = "gap"
    BAD_HASH = "bad_hash"
    UNDECODABLE = "undecodable"
    CONTRADICTION = "contradiction"
    OWES_NOTHING = "owes_nothing"
    NO_DEFINITION = "no_definition"
    HEAD_MISMATCH = "head_mismatch"
    UNKNOWN_KIND = "unknown_kind"
    STATE_MISMATCH = "state_mismatch"
    ATTEMPT_MISMATCH = "attempt_mismatch"

    @property
    def is_damage(self) -> bool:
        """Whether the history itself cannot be trusted: nothing is decided on it, and nothing is claimed."""
        return self in _DAMAGE


_DAMAGE = frozenset(
    {
        Rule.GAP,
        Rule.BAD_HASH,
        Rule.UNDECODABLE,
        Rule.CONTRADICTION,
        Rule.OWES_NOTHING,
        Rule.NO_DEFINITION,
        Rule.HEAD_MISMATCH,
    }
)
_SEQ = re.compile(r"seq (\d+): ")


class Flaw(NamedTuple):
    """What is wrong first: where, by which rule, and in a few words."""

    seq: int
    rule: Rule
    said: str

    def __str__(self) -> str:
        return f"seq {self.seq}: {self.rule}: {self.said}"


def flaw_in_chain(run_id: UUID, rows: Sequence[tuple[int, str, datetime, bytes, bytes]]) -> Flaw | None:
    """The first fact (`seq, kind, at, body, hash`) that is missing, or is not what was hashed."""
    bad = first_broken(run_id, rows)
    if bad is None:
        return None
    if rows[bad - 1][0] != bad:
        return Flaw(bad, Rule.GAP, f"fact {bad} is missing")
    return Flaw(bad, Rule.BAD_HASH, f"{rows[bad - 1][1]} is not what was written: its hash differs")


def flaw_at_end(rev: int, head_hash: bytes | None, facts: Sequence[bytes]) -> Flaw | None:
    """Where a head, of so many facts and that last hash, does not belong to a stream with these hashes.

    Without a head's hash the stream may have gone on since the head was read.
    """
    if len(facts) < rev:
        return Flaw(len(facts) + 1, Rule.GAP, f"the head counts {rev} facts, and there are {len(facts)}")
    if head_hash is not None and len(facts) > rev:
        return Flaw(rev + 1, Rule.HEAD_MISMATCH, f"the head counts {rev} facts, and there are {len(facts)}")
    if head_hash is not None and facts[-1] != head_hash:
        return Flaw(rev, Rule.HEAD_MISMATCH, "the head names another hash than the last fact has")
    return None


def flaw_in_fold(run: Run) -> Flaw | None:
    """What contradicts itself in a run that was folded from the beginning, though each of its facts is whole."""
    if run.anomalies:
        said = run.anomalies[0]
        found = _SEQ.match(said)
        seq = int(found.group(1)) if found else run.revision
        return Flaw(seq, Rule.CONTRADICTION, said[found.end() :] if found else said)
    if run.is_open and not run.open_steps and run.undo is None:
        return Flaw(run.revision, Rule.OWES_NOTHING, "it is open, and nothing is to come")
    return None


def corrupt(run_id: UUID, flaw: Flaw) -> CorruptHistory:
    """The error that tells of it."""
    return CorruptHistory(
        f"the history of run {run_id} is broken at fact {flaw.seq}: {flaw.rule}, {flaw.said}",
        hint="nothing of it is claimed meanwhile: `squidie verify` says more",
        details={"run_id": str(run_id), "seq": flaw.seq, "rule": flaw.rule.value},
    )
