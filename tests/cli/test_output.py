"""What commands print: to people at 80 columns, and to programs as one document."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.support.flows import Chain, Elsewhere, Patient, Single
from tests.support.lab import NOON, claim, work_off


def steady(squidie, output):
    """The output with ids and owners that are the same every time."""
    output = output.replace(squidie.owner, "host:1:boot")
    ids = [str(run.id) for run in reversed(squidie.list_runs(limit=1000).runs)]
    for number, run_id in enumerate(sorted(ids), start=1):
        output = output.replace(run_id, f"<run {number}>").replace(run_id.replace("-", "")[-6:], f"run00{number}")
    return output


def test_a_list_at_80_columns(squidie, call, clock):
    clock(NOON)
    squidie.start(Single)
    work_off(squidie)
    squidie.start(Patient, {"plan": {"a": ["raise:no luck"]}})
    work_off(squidie)
    squidie.start(
        Single, {"plan": {"only": ["raise:the card was declined by a bank that gives its reasons at length"]}}
    )
    work_off(squidie)
    squidie.start(Elsewhere, after="2h")
    clock(NOON + timedelta(seconds=5))

    shown = call("ls", columns=80)

    assert shown.exit_code == 0
    assert steady(squidie, shown.stdout) == (
        "RUN     WORKFLOW   STATE        WHERE                                 STEPS  AGE\n"
        "run004  Elsewhere  ◷ waiting    a · due 2026-03-10 14:00:00             0/2   5s\n"
        "run003  Single     ✕ failed     only · the card was declined by a b…    0/1   5s\n"
        "run002  Patient    ↻ retrying   a · try 2 at 12:00:10                   0/2   5s\n"
        "run001  Single     ✓ completed                                          1/1   5s\n"
    )
    assert shown.stderr == "2 open · 1 completed, 1 failed in 24 h\n"


def test_nothing_is_said_to_be_nothing(call):
    assert call("ls").stdout == "No runs yet.\n"
    assert call("ls", "status:failed").stdout == "No run fits.\n"


def test_a_run_at_80_columns(squidie, call, clock):
    clock(NOON)
    run = squidie.start(Chain, {"plan": {"b": ["fail"]}}, key="order-7")
    work_off(squidie)
    clock(NOON + timedelta(minutes=3))

    shown = call("show", run.id.hex[-6:], columns=80)

    assert steady(squidie, shown.stdout) == (
        "Chain run001  ✕ failed\n"
        "b failed after 0ms: Fail: for good\n"
        "\n"
        "id <run 1> · started 12:00:00 UTC\n"
        "revision 4 · trigger start · queue default · key order-7\n"
        "\n"
        "STEP  STATE          TRY  TOOK  WHAT\n"
        "a     ✓ completed          0ms\n"
        "b     ✕ failed             0ms  Fail: for good\n"
        "c     ○ not started             after b\n"
    )


def test_its_journal_and_its_data(squidie, call, clock):
    clock(NOON)
    run = squidie.start(Single, actor="maya")
    work_off(squidie)

    shown = call("show", str(run.id), "--journal", "--data").stdout

    assert '\noutput of only\n"only1"\n' in shown
    assert shown.endswith(
        "SEQ  AT        FACT               STEP  WHAT\n"
        "  1  12:00:00  run_started              Single by start · opens only\n"
        "  2  12:00:00  attempt_completed  only\n"
        "  3  12:00:00  run_completed\n"
    )


def test_each_step_in_full(squidie, call, clock):
    clock(NOON)
    run = squidie.start(Patient)
    claim(squidie)

    shown = call("show", str(run.id), "--steps").stdout

    assert "◐ running  a\n    action    tests.support.flows:act\n    queue     default\n    try       1 of 3\n" in shown
    assert "    worker    lab:1:test\n    claimed   12:00:00\n    lease     until 12:00:30\n" in shown


def test_ascii_where_nothing_else_can_be_shown(squidie, call):
    squidie.start(Single)

    for arguments in (["ls"], ["doctor"], ["show", squidie.list_runs().runs[0].short_id]):
        assert call("--ascii", *arguments).stdout.isascii()


def test_quiet_is_data_and_errors(squidie, call):
    """UX 8.4"""
    squidie.start(Single)

    assert call("ls").stderr != ""
    assert call("-q", "ls").stderr == ""
    assert "no run" in call("-q", "show", "dead12").stderr


def test_a_pipe_gets_no_colour_and_no_trailing_spaces(squidie, call):
    run = squidie.start(Single)

    for arguments in (["ls"], ["show", str(run.id), "--steps"], ["doctor"]):
        shown = call(*arguments)
        assert "\x1b" not in shown.output
        assert not [line for line in shown.stdout.splitlines() if line != line.rstrip()]


def test_what_is_in_a_payload_is_not_taken_for_markup(squidie, call):
    run = squidie.start(Single, {"plan": {"only": ["raise:[red]no[/] luck [/]"]}})
    work_off(squidie)

    assert "[red]no[/] luck [/]" in call("show", str(run.id), "--data").stdout
    assert "[red]no[/] luck [/]" in call("ls").stdout


def test_what_a_step_says_steers_no_terminal(squidie, call):
    run = squidie.start(Single, {"plan": {"only": ["raise:\x1b[2Jgone \x9b31m\x07\r\u202etxt.exe\tso"]}})
    work_off(squidie)

    for arguments in (["ls"], ["show", str(run.id), "--steps"], ["dead", "ls"], ["dead", "show", str(run.id)]):
        output = call(*arguments).output
        assert "\\x1b[2Jgone \\x9b31m\\x07\\x0d\\u202etxt.exe so" in output
        assert not set("\x1b\x9b\x07\r\u202e\t") & set(output)


# ---------------------------------------------------------------- for programs
@pytest.mark.parametrize(
    ("arguments", "schema", "keys"),
    [
        (["ls"], "squidie.runs/1", {"runs", "next", "at"}),
        (
            ["show", "RUN"],
            "squidie.run/1",
            {"id", "status", "state", "headline", "steps", "payload", "output", "error"},
        ),
        (["show", "RUN", "--journal"], "squidie.run/1", {"journal"}),
        (["start", "Single"], "squidie.start/1", {"id", "short_id", "created"}),
        (["cancel", "RUN", "--reason", "x"], "squidie.cancel/1", {"cancelled"}),
        (["migrate"], "squidie.migrate/1", {"before", "after", "wanted"}),
        (["queues"], "squidie.queues/1", {"queues", "at"}),
        (["queues", "pause", "default", "--reason", "x"], "squidie.queue.changed/1", {"name", "paused"}),
        (["limits"], "squidie.limits/1", {"limits", "at"}),
        (["workers"], "squidie.workers/1", {"workers", "at"}),
        (["doctor"], "squidie.doctor/1", {"ok", "checks"}),
        (["version"], "squidie.version/1", {"versions"}),
    ],
)
def test_every_command_has_a_named_document(squidie, call, arguments, schema, keys):
    run = squidie.start(Single)

    shown = call(*[str(run.id) if each == "RUN" else each for each in arguments], "--json")

    document = json.loads(shown.stdout)
    assert document["schema"] == schema
    assert keys <= document.keys()
    assert shown.stderr == ""


def test_an_error_is_a_document_on_stderr_and_stdout_stays_empty(call):
    for arguments, code in ((["show", "abcdef"], "run_not_found"), (["ls", "--nope"], "usage")):
        shown = call(*arguments, "--json")
        assert shown.stdout == ""
        assert json.loads(shown.stderr)["error"]["code"] == code


def test_a_long_list_is_paged_and_zero_is_all(squidie, call):
    for _ in range(5):
        squidie.start(Single)

    first = json.loads(call("ls", "--limit", "2", "--json").stdout)
    second = json.loads(call("ls", "--limit", "2", "--json", "--after", first["next"]).stdout)
    everything = json.loads(call("ls", "--limit", "0", "--json").stdout)

    assert [run["id"] for run in everything["runs"]][:4] == [
        run["id"] for page in (first, second) for run in page["runs"]
    ]
    assert len(everything["runs"]) == 5
