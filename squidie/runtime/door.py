"""What every verb of the runtime goes through: who asks, whether he may, and the one door of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from squidie.engine.asking import ask, audited
from squidie.engine.hosts import host_of
from squidie.engine.permission import permit
from squidie.engine.requests import Who, as_uuid
from squidie.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.decide.commands import Asked
    from squidie.engine.batch import Verdict
    from squidie.engine.parts import Parts
    from squidie.engine.permission import Policy
    from squidie.runtime.run import Run


class By(TypedDict, total=False):
    """What every verb on a run takes besides.

    `actor` (text or an object) says who asks, `comment` what he says to it, `metadata` (an object) whatever else is to
    be kept, `source` where it was asked (`cli`, say). With a `key` the same request again gives the same answer and
    writes nothing; another request under it is `KeyReused`. With `session` or `connection` it happens in the host's
    transaction.
    """

    actor: Any
    comment: str | None
    metadata: dict[str, Any] | None
    key: str | None
    source: str | None
    session: Any
    connection: Connection | None


class Door:
    """The parts that every handle works with, and the way of a command on a run."""

    _parts: Parts
    _policy: Policy
    _home: str | None = None  # the partition of starts that name none

    def now(self) -> datetime:
        """The database's clock: the only one."""
        raise NotImplementedError

    def _handle(self, run_id: UUID, *, created: bool = False) -> Run:
        raise NotImplementedError

    def _ask(self, verb: str, run_id: Any, by: By, make: Callable[..., Asked], **said: Any) -> Run:
        """Make the command, ask whether it may be tried, and try it."""
        who = Who(**by)
        with audited(self._parts, verb, run_id, who.actor):
            command = make(self._parts, as_uuid(run_id), who, **said)
            host = host_of(self._parts.journal, who.session, who.connection)
            self._permit(verb, command.run_id, who, getattr(command, "step", None), host)
            ask(self._parts, command, host, who.session)
        return self._handle(command.run_id)

    def _permit(self, verb: str, run_id: UUID, who: Who, step: str | None, host: Connection | None) -> None:
        permit(self._parts, self._policy, verb, run_id, actor=who.actor, step=step, host=host)

    def _started(self, verdict: Verdict) -> Run:
        if verdict.error is not None:
            raise verdict.error
        return self._handle(verdict.command.run_id, created=verdict.created)

    def _partition(self, partition: str | None) -> str | None:
        """The partition of a start: the one it names, or this handle's own, beyond which a bound one does not go."""
        if partition is None:
            return self._home
        if self._policy.within not in (None, partition):
            raise InvalidArgument("partition", "is another one than this handle's")
        return partition
