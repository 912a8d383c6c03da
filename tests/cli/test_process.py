"""The command line as a process: whose application it finds, what it says when nothing works, what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from squidie import migrate
from squidie.testing import eventually
from tests.cli.conftest import CONSOLE, ROOT

APP = """
import os
from squidie import Squidie, Workflow, manual, step

def hello() -> str:
    return "hello"

class Greeting(Workflow):
    triggers = [manual("start")]
    hello = step(hello)

squidie = Squidie(os.environ["SQUIDIE_DATABASE_URL"], workflows=[Greeting])
"""
NOBODY = "postgresql://maya:hunter2@localhost:1/shop"


@pytest.fixture
def app(tmp_path):
    (tmp_path / "shop.py").write_text(APP, encoding="utf-8")


# ---------------------------------------------------------------- whose application
def test_the_application_is_found_by_option_environment_and_project(shell, app, tmp_path, database_url):
    database = {"SQUIDIE_DATABASE_URL": database_url}

    by_option = shell("-A", "shop:squidie", "start", "Greeting", env=database)
    by_module = shell("-A", "shop", "start", "Greeting", env=database)
    by_environment = shell("start", "Greeting", env={**database, "SQUIDIE_APP": "shop"})
    (tmp_path / "pyproject.toml").write_text('[tool.squidie]\napp = "shop:squidie"\n', encoding="utf-8")
    by_project = shell("start", "Greeting", env=database)

    found = [by_option, by_module, by_environment, by_project]
    assert [each.returncode for each in found] == [0] * 4, found
    assert len(json.loads(shell("ls", "--json", env=database).stdout)["runs"]) == 4


def test_an_operator_without_the_code_reads_and_cancels_by_url(shell, app, database_url):
    started = shell("-A", "shop", "start", "Greeting", "--json", env={"SQUIDIE_DATABASE_URL": database_url})
    run_id = json.loads(started.stdout)["id"]

    assert run_id[-6:] in shell("--dsn", database_url, "ls").stdout
    assert shell("--dsn", database_url, "cancel", run_id, "--reason", "by hand").returncode == 0
    assert json.loads(shell("--dsn", database_url, "show", run_id, "--json").stdout)["status"] == "cancelled"
    assert shell("--dsn", database_url, "start", "Greeting").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["ls"], 1, "no application and no database was named"),
        (["start", "X"], 1, "tried -A, SQUIDIE_APP, [tool.squidie] app in pyproject.toml"),
        (["-A", "nowhere", "ls"], 1, "there is no module 'nowhere' here"),
        (["-A", "broken", "ls"], 1, "broken cannot be imported: ZeroDivisionError: division by zero"),
        (["-A", "json:squidie", "ls"], 1, "json has no 'squidie'"),
        (["-A", "json:dumps", "ls"], 1, "which is a function and no Squidie"),
        (["-A", "not a module", "ls"], 1, "not of the form module:attribute"),
        (["--dsn", NOBODY, "ls"], 7, "Postgres did not answer: Connection refused"),
        (["--dsn", "mysql://maya:hunter2@x/y", "ls"], 1, "not one of Postgres"),
        (["--dsn", "postgresql://maya:hunter2@x:port/y", "ls"], 1, "cannot be read"),
        (["--dsn", NOBODY, "--schema", "No Schema", "ls"], 1, "lower-case letters"),
        (["--dsn", NOBODY, "doctor"], 1, ""),
        (["--dsn", NOBODY, "migrate"], 7, "Postgres did not answer"),
    ],
)
def test_what_cannot_work_is_said_in_two_lines_without_secrets(shell, tmp_path, arguments, exit_code, said):
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")

    shown = shell(*arguments)

    assert shown.returncode == exit_code
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr
    assert "hunter2" not in shown.stdout + shown.stderr
    assert len(shown.stderr.splitlines()) <= 2


def test_verbose_shows_the_traceback(shell, tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")

    assert "ZeroDivisionError" in shell("-v", "-A", "broken", "ls").stderr.partition("Traceback")[2]


def test_a_missing_schema_names_the_command_and_the_command_mends_it(shell, empty_database_url):
    at = ("--dsn", empty_database_url)

    missing = shell(*at, "ls")
    assert missing.returncode == 1
    assert "run `squidie migrate`" in missing.stderr
    assert shell(*at, "migrate", "--check").returncode == 1
    assert shell(*at, "migrate", "--plan").stdout.endswith(f"would bring it to {migrate.head()}\n")
    assert shell(*at, "migrate").returncode == 0
    assert shell(*at, "migrate").stdout.endswith("nothing to do\n")
    assert shell(*at, "migrate", "--check").returncode == 0
    assert shell(*at, "ls").stdout == "No runs yet.\n"


def test_the_sql_of_the_schema_needs_no_database(shell):
    shown = shell("migrate", "--sql")

    assert shown.returncode == 0
    assert 'create schema if not exists "squidie";' in shown.stdout
    assert "create table runs" in shown.stdout


# ---------------------------------------------------------------- signals, speed, guests
def test_ctrl_c_leaves_the_run_running_and_exits_with_130(shell, app, tmp_path, database_url, interruptible):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}", "LANG": "C.UTF-8"}
    env |= {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_ACCEPT": os.environ["SQUIDIE_ACCEPT"]}
    command = [sys.executable, "-c", CONSOLE, "-A", "shop", "run", "Greeting"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    assert "Greeting" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Traceback" not in said
    assert json.loads(shell("--dsn", database_url, "ls", "--json").stdout)["runs"][0]["status"] == "running"


@pytest.mark.parametrize(
    ("option", "unused"),
    [
        ("--version", {"rich", "sqlalchemy", "psycopg", "alembic", "squidie.runtime", "squidie_celery", "celery"}),
        ("--help", {"rich", "sqlalchemy", "psycopg", "alembic", "squidie.runtime"}),  # it asks plug-ins for a sentence
    ],
)
def test_what_takes_time_is_imported_by_those_who_need_it(tmp_path, option, unused):
    look = (
        "import sys\nfrom squidie.cli import main\n"
        f"try: main(['{option}'])\nexcept SystemExit: pass\n"
        f"print(sorted({unused!r} & sys.modules.keys()), file=sys.stderr)"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}"}

    shown = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )

    assert shown.stderr == "[]\n"


def test_celery_finds_our_commands(tmp_path, database_url):
    """As through the entry point of pyproject.toml: Celery's loader adds the group just so."""
    (tmp_path / "proj.py").write_text(
        "from celery import Celery\nfrom shop import squidie\napp = Celery()\napp.squidie = squidie\n",
        encoding="utf-8",
    )
    (tmp_path / "shop.py").write_text(APP, encoding="utf-8")
    program = (
        "from celery.bin.celery import celery\nfrom squidie.cli import main\ncelery.add_command(main)\n"
        "celery(['-A', 'proj', 'squidie', 'start', 'Greeting', '--json'])"
    )
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}",
        "SQUIDIE_DATABASE_URL": database_url,
    }

    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )

    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["created"] is True


