"""Was each fault really played once? `python -m evidence faults` goes through the rows of docs/reference/faults.md.

A row is played by a scenario on real servers, or proved by tests that cite it, which are run in one pytest afterwards.
A row that is neither is told with its reason.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.table import Table

from evidence import checks, registry
from evidence.cluster import Cluster
from evidence.proofs import Proof, prove
from evidence.report import Report
from squidie.testing.guard import guard
from tests.support import criteria

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Iterable

    from evidence.registry import Scenario
    from evidence.report import Row

CAP = 360.0
AT_ONCE = 2
"""Lanes at a time: one a core, and much of a lane is waiting."""


def declare(commands: Any) -> None:
    """The options of the command."""
    parser = commands.add_parser("faults", help="every fault of the list once")
    rows = criteria.FAULTS.numbers()
    groups = sorted({row[0] for row in rows})
    parser.add_argument(
        "--only", choices=(*groups, *rows), nargs="+", metavar="ROW", help=f"some rows, or all of {' '.join(groups)}"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cap", type=float, default=CAP, help="seconds after which everything is dumped")
    parser.set_defaults(play=play)


def play(given: Namespace) -> int:
    """All rows, or those that were asked for; the exit code."""
    page = criteria.FAULTS
    wanted = [row for row in page.numbers() if not given.only or {row, row[0]} & set(given.only)]
    chosen = [{row: lane[row] for row in lane if row in wanted} for lane in registry.lanes()]
    scenarios = {row for lane in chosen for row in lane}
    report, stack = Report("faults", given.seed, given.cap), ExitStack()
    with stack:
        clusters = [stack.enter_context(Cluster()) for lane in chosen if lane]
        stack.enter_context(report.capped(lambda: "\n".join(cluster.logs() for cluster in clusters)))
        jobs = [partial(one_by_one, report, *each) for each in zip(clusters, filter(None, chosen), strict=True)]
        jobs.append(partial(proved, report, [row for row in wanted if row not in scenarios | page.reasons().keys()]))
        with ThreadPoolExecutor(AT_ONCE) as pool:  # the tests come when a lane is through
            for future in [pool.submit(job) for job in jobs]:
                future.result()
    report.numbers |= {"rows": len(wanted), "played": len(scenarios)}
    report.numbers["not_yet"] = [row for row in wanted if row in page.reasons() and row not in scenarios]
    return report.close(lambda _, rows: table(wanted, rows))


def one_by_one(report: Report, cluster: Cluster, scenarios: dict[str, Scenario]) -> None:
    """One row after the other, on servers of their own."""
    for number, scenario in scenarios.items():
        one(cluster, report, number, scenario)


def one(cluster: Cluster, report: Report, number: str, scenario: Scenario) -> None:
    """A row on a journal of its own: what it does, and what must be so of the whole cluster after it."""
    with report.scenario(f"{number} afterwards", wants_hit=False) as row:
        cluster.renew()
        scenario(cluster, report)
        cluster.heal()
        row.judge(checks.of_cluster(cluster))
        row.expect(report.of(number), f"nothing was played under the name {number}")
    if not all(each.held for each in report.of(number)):
        sys.stderr.write(f"\n{number} did not hold; the end of every log:\n{cluster.logs()}\n")
    cluster.retire(cluster.nodes)
    cluster.nodes.clear()


def proved(report: Report, numbers: Collection[str]) -> None:
    """The rows that tests prove."""
    tests = {number: criteria.FAULTS.tests(number) for number in numbers}
    wanted = {test for found in tests.values() for test in found}
    folder = guard.folder("proofs-")
    try:
        results, said = prove(wanted, folder, max(1.0, report.left - 5)) if wanted else ([], "")
    finally:
        guard.remove(folder)
    for number, found in tests.items():
        with report.scenario(f"{number} by tests") as row:
            row.expect(found, "no scenario plays it, no test cites it, and no reason is given")
            _judge(row, found, [result for result in results if result.test in found], said)


def _judge(row: Row, tests: Collection[str], results: Collection[Proof], said: str) -> None:
    """Each of the tests was run, and none of them failed."""
    row.hit("tests", sum(result.outcome == "passed" for result in results))
    row.why += [f"{result.test} {result.outcome}: {result.said}" for result in results if result.outcome != "passed"]
    missed = sorted(set(tests) - {result.test for result in results})
    row.expect(not missed, f"not run: {', '.join(missed)}; pytest said: {said}")


def table(numbers: Collection[str], rows: Iterable[Row]) -> Table:
    """One line a row of the list."""
    found = {key: list(each) for key, each in groupby(sorted(rows, key=_number), _number)}
    made = Table(title="faults")
    for column in ("row", "fault", "played by", "held", "faults hit", "runs", "seconds"):
        made.add_column(column, justify="right" if column in {"runs", "seconds"} else "left")
    titles = criteria.FAULTS.titles()
    for number in numbers:
        made.add_row(number, titles[number], *_told(number, found.get(number, [])))
    return made


def _number(row: Row) -> str:
    return row.scenario.split()[0]


def _told(number: str, rows: list[Row]) -> tuple[str, ...]:
    if not rows:
        return (f"not yet: {criteria.FAULTS.reasons().get(number, 'nobody says why')}", "", "", "", "")
    held = "yes" if all(row.held for row in rows) else "NO"
    hits = ", ".join(f"{what} {n}" for row in rows for what, n in row.hits.items() if n)
    kind = "tests" if rows[0].scenario.endswith(" by tests") else "scenario"
    return kind, held, hits, str(sum(row.runs for row in rows) or ""), f"{max(row.seconds for row in rows):.1f}"
