"""A click group that lists where it is told nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click import Context


class Listing(click.Group):
    """`squidie queues` is `squidie queues ls`, and so it is with options; whatever else stands there is a command."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Put `ls` in front of nothing, and of options that are not ours."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["ls", *args]
        return super().parse_args(ctx, args)
