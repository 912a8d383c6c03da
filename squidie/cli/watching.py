"""A run while it runs: its steps, live on a terminal, or a line for each change in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from squidie.cli.steps import what
from squidie.errors import RunUnsuccessful, WaitTimeout
from squidie.views.states import State
from squidie.views.words import span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rich.console import Console

    from squidie.cli.reading import Reading
    from squidie.cli.render import Screen
    from squidie.runtime import Run
    from squidie.views.snapshot import RunSnapshot, StepView

LOOK_EVERY = 0.1
LONELY_AFTER = 3.0
_WORD = max(len(state.word) for state in State)


def wait_for(reading: Reading, run: Run, timeout: float | None) -> Any:
    """The run's output. Progress goes to stderr. Raises `RunUnsuccessful` or `WaitTimeout`."""
    screen = reading.screen
    watch = Silent() if reading.as_json else Drawing(screen, screen.err) if screen.err.is_terminal else Logging(screen)
    with watch:
        snapshot = follow(reading, run, watch, timeout)
    if snapshot.state is not State.COMPLETED:
        raise RunUnsuccessful(run.id, snapshot.status.value, snapshot.error)
    return snapshot.output


def follow(
    reading: Reading,
    run: Run,
    watch: Silent,
    timeout: float | None,
    *,
    every: float = LOOK_EVERY,
    stops: Callable[[RunSnapshot], bool] = lambda _: False,
) -> RunSnapshot:
    """The run as it was when it had ended, or when it was as `stops` says. Raises `WaitTimeout`."""
    began, seen, warned = time.monotonic(), -1, False
    while True:
        looked = run.snapshot()
        waited = time.monotonic() - began
        if looked.revision != seen or watch.is_live:
            seen = looked.revision
            watch.show(looked)
        if looked.ended_at is not None or stops(looked):
            return looked
        if timeout is not None and waited >= timeout:
            raise WaitTimeout(run.id, timeout)
        if waited > LONELY_AFTER and not warned:
            warned = True
            _warn_if_lonely(reading, looked)
        time.sleep(every if timeout is None else min(every, max(0.0, timeout - waited)))


def _warn_if_lonely(reading: Reading, run: RunSnapshot) -> None:
    if reading.as_json:
        return
    from squidie.views.fleet import fleet

    served = {queue for worker in fleet(reading.setup.journal()).alive("worker") for queue in worker.queues}
    lonely = sorted({step.queue for step in run.steps if step.state is State.QUEUED} - served)
    if lonely:
        reading.screen.note(
            f"[yellow]⚠[/] No worker serves queue {', '.join(lonely)}: nothing is lost, it starts as soon as one does."
        )


class Silent:
    """For programs that read the end only: nothing on the way. `is_live`: it is shown every look, changed or not."""

    is_live = False

    def show(self, run: RunSnapshot) -> None:
        """One more look at the run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Logging(Silent):
    """A line for each step whose state is another than before; `say` writes it, on stderr if nobody says where."""

    def __init__(self, screen: Screen, say: Callable[[str], None] | None = None, *, outside: bool = False) -> None:
        self._screen = screen
        self._outside = outside
        self._say = say or screen.note
        self.is_live = say is not None
        self._known: dict[str, State] = {}

    def show(self, run: RunSnapshot) -> None:
        """What has changed since the last look."""
        if not self._known:
            self._say(f"{escape(run.workflow)} {run.short_id}")
        for step in run.steps:
            if self._known.get(step.name, State.NOT_STARTED) is not step.state:
                self._say(_line(self._screen, step, run.at, outside=self._outside))
            self._known[step.name] = step.state


class Through(Silent):
    """Another way to show it, which is given the run as somebody with the asked scope sees it."""

    def __init__(self, reading: Reading, inner: Silent) -> None:
        self._reading, self._inner = reading, inner
        self.is_live = inner.is_live

    def show(self, run: RunSnapshot) -> None:
        """The run as it is seen."""
        self._inner.show(self._reading.see(run))

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)


class Drawing(Silent):
    """On a terminal: all steps, redrawn; if it is to be `compact`, only the run, and why it is where it is."""

    is_live = True

    def __init__(self, screen: Screen, console: Console, *, compact: bool = False, outside: bool = False) -> None:
        self._screen = screen
        self._outside = outside
        self._compact = compact
        self._live = Live(console=console, refresh_per_second=10, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, run: RunSnapshot) -> None:
        """The run as it is now."""
        screen = self._screen
        took = span((run.ended_at or run.at) - run.started_at)
        lines = [f"[bold]{escape(run.workflow)} {run.short_id}[/]  {screen.badge(run.state)}  {took}"]
        steps = (_line(screen, step, run.at, outside=self._outside) for step in run.steps)
        lines += [escape(run.headline)] if self._compact else steps
        lines += ["  [dim]Ctrl-C leaves the run running.[/]"] if run.ended_at is None else []
        self._live.update(Group(*(Text.from_markup(screen.plain(line)) for line in lines)))


def _line(screen: Screen, step: StepView, now: datetime, *, outside: bool) -> str:
    return f"  {screen.badge(step.state, _WORD)}  {escape(step.name)}{_extra(step, now, outside=outside)}"


def _extra(step: StepView, now: datetime, *, outside: bool) -> str:
    tries = f"  [dim]try {step.attempt}/{step.max_attempts}[/]" if step.attempt > 1 else ""
    took = f"  [dim]{span(step.settled_at - step.claimed_at)}[/]" if step.settled_at and step.claimed_at else ""
    why = f"  [dim]{escape(what(step, now, outside=outside))}[/]" if step.state in (State.PAUSED, State.STALLED) else ""
    return took + tries + why
