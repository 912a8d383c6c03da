"""Tab: ids of runs, workflows and queues, from the database and in time (UX 8.2, 8.4)."""

from __future__ import annotations

import threading
import time

import click
import pytest
from click.shell_completion import ShellComplete

from squidie.cli import completing, main
from squidie.cli.setup import Setup
from tests.support.fixtures import wire
from tests.support.flows import Single
from tests.support.lab import held

__all__ = ["wire"]


@pytest.fixture
def tab(squidie, monkeypatch, tmp_path):
    """What is offered behind these words."""
    monkeypatch.chdir(tmp_path)
    for name in ("SQUIDIE_APP", "SQUIDIE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Setup, "_from_app", lambda setup: squidie)

    def tab(line):
        words = line.split(" ")
        return [each.value for each in ShellComplete(main, {}, "squidie", "_").get_completions(words[:-1], words[-1])]

    return tab


def test_runs_are_offered_by_their_short_ids(squidie, tab):
    """UX 8.4: newest first."""
    runs = [squidie.start(Single) for _ in range(2)]
    ids = [run.id.hex[-6:] for run in reversed(runs)]

    assert sorted(tab("show ")) == sorted(ids)
    assert tab(f"show {ids[0][:5]}") == [ids[0]]
    for command in ("explain", "watch", "graph", "approve", "cancel", "export", "dead requeue", "replay"):
        assert ids[0] in tab(f"{command} {ids[0][:3]}")


def test_workflows_and_queues_are_offered(tab):
    """UX 8.4"""
    assert tab("start Sing") == ["Single"]
    assert tab("workflows show Sing") == ["Single"]
    assert "default" in tab("queues pause ")
    assert tab("graph Diam") == ["Diamond"]


def test_commands_and_options_are_offered_without_a_database(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = ShellComplete(main, {}, "squidie", "_").get_completions(["show"], "--time")
    assert [each.value for each in found] == ["--timeline"]


def test_where_there_is_nothing_to_read_nothing_is_offered(monkeypatch, tmp_path):
    """UX 8.4: and nothing is said."""
    monkeypatch.chdir(tmp_path)
    for name in ("SQUIDIE_APP", "SQUIDIE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    complete = ShellComplete(main, {}, "squidie", "_")

    assert complete.get_completions(["show"], "") == []
    assert complete.get_completions(["--dsn", "postgresql://nobody@127.0.0.1:1/none", "show"], "") == []


def test_a_database_that_is_slow_is_not_waited_for(squidie, tab, wire, make):
    """UX 8.4: 300 ms."""
    squidie.start(Single)
    slow = make(database=wire.postgres_url(squidie.engine.url.render_as_string(hide_password=False)))
    slow.now()
    wire.blackhole = True
    setup = Setup()
    setup._found = slow
    context = click.Context(main, obj=setup)

    begun = time.monotonic()
    found = completing.complete_runs(context, None, "")
    took = time.monotonic() - begun

    wire.heal()
    assert found == []
    assert took < completing.BUDGET + 1.0
    for thread in threading.enumerate():
        if thread.daemon and "look" in thread.name:
            thread.join(10)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_what_it_reads(call, shell):
    shown = call("completion", shell)
    assert shown.exit_code == 0
    assert "_SQUIDIE_COMPLETE" in shown.stdout


def test_a_locked_run_does_not_hold_the_shell(squidie, tab):
    """Reading locks nothing."""
    run = squidie.start(Single)
    with held(squidie, run.id):
        assert run.id.hex[-6:] in tab("show ")
