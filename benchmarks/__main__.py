"""`python -m benchmarks`: each workload through every contender in turn, several times; see README.md beside this."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from benchmarks import ballast, limit, pages, postgres, report
from benchmarks.catalogue import QUICK, WORKLOADS, with_peers
from benchmarks.contenders import Floor, Place
from benchmarks.peer import Peer
from benchmarks.peers import environments, listing
from benchmarks.watch import Trial
from squidie import migrate
from squidie.testing import Services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contenders import Contender
    from benchmarks.figures import Workload

WORKLOAD = re.compile(r"[wW]\d")
SERVER = {"logging_collector": "on", "log_rotation_size": "0", "max_connections": "600"}
"""A log that is a file, for the queries of W5; room for fifty workers. All that makes it durable is as it comes."""


@click.command()
@click.option("--only", metavar="TEXT", multiple=True, help="W2: this workload. Else: contenders named so, and floors.")
@click.option("--scale", type=click.FloatRange(0.001), default=1.0, help="So many times the size; 0.1 for a look.")
@click.option("--repeat", type=click.IntRange(1), help="How often each contender runs.")
@click.option("--full", is_flag=True, help="All there is: a million asleep, fifty workers, kills; about 15 minutes.")
@click.option("--peers", is_flag=True, help="Beside others, installed from PyPI into environments of their own.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON to a file too.")
@click.option("--keep", is_flag=True, help="Keep the figures and make the pages anew, as a whole run does.")
@click.option("--profile", is_flag=True, help="Instead: one worker in this process, and where its time goes.")
def main(
    only: tuple[str, ...],
    scale: float,
    repeat: int | None,
    file: Path | None,
    *,
    full: bool,
    peers: bool,
    keep: bool,
    profile: bool,
) -> None:
    """Measure what Squidie costs, beside hand-written loops and others on the same Postgres."""
    if profile:
        from benchmarks.rooms import tell  # noqa: PLC0415 (only where it is asked for)

        tell(max(1, int(2000 * scale)), Console())
        return
    if only == ("views",):
        _views()
        return
    if only == ("wal",):
        from benchmarks.wal import tell as tell_log  # noqa: PLC0415 (only where it is asked for)

        tell_log(max(1, int(2000 * scale)), Console())
        return
    named = any(WORKLOAD.fullmatch(each) for each in only)  # W6, asked for, is there
    offered = with_peers(listing.peers(environments.install())) if peers else WORKLOADS if full or named else QUICK
    console = Console()
    wide = Console(width=max(console.width, report.WIDTH))
    found = measure([each.scaled(scale) for each in chosen(offered, only)], repeat, wide)
    if not only and not peers and scale >= 1:
        _views()
    how = "make bench-peers" if peers else f"make bench ARGS={'--full' if full else '--keep'}"
    document = report.whole(found, how, scale)
    line = json.dumps(document, ensure_ascii=False)
    click.echo(line)
    if file:
        file.write_text(f"{line}\n", encoding="utf-8")
    if keep or ((full or peers) and not only and scale == 1.0 and repeat is None):
        pages.keep(document, pages.PEERS if peers else pages.OURS)
    sys.exit(1 if any(series.faults() for series in found) else 0)


def _views() -> None:
    """What looks cost: W4's second half, in journals of its own."""
    from benchmarks import views  # noqa: PLC0415 (only where it is asked for)

    views.tell(Console())


def chosen(offered: Sequence[Workload], only: Sequence[str]) -> list[Workload]:
    """Those that were named, or all; with the contenders that were named, or all. Floors always run."""
    names = {each.upper() for each in only if WORKLOAD.fullmatch(each)}
    texts = [each for each in only if each.upper() not in names]

    def runs(contender: Contender) -> bool:
        return not texts or isinstance(contender, Floor) or any(text in contender.name for text in texts)

    wanted = [each for each in offered if not names or each.name in names]
    return [replace(each, contenders=tuple(filter(runs, each.contenders))) for each in wanted]


def measure(workloads: Sequence[Workload], repeat: int | None, console: Console) -> list[report.Series]:
    """Each workload in turn, on servers that are started once; its table as soon as it is known."""
    found = []
    with (
        Services.start(settings=SERVER) as services,
        tempfile.TemporaryDirectory(prefix="squidie-marks-") as folder,
    ):
        template = Place(services, services.new_database(), Path(folder), 1)
        migrate.upgrade(template.database)
        for workload in workloads:
            found.append(_interleaved(workload, template, repeat or workload.repeat))
            report.show(found[-1], console)
    return found


def _interleaved(workload: Workload, template: Place, repeat: int) -> report.Series:
    """Every contender once, then every contender again."""
    series = report.Series(workload, postgres.durable_version(template.services.database_url))
    loaded = _loaded(workload, template)
    try:
        for number in range(repeat):
            click.echo(f"{workload.name}, round {number + 1} of {repeat}", err=True)
            series.commits_per_s.append(postgres.commits_per_second(template.services.database_url))
            if (most := limit.transactions_per_second(template.services.database_url)) is not None:
                series.limit_per_s.append(most)
            place = replace(template, size=workload.size)
            series.rounds.append([_once(workload, each, place, loaded) for each in workload.contenders])
    finally:
        for database in loaded.values():
            template.services.drop_database(database)
    series.compare()
    return series


def _loaded(workload: Workload, template: Place) -> dict[Contender, str]:
    """A journal for each contender that wants much in it before."""
    loaded: dict[Contender, str] = {}
    for contender in workload.contenders:
        if isinstance(contender, ballast.Laden):
            click.echo(f"{workload.name}, filling the journal", err=True)
            loaded[contender] = template.services.new_database(template=template.database)
            contender.load(loaded[contender])
    return loaded


def _once(workload: Workload, contender: Contender, place: Place, loaded: dict[Contender, str]) -> Trial:
    click.echo(f"  {contender.name}, {contender.processes}", err=True)
    if isinstance(contender, Peer) and workload.by_rate:
        place = replace(place, size=max(1, int(place.size * contender.part)))
    if contender in loaded:
        return _tried(workload, contender, replace(place, database=loaded[contender]))
    place = replace(place, database=place.services.new_database(template=place.database))
    try:
        return _tried(workload, contender, place)
    finally:
        place.services.drop_database(place.database)


def _tried(workload: Workload, contender: Contender, place: Place) -> Trial:
    """A contender that fails is said to have failed; the others go on."""
    try:
        return workload.attempt(contender, place)
    except Exception as error:  # noqa: BLE001 - whatever a peer breaks is its own
        click.echo(f"  {contender.name} has failed: {error}", err=True)
        return Trial(contender, {}, failure=f"{type(error).__name__}: {str(error).splitlines()[0][:300]}")


if __name__ == "__main__":
    main()
