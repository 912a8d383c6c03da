"""`squidie worker`: the worker without a broker."""

from __future__ import annotations

import logging
import sys

import click

from squidie.cli.setup import Setup


@click.command()
@click.option(
    "-Q",
    "--queues",
    metavar="NAME[,NAME…]",
    multiple=True,
    help="Serve these queues; all that the workflows use, if none are named.",
)
@click.option("-c", "--concurrency", default=2, show_default=True, help="How many child processes run steps.")
@click.option("--once", is_flag=True, help="Take one turn in this process, and end.")
@click.option("--drain", is_flag=True, help="Work in this process until nothing is due, and end.")
@click.option(
    "-l",
    "--loglevel",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
)
@click.pass_context
def worker(
    ctx: click.Context, queues: tuple[str, ...], concurrency: int, loglevel: str, *, once: bool, drain: bool
) -> None:
    """Work off queues without a broker. One Ctrl-C lets running steps end, a second one does not."""
    from squidie.worker import serve

    setup = ctx.find_object(Setup) or Setup()
    logging.basicConfig(
        level=loglevel.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    squidie = setup.with_code()
    squidie.ensure_schema()
    named = [name for each in queues for name in each.split(",") if name]
    if not (once or drain):
        served = ", ".join(sorted(named or squidie.used_queues()))
        logging.getLogger("squidie.worker").info(
            "%s serves %s with %d processes; bells by %s", squidie.owner, served, concurrency, squidie.delivery.name
        )
    ctx.exit(serve(squidie, named, concurrency=concurrency, once=once, drain=drain))
