"""Verbs that run again what has run: replays, forks, and what was given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from squidie.engine import letters, steering
from squidie.engine.asking import audited, persist, traced
from squidie.engine.replaying import Preview, fork_of, preview, replay_of, source_of
from squidie.engine.requests import Who, as_uuid
from squidie.engine.start import begin
from squidie.runtime.explaining import Explaining
from squidie.runtime.letters import DeadLetters
from squidie.runtime.steering import Steering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from uuid import UUID

    from squidie.decide.commands import Start
    from squidie.runtime.door import By
    from squidie.runtime.run import Run


class Repeating(Steering, Explaining):
    """Run something again, with the safety gate in between."""

    @property
    def dead_letters(self) -> DeadLetters:
        """What was given up, to be found, requeued and discarded."""
        return DeadLetters(self._parts, self._policy.within, requeue=self.requeue, discard=self.discard)

    def replay(
        self,
        run_id: UUID | str,
        *,
        allow_irreversible: Iterable[str] = (),
        queue: str | None = None,
        definition: str = "current",
        reason: str | None = None,
        **by: Unpack[By],
    ) -> Run:
        """Start a new run of the same workflow, trigger and payload; the source must have ended.

        It runs on the workflow as it is declared today, or on the source's own graph with `definition="same"`. Steps
        that took effect, or may have, and cannot be taken back must be named in `allow_irreversible`: `UnsafeReplay`
        lists them.
        """
        said: dict[str, Any] = {"allowed": allow_irreversible, "queue": queue, "definition": definition}
        return self._repeat("replay", run_id, by, reason, replay_of, **said)

    def preview_replay(
        self,
        run_id: UUID | str,
        *,
        allow_irreversible: Iterable[str] = (),
        queue: str | None = None,
        definition: str = "current",
    ) -> Preview:
        """What `replay` would do: how the graphs differ, which steps must be named, why it would be refused."""
        source = source_of(self._parts, self._seen(run_id), None)
        said = {"allowed": allow_irreversible, "queue": queue, "definition": definition}
        return preview(self._parts, source, Who(), **said)

    def fork(
        self,
        run_id: UUID | str,
        from_step: str,
        *,
        allow_irreversible: Iterable[str] = (),
        payload_changes: Mapping[str, Any] | None = None,
        reason: str | None = None,
        **by: Unpack[By],
    ) -> Run:
        """Start a new run that goes on from a step; what is not after it is carried over and not run again.

        The source has ended, or is parked at that step. It keeps the source's graph; `payload_changes` replaces fields
        of its payload.
        """
        step = steering.text_of(from_step, "from_step")
        said = {"from_step": step, "allowed": allow_irreversible, "changes": payload_changes}
        return self._repeat("fork", run_id, by, reason, fork_of, step=step, **said)

    def requeue(
        self, run_id: UUID | str, step: str, *, reason: str, allow_irreversible: Iterable[str] = (), **by: Unpack[By]
    ) -> Run:
        """Take up what was given up: `actor` says who, `reason` why.

        A parked step is tried anew in its run. Of a run that has ended a new one goes on at the step, as with `fork`,
        and the letter is closed. Raises `DeadLetterNotFound`, and `InvalidTransition` for a letter that is closed.
        """
        who = Who(**by)
        with audited(self._parts, "requeue", run_id, who.actor):
            command = steering.requeue_of(self._parts, as_uuid(run_id), who, step=step, reason=reason)
            host = self._host(who)
            self._permit("requeue", command.run_id, who, command.step, host)
            if letters.is_parked(self._parts, command, host):
                letters.take_up(self._parts, command, who, host)
                return self._handle(command.run_id)
            return self._started(letters.requeue(self._parts, command, who, allow_irreversible, host))

    def discard(self, run_id: UUID | str, step: str, *, reason: str, **by: Unpack[By]) -> Run:
        """Give up for good: `actor` says who, `reason` why.

        The failure of a parked step takes its course. Of a run that has ended only the letter is closed.
        """
        who = Who(**by)
        with audited(self._parts, "discard", run_id, who.actor):
            command = steering.discard_of(self._parts, as_uuid(run_id), who, step=step, reason=reason)
            host = self._host(who)
            self._permit("discard", command.run_id, who, command.step, host)
            if letters.is_parked(self._parts, command, host):
                letters.take_up(self._parts, command, who, host)
            else:
                letters.discard(self._parts, command, host)
        return self._handle(command.run_id)

    def _repeat(
        self,
        verb: str,
        run_id: Any,
        by: By,
        reason: str | None,
        make: Callable[..., Start],
        *,
        step: str | None = None,
        **said: Any,
    ) -> Run:
        who = Who(**by)
        who = who if reason is None else msgspec.structs.replace(who, comment=steering.reason_of(reason))
        with audited(self._parts, verb, run_id, who.actor):
            host, found = self._host(who), as_uuid(run_id)
            self._permit(verb, found, who, step, host)
            command = traced(self._parts, make(self._parts, source_of(self._parts, found, host), who, **said))
            asked = persist(lambda: begin(self._parts, [command], host=host, session=who.session, strict=True), host)
            return self._started(asked[0])
