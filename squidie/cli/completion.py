"""`squidie completion`: what makes Tab work in a shell."""

from __future__ import annotations

import click

from squidie.errors import InvalidArgument

_VARIABLE = "_SQUIDIE_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes Tab complete commands, options, ids of runs, workflows and queues: SHELL is bash, zsh or fish.

    Read it when the shell starts: eval "$(squidie completion bash)" in ~/.bashrc, the same for zsh in ~/.zshrc, and
    squidie completion fish | source in config.fish. Ids and names come from the database, which has 300 ms to answer.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise InvalidArgument("SHELL", "cannot be completed by this version of click")
    made = kind(click.get_current_context().find_root().command, {}, "squidie", _VARIABLE)
    click.echo(made.source_template % made.source_vars())
