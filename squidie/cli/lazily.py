"""A click group that knows its commands' names and imports none of them until one is invoked."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import click

from squidie.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint


class Commands(click.Group):
    """Commands by name: `commands_at` says where each is and what it does.

    `plugins` names an entry-point group that adds more.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], plugins: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._places = commands_at
        self._group = plugins

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self._group) if point.name not in self._places}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours in the order of declaration, then those of others."""
        return [*self._places, *sorted(self._plugins), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name in self._places:
            module, _, name = self._places[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(module), name)
            return command
        if cmd_name in self._plugins:
            return _loaded(self._plugins[cmd_name])
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click says so
        """The list in `--help`: of ours nothing is imported, the others are asked for their own sentence."""
        rows = [(name, about) for name, (_, about) in self._places.items()]
        rows += [(name, _about(point)) for name, point in sorted(self._plugins.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _about(point: EntryPoint) -> str:
    try:
        return _loaded(point).get_short_help_str(limit=60)
    except InvalidConfig:
        return f"(from {point.module.partition('.')[0]}, which cannot be loaded)"


def _loaded(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except (ImportError, AttributeError) as error:
        raise InvalidConfig(
            f"the command {point.name!r} cannot be loaded: {error}",
            hint="install what it needs, or the newer version of what brings it",
        ) from error
    if not isinstance(command, click.Command):
        raise InvalidConfig(f"the command {point.name!r} is no click command", hint=f"{point.value} must name one")
    return command
