"""The demo itself: what it says at the end is so, and nothing of it outlives it."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine, text

from squidie.testing import Process, eventually

ROOT = Path(__file__).parents[2]
MARK = "SQUIDIE_DEMO_TEST"
SERVICES = ("SQUIDIE_DATABASE_URL", "SQUIDIE_REDIS_URL")
PATIENCE = 90

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")


@pytest.fixture
def demo(monkeypatch, tmp_path):
    """Start `squidie demo` with these options, on services of its own."""
    for name in SERVICES:
        monkeypatch.delenv(name, raising=False)
    started = []

    def start(*options, cwd=ROOT):
        path = os.pathsep.join([str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")])
        env = {MARK: str(tmp_path), "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-c", "from squidie.cli import main; main()", "demo", "--fast", *options]
        started.append(Process(command, name="demo", env=env, cwd=cwd))
        return started[-1]

    yield start
    for each in started:
        each.close()


def left_over(mark):
    """The processes that carry our mark in their environment: whatever the demo started, and what that has started."""
    wanted = f"{MARK}={mark}".encode()
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if wanted in _read(path)]


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def told(log):
    """What the demo tells to export."""
    return dict(re.findall(r"export (\w+)='([^']+)'", log))


def test_the_demo_loses_nothing_charges_nobody_twice_and_leaves_nothing(demo, tmp_path):
    process = demo("--orders", "40", "--keep").wait_for("Ctrl-C ends all of it", PATIENCE)
    log = process.log_text()

    ended = "40 orders: 33 completed, 7 refused; 1 worker killed, 1 Redis flushed; 0 lost, 0 charged twice; "
    assert re.search(rf"^{ended}\d+ s$", log, re.MULTILINE)
    assert "✕" not in log
    assert re.search(r"kill -9 -\d+ .* died charging", log)
    assert_ledger(told(log)["SQUIDIE_DATABASE_URL"])

    process.send(signal.SIGINT)
    assert process.wait() == 0
    eventually(lambda: not left_over(tmp_path), why="something outlived the demo")


def assert_ledger(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        charges, orders = connection.execute(
            text("select count(*), count(distinct order_id) from fulfilment.charges")
        ).one()
        calls = connection.execute(text("select count(*) from fulfilment.charge_calls")).scalar_one()
        lost = connection.execute(
            text("select count(*) from squidie.facts where kind = 'attempt_expired' and body->>'step' = 'charge'")
        ).scalar_one()
    engine.dispose()
    assert (charges, orders) == (33, 33)
    assert calls > charges
    assert lost >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_demo_leaves_no_process(demo, tmp_path, number):
    process = demo().wait_for("worker demo1 up", PATIENCE)

    assert len(left_over(tmp_path)) > 5
    os.kill(process.pid, number)

    assert process.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    eventually(lambda: not left_over(tmp_path), why="something outlived the demo")


def test_a_redis_that_somebody_uses_is_left_alone(demo, redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        connection.set("somebody's", "key")

        process = demo("--redis", redis_url)

        assert process.wait(PATIENCE) == 1
        assert "is not empty, it has 1 keys" in process.log_text()
        assert connection.get("somebody's") == b"key"


def test_outside_of_a_checkout_the_demo_says_where_it_plays(tmp_path, monkeypatch):
    from squidie.errors import ConfigError
    from squidie_celery.demo import checkout

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "a/b/c/checkout.py"))

    with pytest.raises(ConfigError, match="plays in a checkout"):
        checkout.find()
