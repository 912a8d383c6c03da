"""`squidie migrate` and `squidie version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

import click

from squidie.cli.reading import Reading, read_command
from squidie.errors import InvalidArgument, SchemaMismatch

if TYPE_CHECKING:
    from squidie.runtime import Squidie

_PARTS = ("squidie", "celery", "sqlalchemy", "psycopg", "alembic", "msgspec", "click", "rich")


@click.command()
@click.option("--plan", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL for a migration of your own; no database is needed.")
@click.option("--to", "to", default="head", show_default=True, metavar="REVISION", help="Upgrade to this revision.")
@click.option("--check", is_flag=True, help="Exit with 1 unless the schema is what this code needs.")
@read_command
def migrate(reading: Reading, *, plan: bool, as_sql: bool, to: str, check: bool) -> None:
    """Create or upgrade the journal's schema. Any number of processes may do so at once."""
    from squidie import migrate as migrations

    if as_sql:
        click.echo(_sql(reading, to))
        return
    squidie = reading.setup.on_journal()
    before, wanted = migrations.current(squidie.engine, squidie.schema), migrations.head() if to == "head" else to
    if check and before != migrations.head():
        raise SchemaMismatch(before, migrations.head())
    if not (plan or check) and before != wanted:
        _upgrade(squidie, to)
    after = before if plan else migrations.current(squidie.engine, squidie.schema)
    if reading.as_json:
        reading.document(
            "squidie.migrate/1", {"database_schema": squidie.schema, "before": before, "after": after, "wanted": wanted}
        )
    else:
        reading.screen.print(_said(squidie.schema, before, after, wanted))


def _upgrade(squidie: Squidie, to: str) -> None:
    from alembic.util import CommandError

    from squidie import migrate as migrations

    try:
        migrations.upgrade(squidie.engine, squidie.schema, to)
    except CommandError:
        known = migrations.current(squidie.engine, squidie.schema)
        raise InvalidArgument(
            "--to",
            "this code cannot go there",
            hint=f"the database is at {known}, this code knows revisions up to {migrations.head()}",
        ) from None


def _sql(reading: Reading, to: str) -> str:
    from squidie import migrate as migrations

    schema = reading.setup.schema
    return "\n\n".join(
        [f'create schema if not exists "{schema}";\nset search_path to "{schema}";', *migrations.statements(to=to)]
    )


def _said(schema: str, before: str | None, after: str | None, wanted: str) -> str:
    if before == wanted:
        return f"[green]✓[/] schema {schema} is at {wanted}: nothing to do"
    if after != wanted:
        return f"schema {schema} is at {before or 'nothing'}; `squidie migrate` would bring it to {wanted}"
    return f"[green]✓[/] schema {schema} is at {wanted}" + (f", it was at {before}" if before else ", made new")


@click.command()
@read_command
def version(reading: Reading) -> None:
    """Print the versions of Squidie and what it stands on."""
    found = versions()
    if reading.as_json:
        reading.document("squidie.version/1", {"versions": found})
        return
    for part, number in found.items():
        click.echo(f"{part:<12}{number}")


def versions() -> dict[str, str]:
    """Of Squidie and what it stands on, as far as it is installed."""
    return {"python": platform.python_version(), **{part: number for part in _PARTS if (number := _version(part))}}


def _version(part: str) -> str | None:
    try:
        return version_of(part)
    except PackageNotFoundError:
        return None
