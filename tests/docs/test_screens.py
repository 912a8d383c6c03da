"""The page of the command line is what the command line says: typed again here, on runs that are always the same.

SQUIDIE_SNAPSHOTS=write rewrites it.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from squidie.cli import main
from squidie_celery import CeleryDelivery, create_app
from tests.support import shop
from tests.support.fixtures import bells, clock, database_url, make, scratch, squidie
from tests.support.screens import ELSEWHERE, SCREENS, Stage

__all__ = ["bells", "clock", "database_url", "make", "scratch", "squidie"]

PAGE = Path(__file__).parents[2] / "docs/reference/cli.md"
HEAD = """# The command line

Every command, with the screen that it shows: the same runs each time, on a clock that stands still, at 80 columns.
`squidie` and `celery -A PROJECT squidie` are one group.

```console
$ squidie -A shop.flows:squidie ls        # or SQUIDIE_APP, or [tool.squidie] app in pyproject.toml
$ squidie --dsn postgresql:///app ls      # where the code is not at hand
$ squidie ls --json                       # one document; errors go to stderr
$ celery -A PROJECT squidie ls            # the application that is installed in this Celery app
```

Data goes to stdout, everything else to stderr. Documents are described in [JSON](json.md), checks in
[What doctor looks at](doctor.md).

| exit | means |
| --- | --- |
| 0 | done, also an empty list |
| 1 | failed, misconfigured, a history that cannot be trusted; `doctor` or `check` found errors |
| 2 | usage, an id of several runs, an invalid payload |
| 3 | not found |
| 4 | somebody was first, or the state moved; nothing changed |
| 5 | a safety gate; an explicit override is required |
| 6 | not permitted |
| 7 | the database or the broker cannot be reached |
| 8 | warnings only, with `--strict` |
| 10, 11, 12 | `run`, `watch --exit-status`: the run failed, was cancelled, needs a person |
| 124, 130 | timed out, Ctrl-C |
"""


@pytest.fixture
def stage(make, redis_url, services, monkeypatch, tmp_path):
    """On services of our own: what doctor says of a server depends on the server."""
    if not (services.owns_postgres and services.owns_redis):
        pytest.skip("the page is about servers of our own")
    monkeypatch.chdir(tmp_path)
    for name in ("SQUIDIE_APP", "SQUIDIE_DATABASE_URL", "SQUIDIE_SCOPE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    delivery = CeleryDelivery(create_app(redis_url, set_as_current=False))
    squidie = make(*shop.ALL, delivery=delivery)

    def call(squidie, *words, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        celery = SimpleNamespace(app=SimpleNamespace(squidie=squidie))
        return CliRunner().invoke(main, words, obj=celery, prog_name="squidie")

    return Stage(squidie, call, make(*shop.ALL), make(*shop.TOMORROW))


def leaves(group, *before):
    """Every command that does something, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, *before, name)
        else:
            yield (*before, name), command


def command_of(line):
    """The words of a line that name its command."""
    words = shlex.split(line)
    named = {" ".join(path) for path, _ in leaves(main)}
    two = " ".join(words[:2])
    return two if two in named else words[0] if words[0] in named else f"{words[0]} ls"


def page(stage):
    """The whole page."""
    shown = {}
    for screen in SCREENS:
        about = f"{screen.about}\n\n" if screen.about else ""
        text = f"{about}```console\n$ squidie {screen.line}\n{stage.screen(screen)}\n```\n"
        shown.setdefault(command_of(screen.line), []).append(text)
    parts = [HEAD]
    for path, _ in leaves(main):
        name = " ".join(path)
        help_text = CliRunner().invoke(main, [*path, "--help"], prog_name="squidie", env={"COLUMNS": "80"}).output
        usage = f"```text\n{help_text.strip()}\n```\n"
        parts += [f"## {name}\n", *shown.pop(name, [f"No screen: it is {ELSEWHERE.get(name)}.\n"]), usage]
    assert not shown
    return "\n".join(parts)


def test_every_screen_of_the_page_is_what_the_command_line_says(stage):
    """UX 8.3, 10.2: help and screens alike."""
    written = page(stage)
    if os.environ.get("SQUIDIE_SNAPSHOTS") == "write":
        PAGE.write_text(written, "utf-8")

    assert PAGE.read_text("utf-8") == written, "SQUIDIE_SNAPSHOTS=write accepts the change"


def test_every_command_has_a_screen_or_a_reason_why_not():
    """UX 8.2"""
    have = {command_of(screen.line) for screen in SCREENS}
    wanted = {" ".join(path) for path, _ in leaves(main)}

    assert wanted - have - set(ELSEWHERE) == set()
    assert set(ELSEWHERE) <= wanted