HAS_ENTRY_POINT = any(point.name == "squidie" for point in entry_points(group="celery.commands"))


@pytest.mark.skipif(not HAS_ENTRY_POINT, reason="squidie is not installed here, so Celery cannot find it")
def test_celery_itself_has_the_whole_command_line(database_url, redis_url):
    """UX 0.8, 8.1: one group; its documents, its errors and its exit codes are the same there."""
    env = {**os.environ, "SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_REDIS_URL": redis_url, "LANG": "C.UTF-8"}
    env["SQUIDIE_APP"] = "examples.fulfilment.app:squidie"

    def celery(*arguments):
        command = [sys.executable, "-m", "celery", "-A", "celery_app", "squidie", *arguments]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False)

    listed = celery("workflows", "--json")
    assert listed.returncode == 0, listed.stderr
    document = json.loads(listed.stdout)
    assert document["schema"] == "squidie.workflows/1"
    assert "Fulfilment" in [view["name"] for view in document["workflows"]]
    refused = celery("show", "dead12", "--json")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert json.loads(refused.stderr)["error"]["code"] == "run_not_found"


def test_the_group_has_the_name_that_celery_registers_it_by():
    from squidie.cli import main

    assert main.name == "squidie"


def test_a_worker_serves_until_it_is_told_to_stop(shell, app, tmp_path, database_url):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}", "LANG": "C.UTF-8"}
    env |= {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_ACCEPT": os.environ["SQUIDIE_ACCEPT"]}
    command = [sys.executable, "-c", CONSOLE, "-A", "shop", "worker", "-c", "1"]
    worker = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert "serves default" in worker.stderr.readline()
        alive = ("--dsn", database_url, "doctor", "--only", "workers.alive")
        assert eventually(lambda: shell(*alive).returncode == 0, 20, every=0.2)
        assert shell("-A", "shop", "run", "Greeting", "--timeout", "20s", env=env).stdout == '"hello"\n'
    finally:
        worker.terminate()
        worker.communicate(timeout=30)

    assert worker.returncode == 0
