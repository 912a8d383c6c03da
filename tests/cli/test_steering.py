"""What people say at the command line: answers, events, another try, a replay; each verb once, with who said it."""

from __future__ import annotations

import json

import pytest

from squidie.cli.who import yourself
from tests.support.flows import Single
from tests.support.lab import kinds, rows, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Charging, Paused, Stern, Trying, Undoable


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Single, delivery=bells)


def started(squidie, workflow, payload=None):
    run = squidie.start(workflow, payload or {})
    work_off(squidie)
    return run


def output_of(run, step):
    return next(each.output for each in run.snapshot().steps if each.name == step)


def said(run, verb):
    return [command for command in run.snapshot().commands if command.verb == verb]


def test_an_approval_says_who_and_what_comes_next(squidie, call):
    run = started(squidie, Asked)

    shown = call("approve", run.id.hex[-6:], "--as", "ann", "--note", "seen the receipt", "--data", '{"amount": 3}')

    assert shown.exit_code == 0
    assert f"✓ Asked {run.id.hex[-6:]} approved as ann (revision " in shown.stdout
    (command,) = said(run, "approve")
    assert (command.actor, command.comment, command.source) == ("ann", "seen the receipt", "cli")
    work_off(squidie)
    assert run.snapshot().status == "completed"


def test_without_a_name_it_is_whoever_sits_there(squidie, call):
    run = started(squidie, Stern)

    document = json.loads(call("reject", str(run.id), "--json").stdout)

    assert (document["schema"], document["actor"], document["state"]) == ("squidie.reject/1", yourself(), "failed")


def test_a_second_decision_is_a_conflict_that_names_the_first(squidie, call):
    run = started(squidie, Asked)
    call("approve", str(run.id), "--as", "ann", "--key", "one")

    same = call("approve", str(run.id), "--as", "ann", "--key", "one")
    other = call("reject", str(run.id), "--as", "bob")

    assert (same.exit_code, other.exit_code) == (0, 4)
    assert "ann" in other.stderr
    assert kinds(squidie, run).count("pause_resolved") == 1


def test_a_pause_is_resumed_with_data_from_a_file(squidie, call, tmp_path):
    run = started(squidie, Paused)
    (tmp_path / "answer.json").write_text('{"ok": true}', encoding="utf-8")

    assert call("resume", str(run.id), "--data", "@answer.json").exit_code == 0

    work_off(squidie)
    assert output_of(run, "hold") == {"ok": True}


def test_an_approval_is_handed_to_others(squidie, call):
    run = started(squidie, Asked)

    shown = call("delegate", str(run.id), "board", "--due", "4h")

    assert shown.exit_code == 0
    assert "handed to role board" in shown.stdout
    assert "role board" in run.snapshot().headline


def test_an_event_is_delivered_with_its_payload(squidie, call):
    run = started(squidie, Awaiting)

    webhook = ("signal", str(run.id), "paid", "--correlation", "order-1", "-p", "cents:=900", "--key", "evt-1")

    assert [call(*webhook).exit_code for _ in range(2)] == [0, 0]

    work_off(squidie)
    assert output_of(run, "paid") == {"cents": 900}
    assert call(*webhook).exit_code == 0


def test_a_backoff_is_skipped(squidie, call):
    run = started(squidie, Trying, {"plan": {"charge": ["raise", "ok"]}})
    assert call("retry", str(run.id)).exit_code == 0

    work_off(squidie)

    assert run.snapshot().status == "completed"
    assert call("retry", str(run.id)).exit_code == 2


def test_a_replay_is_refused_with_the_steps_to_name_and_accepted_with_them(squidie, call):
    run = started(squidie, Charging)

    looked = call("replay", str(run.id), "--preview")
    refused = call("replay", str(run.id))
    taken = call("replay", str(run.id), "--allow-irreversible", "charge", "--allow-irreversible", "mail")

    assert (looked.exit_code, refused.exit_code, taken.exit_code) == (0, 5, 0)
    assert "charge took effect, under key" in looked.stdout
    assert "charge, mail" in refused.stderr
    assert f"replays {run.id.hex[-6:]}" in taken.stdout


def test_a_fork_goes_on_at_its_step_with_other_fields(squidie, call):
    run = started(squidie, Charging, {"plan": {"mail": ["fail"]}})

    made = json.loads(call("fork", str(run.id), "mail", "-p", "plan:={}", "--reason", "mended", "--json").stdout)

    work_off(squidie)
    assert squidie.run(made["id"]).snapshot().status == "completed"


def test_a_cancel_undoes_first_if_it_is_told_to(squidie, call):
    run = squidie.start(Undoable)
    squidie.execute_next()

    shown = call("cancel", str(run.id), "--reason", "x", "--compensate", "--as", "ann")

    assert "is undone, and then cancelled" in shown.stdout
    work_off(squidie)
    assert run.snapshot().status == "cancelled"
    assert rows(squidie, run) == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (["approve", "abcdef"], 3, "there is no run abcdef"),
        (["resume", "ID"], 4, "approve or reject"),
        (["approve", "ID", "--data", "{"], 2, "is no JSON"),
        (["approve", "ID", "--expect", "x"], 2, "not a valid integer"),
        (["signal", "ID", "unheard_of"], 4, "event"),
        (["retry", "ID"], 2, "no step of this run waits"),
        (["replay", "ID"], 4, "be replayed"),
        (["fork", "ID", "nowhere"], 3, "nowhere"),
    ],
)  # fmt: skip
def test_bad_input_changes_nothing(squidie, call, arguments, exit_code, text):
    run = started(squidie, Asked)
    before = run.snapshot().revision

    shown = call(*[str(run.id) if each == "ID" else each for each in arguments])

    assert (shown.exit_code, shown.stdout) == (exit_code, "")
    assert text in shown.stderr
    assert run.snapshot().revision == before
