"""What a shell offers behind Tab: ids of runs, workflows and queues, read from the database, or nothing in time."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from squidie.cli.setup import Setup

BUDGET = 0.3
"""Seconds that the database has to answer."""

MOST = 50


def complete_runs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Short ids of runs, the newest first, each with its workflow and its state."""
    return _within(ctx, lambda setup: _runs(setup, incomplete.lower()))


def complete_workflows(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of workflows, declared here or remembered."""
    return _within(ctx, lambda setup: _named(_workflows(setup), incomplete))


def complete_queues(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of queues that have open work or a consumer, or that workflows use."""
    return _within(ctx, lambda setup: _named(_queues(setup), incomplete))


def complete_runs_or_workflows(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Either."""
    return [*complete_runs(ctx, param, incomplete), *complete_workflows(ctx, param, incomplete)]


def _within(ctx: click.Context, find: Callable[[Setup], list[CompletionItem]]) -> list[CompletionItem]:
    """What is found in time; a shell is not the place for errors."""
    setup = _setup(ctx)
    found: list[CompletionItem] = []
    try:
        setup.on_journal()  # what is imported for it takes as long as it takes
    except Exception:  # noqa: BLE001 - then there is nothing to offer
        return []

    def look() -> None:
        with suppress(Exception):  # likewise
            found.extend(find(setup))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(BUDGET)
    return [] if looking.is_alive() else found


def _setup(ctx: click.Context) -> Setup:
    """What the group's options say; while a shell asks the group itself is not run."""
    from squidie.cli.setup import Setup

    given = ctx.find_object(Setup)
    if given is not None:
        return given
    params: dict[str, Any] = ctx.find_root().params
    chosen = {name: params[name] for name in ("app", "dsn", "schema") if params.get(name)}
    return Setup(**chosen)


def _runs(setup: Setup, incomplete: str) -> list[CompletionItem]:
    from squidie.views.listing import MOST as PAGE
    from squidie.views.listing import list_runs

    rows = list_runs(setup.journal(), limit=min(PAGE, 200)).runs
    fitting = [row for row in rows if row.short_id.startswith(incomplete) or row.id.hex.endswith(incomplete)]
    return [CompletionItem(row.short_id, help=f"{row.workflow} {row.state.word}") for row in fitting[:MOST]]


def _workflows(setup: Setup) -> list[str]:
    from squidie.journal import definitions

    journal, squidie = setup.journal(), setup.on_journal()
    with journal.looking() as connection:
        kept = definitions.names(journal, connection)
    return sorted({*kept, *squidie.registry.workflows})


def _queues(setup: Setup) -> list[str]:
    from squidie.views.fleet import fleet

    return sorted({*(queue.name for queue in fleet(setup.journal()).queues), *setup.on_journal().used_queues()})


def _named(names: list[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)][:MOST]
