"""What log lines know of where they were written, and what they must not say.

Every record that is made while a step runs, by whatever logger, has `run_id`, `workflow`, `step`, `attempt` and
`claim_id`; and known secrets are masked in it, as they are in every line of Squidie's own. Both happen where records
are made, so that no handler has to be set up for it, and none is passed by.
"""

from __future__ import annotations

import logging
import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ReferenceType, ref

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextvars import Token

    from squidie.history.attempts import OpenAttempt
    from squidie.history.masking import Masking
    from squidie.history.run import Run

OURS = "squidie"
NAMES = ("run_id", "workflow", "step", "attempt", "claim_id")


class _Inside(NamedTuple):
    masking: Masking
    row: OpenAttempt
    workflow: str

    def said(self) -> dict[str, Any]:
        row = self.row
        claim = str(row.lease.claim_id) if row.lease is not None else None
        return dict(zip(NAMES, (str(row.run_id), self.workflow, row.step, row.attempt, claim), strict=True))


_INSIDE: ContextVar[_Inside | None] = ContextVar("squidie_inside", default=None)
_maskings: tuple[ReferenceType[Masking], ...] = ()
_installed = False


def enter(masking: Masking, row: OpenAttempt, run: Run) -> Token[_Inside | None]:
    """From here on this attempt is worked on, in this thread and in what asyncio makes of it, until `leave`."""
    return _INSIDE.set(_Inside(masking, row, run.workflow))


def leave(token: Token[_Inside | None]) -> None:
    """It is not any more."""
    _INSIDE.reset(token)


def install(masking: Masking) -> None:
    """Mask with this in our own lines from now on, and know steps: once a process, around the factory that is there."""
    global _installed, _maskings  # noqa: PLW0603 - logging has one factory a process
    _maskings = (*(each for each in _maskings if each() is not None), ref(masking))
    if _installed:
        return
    _installed = True
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        place = _INSIDE.get()
        if place is not None:
            record.__dict__ = _Overwritten(record.__dict__, **place.said())
            _mask(record, (place.masking,))
        elif record.name.partition(".")[0] == OURS:
            _mask(record, [masking for each in _maskings if (masking := each()) is not None])
        return record

    logging.setLogRecordFactory(factory)


class _Overwritten(dict[str, Any]):
    """A record's attributes, in which a caller's `extra` may have a name of ours: logging would refuse it."""

    def __contains__(self, name: object) -> bool:
        return name not in NAMES and super().__contains__(name)


def _mask(record: logging.LogRecord, maskings: Iterable[Masking]) -> None:
    """Replace what is secret in the message and in the traceback; a line that has nothing of it is left as it was."""
    try:
        said = record.getMessage()
        masked = _masked(said, maskings)
        if masked != said:
            record.msg, record.args = masked, ()
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            shown = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            masked = _masked(shown, maskings)
            if masked != shown:
                record.exc_info, record.exc_text = None, masked
    except Exception:  # noqa: BLE001 - what is wrong with a line is for its handlers to say, not for whoever logs
        return


def _masked(said: str, maskings: Iterable[Masking]) -> str:
    for masking in maskings:
        said = masking.text(said)
    return said
