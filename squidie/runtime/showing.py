"""Verbs that look for somebody: what they answer is what the host's policy lets this actor see.

page = squidie.views(request.user).inspect_run(run_id)      # a mapping, ready for JSON
shown = squidie.redact(squidie.inspect_run(run_id), "maya")
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from squidie.engine.requests import as_uuid
from squidie.errors import InvalidArgument, InvalidPolicy, NotPermitted
from squidie.history.lines import named, one_line
from squidie.runtime.repeating import Repeating
from squidie.views import visibility
from squidie.views.facts import facts_of
from squidie.views.fleet import Fleet, workers_of
from squidie.views.letters import LetterGroups, LetterPage
from squidie.views.listing import RunPage
from squidie.views.visibility import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from squidie.engine.parts import Parts
    from squidie.engine.permission import Policy
    from squidie.runtime.letters import DeadLetters

Shown = dict[str, Any]
"""A view as somebody sees it: a plain mapping, in which what is hidden is absent."""

_LISTS: Mapping[type, tuple[str, ...]] = {
    RunPage: ("runs",),
    LetterPage: ("letters",),
    LetterGroups: ("groups",),
    Fleet: ("workers", "queues"),
}
"""Views that are lists: the policy is asked about each of their entries."""

audit = logging.getLogger("squidie.audit")


class Showing(Repeating):
    """What somebody sees."""

    def views(self, actor: Any) -> Views:
        """The verbs that look, each answered as this actor may see it; within the handle's own partition."""
        return Views(self, actor)

    def redact(self, view: Any, actor: Any) -> Any:
        """A view that one has, as this actor may see it; of several the list.

        An answer is a plain mapping, ready for JSON; what is hidden is absent, and of what is no view nothing is shown.
        Raises `InvalidPolicy`.
        """
        return _Eyes(self._parts, self._policy, actor).see(view)


class Views:
    """What one actor sees: the verbs that look, with the arguments they take elsewhere, answered in plain mappings."""

    def __init__(self, handle: Showing, actor: Any) -> None:
        self._handle = handle
        self._parts: Parts = handle._parts  # noqa: SLF001 - the two belong together
        self._policy: Policy = handle._policy  # noqa: SLF001
        self._eyes = _Eyes(self._parts, self._policy, actor)

    def inspect_run(self, run_id: UUID | str) -> Shown:
        """The run as it stands. Raises `RunNotFound`."""
        return self._eyes.one(self._handle.inspect_run(run_id))

    def inspect_run_graph(self, run_id: UUID | str, *, history: bool = False) -> Shown:
        """The run's graph; the policy is asked about the run. Raises `RunNotFound`."""
        run = self._handle.inspect_run(run_id)
        return self._eyes.parts_of(run, [self._handle.inspect_run_graph(run.id, history=history)])[0]

    def inspect_run_timeline(self, run_id: UUID | str) -> list[Shown]:
        """What happened in the run, in its order; the policy is asked about the run. Raises `RunNotFound`."""
        run = self._handle.inspect_run(run_id)
        return self._eyes.parts_of(run, self._handle.inspect_run_timeline(run.id))

    def list_runs(self, **query: Any) -> Shown:
        """A page of runs. What was found by something that this actor does not see of a run is not in it."""
        page = self._handle.list_runs(**query)
        if self._asks_for_hidden(query):
            seen = tuple(row for row in page.runs if self._eyes.scope_of(row) is not Scope.EXTERNAL)
            page = RunPage(seen, page.next if seen else None, page.at)
        return self._eyes.one(page)

    def explain_run(self, run_id: UUID | str, step: str | None = None) -> Shown:
        """Why the run, or one of its steps, is where it is. Raises `RunNotFound`, `StepNotFound`."""
        return self._eyes.one(self._handle.explain_run(run_id, step))

    def explain_many(self, **query: Any) -> Shown:
        """What open runs wait for, rolled up. From outside nothing is looked for by what is not seen there."""
        told = self._handle.explain_many(**query)
        if self._asks_for_hidden(query) and self._eyes.scope_of(told) is Scope.EXTERNAL:
            raise NotPermitted("this actor does not see what runs are looked for by")
        return self._eyes.one(told)

    def _asks_for_hidden(self, query: Mapping[str, Any]) -> bool:
        """Whether the answer would tell what runs have that is not shown from outside."""
        hidden = ("attributes",) if self._policy.within is not None else ("attributes", "partition")
        return any(query.get(name) is not None for name in hidden)

    def facts(self, run_id: UUID | str) -> list[Shown]:
        """The run's journal, one entry a fact; the policy is asked about the run. Raises `RunNotFound`."""
        run = self._handle.inspect_run(run_id)
        return self._eyes.parts_of(run, facts_of(self._parts.journal, run.id))

    def command_history(self, run_id: UUID | str) -> list[Shown]:
        """The commands that the run has accepted; the policy is asked about the run. Raises `RunNotFound`."""
        run = self._handle.inspect_run(run_id)
        return self._eyes.parts_of(run, run.commands)

    def queues(self) -> list[Shown]:
        """What is open on each queue."""
        return self._eyes.several(self._handle.queues())

    def workers(self, *, everybody: bool = False) -> list[Shown]:
        """Who is alive. Workers belong to no partition: a handle that is bound to one sees none."""
        is_bound = self._policy.within is not None
        return [] if is_bound else self._eyes.several(workers_of(self._parts.journal, everybody=everybody))

    @property
    def dead_letters(self) -> LettersSeen:
        """What was given up."""
        return LettersSeen(self._handle.dead_letters, self._eyes)

    def __repr__(self) -> str:
        return "<Views>"


