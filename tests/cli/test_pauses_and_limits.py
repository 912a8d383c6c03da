"""`squidie queues pause`, `squidie limits …`: the hands on what is claimed, at 80 columns; documents, exit codes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.support.flows import Single
from tests.support.lab import NOON, claim, query, staff, work_off
from tests.support.limited_flows import LIMITED, Narrow, Plain, Rated, Tenants

HOUR = timedelta(hours=1)


@pytest.fixture
def squidie(make, bells):
    return make(Single, *LIMITED, delivery=bells)


@pytest.fixture
def told(call):
    """Call a command at 80 columns; what it printed, or what it complained of with this exit code."""

    def told(*arguments, code=0):
        result = call(*arguments, columns=80)
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return told


@pytest.fixture
def crowd(squidie, clock):
    """At noon: two hold slots of `gateway`, two tenants one each, tokens of `api` are taken, and more is due."""
    clock(NOON)
    squidie.start_many(Narrow, [{} for _ in range(3)])
    squidie.start_many(Tenants, [{"tenant": name} for name in "aab"])
    squidie.start_many(Rated, [{} for _ in range(3)])
    while claim(squidie, 9):
        pass


# ---------------------------------------------------------------- what is typed
@pytest.mark.parametrize("group", ["queues", "workers", "limits", "dead", "schedules"])
def test_a_group_without_a_command_lists(squidie, told, clock, group):
    clock(NOON)
    squidie.start(Narrow)

    assert told(group) == told(group, "ls")
    assert json.loads(told(group, "--json")) == json.loads(told(group, "ls", "--json"))
    assert "Without a command, `ls`." in " ".join(told(group, "-h").split())
    assert "No such command 'nothing'" in told(group, "nothing", code=2)


# ---------------------------------------------------------------- pauses
def test_every_queue_is_paused_and_resumed_by_a_star(squidie, told, clock):
    """P12: those that nobody knows yet included."""
    clock(NOON)
    staff(squidie, "default", "new")

    assert told("queues", "pause", "*", "--reason", "maintenance", "--as", "ada") == "✓ queue * is paused\n"
    run = squidie.start(Single, queue="new")
    listed = json.loads(told("queues", "ls", "--json"))["queues"]

    assert {queue["name"]: queue["paused"]["reason"] for queue in listed} == dict.fromkeys(
        ("*", "default", "new"), "maintenance"
    )
    assert "maintenance" in told("explain", run.id.hex[-8:])
    assert claim(squidie, queue="new") == []
    assert told("queues", "resume", "*") == "✓ queue * is resumed\n"
    assert len(claim(squidie, queue="new")) == 1


def test_a_paused_queue_is_marked_with_who_paused_it_and_why(squidie, call, told, clock):
    """18.14, UX 3: in the table, beneath it, and where its runs stand."""
    clock(NOON)
    squidie.start(Plain)
    assert told("queues", "pause", "default", "--reason", "the bank is down", "--as", "ada") == (
        "✓ queue default is paused\n"
    )
    clock(NOON + HOUR)

    shown = call("queues", columns=80)

    assert shown.stdout == (
        "QUEUE    DUE  OLDEST  LATER  HELD  PARKED  DEAD  SERVED BY\n"
        "default    1      1h                             ⚠ paused, nobody\n"
    )
    assert shown.stderr == "⚠ default: paused by ada 1h ago: the bank is down\n"
    staff(squidie)
    assert "queue default is paused" in told("ls")
    assert told("queues", "resume", "default") == "✓ queue default is resumed\n"
    assert "paused" not in call("queues").output
    work_off(squidie)
    assert squidie.list_runs().runs[0].status == "completed"


def test_programs_get_documents_about_pauses(squidie, told, clock):
    """18.14"""
    clock(NOON)
    pause = {"queue": "default", "since": "2026-03-10T12:00:00Z", "by": "ada", "reason": "x"}

    changed = json.loads(told("queues", "pause", "default", "--reason", "x", "--as", "ada", "--json"))
    assert changed == {"schema": "squidie.queue.changed/1", "name": "default", "paused": pause}
    assert json.loads(told("queues", "ls", "default", "--json"))["queues"][0]["paused"] == pause
    resumed = json.loads(told("queues", "resume", "default", "--json"))
    assert resumed == {"schema": "squidie.queue.changed/1", "name": "default", "paused": None}
    squidie.start(Plain)
    assert json.loads(told("queues", "--json"))["queues"][0]["paused"] is None


def test_who_paused_and_who_resumed_are_kept(squidie, told, monkeypatch):
    """18.14: without a name, whoever is logged in; the same key is the same request."""
    monkeypatch.setenv("LOGNAME", "grace")
    for _ in range(2):
        told("queues", "pause", "default", "--reason", "x", "--key", "k")
    told("queues", "resume", "default", "--reason", "it is up again", "--as", "bo")

    columns = "verb, split_part(receipt->>'actor', '@', 1) as actor, receipt->>'comment' as why"
    said = query(squidie, f"select {columns} from {{s}}.operations order by id")
    assert [tuple(row) for row in said] == [("pause", "grace", "x"), ("resume", "bo", "it is up again")]


def test_doctor_sees_a_queue_that_somebody_has_paused(squidie, call, clock):
    """18.14: whose pause it is, and how it ends."""
    assert call("doctor", "--only", "queues.paused", "--strict").exit_code == 0
    clock(NOON)
    squidie.pause_queue("default", reason="the bank is down", actor="ada")
    clock(NOON + HOUR)

    shown = call("doctor", "--only", "queues.paused", "--json", "--strict")

    (check,) = json.loads(shown.stdout)["checks"]
    assert (check["severity"], shown.exit_code) == ("warning", 8)
    assert check["evidence"] == "default was paused by ada 1h ago: the bank is down"
    assert check["fix"] == "squidie queues resume default, when that is over"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pause", "slow"), 2, "Missing option '--reason'"),
        (("pause", "slow", "--reason", " "), 2, "reason: say why"),
        (("pause", "no spaces", "--reason", "x"), 2, "queue: letters, digits"),
        (("pause", "nobody", "--reason", "x"), 3, "no queue named 'nobody'\n  known: default, far, slow\n"),
        (("ls", "nobody"), 3, "no queue named 'nobody'\n  known: slow\n"),
        (("pause", "slow", "--reason", "y"), 4, "2026-03-10 12:00:00 UTC by ada: the bank is down\n"),
        (("pause", "slow", "--reason", "y", "--key", "k"), 4, "the key 'k' already stands for another request"),
        (("resume", "default"), 4, "queue default that is not paused cannot be resumed"),
        (("resume", "slow", "--reason", ""), 2, "reason: say why"),
    ],
)
def test_what_is_wrong_about_a_queue_is_said_with_its_exit_code(squidie, told, clock, arguments, code, said):
    """18.14: `QueueNotFound`, and whose pause it is."""
    clock(NOON)
    squidie.start(Plain, queue="slow")
    squidie.pause_queue("slow", reason="the bank is down", actor="ada", key="k")

    assert said in told("queues", *arguments, code=code)


# ---------------------------------------------------------------- limits
def test_without_limits_it_says_when_there_are_some(told):
    assert told("limits") == "No limits and no rates. One is known once a run was started under it.\n"


def test_limits_at_80_columns(squidie, call, crowd, clock):
    """18.14: what is allowed, held and declared, and beneath it who has set what."""
    squidie.set_limit("gateway", 1, actor="ada", reason="they are slow today")
    squidie.set_limit("api", 1000, per="90s", actor={"name": "bo"})
    clock(NOON + timedelta(seconds=20))

    shown = call("limits", columns=80)

    assert shown.stdout == (
        "NAME     KIND   ALLOWED                   HELD  DECLARED\n"
        "api      rate   1,000 per 1m30s, burst 2        2 per 1m\n"
        "chain    limit  2                               2\n"
        "gateway  limit  1                            2  2\n"
        "tenant   limit  1 each                       2  1\n"
    )
    assert shown.stderr == "⚠ api: set by bo 20s ago\n⚠ gateway: set by ada 20s ago: they are slow today\n"


def test_a_limit_is_set_and_unset_by_name(squidie, call, crowd):
    """18.14: with who and why; below what is held nothing more is claimed."""
    below = call("limits", "set", "gateway", "1", "--reason", "slow", "--as", "ada")
    assert below.stdout == "✓ limit gateway is 1  the code says 2\n"
    assert below.stderr == "2 slots still in use: nothing more is claimed until none is.\n"
    assert call("limits", "set", "gateway", "0").stderr == "2 slots still in use: nothing more is claimed.\n"
    assert call("limits", "set", "tenant", "0").stdout == "✓ limit tenant is 0 each  the code says 1\n"
    assert call("limits", "unset", "gateway").stdout == "✓ limit gateway is 2\n"
    assert [each.set_at is not None for each in squidie.limits()] == [False, False, False, True]


def test_of_a_rate_what_is_not_given_stays(squidie, told, crowd):
    """18.14: a number of seconds is a duration, too."""
    said = {
        ("60",): "60 per 1m, burst 2",
        ("--per", "90"): "60 per 1m30s, burst 2",
        ("--burst", "60"): "60 per 1m30s",
        ("--per", "2h"): "60 per 2h",
    }
    for numbers, holds in said.items():
        assert told("limits", "set", "api", *numbers) == f"✓ rate api is {holds}  the code says 2 per 1m\n"


def test_programs_get_documents_about_limits(told, crowd):
    """18.14"""
    changed = json.loads(told("limits", "set", "gateway", "7", "--as", "ada", "--reason", "more", "--json"))
    gateway = {
        "name": "gateway", "kind": "limit", "n": 7, "per": None, "burst": None, "by_value": False,
        "declared": {"n": 2}, "set_at": "2026-03-10T12:00:00Z", "set_by": "ada", "set_why": "more", "held": 2,
    }  # fmt: skip
    assert changed == {"schema": "squidie.limit.changed/1", **gateway}
    listed = json.loads(told("limits", "--json"))
    assert (listed["schema"], listed["at"]) == ("squidie.limits/1", "2026-03-10T12:00:00Z")
    api, _chain, second, tenant = listed["limits"]
    assert second == gateway
    assert (api["kind"], api["n"], api["per"], api["burst"], api["set_at"]) == ("rate", 2, 60.0, 2, None)
    assert (tenant["by_value"], tenant["held"]) == (True, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "gateway"), "n: give a number to set"),
        (("set", "gateway", "many"), "'many' is not a valid integer"),
        (("set", "gateway", "-1"), "No such option '-1'"),
        (("set", "gateway", "1000001"), "n: is a whole number from 0 to 1,000,000"),
        (("set", "api", "--burst", "0"), "burst: is a whole number from 1 to 1,000,000"),
        (("set", "api", "--per", "soon"), "per: a duration is written like"),
        (("set", "api", "--per", "nan"), "per: a duration is a finite number"),
        (("set", "api", "--per", "0"), "per: a duration is longer than zero"),
        (("set", "gateway", "--burst", "3"), "burst: is for rates, and gateway is a limit"),
        (("set", "gateway", "3", "--reason", ""), "reason: say why"),
        (("set", "nobody", "3"), "no limit or rate named 'nobody'; known: api, chain, gateway, tenant\n"),
        (("unset", "nobody"), "name: there is no limit or rate named 'nobody'"),
    ],
)
def test_what_is_wrong_about_a_limit_is_said(squidie, told, crowd, arguments, said):
    """18.14"""
    assert said in told("limits", *arguments, code=2).replace("\n  ", "; ")
    assert query(squidie, "select 1 from {s}.operations") == []


# ---------------------------------------------------------------- what others have written
EVIL = "\x1b[2Jgone \x9b31m\x07\r\u202etxt.exe [red]no[/]\n" + "and so on " * 30
SEEN = "\\x1b[2Jgone \\x9b31m\\x07"


def test_reasons_steer_no_terminal_and_fill_no_screen(squidie, call, crowd):
    """18.14: what a person wrote is shown, and not obeyed, in a line or two."""
    squidie.pause_queue("default", reason=EVIL, actor=EVIL)
    squidie.set_limit("gateway", 3, reason=EVIL, actor={"name": EVIL})

    commands = (["queues"], ["limits"], ["queues", "pause", "default", "--reason", "x"])
    shown = [call(*command, columns=80) for command in commands]

    for output in (each.output for each in shown):
        assert SEEN in output
        assert not set("\x1b\x9b\x07\r\u202e") & set(output)
        assert "[red]no[/]" in output
    assert all(len(line) <= 80 for each in shown for line in each.stdout.splitlines())
    assert max(len(each.stderr) for each in shown) < 400
    assert [len(each.stderr.splitlines()) for each in shown] == [1, 1, 2]
