"""Run the tests that prove something, by the names under which pages cite them: `file::name`.

A test of the contract of adapters stands in one file and is run by others, so it is looked for by where its code is.
As a plugin of pytest this module leaves out every other test, and writes a line for each that was run.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pytest

ROOT = Path(__file__).parents[1]
WANTED, TOLD = "EVIDENCE_WANTED", "EVIDENCE_TOLD"
"""Files: the names of the tests that are wanted, and what came of them, each a JSON value a line."""

PROVES = "proves"
RUN_BY = {
    "squidie/testing/delivery.py": ("tests/celery/test_contract.py", "tests/notify/test_contract.py"),
    "tests/support/operated.py": ("tests/celery/test_operated.py", "tests/notify/test_operated.py"),
    "tests/support/stuck.py": ("tests/celery/test_explained.py", "tests/notify/test_explained.py"),
}
"""Where tests are run that stand elsewhere."""

RUNNER = "PYTEST_XDIST"
"""What a test that is itself one of many processes has in its environment; those it starts are not of its kin."""

SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile")
"""Each half of the files with servers of its own."""

Outcome = Literal["passed", "failed", "skipped"]


class Proof(NamedTuple):
    """One test that was run; `said` is the last line of what failed."""

    test: str
    outcome: Outcome
    seconds: float
    said: str = ""


def prove(tests: Collection[str], folder: Path, seconds: float) -> tuple[list[Proof], str]:
    """Run these tests in one pytest of their own, for so long at most; what came of each, and how its words end."""
    wanted, told = folder / "wanted", folder / "told"
    wanted.write_text("".join(json.dumps(test) + "\n" for test in sorted(tests)), "utf-8")
    told.write_text("", "utf-8")
    plugins = ["-p", "no:cacheprovider", "-p", "evidence.proofs", *(SIDE_BY_SIDE if len(files(tests)) > 1 else ())]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *files(tests)]
    own = {name: value for name, value in os.environ.items() if not name.startswith(RUNNER)}
    environment = {**own, WANTED: str(wanted), TOLD: str(told), "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        said = f"the tests were not done within {seconds:.0f} s"
    return [Proof(*json.loads(line)) for line in told.read_text("utf-8").splitlines()], said[-2000:]


def files(tests: Iterable[str]) -> list[str]:
    """What pytest is to collect, so that all of these are run."""
    named = {test.partition("::")[0] for test in tests}
    return sorted({file for name in named for file in RUN_BY.get(name, (name,))})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not wanted."""
    wanted = {json.loads(line) for line in Path(os.environ[WANTED]).read_text("utf-8").splitlines()}
    chosen = []
    for item in items:
        names = _names(item) & wanted
        item.user_properties += [(PROVES, name) for name in names]
        chosen += [item] if names else []
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _names(item: Any) -> set[str]:
    """Under which it may be cited: by its file, and by the one that its code is in."""
    code = Path(inspect.getsourcefile(inspect.unwrap(item.obj)) or item.path)
    name = getattr(item, "originalname", None) or item.name
    return {f"{path.relative_to(ROOT).as_posix()}::{name}" for path in (item.path, code) if path.is_relative_to(ROOT)}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test's own part, and whatever went wrong before or after it; told once, not by each half, too."""
    if (report.when != "call" and report.passed) or "PYTEST_XDIST_WORKER" in os.environ:
        return
    said = report.longreprtext.strip().splitlines()[-1:] if report.failed else []
    tests = [str(value) for name, value in report.user_properties if name == PROVES]
    with Path(os.environ[TOLD]).open("a", encoding="utf-8") as file:
        for test in tests:
            proof = Proof(test, report.outcome, round(report.duration, 2), "".join(said))
            file.write(json.dumps(proof) + "\n")
