"""Would the tests notice? Each guard is switched off in a copy of the repository, one at a time, and its test is run.

python -m evidence.mutants [--cap SECONDS] [name ...]       all mutants, or those named

First all the tests are run on an untouched copy, where they must pass. Then a mutant is killed when its test fails, and
survives when it passes: that is a promise that nobody holds, and the exit status is 1. So it is when a guard's text is
not found in the code any more, when a mutant hangs, or when the time is over. Prints a JSON line a mutant, and a table
that shows what each test had to say.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evidence.mutations import ROOT, Mutation, TextNotFound, mutations
from squidie.testing import Services

PARTS = ("squidie", "backends", "celery_app", "migrations", "tests", "examples", "benchmarks", "evidence")
FILES = ("pyproject.toml", "README.md", "Makefile")
AT_ONCE = 2
CAP = 240.0
"""Seconds in all, where nothing else is said: enough for two cores that have nothing else to do."""

LONGEST = 0.25
"""Of the cap, what one mutant may take: one that hangs proves nothing."""

SETTINGS = {"fsync": "off", "full_page_writes": "off"}  # processes may be killed here, power is not cut
NO_ASSERTION = (
    "ImportError",
    "ModuleNotFoundError",
    "SyntaxError",
    "NameError",
    "TypeError",
    "AttributeError",
    "KeyError",
)
FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+?::.+?)(?: - (.*))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant: `killed` by which test, and what that said; `survived`, `broken` or `hung`."""

    mutant: str
    verdict: str
    seconds: float
    test: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """What pytest had to say of some tests: None for a status that came too late."""

    status: int | None
    output: str
    failures: tuple[tuple[str, str], ...]


def copied(into: Path) -> Path:
    """The repository, as far as tests need it, with its compiled files: what is not changed is not compiled again."""
    for part in PARTS:
        shutil.copytree(ROOT / part, into / part)
    for name in FILES:
        shutil.copy2(ROOT / name, into / name)
    return into


def run(tree: Path, tests: list[str], environment: dict[str, str], seconds: float) -> Ran:
    """Run these tests in that tree; its code is that of every process that they start."""
    path = os.pathsep.join([str(tree), str(tree / "backends")])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, **environment, "PYTHONPATH": path, "COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ran(None, "", ())
    return Ran(done.returncode, done.stdout + done.stderr, tuple(FAILURE.findall(done.stdout)))


def judged(mutation: Mutation, environment: dict[str, str], until: float, longest: float) -> Result:
    """Switch one guard off and look whether its test notices."""
    began = time.monotonic()
    if began > until:
        return Result(mutation.name, "not run: the time was over", 0.0)
    with TemporaryDirectory(prefix="squidie-mutant-") as folder:
        tree = copied(Path(folder))
        mutation.apply(tree)
        ran = run(tree, ["-x", mutation.test], environment, min(longest, max(1.0, until - began)))
    return _verdict(mutation, ran, time.monotonic() - began)


def _verdict(mutation: Mutation, ran: Ran, seconds: float) -> Result:
    if ran.status is None:
        return Result(mutation.name, "hung", seconds)
    if ran.status == 0:
        return Result(mutation.name, "SURVIVED", seconds, mutation.test)
    if ran.status != 1 or not ran.failures:
        return Result(mutation.name, "broken", seconds, mutation.test, ran.output.strip()[-500:])
    test, said = ran.failures[0]
    if said.startswith(NO_ASSERTION):
        return Result(mutation.name, "broken", seconds, test, said)
    return Result(mutation.name, "killed", seconds, test, said)


def are_green(tests: list[str], environment: dict[str, str], longest: float) -> bool:
    """Whether the tests pass where nothing is switched off, in a tree that is copied as a mutant's is."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="squidie-mutant-") as folder:
        tree = copied(Path(folder))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            shares = [tests[n::AT_ONCE] for n in range(AT_ONCE)]
            found = list(pool.map(lambda share: run(tree, share, environment, longest), filter(None, shares)))
    green = all(ran.status == 0 for ran in found)
    seconds = round(time.monotonic() - began, 1)
    _say({"scenario": "unmutated", "tests": len(tests), "green": green, "seconds": seconds})
    if not green:
        sys.stderr.write("\n".join(ran.output for ran in found if ran.status != 0))
    return green


def main(names: list[str], cap: float = CAP) -> int:
    """Judge the mutants of these names, or all, within `cap` seconds; the exit status."""
    began = time.monotonic()
    table = tuple(mutations())
    if unknown := set(names) - {each.name for each in table}:
        sys.stderr.write(f"no such mutant: {', '.join(sorted(unknown))}\n")
        return 2
    wanted = [each for each in table if not names or each.name in names]
    try:
        for each in wanted:
            each.applied((ROOT / each.file).read_text("utf-8"))
    except TextNotFound as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with Services.start(settings=SETTINGS) as services:
        environment = {"SQUIDIE_DATABASE_URL": services.database_url, "SQUIDIE_REDIS_URL": services.redis_url}
        if not are_green(sorted({each.test for each in wanted}), environment, cap):
            return 1
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = []
            for result in pool.map(lambda each: judged(each, environment, began + cap, cap * LONGEST), wanted):
                results.append(result)
                _say({"scenario": "mutant", **asdict(result), "seconds": round(result.seconds, 1)})
    _table(results, time.monotonic() - began)
    return 0 if all(result.verdict == "killed" for result in results) else 1


def _table(results: list[Result], seconds: float) -> None:
    killed = sum(result.verdict == "killed" for result in results)
    lines = ["", f"{'mutant':<28} {'verdict':<9} {'s':>5}  by, and what it said"]
    for each in results:
        lines.append(f"{each.mutant:<28} {each.verdict:<9} {each.seconds:>5.1f}  {each.test}")
        lines += [f"{'':<45}{each.said[:150]}"] if each.said else []
    lines += ["", f"mutants      killed {killed}/{len(results)}   {seconds:.0f} s", ""]
    sys.stdout.write("\n".join(lines))


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m evidence.mutants", description="Would the tests notice?")
    parser.add_argument("names", nargs="*", metavar="name", help="of mutants; all, if none is named")
    parser.add_argument("--cap", type=float, default=CAP, help="seconds in all (default: %(default)g)")
    given = parser.parse_args()
    sys.exit(main(given.names, given.cap))
