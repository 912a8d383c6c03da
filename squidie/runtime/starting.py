"""Verbs that begin runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from squidie.engine import asking, requests
from squidie.engine.asking import audited, refused
from squidie.engine.requests import Request
from squidie.engine.sending import SEND, send_of
from squidie.errors import InvalidArgument, SquidieError
from squidie.runtime.door import Door

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.decide.commands import Start
    from squidie.engine.batch import Verdict
    from squidie.runtime.run import Run
    from squidie.workflow.dsl import Workflow


class Starting(Door):
    """Start one run, many, or a single task."""

    def start(
        self,
        workflow: type[Workflow] | str,
        payload: Any = None,
        *,
        trigger: str | None = None,
        key: str | None = None,
        run_id: UUID | str | None = None,
        queue: str | None = None,
        priority: int = 100,
        partition: str | None = None,
        at: datetime | None = None,
        after: Any = None,
        attributes: Mapping[str, Any] | None = None,
        actor: Any = None,
        metadata: Any = None,
        source: str | None = None,
        traceparent: str | None = None,
        session: Any = None,
        connection: Connection | None = None,
    ) -> Run:
        """Start a run.

        It is on disk when this returns; with `session=` or `connection=`, when the host's transaction commits.

        `key` makes it idempotent: the same key and payload give the same run, another payload is `KeyReused`, and
        after retention has removed the run it is `RunRetired`. `at` (an aware datetime) or `after` (a duration) delays
        the first steps. `partition` (a tenant, say) is kept with the run and belongs to its key's identity.
        `traceparent` is the span that the run is to stand below, where telemetry does not know it already. Raises
        `InvalidPayload`, `InvalidArgument`, `InvalidTrigger`, `WorkflowNotFound`, `UnstorableValue`,
        `JournalUnavailable`; then nothing was written.
        """
        request = Request(
            trigger=trigger,
            key=key,
            run_id=run_id,
            queue=queue,
            priority=priority,
            partition=self._partition(partition),
            at=at,
            after=after,
            attributes=attributes,
            actor=actor,
            metadata=metadata,
            source=source,
            traceparent=traceparent,
        )
        with audited(self._parts, "start", run_id, actor):
            command = requests.start_of(self._parts, workflow, payload, request, now=self.now)
            return self._begin(command, session, connection)

    def start_many(
        self,
        workflow: type[Workflow] | str,
        payloads: Sequence[Any],
        *,
        keys: Sequence[str] | None = None,
        partial: bool = False,
        session: Any = None,
        connection: Connection | None = None,
        **options: Any,
    ) -> list[Run | SquidieError]:
        """Start many runs in one commit: all, or none.

        With `partial=True` a bad member harms only itself, and its error stands in its place.
        """
        options["partition"] = self._partition(options.get("partition"))
        with audited(self._parts, "start_many", None, options.get("actor")):
            return self._many(workflow, payloads, keys, options, (session, connection), partial=partial)

    def _many(
        self,
        workflow: type[Workflow] | str,
        payloads: Sequence[Any],
        keys: Sequence[str] | None,
        options: dict[str, Any],
        host: tuple[Any, Connection | None],
        *,
        partial: bool,
    ) -> list[Run | SquidieError]:
        _check_many(payloads, keys, options)
        asked: list[Start | SquidieError] = []
        for number, payload in enumerate(payloads):
            try:
                request = Request(**options, key=keys[number] if keys is not None else None)
                asked.append(requests.start_of(self._parts, workflow, payload, request, now=self.now))
            except SquidieError as error:
                if not partial:
                    raise
                asked.append(error)
        commands = [each for each in asked if not isinstance(each, SquidieError)]
        verdicts = iter(asking.start(self._parts, commands, *host, strict=not partial) if commands else ())
        found = [
            each if isinstance(each, SquidieError) else self._run_or_error(next(verdicts), partial=partial)
            for each in asked
        ]
        for each in found:
            if isinstance(each, SquidieError):
                refused(self._parts, "start_many", None, options.get("actor"), each)
        return found

    def send(
        self,
        task: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        queue: str | None = None,
        partition: str | None = None,
        actor: Any = None,
        metadata: Any = None,
        source: str | None = None,
        traceparent: str | None = None,
        session: Any = None,
        connection: Connection | None = None,
    ) -> Run:
        """Send one task (or a plain function) as a run of one step, in the host's transaction where it gives one.

        Its arguments are bound to its parameters and are plain JSON. What the task declares for itself holds: its
        retries, its limits, its queue unless one is given. It must be known here (`keep=[task]`). The key is the
        task's own: two tasks may have the same.
        """
        request = Request(
            key=key,
            queue=queue,
            partition=self._partition(partition),
            actor=actor,
            metadata=metadata,
            source=source,
            traceparent=traceparent,
        )
        with audited(self._parts, SEND, None, actor):
            return self._begin(send_of(self._parts, task, args, kwargs, request), session, connection)

    def _begin(self, command: Start, session: Any, connection: Connection | None) -> Run:
        return self._started(asking.start(self._parts, [command], session, connection, strict=True)[0])

    def _run_or_error(self, verdict: Verdict, *, partial: bool) -> Run | SquidieError:
        if partial and isinstance(verdict.error, SquidieError):
            return verdict.error
        return self._started(verdict)


_SHARED = frozenset(Request.__struct_fields__) - {"key", "run_id"}
"""What all runs of one `start_many` have in common."""


def _check_many(payloads: Any, keys: Any, options: Mapping[str, Any]) -> None:
    """Nothing, or `InvalidArgument` for what is wrong with all of them."""
    if isinstance(payloads, str | bytes) or not isinstance(payloads, Sequence):
        raise InvalidArgument("payloads", "is a list: one payload for each run")
    if keys is not None and (isinstance(keys, str | bytes) or not isinstance(keys, Sequence)):
        raise InvalidArgument("keys", "is a list: one key for each payload")
    if keys is not None and len(keys) != len(payloads):
        raise InvalidArgument("keys", "there must be one for each payload")
    for name in options:
        if name not in _SHARED:
            raise InvalidArgument(name[:64], f"is no option of many starts: there are {', '.join(sorted(_SHARED))}")
