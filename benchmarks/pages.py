"""The page of costs and the picture of it, from the figures that are kept: `python -m benchmarks.pages`.

`make bench` and `make bench-peers` keep what they have measured in `results/`, and call this. Nothing here is edited by
hand: a test holds both files against the figures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.chart import Bar, Panel, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PEERS, OURS = "peers.json", "bench.json"
PAGE, PICTURE = ROOT / "docs/reference/costs.md", ROOT / "docs/reference/costs.svg"
COLUMNS = 6
"""So many contenders stand in one table."""
LEFT_OUT = ("loop-step", "loop-document32", "loop-listen")
HEAD = """# What it costs

Made by `python -m benchmarks.pages` from `benchmarks/results`; not to be edited. How it is measured and how to read it:
[benchmarks](../../benchmarks/README.md). What bounds it: [where the time goes](../guides/speed.md). What follows for
machines and disks: [sizing](../guides/sizing.md).

Compare columns of one table, never figures of two. A cell is the median of its repetitions, with the smallest and the
largest beside it where they differ; the last columns say what Squidie should reach, and whether its columns do.

![Workflows per second, and the time of one workflow alone, beside peers](costs.svg)
"""
TITLES = {PEERS: "Beside its peers", OURS: "Squidie and floors"}


def keep(document: dict[str, Any], name: str) -> None:
    """Keep what was measured, and make the pages anew."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    write()


def write() -> None:
    """Both files."""
    documents = kept()
    PAGE.write_text(page(documents), "utf-8")
    PICTURE.write_text(picture(documents), "utf-8")


def kept() -> dict[str, dict[str, Any]]:
    """What was measured last, by the name of its file."""
    found = (RESULTS / name for name in (PEERS, OURS))
    return {path.name: json.loads(path.read_text("utf-8")) for path in found if path.exists()}


def page(documents: dict[str, dict[str, Any]]) -> str:
    """The page of tables."""
    return "\n".join([HEAD, *(line for name, each in documents.items() for line in _part(name, each))])


def _part(name: str, document: dict[str, Any]) -> Iterator[str]:
    yield f"## {TITLES[name]}\n"
    scale = document["scale"]
    at = "" if scale == 1 else f" A look only: the sizes are {scale:g} of those that are meant."
    yield f"`{document['command']}`.{at}\n"
    for workload in document["workloads"]:
        yield from _tables(workload)


def _tables(workload: dict[str, Any]) -> Iterator[str]:
    yield f"### {workload['workload'].upper()}: {workload['title']}\n"
    columns = workload["contenders"]
    for begin in range(0, len(columns), COLUMNS):
        yield from _table(workload, columns[begin : begin + COLUMNS])
    yield from _remarks(workload)


def _table(workload: dict[str, Any], columns: Sequence[dict[str, Any]]) -> Iterator[str]:
    names = [f"{each['name']}, {each['processes']}" for each in columns]
    yield _row(["", *names, "goal", ""])
    yield _row(["---", *("---:" for _ in names), "---:", "---"])
    for line in workload["lines"]:
        cells = [_cell(each["figures"].get(line["figure"]), line["digits"]) for each in columns]
        if set(cells) != {"-"}:
            yield _row([line["label"], *cells, line["goal"], line["verdict"]])
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(spread: dict[str, float] | None, digits: int) -> str:
    if spread is None:
        return "-"
    middle, least, most = (f"{spread[part]:.{digits}f}" for part in ("median", "min", "max"))
    return middle if least == most else f"{middle} ({least}-{most})"


def _remarks(workload: dict[str, Any]) -> Iterator[str]:
    machine = workload["machine"]
    rate, most = machine["commits_per_s"], machine.get("pgbench_per_s")
    limit = f", {most['median']:.0f} through pgbench's eight" if most else ""
    yield (
        f"{workload['repeat']} repetitions; {machine['cores']} cores, PostgreSQL {machine['postgres']}, Python"
        f" {machine['python']}, {rate['median']:.0f} commits/s on one connection{limit}. {workload['note']}".rstrip()
    )
    if workload["disturbed"]:
        disturbed = f"{workload['disturbed']} of {workload['repetitions']} repetitions"
        yield f"\nOthers used more than half a core beside {disturbed}; these count only where there is no other."
    for name, why in workload["failures"].items():
        yield f"\n{name} has failed: {why}"
    yield ""


def picture(documents: dict[str, dict[str, Any]]) -> str:
    """Two panels: how many workflows a second, and how long one takes."""
    document = documents.get(PEERS) or documents[OURS]
    workloads = {each["workload"]: each for each in document["workloads"]}
    panels = (
        ("w1", "workflows_per_s", "Workflows of five steps per second, one worker process; more is better", 0),
        ("w2", "p50_ms", "One workflow of five steps alone, start to durable end, ms (median); less is better", 1),
    )
    drawn = [
        Panel(title, tuple(_bars(workloads[name], figure)), digits)
        for name, figure, title, digits in panels
        if name in workloads
    ]
    return draw(drawn)


def _bars(workload: dict[str, Any], figure: str) -> Iterator[Bar]:
    for each in workload["contenders"]:
        spread = each["figures"].get(figure)
        if spread is not None and each["processes"] == 1 and each["name"] not in LEFT_OUT:
            is_floor = each["name"].startswith("loop")
            name = f"hand-written loop ({each['name'].removeprefix('loop-')})" if is_floor else each["name"]
            yield Bar(name, spread["median"], spread["min"], spread["max"], "floor" if is_floor else _kind(each))


def _kind(contender: dict[str, Any]) -> str:
    return "ours" if contender["ours"] else "peer"


if __name__ == "__main__":
    write()