class LettersSeen:
    """The dead letters as one actor sees them."""

    def __init__(self, letters: DeadLetters, eyes: _Eyes) -> None:
        self._letters, self._eyes = letters, eyes

    def list(self, **query: Any) -> Shown:
        """A page of letters."""
        return self._eyes.one(self._letters.list(**query))

    def show(self, run_id: UUID | str, step: str) -> Shown:
        """The latest letter of a step. Raises `DeadLetterNotFound`."""
        return self._eyes.one(self._letters.show(run_id, step))

    def groups(self, **query: Any) -> Shown:
        """What failed the same way."""
        return self._eyes.one(self._letters.groups(**query))


class _Eyes:
    """One actor, the policy that says what he sees, and the log that says which values he saw."""

    def __init__(self, parts: Parts, policy: Policy, actor: Any) -> None:
        self._parts, self._policy, self._actor = parts, policy, actor

    def see(self, view: Any) -> Any:
        """A view, or several."""
        return self.several(view) if isinstance(view, tuple | list) else self.one(view)

    def several(self, views: Iterable[Any]) -> list[Shown]:
        """Each for itself."""
        return [self.one(view) for view in views]

    def one(self, view: Any) -> Shown:
        """One view; where it is a list, each of its entries for itself."""
        names = _LISTS.get(type(view), ())
        if not names:
            return self._shown(view, self.scope_of(view))
        entries = {name: self.several(getattr(view, name, ())) for name in names}
        return self._shown(view, Scope.EXTERNAL) | entries

    def parts_of(self, run: Any, parts: Iterable[Any]) -> list[Shown]:
        """Parts of a run, seen as the run is."""
        scope = self.scope_of(run)
        return [self._shown(part, scope, run.id) for part in parts]

    def scope_of(self, view: Any) -> Scope:
        """What the host's policy says; from outside where there is none. Raises `InvalidPolicy`."""
        policy = self._policy.visibility
        if policy is None:
            return Scope.EXTERNAL
        try:
            answer = policy(self._actor, view)
        except Exception as error:
            raise InvalidPolicy(f"it raised {type(error).__name__}") from error
        if isinstance(answer, str) and answer in set(Scope):
            return Scope(answer)
        raise InvalidPolicy(f"it answered {type(answer).__name__}, and no scope")

    def _shown(self, view: Any, scope: Scope, run_id: Any = None) -> Shown:
        shown, revealed = visibility.redact(view, scope, self._parts.masking)
        if revealed:
            about = _run_of(view) if run_id is None else f"run {run_id}"
            by = named(self._actor, self._parts.masking)
            audit.info("revealed: %s of %s to %s", ", ".join(map(one_line, revealed)), about, by)
        return shown


def _run_of(view: Any) -> str:
    """The run that a view is about."""
    found = getattr(view, "run_id", None) or getattr(view, "id", None)
    try:
        return f"run {as_uuid(found)}"
    except InvalidArgument:
        return "a run"
