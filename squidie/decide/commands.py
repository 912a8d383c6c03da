"""What can be asked of a run: imperative, frozen, complete.

A command carries everything its decision needs but the run, its rows and the time.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.history.attempts import AttemptKey, OpenAttempt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from squidie.history.facts import ErrorRecord, Receipt, ReleaseReason
    from squidie.history.run import Run
    from squidie.workflow.spec import Spec

MAX_CLAIMS = 5
NONE_LARGE: Mapping[str, msgspec.Raw] = MappingProxyType({})


class Situation(msgspec.Struct, frozen=True):
    """What a decision looks at.

    `rows` holds the open attempts that were read under the head's lock; `large` the outputs that the state only refers
    to.
    """

    run: Run
    spec: Spec
    now: datetime
    rows: Mapping[AttemptKey, OpenAttempt]
    large: Mapping[str, msgspec.Raw] = NONE_LARGE
    max_claims: int = MAX_CLAIMS


class Start(msgspec.Struct, frozen=True):
    """Begin a run. `at` delays its first steps, not its existence."""

    run_id: UUID
    spec: Spec
    definition: str
    trigger: str
    payload: msgspec.Raw
    queue: str
    by: Receipt
    priority: int = 100
    at: datetime | None = None
    key: str | None = None
    partition: str | None = None
    window: str | None = None
    schedule: Any = None
    attributes: Mapping[str, Any] | None = None


class _Held(msgspec.Struct, frozen=True):
    """A command of the holder of a claim: the fence is the claim's id and the hash of its token."""

    run_id: UUID
    step: str
    attempt: int
    claim_id: UUID
    token_hash: bytes

    @property
    def key(self) -> AttemptKey:
        """The attempt it is about."""
        return (self.run_id, self.step, self.attempt)


class Complete(_Held, frozen=True):
    """The step ended well; `output` has passed the gate.

    `row` is the attempt as its holder claimed it: of a claimed row only the lease's end can have moved since, so the
    rest need not be read again.
    """

    output: msgspec.Raw
    row: OpenAttempt | None = None


class Fail(_Held, frozen=True):
    """The step ended badly.

    `retryable`: its policy may try again; `after` (seconds) is the step's own wish for the delay; `dice` is drawn in
    [0, 1).
    """

    error: ErrorRecord
    retryable: bool
    dice: float
    after: float | None = None


class Release(_Held, frozen=True):
    """Give the claim back without an outcome; the attempt is due again after `delay` seconds."""

    reason: ReleaseReason
    delay: float = 0.0


class Expire(msgspec.Struct, frozen=True):
    """End a claim because its lease is over; `delay` seconds until the attempt is due again, drawn by whoever asks."""

    run_id: UUID
    step: str
    attempt: int
    claim_id: UUID
    delay: float = 0.0

    @property
    def key(self) -> AttemptKey:
        """The attempt it is about."""
        return (self.run_id, self.step, self.attempt)


class Cancel(msgspec.Struct, frozen=True):
    """End the run now."""

    run_id: UUID
    reason: str
    by: Receipt


Settling = Complete | Fail | Release
OnAttempt = Complete | Fail | Release | Expire
OnRun = Complete | Fail | Release | Expire | Cancel
Command = Start | OnRun


def may_end_run(command: OnRun) -> bool:
    """Whether the command could end the run with siblings still open.

    Then all of the run's rows are read, so that the end can name their claims.
    """
    return not isinstance(command, Complete)
