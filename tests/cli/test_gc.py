"""`squidie gc` (SEMANTICS 18.7, UX 8.2): look, and then remove what was looked at."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.support.flows import Chain, Single
from tests.support.lab import NOON, query, scalar, work_off

DAY = timedelta(days=1)


@pytest.fixture
def squidie(make):
    return make(Single, Chain, settings={"retention": {"completed": "30d"}})


@pytest.fixture
def aged(squidie, clock):
    """Three completed runs of one workflow and one of another, and one that failed, a month ago."""
    clock(NOON)
    for workflow in (Single, Single, Single, Chain):
        squidie.start(workflow)
    squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    clock(NOON + 31 * DAY)


@pytest.fixture
def told(call):
    """Call `squidie gc …` at 80 columns; its lines, once its exit code was seen."""

    def told(*arguments, code=0):
        result = call("gc", *arguments, columns=80)
        assert result.exit_code == code, result.output
        return (result.stdout if code == 0 else result.stderr).splitlines()

    return told


def test_a_preview_at_80_columns_ends_with_the_command_that_applies_it(squidie, aged, told):
    """18.7"""
    shown = told()

    assert [line.split()[:4] for line in shown[:3]] == [
        ["WORKFLOW", "STATUS", "RUNS", "FACTS"],
        ["Chain", "completed", "1", "5"],
        ["Single", "completed", "3", "9"],
    ]
    assert shown[3].startswith("4 runs with 14 facts, ")
    assert shown[4] == "To remove them, until 13:00 UTC:"
    assert max(map(len, shown[:5])) <= 80
    assert scalar(squidie, "select count(*) from {s}.runs") == 5

    assert told(*shown[5].split()[2:], "--as", "ada", "--reason", "the law") == ["✓ 4 runs removed"]
    assert scalar(squidie, "select count(*) from {s}.runs") == 1
    said = query(squidie, "select receipt->>'actor' as who, receipt->>'comment' as why from {s}.operations")
    assert [tuple(row) for row in said] == [("ada", "the law")]


def test_ages_at_the_command_line_stand_for_those_of_the_settings(told, aged):
    """18.7"""
    assert told("--preview", "--failed", "7d")[1].split()[:3] == ["Single", "failed", "1"]
    assert told("--completed", "60d") == ["Nothing is past its age."]
    assert "policy.failed" in told("--failed", "soon", code=2)[0]


def test_what_stays_is_said_with_its_reason(squidie, told, aged):
    """18.7"""
    run = squidie.list_runs(workflow="Chain").runs[0].id
    squidie.replay(run)

    assert "1 stays because runs that come from them are open" in told()


def test_a_nightly_job_counts_and_removes_at_once(squidie, call, aged):
    """18.7: as documents; in parts where that is wanted."""
    refused = call("gc", "--now")
    parts = [json.loads(call("gc", "--now", "--yes", "--most", "3", "--json").stdout) for _ in range(3)]

    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert [part["schema"] for part in parts] == [*["squidie.retention.report/1"] * 2, "squidie.retention.plan/1"]
    assert [part.get("removed") for part in parts] == [3, 1, None]
    assert [part.get("is_complete") for part in parts] == [False, True, None]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--preview", "--now"), "give one"),
        (("--apply", "x", "--completed", "1d"), "ages are for"),
        (("--most", "0"), "most"),
    ],
)
def test_what_contradicts_itself_is_a_usage_error(told, arguments, word):
    """18.7, bad input."""
    assert word in " ".join(told(*arguments, code=2))


def test_a_token_that_is_none_is_a_conflict(told, aged):
    """18.7: `StaleRevision`"""
    assert "make a new one" in " ".join(told("--apply", "abc", code=4))
