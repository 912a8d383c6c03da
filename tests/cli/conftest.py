"""The command line in this process, on the test's own runtime, as `celery -A proj squidie` would find it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from squidie.cli import main
from tests.support.fixtures import bells, clock, database_url, make, nobody, scratch, squidie, staffed

__all__ = ["bells", "clock", "database_url", "make", "nobody", "scratch", "squidie", "staffed"]

ROOT = Path(__file__).parents[2]
CONSOLE = "import sys; sys.argv[0] = 'squidie'; from squidie.cli import main; main(prog_name='squidie')"


@pytest.fixture
def call(squidie, tmp_path, monkeypatch):
    """Call a command; the result has `stdout`, `stderr` and `exit_code`."""
    monkeypatch.chdir(tmp_path)
    for name in ("SQUIDIE_APP", "SQUIDIE_DATABASE_URL", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments, given=None, columns=None):
        if columns:
            monkeypatch.setenv("COLUMNS", str(columns))
        celery = SimpleNamespace(app=SimpleNamespace(squidie=call.squidie))
        return CliRunner().invoke(main, arguments, input=given, obj=celery, prog_name="squidie")

    call.squidie = squidie
    return call


@pytest.fixture
def interruptible():
    """What is started here can be interrupted, though a shell that puts the tests behind it has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def shell(tmp_path):
    """The command line as a process of its own, in an empty folder."""

    def shell(*arguments, env=None, wrapper=()):
        plain = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}", "LANG": "C.UTF-8"}
        command = [*wrapper, sys.executable, "-c", CONSOLE, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**plain, **(env or {})}, capture_output=True, text=True, timeout=60, check=False
        )

    return shell
