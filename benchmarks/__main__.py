"""`python -m benchmarks`: the workload through every contender in turn, several times; see README.md beside this."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from benchmarks import postgres, report
from benchmarks.contenders import CONTENDERS, Contender, Place
from benchmarks.trial import attempt
from squidie import migrate
from squidie.testing import Services

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.option("--workflows", type=click.IntRange(1), default=2000, show_default=True, help="How many runs each time.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="How often each contender runs.")
@click.option("--only", metavar="TEXT", help="Contenders whose name contains this, and the floors they are compared with.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the JSON line to a file.")
@click.option("--profile", is_flag=True, help="Instead: one worker in this process, and where its time goes.")
def main(workflows: int, repeat: int, only: str | None, file: Path | None, *, profile: bool) -> None:
    """Measure what Squidie costs, beside hand-written loops on the same Postgres."""
    if profile:
        from benchmarks.rooms import tell  # noqa: PLC0415 (only where it is asked for)

        tell(workflows, Console())
        return
    series = measure(workflows, repeat, [each for each in CONTENDERS if not only or only in each.name or "loop" in each.name])
    console = Console()
    report.show(series, Console(width=max(console.width, report.WIDTH)))
    line = json.dumps(report.document(series), ensure_ascii=False)
    click.echo(line)
    if file:
        file.write_text(f"{line}\n", encoding="utf-8")
    sys.exit(1 if series.faults() else 0)


def measure(workflows: int, repeat: int, contenders: Sequence[Contender]) -> report.Series:
    """Interleaved: every contender once, then every contender again."""
    series = report.Series(workflows)
    with Services.start() as services, tempfile.TemporaryDirectory(prefix="squidie-marks-") as folder:
        with postgres.connect(services.database_url) as connection:
            postgres.refuse_if_forgetful(connection)
            series.postgres = str(connection.info.parameter_status("server_version"))
        template = services.new_database()
        migrate.upgrade(template)
        for number in range(repeat):
            series.commits_per_s.append(postgres.commits_per_second(services.database_url))
            series.rounds.append([_once(each, services, template, Path(folder), workflows, number) for each in contenders])
    series.compare()
    return series


def _once(contender: Contender, services: Services, template: str, marks: Path, workflows: int, number: int) -> report.Trial:
    click.echo(f"{number + 1}: {contender.name}, {contender.processes} ...", err=True)
    database = services.new_database(template=template)
    try:
        return attempt(contender, Place(services, database, marks, workflows))
    finally:
        services.drop_database(database)


if __name__ == "__main__":
    main()
