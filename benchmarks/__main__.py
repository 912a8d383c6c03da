"""`python -m benchmarks`: the workload through every contender in turn, several times; see README.md beside this."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from benchmarks import postgres, report
from benchmarks.contenders import CONTENDERS, Floor, Place
from benchmarks.trial import attempt
from squidie import migrate
from squidie.testing import Services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contenders import Contender
    from benchmarks.trial import Trial


@click.command()
@click.option("--workflows", type=click.IntRange(1), default=2000, show_default=True, help="How many runs each time.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="How often each contender runs.")
@click.option("--only", metavar="TEXT", help="Contenders whose name contains this, and the floors; or views.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON to a file too.")
@click.option("--profile", is_flag=True, help="Instead: one worker in this process, and where its time goes.")
def main(workflows: int, repeat: int, only: str | None, file: Path | None, *, profile: bool) -> None:
    """Measure what Squidie costs, beside hand-written loops on the same Postgres."""
    if profile:
        from benchmarks.rooms import tell  # noqa: PLC0415 (only where it is asked for)

        tell(workflows, Console())
        return
    if only == "views":
        from benchmarks import views  # noqa: PLC0415 (likewise)

        views.tell(Console())
        return
    wanted = [each for each in CONTENDERS if only is None or only in each.name or isinstance(each, Floor)]
    series = measure(workflows, repeat, wanted)
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
        series.postgres = postgres.durable_version(services.database_url)
        template = Place(services, services.new_database(), Path(folder), workflows)
        migrate.upgrade(template.database)
        for number in range(repeat):
            click.echo(f"round {number + 1} of {repeat}", err=True)
            series.commits_per_s.append(postgres.commits_per_second(services.database_url))
            series.rounds.append([_once(contender, template) for contender in contenders])
    series.compare()
    return series


def _once(contender: Contender, template: Place) -> Trial:
    click.echo(f"  {contender.name}, {contender.processes}", err=True)
    place = replace(template, database=template.services.new_database(template=template.database))
    try:
        return attempt(contender, place)
    finally:
        place.services.drop_database(place.database)


if __name__ == "__main__":
    main()
